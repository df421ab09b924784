"""What ``--redact`` takes out, what it leaves alone, and that hostile text costs no more than any other."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentd.core.private_places import Places
from agentd.core.redaction import PIECE, Redactor
from tests.architecture.repository import ROOT
from tests.support.planted import BEGIN, Secrets

HERE = Places(roots=("/home/ann/work/shop",), homes=("/home/ann",), data=("/home/ann/.local/share/agentd",))


def redacted(text: str) -> str:
    return Redactor(HERE).text(text)


def test_every_planted_secret_is_gone_and_counted() -> None:
    secrets = Secrets(1)
    for _ in range(2000):
        secret, text = secrets.next()
        redactor = Redactor(HERE)
        assert secret not in redactor.text(f"before {text} after"), text
        assert redactor.removed.total() >= 1


def test_what_stands_around_a_secret_stays() -> None:
    assert redacted("run ANTHROPIC_API_KEY=sk-ant-api03-abcdefghijkl3 now") == (
        "run ANTHROPIC_API_KEY=[redacted: Anthropic key] now"
    )
    assert redacted("https://me:s3cr3tpw@host/x") == "https://me:[redacted: password in a URL]@host/x"


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(PIECE - 300, PIECE + 300))
def test_a_secret_at_the_border_of_two_pieces_is_found(seed: int, place: int) -> None:
    secrets = Secrets(seed)
    secret, text = [secrets.next() for _ in range(seed % 40 + 1)][-1]
    filling = "lorem ipsum dolor sit amet " * (place // 27 + 1)
    assert secret not in redacted(filling[:place] + " " + text + " " + filling)


@pytest.mark.parametrize("before", range(0, 60, 3))
def test_what_stands_in_several_words_is_found_over_a_border(before: int) -> None:
    text = "machine git.example.org\n  login me\n  password aB3dE5gH7jK9\nssh-rsa AAAAB3NzaC1yc2Eq8Zr4LmV0pXw2NsT6 me\n"
    filling = ("lorem ipsum\n" * PIECE)[: PIECE - before]
    made = redacted(filling + "\n" + text + filling)
    assert "aB3dE5gH7jK9" not in made and "q8Zr4LmV0pXw2NsT6" not in made
    assert made.startswith(filling) and made.endswith(filling)


def test_a_password_with_an_at_sign_goes_whole() -> None:
    assert redacted("postgres://u:p@ss@host/db") == "postgres://u:[redacted: password in a URL]@host/db"


def test_many_fields_whose_names_become_the_same_cost_no_more_than_others() -> None:
    secrets = Secrets(3)
    fields = {f"ghp_{secrets.of(36)}": number for number in range(3000)}
    redactor = Redactor(HERE)
    begun = time.process_time()
    made = redactor.value(fields)
    assert time.process_time() - begun < 3
    assert list(made.values()) == list(range(3000))
    assert redactor.removed == {"GitHub token": 3000}


def test_twice_is_once() -> None:
    secrets = Secrets(2)
    for _ in range(200):
        once = redacted(secrets.next()[1])
        assert redacted(once) == once


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("see /home/ann/work/shop/src/a.py", "see <workspace>/src/a.py"),
        ("/home/ann/notes.md and /home/annabel", "~/notes.md and /home/<user>"),
        ("gcc -I/home/ann/work/shop/a -L/home/ann/lib", "gcc -I<workspace>/a -L~/lib"),
        ("run -v/home/ann/work/shop:/src", "run -v<workspace>:/src"),
        ("vscode://file%2Fhome%2Fann%2Fwork%2Fshop%2fa", "vscode://file<workspace>%2fa"),
        (r"\\home\\ann\\x", r"~\\x"),
        ("/home/bob", "/home/<user>"),
        ("-I/home/bob/include in /Users/carl.", "-I/home/<user>/include in /Users/<user>."),
        ("%2Fhome%2Fbob%2Fx", "%2Fhome%2F<user>%2Fx"),
        (r"\/home\/bob\/x and \n/home/bob", r"\/home\/<user>\/x and \n/home/<user>"),
        ("\x1b[32m/home/bob\x1b[0m cd ~ann/x", "\x1b[32m/home/<user>\x1b[0m cd ~/x"),
        ("file://laptop/home/bob/x", "file://laptop/home/<user>/x"),
        ("src/home/page.ts ./home/x ~/home/y", "src/home/page.ts ./home/x ~/home/y"),
        (
            "/home/ann/.local/share/agentd/projects/-home-ann-work-shop-1a2b3c4d",
            "<agentd>/projects/<workspace>-1a2b3c4d",
        ),
        ("file:///home/ann/work/shop/a%20b", "file://<workspace>/a%20b"),
        (r"C:\\Users\\ann\\x", r"~\\x"),
        ("/Users/bob/x and /home/carl/y", "/Users/<user>/x and /home/<user>/y"),
        (r'{"path":"\/home\/ann\/x"}', r'{"path":"~\/x"}'),
        ("http://site.org/home/page/1", "http://site.org/home/page/1"),
    ],
)
def test_places_of_this_machine(text: str, made: str) -> None:
    assert redacted(text) == made


def test_nested_values_and_the_names_of_their_fields() -> None:
    redactor = Redactor(HERE)
    value = {
        "env": [{"DB_PASSWORD": "hunter2"}, {"token": "q8Zr4LmV0pXw2NsT6"}],
        "/home/ann/x": {"api_key": ["a1B2c3D4e5F6g7H8"]},
        "max_tokens": 4096,
        "tokenizer": "gpt2-medium-v1-a9B8c7D6",
    }
    assert redactor.value(value) == {
        "env": [{"DB_PASSWORD": "[redacted: named secret]"}, {"token": "[redacted: named secret]"}],
        "~/x": {"api_key": ["[redacted: named secret]"]},
        "max_tokens": 4096,
        "tokenizer": "gpt2-medium-v1-a9B8c7D6",
    }
    assert redactor.removed == {"named secret": 3, "home path": 1}


@pytest.mark.parametrize(
    "text",
    [
        "token = request.headers['X-Token']",
        "password: str = Field(min_length=8)",
        "api_key=os.environ['API_KEY']",
        "const accessToken = await getAccessToken(user1.id2)",
        "SECRET_KEY = '${SECRET_KEY}'",
        "secret: <your-secret-here>",
        "token_count: 123456789",
        "class='sk-folding-cube-with-a-long-name'",
        "git commit 1f3870be274f6c49b3e31a0c6728957f1f3870be",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "https://user:${PASSWORD}@host/",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4",
        "sha512-9kZ1Y7s+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ==",
        "self.password_hash == other.password_hash",
        "keyword = 'A1b2C3d4E5f6G7h8'",
    ],
)
def test_ordinary_code_is_left_alone(text: str) -> None:
    assert redacted(text) == text


def test_this_repository_has_nothing_to_hide_but_what_tests_made_up() -> None:
    removed: list[str] = []
    for path in sorted([*ROOT.glob("agentd/**/*.py"), *ROOT.glob("*.md"), *ROOT.glob("vscode-client/src/*.ts")]):
        redactor = Redactor(HERE)
        redactor.text(path.read_text("utf-8"))
        removed += [f"{Path(path).name}: {kind}" for kind in redactor.removed.elements() if kind != "home path"]
    assert not removed


HOSTILE = [
    "a", "sk-", "eyJ", "eyJaaaaaaaaa.", BEGIN,
    f"{BEGIN}\n-----END x",
    "http://a:", "api_key=", "token ", "token", "token:", "xoxb-", "AKIAABCDEFGHIJKLMNOP ", "/home/", '"',
    "password \n",
    "Bearer ", "authorization: ", "login a ", "sk-AAAA", "AAAA", "1Q~a", "AC0", "1//0", "/home/ann", "12345678:AA",
    "C:\\Users\\", "pwd=aaaaaaaaa", "ssh-rsa AAAA ", "\\n", "--token ", "\u200b", "_auth=", "glpat-glpat-",
]  # fmt: skip


def test_hostile_text_costs_time_in_its_length_alone() -> None:
    """Four times as much text is not more than about four times the time, and no megabyte takes long."""
    for piece in HOSTILE:
        times = []
        for size in (50_000, 200_000):
            text = (piece * (size // len(piece) + 1))[:size]
            best = min(_seconds(text) for _ in range(2))
            times.append(best)
        assert times[1] < 12 * times[0] + 0.1, piece
        assert times[1] < 2, piece


def _seconds(text: str) -> float:
    begun = time.process_time()
    redacted(text)
    return time.process_time() - begun


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_json_without_secrets_stays_as_it_is(value: object) -> None:
    redactor = Redactor(HERE)
    made = redactor.value(value)
    assert json.loads(json.dumps(made)) == json.loads(json.dumps(value)) or redactor.removed
