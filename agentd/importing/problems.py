"""What could not be imported, in words for people, and never more of them than somebody would read."""

MOST = 50


class Problems:
    """Grows while something is read."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._beyond = 0
        self._seen: set[str] = set()

    def note(self, text: str) -> None:
        """Said once, however often it is noted."""
        if text in self._seen:
            return
        if len(self._texts) >= MOST:
            self._beyond += 1
            return
        self._seen.add(text)
        self._texts.append(text)

    def damaged(self, line: int, what: str, unit: str = "Line") -> None:
        """A line that was left out."""
        self.note(f"{unit} {line:,} {what}: left out.")

    @property
    def texts(self) -> tuple[str, ...]:
        """All that was noted; the last says how many more there were."""
        if self._beyond:
            return (*self._texts, f"… and {self._beyond:,} more like these.")
        return tuple(self._texts)
