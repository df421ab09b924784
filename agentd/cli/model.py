"""``agentd model list | install``; ``agentd models`` is the list."""

import asyncio

import typer

from agentd.cli import options, output
from agentd.cli.asking import ask
from agentd.cli.table import aligned, cells, fitted


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Models: list them, fetch the built-in one.", invoke_without_command=True,
                        rich_markup_mode=None)  # fmt: skip
    group.callback()(_alone)
    group.command("list")(list_models)
    group.command("install")(install)
    app.add_typer(group, name="model")
    app.command("models", hidden=True)(list_models)


def _alone(context: typer.Context, root: options.Root = None) -> None:
    """Models: list them, fetch the built-in one."""
    if context.invoked_subcommand is None:
        list_models(root=root)


def list_models(as_json: options.Json = False, root: options.Root = None) -> None:
    """List the models that can be named with --model."""
    answer = ask(options.address(root), "agentd/models", {})
    if as_json:
        output.data(answer)
        return
    default = str(answer.get("default"))
    models = answer.get("models", [])
    size = max((cells(str(model["id"])) for model in models), default=0)
    for model in models:
        mark = "*" if model["id"] == default else " "
        name = str(model.get("name", ""))
        window = f", {_size(int(model['contextWindow']))} tokens" if model.get("contextWindow") else ""
        absent = not model.get("available", True)
        text = f"{mark} {aligned(str(model['id']), size, False)}  {name}{window}{'  (not available)' if absent else ''}"
        columns = output.width()
        output.line(output.styled(text if columns is None else fitted(text, columns), *(("dim",) if absent else ())))
    output.note(f"* the default: {default}. Any other id of the Messages API can be named, too.")
    for reason in dict.fromkeys(str(model["reason"]) for model in models if model.get("reason")):
        output.note(reason)


def _size(tokens: int) -> str:
    return f"{tokens // 10**6}M" if tokens >= 10**6 else f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)


def install() -> None:
    """Fetch the built-in model's weights: 93 MB, once."""
    from agentd.cli import firstrun

    if asyncio.run(firstrun.fetch()):
        output.line('The built-in model is installed. Try it: agentd chat --model local "Hello"')
    else:
        output.line("The built-in model is installed already.")
