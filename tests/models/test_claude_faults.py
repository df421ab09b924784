"""Every fault of the wire, and the failure that it ends in. Nothing that came before a fault is lost."""

from dataclasses import dataclass

import pytest

from agentd.config import Settings
from agentd.errors import ModelUnavailable
from agentd.models.api import Model
from tests.models.asking import KEY, MODEL, Heard, MakeCatalog, ask, environment, listen
from tests.support.messages_api import (
    BAD_GATEWAY,
    EMPTY,
    HTML_INSTEAD,
    INVALID_UTF8,
    JSON_INSTEAD,
    MALFORMED_JSON,
    OVERLOADED,
    RATE_LIMITED,
    SERVER_ERROR,
    Answer,
    Cut,
    Eof,
    ErrorEvent,
    Http,
    MessagesApi,
    Piece,
    Raw,
    Reply,
    Reset,
    Rules,
    Stall,
    Text,
    ToolUse,
    say,
)

pytestmark = pytest.mark.anyio

QUICK = Settings(stall_seconds=0.3)
PATIENT = Settings(stall_seconds=30)
"""For faults that are no stall: a busy machine may say nothing for longer than ``QUICK`` waits."""


@pytest.fixture
def claude(make_catalog: MakeCatalog) -> Model:
    return make_catalog(PATIENT).find(MODEL)


@dataclass(frozen=True)
class Row:
    answer: Answer
    reason: str
    retryable: bool
    words: str
    text: str = ""
    retry_after: float | None = None


def broken(fault: Piece) -> Reply:
    """A reply that breaks after "Hel"."""
    return Reply((Text(("Hel", fault)),))


def error(kind: str, message: str = "scripted") -> Reply:
    return broken(ErrorEvent(kind, message))


