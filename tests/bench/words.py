"""Text as sessions hold it: prose of words as frequent as words are, and code with identifiers. The same every time.

``RARE`` is in three sessions of a made store, ``COMMON`` in nearly all, ``ABSENT`` in none.
"""

from itertools import accumulate
from random import Random

RARE = "xylographic"
COMMON = "function"
ABSENT = "zugzwang"

_OFTEN = (
    f"the a to is of and in it that {COMMON} this file for on with be as error config test not when parse are you from"
    " value by request returns which so if has session line server all path read class because one code at an should"
    " before after type change we there list can name call only write data then will first module but state what time"
    " no run start event have client key once each string set already build default field cache until add other find"
    " same import message index object method thread loop query output input user fails table check result handler"
    " where directory while return process version new without instead socket lock order editor buffer cursor page"
    " token branch commit schema render update delete"
).split()
_SYLLABLES = "ba co de fi ga lo mi nu pa re si ta vo ze cha stra pli dor men tic ver lan pro sub con trac ment ing"
_VERBS = "parse read write build find load open merge split render check fold encode resolve send keep list"


class Words:
    """A vocabulary of some 4,000 words, and pieces of text made of it by one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random = Random(seed)
        syllables = _SYLLABLES.split()
        self._verbs = _VERBS.split()
        made = {"".join(random.choices(syllables, k=random.randint(2, 4))) for _ in range(4000)}
        self._words = [*_OFTEN, *sorted(made - {RARE, COMMON, ABSENT} - set(_OFTEN))]
        # Zipf's law: the n-th word is 1/n as frequent as the first.
        self._weights = list(accumulate(1 / (rank + 2) for rank in range(len(self._words))))

    def words(self, count: int) -> list[str]:
        return self._random.choices(self._words, cum_weights=self._weights, k=count)

    def identifier(self) -> str:
        """``parseConfigPath``, ``parse_config_path`` or ``ConfigPath``."""
        verb = self._random.choice(self._verbs)
        parts = [word for word in self.words(4) if len(word) > 3][:2] or ["value"]
        form = self._random.randrange(3)
        if form == 0:
            return verb + "".join(part.capitalize() for part in parts)
        return "_".join((verb, *parts)) if form == 1 else "".join(part.capitalize() for part in parts)

    def sentence(self) -> str:
        words = self.words(self._random.randint(6, 18))
        if self._random.random() < 0.4:
            words[self._random.randrange(1, len(words))] = f"`{self.identifier()}`"
        return " ".join(words).capitalize() + self._random.choice(".....?")

    def paragraph(self) -> str:
        """Some 300 characters."""
        return " ".join(self.sentence() for _ in range(self._random.randint(2, 5)))

    def code(self) -> str:
        """A block of some 250 characters."""
        name, argument, local = self.identifier(), *self.words(2)
        steps = "".join(
            f"    {local} = {self.identifier()}({argument}, {self._random.randrange(1000)})\n"
            for _ in range(self._random.randint(2, 5))
        )
        return f"```python\ndef {name}({argument}):\n{steps}    return {local}\n```"

    def listing(self, characters: int) -> str:
        """Lines as of a source file: a tool's output."""
        lines: list[str] = []
        size = 0
        while size < characters:
            lines.append(
                f"    {self.identifier()}.{self.identifier()}({', '.join(self.words(3))})  # {self.sentence()}"
            )
            size += len(lines[-1]) + 1
        return "\n".join(lines)
