"""``editors/PROTOCOL.md``: the page that a client's author follows. Its prose is ``protocol.md`` beside this module."""

import json
from collections.abc import Iterable
from pathlib import Path

from agentd.protocol.base import Wire
from agentd.protocol.methods import METHODS, Method
from scripts.generator import failures, model
from scripts.generator.model import Shape, WireField, spell

SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
PROSE = Path(__file__).with_name("protocol.md")


def render() -> str:
    page = PROSE.read_text(encoding="utf-8")
    parts = {
        "version": str(model.PROTOCOL_VERSION),
        "methods": _table(("method", "params", "result"), map(_overview, METHODS)),
        "method-details": "\n\n".join(map(_method, METHODS)),
        "envelope": _fields(model.ENVELOPE),
        "events": "\n\n".join(map(_shape, model.EVENTS)),
        "names": _table(("type", "one of"), ((f"`{name}`", _literal(value)) for name, value in model.LITERALS.items())),
        "shapes": "\n\n".join(map(_shape, (*model.SHAPES, *_parts()))),
        "errors": _table(
            ("code", "`data.kind`", "retryable", "when", "words"),
            ((str(code), f"`{kind}`", again, when, words) for code, kind, again, when, words in failures.rows()),
        ),
    }
    for name, text in parts.items():
        place = f"<!-- {name} -->"
        if place not in page:
            raise ValueError(f"{PROSE} has no place for {place}")
        page = page.replace(place, text)
    return page


def _overview(row: Method) -> tuple[str, str, str]:
    anchor = row.name.replace("/", "").lower()
    return f"[`{row.name}`](#{anchor})", _names(model.shape(row.params)), _names(model.shape(row.result))


def _parts() -> list[Shape]:
    """What stands beside parameters and results only because a result holds it."""
    described = {kind.__name__ for row in METHODS for kind in (row.params, row.result)}
    return [one for one in model.PARAMS_AND_RESULTS if one.name not in described]


def _names(shape: Shape) -> str:
    return ", ".join(f"{field.name}{'?' if field.optional else ''}" for field in shape.fields) or "–"


def _method(row: Method) -> str:
    return f"### `{row.name}`\n\n{row.doc}\n\n{_side('Params', row.params)}\n\n{_side('Result', row.result)}"


def _side(title: str, kind: type[Wire]) -> str:
    shape = model.shape(kind)
    if not shape.fields:
        return f"{title}: `{{}}`"
    doc = f" {shape.doc}" if shape.doc else ""
    if len(shape.fields) > 2:
        return f"{title} `{shape.name}`:{doc}\n\n{_fields(shape)}"
    return f"{title} `{shape.name}`: {', '.join(map(_inline, shape.fields))}{'.' if doc else ''}{doc}"


def _inline(field: WireField) -> str:
    said = _presence(field).removeprefix("may be absent").removeprefix(", ")
    return f"`{field.name}{'?' if field.optional else ''}: {spell(field.annotation, SCALARS)}`" + (
        f" ({said})" if said else ""
    )


def _shape(shape: Shape) -> str:
    kept = "More fields may come with a newer daemon." if shape.kept else ""
    words = "\n\n".join(text for text in (shape.doc, kept) if text)
    return f"### {shape.name}\n\n" + (f"{words}\n\n" if words else "") + _fields(shape)


def _fields(shape: Shape) -> str:
    rows = ((f"`{field.name}`", f"`{spell(field.annotation, SCALARS)}`", _presence(field)) for field in shape.fields)
    return _table(("field", "type", ""), rows)


def _presence(field: WireField) -> str:
    said = [field.limits] if field.limits else []
    if field.optional:
        said.insert(0, f"default `{_json(field.default)}`" if field.has_default else "may be absent")
    return ", ".join(said)


def _json(value: object) -> str:
    return json.dumps(value.dump() if isinstance(value, Wire) else value, ensure_ascii=False)


def _literal(literal: object) -> str:
    return ", ".join(f"`{value}`" for value in getattr(literal, "__args__", ()))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
