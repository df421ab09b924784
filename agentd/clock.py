"""The one place that asks for the time, and the one way it is written."""

from datetime import UTC, datetime


def now() -> str:
    """The time now, as ``rfc3339`` writes it."""
    return rfc3339(datetime.now(UTC))


def rfc3339(time: datetime) -> str:
    """In UTC with milliseconds: ``2026-11-21T08:30:00.123Z``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
