"""Made sessions: valid files of a store, written directly, the same every time.

    python -m tests.bench.made --sessions 10000 DIR

makes DIR/data (``$AGENTD_HOME``) and DIR/project (the root), with so many sessions of 6 messages in the project. The
large sessions of the benchmark (``LARGE``) are made once and kept in ``kept_at()``; a benchmark's home gets links to
them, and must only read them.
"""

import argparse
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random

from agentd import paths
from agentd.core.metadata import Metadata
from agentd.store import lines
from agentd.store.metadata_file import NAME as METADATA
from agentd.store.transcript import FIRST
from tests.bench.words import RARE, Words
from tests.support.home import MODEL

VERSION = 1
"""Of what is made: what the cache holds of another is not used."""
TURNS = 3
_BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
_PIECES = 3000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Large:
    """A session of so many turns of 8.3 kB; ``line``: the output of a tool in its middle turn, in bytes."""

    name: str
    turns: int
    line: int = 0

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"agentd-bench/{self.name}"))


LONG = Large("300 turns", 300)
MB100 = Large("100 MB", 12_300)
GB1 = Large("1 GB", 123_000)
LINE = Large("a line of 100 MB", 60, line=100_000_000)
LARGE = (LONG, MB100, GB1, LINE)


class Text:
    """Pieces of text as they stand in JSON between its quotes; joining them costs next to nothing."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.asked, self.said, self.names, self.files = _pieces(seed)

    def reply(self, pieces: int) -> str:
        return "\\n\\n".join(self._random.choices(self.said, k=pieces))

    def one_of(self, pieces: Sequence[str]) -> str:
        return self._random.choice(pieces)


@cache
def _pieces(seed: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """What is asked, what is said, names, and files' contents."""
    words = Words(seed)
    asked = [_inside(words.paragraph()) for _ in range(_PIECES)]
    said = [_inside(words.code() if n % 3 == 0 else words.paragraph()) for n in range(_PIECES)]
    names = [" ".join(words.words(4)) for _ in range(_PIECES)]
    return asked, said, names, [_inside(words.listing(4600)) for _ in range(200)]


def _inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


class Transcript:
    """The lines of a transcript, one after another, as the store writes them."""

    def __init__(self, begun: datetime) -> None:
        self.seq = 0
        self.turn = 0
        self.time = begun

    @property
    def stamp(self) -> str:
        return self.time.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def line(self, kind: str, fields: str) -> bytes:
        """A record; ``fields`` is what follows its envelope."""
        self.seq += 1
        record = f'"turn":{self.turn},"time":"{self.stamp}","kind":"{kind}",{fields}'
        return lines.record_line(self.seq, record.encode())

    def turn_of(self, prompt: str, *items: tuple[str, str], tokens: int) -> bytes:
        """A whole turn of 2 messages: its prompt's text, and (kind, fields) of all else."""
        self.turn += 1
        number, started = self.turn, self.stamp
        head = f'"started":"{started}","model":"{MODEL}"'
        made = [
            self.line("turn", f'"status":"running",{head}'),
            self.line("prompt", f'"id":"{number}.1","text":"{prompt}"'),
        ]
        self.time += timedelta(seconds=20)
        made += [self.line(kind, f'"id":"{number}.{fields}') for kind, fields in items]
        usage = f'"usage":{{"inputTokens":{8 * tokens},"outputTokens":{tokens}}}'
        ending = f'"status":"completed",{head},"ended":"{self.stamp}","stopReason":"end_turn",{usage}'
        made.append(self.line("turn", f'{ending},"messages":{2 * number}'))
        self.time += timedelta(seconds=40)
        return b"".join(made)