ROWS = {
    "closed before the head": Row(Reply(before=(Eof(),)), "network", True, "Cannot reach 127.0.0.1"),
    "cut before the head": Row(Reply(before=(Cut(),)), "network", True, "Cannot reach 127.0.0.1"),
    "reset before the head": Row(Reply(before=(Reset(),)), "network", True, "Cannot reach 127.0.0.1"),
    "stalled before the head": Row(Reply(before=(Stall(),)), "stalled", True, "nothing for 0.3 seconds"),
    "no bytes": Row(EMPTY, "cutOff", True, "cut off"),
    "eof before a word": Row(Reply((Eof(),)), "cutOff", True, "cut off"),
    "eof": Row(broken(Eof()), "cutOff", True, "cut off", "Hel"),
    "cut": Row(broken(Cut()), "cutOff", True, "cut off", "Hel"),
    "reset": Row(broken(Reset()), "network", True, "connection to 127.0.0.1 broke", "Hel"),
    "eof between deltas and the end": Row(Reply((Text("Hel"),), after=(Eof(),)), "cutOff", True, "cut off", "Hel"),
    "eof in a tool call": Row(Reply((ToolUse("x", ('{"a":', Eof())),)), "cutOff", True, "cut off", '{"a":'),
    "stalled": Row(broken(Stall()), "stalled", True, "nothing for 0.3 seconds", "Hel"),
    "stalled with pings": Row(broken(Stall(pings=0.01)), "stalled", True, "nothing for 0.3 seconds", "Hel"),
    "half an event": Row(
        broken(Raw(b'event: content_block_delta\ndata: {"type"')), "badReply", True, "cannot be read", "Hel"
    ),
    "malformed JSON": Row(broken(MALFORMED_JSON), "badReply", True, "cannot be read", "Hel"),
    "invalid UTF-8": Row(broken(INVALID_UTF8), "badReply", True, "cannot be read", "Hel"),
    "JSON that is no object": Row(broken(Raw(b"event: x\ndata: [1]\n\n")), "badReply", True, "cannot be read", "Hel"),
    "a delta without a block": Row(
        Reply((Raw(b'event: x\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}\n\n'),)),
        "badReply",
        True,
        "a text_delta came in a block of type None",
    ),
    "an event without its fields": Row(
        broken(Raw(b'event: x\ndata: {"type":"content_block_delta"}\n\n')), "badReply", True, "not the form", "Hel"
    ),
    "HTML": Row(HTML_INSTEAD, "badReply", True, "text/html"),
    "JSON": Row(JSON_INSTEAD, "badReply", True, "application/json"),
    "overloaded in mid-stream": Row(error("overloaded_error"), "overloaded", True, "overloaded: scripted", "Hel"),
    "rate limit in mid-stream": Row(error("rate_limit_error"), "rateLimited", True, "limits the rate", "Hel"),
    "server error in mid-stream": Row(error("api_error"), "server", True, "failed: scripted", "Hel"),
    "timeout in mid-stream": Row(error("timeout_error"), "server", True, "failed: scripted", "Hel"),
    "refused in mid-stream": Row(error("invalid_request_error"), "badRequest", False, "refused the request", "Hel"),
    "new error in mid-stream": Row(error("future_error"), "server", True, "failed: scripted", "Hel"),
    "400": Row(Http(400), "badRequest", False, "refused the request: scripted"),
    "400, too long": Row(
        Http(400, '{"error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}'),
        "tooLong",
        False,
        "9 tokens > 8",
    ),
    "400, no credit": Row(
        Http(400, '{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}'),
        "refused",
        False,
        "credit",
    ),
    "402": Row(Http(402), "refused", False, "credit"),
    "403": Row(Http(403), "authentication", False, "agentd key set"),
    "404 of a stranger": Row(Http(404, "<html>nothing here</html>"), "badRequest", False, "check base_url"),
    "413": Row(Http(413), "tooLong", False, "too long for claude-sonnet-5-5"),
    "418": Row(Http(418), "badRequest", False, "refused"),
    "301": Row(Http(301, headers=(("location", "/elsewhere"),)), "badRequest", False, "redirects"),
    "429": Row(RATE_LIMITED, "rateLimited", True, "limits the rate", retry_after=1.0),
    "429 without a wish": Row(Http(429), "rateLimited", True, "limits the rate"),
    "429 with milliseconds": Row(
        Http(429, headers=(("retry-after-ms", "1500"), ("retry-after", "9"))), "rateLimited", True, "", "", 1.5
    ),
    "429 with a long past date": Row(
        Http(429, headers=(("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),)), "rateLimited", True, "", "", 0.0
    ),
    "429 with nonsense": Row(Http(429, headers=(("retry-after", "soon"),)), "rateLimited", True, ""),
    "500": Row(SERVER_ERROR, "server", True, "failed: scripted"),
    "502 with HTML": Row(BAD_GATEWAY, "server", True, "failed (HTTP 502)"),
    "503": Row(Http(503, headers=(("retry-after", "2.5"),)), "overloaded", True, "overloaded", retry_after=2.5),
    "529": Row(OVERLOADED, "overloaded", True, "overloaded: Overloaded"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_a_fault_ends_in_its_failure_and_the_next_call_works(
    make_catalog: MakeCatalog, claude: Model, row: Row
) -> None:
    model = make_catalog(QUICK).find(MODEL) if row.reason == "stalled" else claude
    async with MessagesApi([row.answer, say("again")]) as api:
        heard = await listen(model, ask(), environment(api))
        again = await listen(claude, ask(), environment(api))
    assert_failed(heard, row)
    assert (again.text, again.stopped) == ("again", "end_turn")


def assert_failed(heard: Heard, row: Row) -> None:
    assert heard.failure is not None
    assert heard.stopped is None
    assert (heard.text, heard.failure.reason) == (row.text, row.reason)
    assert (heard.failure.retryable, heard.failure.retry_after) == (row.retryable, row.retry_after)
    assert row.words in heard.failure.message
    assert KEY not in heard.failure.message
    assert "Traceback" not in heard.failure.message


async def test_a_wrong_key_is_told_with_where_it_came_from(claude: Model) -> None:
    async with MessagesApi([]) as api:
        heard = await listen(claude, ask(), {"ANTHROPIC_API_KEY": "sk-wrong", "ANTHROPIC_BASE_URL": api.url})
    assert heard.failure is not None
    assert (heard.failure.reason, heard.failure.retryable) == ("authentication", False)
    for words in ("ANTHROPIC_API_KEY", "`agentd key set`", "Invalid bearer token"):
        assert words in heard.failure.message
    assert "sk-wrong" not in heard.failure.message


async def test_an_endpoint_that_quotes_the_key_is_not_quoted(claude: Model) -> None:
    answer = Http(401, f'{{"error":{{"type":"authentication_error","message":"Bad key {KEY}!"}}}}')
    async with MessagesApi([answer]) as api:
        heard = await listen(claude, ask(), environment(api))
    assert heard.failure is not None
    assert "Bad key …!" in heard.failure.message


async def test_an_unknown_model_is_named(make_catalog: MakeCatalog) -> None:
    async with MessagesApi([], rules=Rules(models=("other",))) as api:
        heard = await listen(make_catalog(PATIENT).find("claude-typo"), ask(model="claude-typo"), environment(api))
    assert heard.failure is not None
    assert (heard.failure.reason, heard.failure.retryable) == ("badRequest", False)
    assert "'claude-typo'" in heard.failure.message


async def test_nobody_listens(claude: Model) -> None:
    async with MessagesApi([]) as api:
        url = api.url
    heard = await listen(claude, ask(), {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url})
    assert heard.failure is not None
    assert (heard.failure.reason, heard.failure.retryable) == ("network", True)
    assert "Cannot reach 127.0.0.1" in heard.failure.message


async def test_no_such_host(claude: Model) -> None:
    client = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "http://nowhere.invalid"}
    heard = await listen(claude, ask(), client)
    assert heard.failure is not None
    assert (heard.failure.reason, heard.failure.retryable) == ("network", True)
    assert "nowhere.invalid" in heard.failure.message


async def test_a_slow_reply_is_not_stalled(make_catalog: MakeCatalog) -> None:
    """Each pause is shorter than the limit, and all of them together longer."""
    reply = Reply((Text("abcdefgh", size=1),), delay=0.1)
    async with MessagesApi([reply]) as api:
        heard = await listen(make_catalog(QUICK).find(MODEL), ask(), environment(api))
    assert (heard.text, heard.stopped) == ("abcdefgh", "end_turn")


async def test_without_a_key_it_says_what_to_do(claude: Model) -> None:
    with pytest.raises(ModelUnavailable, match="`agentd key set`"):
        await listen(claude, ask(), {})


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", "http://", "http://host:99999", "https://[bad"])
async def test_an_address_that_is_none_is_told_before_anything_is_asked(claude: Model, url: str) -> None:
    with pytest.raises(ModelUnavailable, match="ANTHROPIC_BASE_URL"):
        await listen(claude, ask(), {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url})


async def test_a_key_that_fits_no_header_is_told_without_quoting_it(claude: Model) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        await listen(claude, ask(), {"ANTHROPIC_API_KEY": "sk-one\nsk-two"})
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_certificates_that_cannot_be_read_are_named(claude: Model, variable: str) -> None:
    client = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": "https://localhost:1", variable: "/nowhere/ca.pem"}
    heard = None
    try:
        heard = await listen(claude, ask(), client)
    except ModelUnavailable as error:
        assert "SSL_CERT_FILE" in error.message
    # A directory without certificates is no error to OpenSSL: nothing is trusted then.
    assert heard is None or (variable == "SSL_CERT_DIR" and heard.failure is not None)
