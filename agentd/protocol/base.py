"""What every wire type shares: camelCase on the wire, snake_case in Python, frozen, strict about what it does not know.

Lua sends ``[]`` where an empty object is meant, and some clients send ``null`` where a field is absent: both are
accepted here, once, so that no handler has to know.
"""

import json
import math
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

PROTOCOL_VERSION = 1


DEEPEST = 100
"""Levels of nesting in others' JSON objects: pydantic writes about 250, and what cannot be written cannot be kept."""


def sound_text(text: str) -> str:
    """The text as valid Unicode: half of a surrogate pair (valid in JSON) becomes U+FFFD, for it has no UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def sound_json(value: Any, deepest: int = DEEPEST) -> Any:
    """The value as JSON that can be written everywhere: valid Unicode, no NaN (JSON has none), not too deep.

    What is nested deeper than ``deepest`` becomes null.
    """
    if isinstance(value, str):
        return sound_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and deepest <= 0:
        return None
    if isinstance(value, dict):
        return {sound_text(str(key)): sound_json(one, deepest - 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [sound_json(one, deepest - 1) for one in value]
    return value


def _object_from_lua(value: Any) -> Any:
    return {} if value == [] and isinstance(value, list) else value


def _sound_object(value: Any) -> Any:
    return sound_json(value) if isinstance(value, dict) else _object_from_lua(value)


JsonObject = Annotated[dict[str, Any], BeforeValidator(_sound_object)]
"""A JSON object that the project does not look into."""


class Wire(BaseModel):
    """Base of all that goes over the wire. Absent rather than null: ``dump()`` leaves ``None`` out."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_lua_and_null(cls, data: Any) -> Any:
        if data is None:
            return {}
        data = _object_from_lua(data)
        if not isinstance(data, dict):
            return data
        return {
            key: sound_text(value) if isinstance(value, str) else value
            for key, value in data.items()
            if value is not None
        }

    def dump(self) -> dict[str, Any]:
        """The JSON object as it goes over the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def dump_json(self) -> bytes:
        """The same as UTF-8 JSON, without whitespace."""
        try:
            return self.model_dump_json(by_alias=True, exclude_none=True).encode()
        except ValueError:  # a plain dict, or a copy made without validation, holds what JSON can't
            sound = sound_json(self.model_dump(by_alias=True, exclude_none=True))
            return json.dumps(sound, ensure_ascii=False, separators=(",", ":")).encode()


class Kept(Wire):
    """A shape that is also on disk or comes from a newer daemon: unknown fields are kept, not refused."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _sound_extras(self) -> Self:
        extras = self.__pydantic_extra__
        if extras:
            extras.update(sound_json(extras))
        return self


class Empty(Wire):
    """No parameters, or nothing to say in return."""
