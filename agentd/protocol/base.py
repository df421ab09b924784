"""What every wire type shares: camelCase on the wire, snake_case in Python, frozen, strict about what it does not know.

Lua sends ``[]`` where an empty object is meant, and some clients send ``null`` where a field is absent: both are
accepted here, once, so that no handler has to know.
"""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

PROTOCOL_VERSION = 1


def _object_from_lua(value: Any) -> Any:
    return {} if value == [] and isinstance(value, list) else value


JsonObject = Annotated[dict[str, Any], BeforeValidator(_object_from_lua)]
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
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data

    def dump(self) -> dict[str, Any]:
        """The JSON object as it goes over the wire."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def dump_json(self) -> bytes:
        """The same as UTF-8 JSON, without whitespace."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Kept(Wire):
    """A shape that is also on disk or comes from a newer daemon: unknown fields are kept, not refused."""

    model_config = ConfigDict(extra="allow")


class Empty(Wire):
    """No parameters, or nothing to say in return."""
