"""A session as JSON: ``{format, version, exported, session, documents, turns}``, shapes as on the wire.

Stable: fields are added, never changed, while ``version`` stays. A turn stands on a line of its own.
"""

import json

from agentd.protocol import Turn
from agentd.rendering.writing import About

FORMAT = "agentd-json"
VERSION = 1


class Plain:
    """See ``Form``."""

    def opening(self, about: About) -> str:
        documents = [{"name": one.name, "text": one.text} for one in about.documents]
        return (
            f'{{"format": "{FORMAT}", "version": {VERSION}, "exported": {json.dumps(about.exported)},\n'
            f'"session": {about.session.dump_json().decode()},\n'
            f'"documents": {json.dumps(documents, ensure_ascii=False)},\n'
            '"turns": ['
        )

    def turn(self, turn: Turn, *, first: bool) -> str:
        return ("\n" if first else ",\n") + turn.dump_json().decode()

    def closing(self, about: About) -> str:
        return "\n]}\n"
