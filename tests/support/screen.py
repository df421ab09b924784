"""What an editor's user would see: the reduction of events to sessions, turns and texts, and what no event may do.

Everything the protocol promises about events is checked here as they come; what is broken is put into ``problems``.
"""

from dataclasses import dataclass, field
from typing import Any

STREAMED = ("text", "thinking", "tool", "redacted")
OVER = ("completed", "interrupted", "failed")


@dataclass
class ShownItem:
    id: str
    kind: str
    text: str = ""
    open: bool = False
    guessed: bool = False
    body: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, body: dict[str, Any], *, is_open: bool = False) -> "ShownItem":
        return cls(body["id"], body["kind"], body.get("text", ""), is_open, body=body)


@dataclass
class ShownTurn:
    number: int
    status: str
    items: dict[str, ShownItem]
    body: dict[str, Any]

    @classmethod
    def of(cls, body: dict[str, Any]) -> "ShownTurn":
        items = {item["id"]: ShownItem.of(item) for item in body.get("items", [])}
        turn = cls(body["number"], body["status"], items, body)
        last = list(items.values())[-1:]
        if body["status"] in ("running", "waiting") and last and last[0].kind in STREAMED:
            # A snapshot does not say whether its last item is whole.
            last[0].open = last[0].guessed = True
        return turn

    def texts(self) -> dict[str, str]:
        return {item.id: item.text for item in self.items.values()}

    def line(self) -> str:
        """``completed | prompt: Hi | text: Hello``: how scenarios write a turn."""
        said = [f"{item.kind}: {item.text or item.body.get('name', '')}" for item in self.items.values()]
        return " | ".join([self.status, *said])


@dataclass
class ShownSession:
    id: str
    turns: dict[int, ShownTurn] = field(default_factory=dict)
    seq: int = 0
    view: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [self.turns[number].line() for number in sorted(self.turns)]

    def text(self, turn: int) -> str:
        """The model's text of a turn, as far as it is here."""
        return "".join(item.text for item in self.turns[turn].items.values() if item.kind == "text")