def write_sessions(sessions: Path, count: int) -> list[str]:
    """The ids of ``count`` new sessions of 6 messages in this directory, oldest first, a minute apart."""
    text, random = Text(1), Random(count)
    rare = {count // 3, count // 2, count - 1}
    sessions.mkdir(parents=True, exist_ok=True)
    ids = []
    for number in range(count):
        session = str(uuid.UUID(int=random.getrandbits(128), version=4))
        begun = _BEGIN + timedelta(minutes=10 * number)
        made = Transcript(begun)
        prompts = [
            f"{text.one_of(text.asked)} `resolveTicket{number}`",
            text.one_of(text.asked),
            text.one_of(text.asked),
        ]
        told = [text.reply(random.randint(2, 4)) for _ in range(TURNS)]
        if number in rare:
            told[1] += f"\\n\\nThat is {RARE}."
        data = b"".join(
            made.turn_of(prompt, ("text", f'2","text":"{reply}"'), tokens=len(reply) // 4)
            for prompt, reply in zip(prompts, told, strict=True)
        )
        metadata = _metadata(session, begun, made, prompts, text.names[number % _PIECES].capitalize())
        _write(sessions / session, metadata, [data])
        ids.append(session)
    return ids


def write_large(sessions: Path, large: Large) -> None:
    """One of ``LARGE`` in this directory."""
    text = Text(2)
    made = Transcript(_BEGIN)
    asked = text.asked[0]

    def blocks() -> Iterator[bytes]:
        block = bytearray()
        for number in range(1, large.turns + 1):
            block += _working_turn(made, text, asked, large.line if number == max(1, large.turns // 2) else 0)
            if len(block) > _BLOCK:
                yield bytes(block)
                block.clear()
        yield bytes(block)

    directory = sessions / large.id
    _write(directory, None, blocks())
    (directory / METADATA).write_bytes(_metadata(large.id, _BEGIN, made, [asked], large.name).dump_json())


def _working_turn(made: Transcript, text: Text, prompt: str, line: int) -> bytes:
    """A turn in which a file was read: text, the call and its result, text."""
    output = text.one_of(text.files)
    if line:
        output = "\\n".join([output] * (line // len(output) + 1))[:line].rstrip("\\")
    call = '3","name":"read_file","callId":"toolu_01","input":{"path":"src/main.py"}'
    return made.turn_of(
        prompt,
        ("text", f'2","text":"{text.one_of(text.said)}"'),
        ("tool", f'{call},"status":"running"'),
        ("tool", f'{call},"status":"completed","output":"{output}"'),
        ("text", f'4","text":"{text.reply(6)}"'),
        tokens=600,
    )


def _metadata(session: str, begun: datetime, made: Transcript, prompts: Sequence[str], name: str) -> Metadata:
    first, last = (json.loads(f'"{prompt}"')[:200] for prompt in (prompts[0], prompts[-1]))
    return Metadata(
        id=session, created=begun.strftime("%Y-%m-%dT%H:%M:%S.000Z"), last_active=made.stamp, name=name,
        name_source="auto", model=MODEL, provider="anthropic", first_message=first, last_prompt=last,
        message_count=2 * made.turn, turn_count=made.turn, working_dir="/work/project", branch="main",
    )  # fmt: skip


def _write(directory: Path, metadata: Metadata | None, blocks: Iterator[bytes] | Sequence[bytes]) -> None:
    directory.mkdir(mode=0o700, parents=True)
    with open(directory / FIRST, "xb", opener=_private) as file:
        file.writelines(blocks)
    if metadata is not None:
        with open(directory / METADATA, "xb", opener=_private) as file:
            file.write(metadata.dump_json())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sessions_directory(data: Path, root: Path) -> Path:
    """Where a store in ``data`` (``$AGENTD_HOME``) keeps the sessions of a root."""
    return Path(paths.project_dir(str(data), os.path.realpath(root))) / "sessions"


def kept_at() -> Path:
    """``$AGENTD_BENCH_DATA``, else below the user's cache: outside any checkout."""
    given = os.environ.get("AGENTD_BENCH_DATA")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agentd-bench"
    return base / f"v{VERSION}"


def lay(large: Large, sessions: Path) -> str:
    """The id of one of ``LARGE`` in this directory: made in the cache if it is not there, and linked from there."""
    kept = kept_at() / large.id
    if not kept.exists():
        making = kept_at() / f"making-{os.getpid()}"
        making.mkdir(parents=True)
        write_large(making, large)
        with suppress(OSError):
            # Another run was quicker.
            (making / large.id).rename(kept)
        shutil.rmtree(making)
    target = sessions / large.id
    target.mkdir(mode=0o700, parents=True)
    for name in (FIRST, METADATA):
        try:
            os.link(kept / name, target / name)
        except OSError:
            with open(kept / name, "rb") as source, open(target / name, "xb", opener=_private) as copied:
                while block := source.read(_BLOCK):
                    copied.write(block)
    return large.id


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.made", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to make it; must not hold sessions yet")
    parser.add_argument("--sessions", type=int, default=200, metavar="N", help="sessions of 6 messages")
    options = parser.parse_args()
    data, root = options.directory / "data", options.directory / "project"
    for directory in (data, root):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    sessions = sessions_directory(data, root)
    write_sessions(sessions, options.sessions)
    sys.stdout.write(f"AGENTD_HOME={data.resolve()} root {root.resolve()}\n{sessions.resolve()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
