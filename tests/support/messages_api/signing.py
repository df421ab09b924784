"""Signatures of thinking blocks. The key is a constant, so that a history outlives the server that streamed it."""

import base64
import hashlib
import hmac
from typing import Final

_KEY: Final = b"the scripted Messages API signs its thinking"


def sign(thinking: str) -> str:
    return base64.b64encode(hmac.digest(_KEY, thinking.encode(), hashlib.sha256)).decode()


def is_signed(thinking: str, signature: str) -> bool:
    return hmac.compare_digest(sign(thinking), signature)
