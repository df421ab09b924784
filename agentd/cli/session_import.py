"""``agentd session import``: sessions of other programs, and exported ones, become sessions of this project."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from agentd.cli import options, output
from agentd.cli.asking import given, present, with_link
from agentd.cli.failing import FAILED, OK, Stop, WrongUse, explain
from agentd.cli.output import one_line
from agentd.cli.rows import age, counted, row_of, short_id, size
from agentd.cli.table import aligned, fitted
from agentd.client.dial import Address
from agentd.client.link import Link
from agentd.errors import AgentdError

Format = Literal["agentd", "agenix", "agentry", "amplifier", "amazonq", "claude-code", "codex"]
PROGRAMS = {
    "agentd": "agentd", "agenix": "Agenix", "agentry": "Agentry", "amplifier": "Amplifier", "amazonq": "Amazon Q",
    "claude-code": "Claude Code", "codex": "Codex",
}  # fmt: skip
STDIN = "-"
LONGEST_TEXT = 8 << 20
"""Bytes of standard input that go over the wire; more goes through a file."""
LARGE = 50 << 20
NARROW = 60


def import_sessions(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|DIR|-]…",
            help="Exports, transcripts, sessions' directories; -: standard input.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="Refuse what is of another program (default: whatever it is).", show_default=False
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Call the new session so.", show_default=False)
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Look for other programs' sessions of this project, and choose.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --scan: import all that were not imported before.")
    ] = False,
    as_json: options.Json = False,
    root: options.Root = None,
) -> None:
    """Make sessions of other programs' transcripts, or of exported ones.

    Read are exports of agentd, and sessions of Claude Code, Codex, Agenix, Agentry, Amplifier and Amazon Q; which it
    is, is told by the content. The files stay as they are. What is damaged is left out and named.
    """  # fmt: skip
    _check(sources, name, scan, everything)
    place = options.address(root)
    if scan:
        _scanned(place, kind, everything, as_json)
        return
    with ExitStack() as stack:
        wishes = [present(**_source(source, stack), format=kind, name=name) for source in sources or ()]
        _import(place, wishes, as_json)


def _check(sources: Sequence[str] | None, name: str | None, scan: bool, everything: bool) -> None:
    if scan and sources:
        raise WrongUse("--scan looks for files itself", "agentd session import --scan, or agentd session import FILE")
    if everything and not scan:
        raise WrongUse("--all goes with --scan", "agentd session import --scan --all")
    if not scan and not sources:
        raise WrongUse("Nothing to import", "Give a file, a directory or -; or let agentd look: --scan.")
    if sources is not None and len(sources) == 1 and sources[0] != STDIN and not _exists(sources[0]):
        raise WrongUse(f"There is no file '{sources[0]}'", "agentd session import FILE, or --scan to look for some")
    if name is not None and len(sources or ()) != 1:
        raise WrongUse("--name names one session", "Import them one by one, or rename them afterwards.")


def _exists(source: str) -> bool:
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError):  # a name that can be none; no home
        return False


def _source(source: str, stack: ExitStack) -> dict[str, Any]:
    if source != STDIN:
        path = Path(source).expanduser().absolute()
        if path.is_file() and path.stat().st_size > LARGE:
            output.note(f"Reading {path.name} ({size(path.stat().st_size)}) …")
        return {"uri": path.as_uri()}
    if output.is_terminal(sys.stdin):
        output.note("Reading from the terminal, up to Ctrl-D …")
    data = sys.stdin.buffer.read()
    if not data.strip():
        raise WrongUse("There is nothing on the standard input", "agentd session import FILE")
    try:
        if len(data) <= LONGEST_TEXT:
            return {"content": data.decode()}
    except UnicodeDecodeError:
        pass  # as it is, through a file
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="agentd-import-"))
    path = Path(directory, "standard-input")
    path.write_bytes(data)
    return {"uri": path.as_uri()}


def _import(place: Address, wishes: Sequence[dict[str, Any]], as_json: bool) -> None:
    """One after the other; one that cannot be imported does not keep the others back."""
    answers, failed = with_link(place, lambda link: _ask(link, wishes, as_json))
    if as_json:
        output.data(answers[0] if len(wishes) == 1 and answers else {"imported": answers, "failed": failed})
    raise Stop(FAILED if failed else OK)


async def _ask(
    link: Link, wishes: Sequence[dict[str, Any]], as_json: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    answers: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for wish in wishes:
        try:
            answer = given(await link.request("agentd/session/import", wish))
        except AgentdError as error:
            if len(wishes) == 1:
                raise
            explained = explain(error)
            failed.append({"uri": wish.get("uri"), "message": explained.message})
            output.error(f"{_known_as(wish)}: {explained.message}", explained.hint)
            continue
        answers.append(answer)
        if not as_json:
            _tell(answer, alone=len(wishes) == 1)
    return answers, failed


def _tell(answer: dict[str, Any], *, alone: bool) -> None:
    row = row_of(given(answer.get("session")))
    program = PROGRAMS.get(str(answer.get("format")), str(answer.get("format")))
    what = f"{counted(row.turn_count, 'turn')}, {counted(row.message_count, 'message')}"
    if row.file_count:
        what += f", {counted(row.file_count, 'document')}"
    called = f"'{row.title}' " if row.name else ""
    told = f"Imported {called}from {program}: session {row.short} ({what})"
    output.line(output.wrapped(told, sys.stdout, "  "))
    before = [short_id(str(one)) for one in answer.get("before", [])]
    if before:
        output.note(f"It had been imported before, as {', '.join(before[:5])}. Both are kept.")
    for warning in answer.get("warnings", []):
        output.note(f"- {one_line(str(warning))}")
    if alone:
        output.note(f"Go on with it: agentd session resume {row.short}")


def _known_as(wish: dict[str, Any]) -> str:
    uri = wish.get("uri")
    return _path(uri).name if isinstance(uri, str) else "standard input"


def _path(uri: str) -> Path:
    from urllib.parse import unquote, urlsplit

    return Path(unquote(urlsplit(uri).path))


# What is found by looking


def _scanned(place: Address, kind: str | None, everything: bool, as_json: bool) -> None:
    answer = with_link(place, _scan)
    found = [one for one in answer.get("found", []) if kind in (None, one.get("format"))]
    for problem in answer.get("problems", []):
        output.note(one_line(str(problem)))
    if not found and not as_json:
        output.note("No sessions of other programs were found for this project.")
        return
    if everything:
        wishes = [{"uri": one["uri"]} for one in found if not one.get("imported")]
        if not wishes and not as_json:
            output.note(f"All {len(found)} were imported before.")
            return
        _import_all(place, wishes, as_json)
    elif as_json:
        output.data({**answer, "found": found})
    elif output.can_draw() and output.is_terminal(sys.stdin):
        _choose(place, found)
    else:
        for line in listed(found, output.width()):
            output.line(line)
        output.note("Import one with 'agentd session import FILE', all new ones with --scan --all.")


def _import_all(place: Address, wishes: Sequence[dict[str, Any]], as_json: bool) -> None:
    answers, failed = with_link(place, lambda link: _ask(link, wishes, as_json)) if wishes else ([], [])
    if as_json:
        output.data({"imported": answers, "failed": failed})
    raise Stop(FAILED if failed else OK)


async def _scan(link: Link) -> dict[str, Any]:
    return given(await link.request("agentd/session/scan", {}))


def _choose(place: Address, found: Sequence[dict[str, Any]]) -> None:
    from agentd.cli.interactive.checklist import Checklist
    from agentd.cli.interactive.picker import Choice

    choices = [Choice(_row(one, output.width()), str(one["uri"])) for one in found]
    chosen = asyncio.run(Checklist("Import", choices).run_all())
    if not chosen:
        raise Stop(OK)
    _import_all(place, [{"uri": uri} for uri in chosen], as_json=False)


def listed(found: Sequence[dict[str, Any]], width: int | None) -> list[str]:
    """A line for each that was found, and its place below; ``width`` None: nothing is cut."""
    lines: list[str] = []
    for one in found:
        place = str(_path(str(one.get("uri"))))
        row = _row(one, width)
        lines.append(row if width is None else fitted(row, width))
        lines.append(f"  {one_line(place)}")
    return lines


def _row(one: dict[str, Any], width: int | None = None) -> str:
    program = PROGRAMS.get(str(one.get("format")), "")
    when = age(str(one.get("lastActive", "")))
    known = f"(imported: {short_id(str(one['imported']))}) " if one.get("imported") else ""
    title = one_line(str(one.get("title")))
    if width is not None and width < NARROW:
        return f"{program}, {when}{', imported' if known else ''}: {title}"
    about = size(int(one.get("bytes", 0)))
    return f"{aligned(program, 11, False)}  {aligned(when, 10, False)}  {aligned(about, 8, True)}  {known}{title}"
