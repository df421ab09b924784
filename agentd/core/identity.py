"""A root's own id: ``<root>/.agentd/project-id``, by which its sessions are found wherever the root is moved to."""

import re

PROJECT_ID = (".agentd", "project-id")
LONGEST = 100
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def project_id_in(content: bytes | str) -> str | None:
    """The id that a file of this content gives; None for anything else than one id on one line."""
    text = content.decode("ascii", "replace") if isinstance(content, bytes) else content
    said = text.strip()
    return said if _ID.fullmatch(said) else None
