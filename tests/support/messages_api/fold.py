"""The whole message that a stream adds up to, for requests with `stream: false`."""

import json
from typing import Any

from .events import Delta, Emit


class Fold:
    """Takes the steps of one reply, and is then the message."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self._json: dict[int, str] = {}

    def take(self, step: Emit | Delta) -> None:
        if isinstance(step, Delta):
            self._take_delta(step)
            return
        payload = step.payload
        match payload["type"]:
            case "message_start" if not self.message:
                self.message = {**payload["message"], "content": []}
            case "content_block_start":
                self.message["content"].append(dict(payload["content_block"]))
            case "message_delta":
                self.message |= payload["delta"]
                self.message["usage"] = payload["usage"]
            case _:
                pass

    def _take_delta(self, delta: Delta) -> None:
        block = self.message["content"][delta.index]
        if delta.kind != "input_json_delta":
            # A delta of an unknown type has no field in the block, and so no place in the whole message.
            if delta.field in block:
                block[delta.field] += delta.text
            return
        text = self._json[delta.index] = self._json.get(delta.index, "") + delta.text
        try:
            block["input"] = json.loads(text)
        except ValueError:
            # A call that was cut has no input that could be shown whole; the real API shows an empty one too.
            block["input"] = {}

    def encode(self) -> bytes:
        return json.dumps(self.message, ensure_ascii=False).encode()
