"""How many documents each session has, brought up to date after a daemon was away. Counts, and changes nothing else."""

import json

from agentd.core.places import cursor_of
from agentd.protocol import ListParams
from agentd.workspace import Workspace

PAGE = 500


async def recount(workspace: Workspace) -> None:
    """Sessions whose documents came or went while no daemon ran show how many there are now, in lists too."""
    counts = await workspace.folder.counts()
    if not counts:
        return
    stale: list[str] = []
    cursor: str | None = None
    while True:
        page = await workspace.store.index.page(ListParams(status="all", limit=PAGE, cursor=cursor))
        for row in page.rows[:PAGE]:
            known = json.loads(row.json).get("fileCount", 0)
            if counts.pop(row.id, 0) != known:
                stale.append(row.id)
        if len(page.rows) <= PAGE:
            break
        cursor = cursor_of("lastActive", page.rows[PAGE - 1].place)
    # What is left are sub-sessions, which stand in no page, and directories that are no session's.
    for session_id in (*stale, *(left for left, count in counts.items() if count)):
        await workspace.publish_documents(session_id)
