"""What waits for a client: in order, merged, bounded, and never an answer lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.protocol import EventParams, Notice, Published
from agentd.server import messages
from agentd.server.outbox import DROP_ABOVE, MERGE_ABOVE, Outbox
from tests.server.processes import frames
from tests.server.tiny import delta


class Pipe:
    """A transport that takes what it is given, until it is told to be full."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.taken.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    @property
    def messages(self) -> list[dict[str, Any]]:
        return frames(b"".join(self.taken))


class Loop:
    """Callbacks of the next step."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.slow: list[bool] = []
        self.pipe = Pipe()
        self.outbox = Outbox(self.soon.append, self.slow.append)
        self.outbox.open(self.pipe)

    def step(self) -> None:
        due, self.soon[:] = list(self.soon), []
        for callback in due:
            callback()


def texts(found: list[dict[str, Any]]) -> str:
    return "".join(message["params"]["event"].get("text", "") for message in found if "method" in message)


def test_a_delta_goes_at_once_and_what_else_comes_in_that_step_in_one_write() -> None:
    loop = Loop()
    for number in range(5):
        loop.outbox.publish(delta(number, f"{number}"))
    loop.outbox.send(messages.result(1, b"{}"))
    loop.outbox.publish(delta(6, "!"))
    assert (len(loop.soon), texts(loop.pipe.messages)) == (1, "0")
    loop.step()
    assert len(loop.pipe.taken) == 2
    _, first, answer, last = loop.pipe.messages
    assert (first["params"]["seq"], first["params"]["event"]["text"]) == (4, "1234")
    assert (answer["id"], last["params"]["event"]["text"]) == (1, "!")
    assert loop.outbox.waiting == 0


def test_only_neighbours_of_one_item_are_merged() -> None:
    loop = Loop()
    loop.outbox.publish(delta(1, "a", item="1.1"))
    loop.outbox.publish(delta(2, "b", item="1.2"))
    loop.outbox.publish(delta(3, "c", item="1.2", session="other"))
    loop.outbox.publish(Published(EventParams(seq=4, event=Notice(kind="queue", message="m"))))
    loop.outbox.publish(delta(5, "d", item="1.2", session="other"))
    loop.step()
    assert [message["params"]["seq"] for message in loop.pipe.messages] == [1, 2, 3, 4, 5]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("delta"), st.text(max_size=5), st.integers(0, 1)),
        st.tuples(st.just("answer"), st.just(""), st.just(0)),
        st.tuples(st.sampled_from(["pause", "resume", "step"]), st.just(""), st.just(0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_no_character_and_no_answer_is_lost_and_all_is_in_order(steps: list[tuple[str, str, int]]) -> None:
    loop = Loop()
    sent: list[tuple[str, str]] = []
    for number, (what, text, item) in enumerate(steps):
        match what:
            case "delta":
                loop.outbox.publish(delta(number, text, item=f"1.{item}"))
                sent.append((f"1.{item}", text))
            case "answer":
                loop.outbox.send(messages.result(number, b"null"))
                sent.append(("answer", str(number)))
            case "pause":
                loop.outbox.pause()
            case "resume":
                loop.outbox.resume()
            case _:
                loop.step()
    loop.outbox.resume()
    loop.step()
    came: list[tuple[str, str]] = []
    for message in loop.pipe.messages:
        event = message.get("params", {}).get("event")
        came.append((event["itemId"], event["text"]) if event else ("answer", str(message["id"])))
    assert joined(came) == joined(sent)
    seqs = [message["params"]["seq"] for message in loop.pipe.messages if "params" in message]
    assert seqs == sorted(set(seqs))


def joined(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Neighbours of one item as one; answers by themselves."""
    found: list[tuple[str, str]] = []
    for key, text in parts:
        if found and key != "answer" and found[-1][0] == key:
            found[-1] = (key, found[-1][1] + text)
        else:
            found.append((key, text))
    return found


def test_many_small_deltas_that_wait_cost_little() -> None:
    loop = Loop()
    loop.outbox.pause()
    for number in range(200_000):
        loop.outbox.publish(delta(number, "twenty characters…"))
    assert loop.outbox.waiting < DROP_ABOVE
    loop.outbox.resume()
    (message,) = loop.pipe.messages
    assert len(message["params"]["event"]["text"]) == 200_000 * 18


def test_a_slow_client_is_not_read_from_until_it_reads() -> None:
    loop = Loop()
    loop.outbox.pause()
    loop.outbox.publish(delta(1, "x" * MERGE_ABOVE))
    assert loop.slow == [True]
    loop.outbox.publish(delta(2, "y"))
    loop.outbox.resume()
    assert loop.slow == [True, False]
    assert len(texts(loop.pipe.messages)) == MERGE_ABOVE + 1


def test_too_much_for_a_client_is_dropped_and_told_once_and_answers_are_kept() -> None:
    loop = Loop()
    loop.outbox.pause()
    loop.outbox.send(messages.result(1, b"1"))
    for number in range(40):
        loop.outbox.publish(delta(number, "x" * 1_000_000, item=f"1.{number}"))
        loop.outbox.send(messages.result(100 + number, b"2"))
        assert loop.outbox.waiting < DROP_ABOVE + 2_000_000
    loop.outbox.send(messages.result(2, b"3"))
    loop.outbox.resume()
    loop.step()
    loop.outbox.publish(delta(99, "and on"))
    loop.step()
    found = loop.pipe.messages
    assert [message["id"] for message in found if "id" in message] == [1, *range(100, 140), 2]
    notice, after = [message["params"] for message in found if "method" in message]
    assert (notice["event"]["kind"], notice["seq"]) == ("resync", 39)
    assert after["event"]["text"] == "and on"
    assert loop.slow == [True, False]


def test_a_client_that_is_gone_costs_nothing() -> None:
    loop = Loop()
    loop.outbox.pause()
    loop.outbox.publish(delta(1, "x"))
    loop.outbox.abandon()
    loop.outbox.publish(delta(2, "x"))
    loop.outbox.send(b"{}")
    loop.outbox.resume()
    loop.step()
    assert (loop.pipe.taken, loop.outbox.waiting) == ([], 0)


def test_closing_hands_everything_over() -> None:
    loop = Loop()
    loop.outbox.pause()
    for number in range(30):
        loop.outbox.publish(delta(number, "x" * 100_000, item=f"1.{number}"))
    loop.outbox.flush_all()
    assert len(loop.pipe.messages) == 30


@pytest.mark.parametrize("text", ["é\u2028\U0001f600", '"\\\n\x00'])
def test_text_arrives_as_it_is(text: str) -> None:
    loop = Loop()
    loop.outbox.publish(delta(1, text))
    loop.step()
    assert texts(loop.pipe.messages) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
@settings(max_examples=50)
def test_answers_are_json(value: Any) -> None:
    assert json.loads(messages.result("é", messages.encode(value))) == {"jsonrpc": "2.0", "id": "é", "result": value}


def test_half_a_surrogate_pair_breaks_nothing() -> None:
    loop = Loop()
    loop.outbox.publish(delta(1, "a\ud800b"))
    loop.outbox.publish(Published(EventParams(seq=3, event=Notice(kind="queue", message="\ud800"))))
    loop.step()
    assert texts(loop.pipe.messages) == "a\ufffdb"
