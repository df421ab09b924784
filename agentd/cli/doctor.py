"""``agentd doctor``: what it needs, whether that is there, and how to mend what is not. Shows no secret."""

from dataclasses import asdict

import typer

from agentd.cli import options, output
from agentd.cli.failing import FAILED, Stop

INDENT = " " * 6
MARKS = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(as_json: options.Json = False, root: options.Root = None) -> None:
    """Check what agentd needs, and say how to mend it.

    Python, store, daemon, key, endpoint, proxy, model. No secret is shown.
    """
    from agentd.cli import checks

    found = checks.run(options.address(root))
    if as_json:
        output.data({"checks": [asdict(check) for check in found]})
    else:
        for check in found:
            word, colour = MARKS[check.state]
            told = output.wrapped(f"{word:>4}  {check.name}: {output.clean(check.told)}", indent=INDENT)
            output.line(output.styled(f"{word:>4}", colour) + told[4:])
            if check.mend:
                mend = output.wrapped(INDENT + output.clean(check.mend), indent=INDENT)
                output.line(output.styled(mend, "dim"))
    if any(check.state == "fail" for check in found):
        raise Stop(FAILED)
