"""Takes the answers out of a script, one a request, and keeps account of requests that it did not foresee."""

import sys

from .exchange import Exchange
from .script import Answer, Http, Script


class UnexpectedRequestError(AssertionError):
    """The script had no answer for a request: the test and the product disagree on how many there are."""


class Prompter:
    def __init__(self, script: Script, default: Answer | None) -> None:
        self._script = script
        self._default = default
        self._taken = 0
        self.unexpected: list[str] = []

    def next(self, exchange: Exchange) -> Answer:
        if callable(self._script):
            try:
                return self._script(exchange.body)
            except Exception as error:
                # Whatever the test's function raised is the test's failure, not the connection's.
                return self.unforeseen(f"the script raised {error!r} for request {exchange.number}")
        if self._taken < len(self._script):
            self._taken += 1
            return self._script[self._taken - 1]
        if self._default is not None:
            return self._default
        return self.unforeseen(f"request {exchange.number} came after the script's {self._taken} answers")

    def unforeseen(self, what: str) -> Http:
        self.unexpected.append(what)
        sys.stderr.write(f"messages_api: {what}\n")
        return Http(500)

    def check(self) -> None:
        if self.unexpected:
            raise UnexpectedRequestError("; ".join(self.unexpected))
