"""The endpoints that are answered at once, with no script: token counts and the list of models."""

from typing import Any, Final

from .errors import ApiError
from .http import HttpRequest
from .schema import CountTokens
from .validate import Rules, admit, authenticate, count_tokens

MESSAGES: Final = "/v1/messages"
COUNT_TOKENS: Final = "/v1/messages/count_tokens"
MODELS: Final = "/v1/models"
DEFAULT_MODELS: Final = ("claude-scripted-1",)


def answer_at_once(request: HttpRequest, rules: Rules) -> dict[str, Any]:
    if request.path not in (MESSAGES, COUNT_TOKENS, MODELS):
        raise ApiError(404, "Not Found")
    if (request.method, request.path) == ("POST", COUNT_TOKENS):
        return {"input_tokens": count_tokens(admit(CountTokens, request.headers, request.body, rules))}
    if (request.method, request.path) == ("GET", MODELS):
        authenticate(request.headers, rules)
        models = [_model(name) for name in rules.models or DEFAULT_MODELS]
        return {"data": models, "has_more": False, "first_id": models[0]["id"], "last_id": models[-1]["id"]}
    raise ApiError(405, "Method Not Allowed")


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
