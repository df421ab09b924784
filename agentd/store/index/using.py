"""Sums over turns from the index. Blocking: call from the index's thread."""

import sqlite3

from agentd.protocol import Usage
from agentd.store.finding import TurnUse, Use

_SUMS = """
SELECT model, day, count(*), count(cost), sum(users), sum(assistants), sum(calls), sum(results), sum(input),
    sum(output), sum(cache_read), sum(cache_write), sum(cost)
FROM turns JOIN sessions s USING (number) WHERE {} GROUP BY model, day ORDER BY model, day
"""


def use(connection: sqlite3.Connection, session_id: str | None) -> Use:
    """See ``SessionIndex.use``."""
    if session_id is None:
        # What a fork took over was used once, by the session that it was taken from.
        rows = connection.execute(_SUMS.format("turn > s.inherited")).fetchall()
        (sessions,) = connection.execute("SELECT count(*) FROM sessions").fetchone()
    else:
        rows = connection.execute(_SUMS.format("s.id = ?"), (session_id,)).fetchall()
        (sessions,) = connection.execute("SELECT count(*) FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return Use(sessions, tuple(_row(*row) for row in rows))


def _row(
    model: str,
    day: str,
    turns: int,
    priced: int,
    users: int,
    assistants: int,
    calls: int,
    results: int,
    given: int,
    made: int,
    read: int,
    written: int,
    cost: float | None,
) -> TurnUse:
    usage = Usage(input_tokens=given, output_tokens=made, cache_read_tokens=read, cache_write_tokens=written, cost=cost)
    return TurnUse(model, day, turns, priced, users, assistants, calls, results, usage)
