"""What there is to describe: the protocol's types in the order they are written, and how a field reads on the wire.

Reads the pydantic models; knows nothing of TypeScript's or Markdown's layout. A new renderer (Lua) needs only this.
"""

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from agentd.protocol import base, events, methods, shapes
from agentd.protocol.base import Empty, JsonObject, Kept, Wire

EVENT_UNION = get_args(events.Event)[0]
ROWS = tuple(
    dict.fromkeys(
        sys.modules[kind.__module__]
        for row in methods.METHODS
        for kind in (row.params, row.result)
        if kind.__module__ != base.__name__
    )
)
"""The modules that METHODS takes its types from."""
LITERALS: dict[str, Any] = {
    name: value for module in (shapes, *ROWS) for name, value in vars(module).items() if get_origin(value) is Literal
}


@dataclass(frozen=True)
class WireField:
    """One field as it goes over the wire. ``optional``: whoever reads it must be ready for its absence."""

    name: str
    annotation: Any
    optional: bool
    default: object
    limits: str

    @property
    def has_default(self) -> bool:
        return self.default is not None


@dataclass(frozen=True)
class Shape:
    """One object type. ``kept``: fields that a reader does not know may be there, and are not to be refused."""

    name: str
    doc: str
    fields: tuple[WireField, ...]
    kept: bool


def doc_of(thing: type) -> str:
    """The docstring's own text (not an inherited one), with Markdown's backquotes."""
    return inspect.cleandoc(thing.__doc__ or "").replace("``", "`") if "__doc__" in vars(thing) else ""


def shapes_of(module: types.ModuleType) -> tuple[Shape, ...]:
    """The module's own types, in the order they are written."""
    return tuple(shape(kind) for kind in vars(module).values() if _is_wire(kind) and kind.__module__ == module.__name__)


def shape(kind: type[Wire]) -> Shape:
    kind.model_rebuild()
    asked = kind in SENT_BY_CLIENTS
    fields = tuple(_field(name, field, asked=asked) for name, field in kind.model_fields.items())
    return Shape(kind.__name__, doc_of(kind), fields, issubclass(kind, Kept))


def spell(annotation: Any, scalars: Mapping[type, str]) -> str:
    """A type in TypeScript's notation, which the Markdown page uses too; ``scalars`` names the simple types."""
    if annotation is Any:
        return "unknown"
    if annotation == EVENT_UNION:
        return "Event"
    for name, literal in LITERALS.items():
        if annotation == literal:
            return name
    if isinstance(annotation, type) and annotation in scalars:
        return scalars[annotation]
    if _is_wire(annotation):
        return str(annotation.__name__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return spell(arguments[0], scalars)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(spell(one, scalars) for one in arguments if one is not types.NoneType)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        element = spell(arguments[0], scalars)
        return f"readonly ({element})[]" if " " in element else f"readonly {element}[]"
    if origin is tuple:
        return f"readonly [{', '.join(spell(one, scalars) for one in arguments)}]"
    if annotation == get_args(JsonObject)[0]:
        return "JsonObject"
    if origin is dict and arguments[0] is str:
        return f"Readonly<Record<string, {spell(arguments[1], scalars)}>>"
    raise TypeError(f"scripts/generator/model.py can't spell {annotation!r}: teach it here")


def _field(name: str, field: FieldInfo, *, asked: bool) -> WireField:
    # What the daemon sends leaves None out and nothing else; what a client sends may also leave out every default.
    optional = not field.is_required() if asked else types.NoneType in get_args(field.annotation)
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    wire_name = field.alias or name
    return WireField(wire_name, field.annotation, optional, default, " and ".join(_limits(field)))


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        match limit:
            case Ge(ge=bound):
                yield f"at least {bound}"
            case Gt(gt=bound):
                yield f"more than {bound}"
            case Le(le=bound):
                yield f"at most {bound}"
            case Lt(lt=bound):
                yield f"less than {bound}"


def _is_wire(kind: object) -> typing.TypeGuard[type[Wire]]:
    return isinstance(kind, type) and issubclass(kind, Wire) and kind not in (Wire, Kept)


def _reached(kind: type[Wire]) -> Iterator[type[Wire]]:
    yield kind
    waiting = [field.annotation for field in kind.model_fields.values()]
    while waiting:
        annotation = waiting.pop()
        if _is_wire(annotation):
            yield from _reached(annotation)
        waiting.extend(one for one in get_args(annotation) if one is not Ellipsis)


SENT_BY_CLIENTS = frozenset(kind for row in methods.METHODS for kind in _reached(row.params))
SHAPES = shapes_of(shapes)
EVENTS = tuple(one for one in shapes_of(events) if one.name != events.EventParams.__name__)
ENVELOPE = shape(events.EventParams)
PARAMS_AND_RESULTS = tuple(one for module in ROWS for one in shapes_of(module))
EMPTY = Empty.__name__
PROTOCOL_VERSION = base.PROTOCOL_VERSION