class Screen:
    """One editor's. ``prompting`` counts requests under way whose session may be new to us."""

    def __init__(self) -> None:
        self.sessions: dict[str, ShownSession] = {}
        self.subscribed: set[str] = set()
        self.left: set[str] = set()
        self.notices: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.prompting = 0

    def session(self, session_id: str) -> ShownSession:
        return self.sessions.setdefault(session_id, ShownSession(session_id))

    def answered(self, method: str, params: dict[str, Any], result: Any) -> None:
        """An answer says what the screen must show, or no longer does."""
        if method == "agentd/session/resume":
            self._resumed(result)
        elif method == "agentd/session/leave":
            self.left.add(self._named(params["sessionId"]))
            self.subscribed -= self.left
        elif method in ("agentd/chat", "agentd/turn/retry"):
            self.subscribed |= {result["session"]["id"]} - self.left
            self._same(self.session(result["session"]["id"]), result["turn"], "an answer")

    def event(self, params: dict[str, Any]) -> None:
        event, session_id, seq = params["event"], params.get("sessionId"), params["seq"]
        kind = event["type"]
        if session_id is None:
            if kind != "notice":
                self._wrong(f"{kind} names no session")
            self.notices.append(event)
            return
        session = self.session(session_id)
        if seq <= session.seq:
            self._wrong(f"{kind} has seq {seq}, after {session.seq}")
        session.seq = seq
        if kind.startswith("session/"):
            session.view = event["session"]
            if session.view["id"] != session_id:
                self._wrong(f"{kind} of {session_id} speaks of {session.view['id']}")
            return
        if kind == "notice" and event["kind"] == "background":
            return  # to every connection
        if session_id not in self.subscribed:
            if not self.prompting or session_id in self.left:
                self._wrong(f"{kind} of a session that this editor does not listen to: {event}")
            self.subscribed.add(session_id)
        if kind == "notice":
            self.notices.append(event)
        elif kind.startswith("turn/"):
            self._turn(session, kind, event["turn"])
        elif kind.startswith("item/"):
            self._item(session, kind, event)
        elif kind not in ("usage", "documents/changed"):
            self._wrong(f"an event of an unknown type: {event}")

    def _turn(self, session: ShownSession, kind: str, body: dict[str, Any]) -> None:
        known = session.turns.get(body["number"])
        match kind:
            case "turn/queued":
                if known is not None or body["status"] != "queued":
                    self._wrong(f"turn {body['number']} is queued as {body['status']}, and was {known}")
                session.turns[body["number"]] = ShownTurn.of(body)
            case "turn/started":
                if known is not None and known.status != "queued":
                    self._wrong(f"turn {body['number']} starts, and was {known.status}")
                if running := [turn.number for turn in session.turns.values() if turn.status == "running"]:
                    self._wrong(f"turn {body['number']} starts while {running} run")
                begins = [] if "compacted" in body else ["prompt"]
                if body["status"] != "running" or [item["kind"] for item in body["items"]] != begins:
                    self._wrong(f"a turn starts as {body}")
                session.turns[body["number"]] = ShownTurn.of(body)
            case "turn/ended":
                if body["status"] not in OVER or "ended" not in body:
                    self._wrong(f"a turn ends as {body}")
                if known is not None and known.status in OVER:
                    self._wrong(f"turn {body['number']} ends twice")
                if known is not None:
                    self._compare(known, body, "turn/ended")
                if open_items := [i.id for i in known.items.values() if i.open and not i.guessed] if known else []:
                    self._wrong(f"turn {body['number']} ends while {open_items} are open")
                session.turns[body["number"]] = ShownTurn.of(body)
            case _:
                self._wrong(f"an event of an unknown type: {kind}")

    def _item(self, session: ShownSession, kind: str, event: dict[str, Any]) -> None:
        turn = session.turns.get(event["turn"])
        if turn is None:
            return  # This editor prompted while a turn ran that it had never opened: it sees that turn when it ends.
        if turn.status != "running":
            self._wrong(f"{kind} in turn {turn.number}, which is {turn.status}")
        if kind == "item/delta":
            item = turn.items.get(event["itemId"])
            if item is None or not item.open or not event["text"]:
                self._wrong(f"a delta for {event['itemId']}, which is {item}: {event['text']!r}")
                return
            item.text += event["text"]
            return
        body = event["item"]
        known = turn.items.get(body["id"])
        if kind == "item/started":
            if known is not None or body["id"] != f"{turn.number}.{len(turn.items) + 1}":
                self._wrong(f"item {body['id']} starts after {list(turn.items)}")
            turn.items[body["id"]] = ShownItem.of(body, is_open=True)
        elif known is None:
            if body["kind"] not in ("prompt", "notice"):
                self._wrong(f"item {body['id']} ends, and never started")
            turn.items[body["id"]] = ShownItem.of(body)
        else:
            if known.kind in ("text", "thinking") and (not known.open or known.text != body.get("text")):
                self._wrong(f"item {body['id']} ends as {body.get('text')!r}; its deltas join to {known.text!r}")
            turn.items[body["id"]] = ShownItem.of(body)

    def _resumed(self, result: dict[str, Any]) -> None:
        session = self.session(result["session"]["id"])
        self.subscribed.add(session.id)
        self.left.discard(session.id)
        session.view, session.seq = result["session"], result["seq"]
        numbers = [turn["number"] for turn in result["turns"]]
        if numbers != sorted(set(numbers)):
            self._wrong(f"a page has the turns {numbers}")
        for body in result["turns"]:
            if body["status"] not in OVER:
                self._wrong(f"a page has turn {body['number']}, which is {body['status']}")
            self._same(session, body, "a page")
            session.turns[body["number"]] = ShownTurn.of(body)
        waiting = result.get("queued", [])
        for number in [n for n, turn in session.turns.items() if turn.status in ("queued", "running")]:
            del session.turns[number]
        for body in [*waiting, *([result["running"]] if "running" in result else [])]:
            if body["number"] in session.turns:
                self._wrong(f"turn {body['number']} is over and {body['status']}")
            session.turns[body["number"]] = ShownTurn.of(body)

    def _same(self, session: ShownSession, body: dict[str, Any], where: str) -> None:
        """A turn that is over reads the same wherever it is read."""
        known = session.turns.get(body["number"])
        if known is not None and known.status in OVER and body["status"] in OVER:
            if known.status != body["status"]:
                self._wrong(f"turn {known.number} ended as {known.status}, in {where} it is {body['status']}")
            self._compare(known, body, where)

    def _compare(self, known: ShownTurn, body: dict[str, Any], where: str) -> None:
        other = ShownTurn.of(body)
        if known.texts() != other.texts():
            self._wrong(f"turn {known.number} shows {known.texts()}, in {where} it is {other.texts()}")

    def _named(self, asked: str) -> str:
        """The session that a request meant by an id, a name or a prefix."""
        for session in self.sessions.values():
            if asked in (session.id, session.view.get("name")):
                return session.id
        return next((session_id for session_id in self.sessions if session_id.startswith(asked)), asked)

    def _wrong(self, what: str) -> None:
        self.problems.append(what)
