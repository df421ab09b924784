"""What a session begins with: metadata of a new one, and of a sub-session under its parent. Decides, writes nothing."""

import uuid
from collections.abc import Mapping
from typing import Any

from agentd import clock
from agentd.core.metadata import Metadata, checked_name, without_secrets
from agentd.core.profile import NAME, Profile
from agentd.errors import InvalidParams, SessionArchived
from agentd.protocol import ChatParams, NewParams
from agentd.workspace import Workspace

LONGEST_ID = 200


async def new_metadata(workspace: Workspace, environment: Mapping[str, str], params: NewParams, cwd: str) -> Metadata:
    """Of the session that ``agentd/session/new`` asks for. Raises what is wrong with name, profile or parent."""
    name = checked_name(params.name) if params.name is not None else None
    if params.parent_id is not None:
        async with workspace.using(params.parent_id) as parent:
            fields = await _child_of(workspace, parent.metadata, params)
    else:
        profile = await workspace.profiles.find(params.profile) if params.profile else None
        fields = {
            "id": str(uuid.uuid4()),
            **_settings(profile, params),
            "config": without_secrets(params.config),
            "agent_overlay": without_secrets(params.agent_overlay),
        }
    common: dict[str, Any] = {
        "name": name,
        "name_source": "user" if name else None,
        "tags": checked_tags(params.tags),
        "description": params.description,
        "metadata": params.metadata,
        "working_dir": params.working_dir or fields.pop("working_dir", None) or cwd or str(workspace.root),
    }
    return await completed(workspace, environment, {**fields, **common})


async def completed(workspace: Workspace, environment: Mapping[str, str], fields: Mapping[str, Any]) -> Metadata:
    """Metadata of a session that begins now, with the defaults for what ``fields`` leave open (None)."""
    given = {key: value for key, value in fields.items() if value is not None}
    traits = workspace.models.traits(given.pop("model", None) or await workspace.models.default(environment))
    time = clock.now()
    defaults = {
        "created": time,
        "last_active": time,
        "mode": workspace.settings.mode,
        "branch": await workspace.folder.branch(),
        "working_dir": str(workspace.root),
    }
    return Metadata(**{**defaults, **given, "model": traits.id, "provider": traits.provider})


async def with_profile(workspace: Workspace, params: ChatParams) -> ChatParams:
    """A prompt that names a profile, with what that says about model and mode where the prompt itself says nothing."""
    if params.profile is None:
        return params
    profile = await workspace.profiles.find(params.profile)
    return params.model_copy(
        update={"model": params.model or profile.model, "mode": params.mode or profile.mode, "profile": profile.name}
    )


def checked_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, without surrounding whitespace. Raises InvalidParams for one that is no single line of 1 to 64."""
    cleaned = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    for tag in cleaned:
        if len(tag) > 64 or not tag.isprintable():
            raise InvalidParams(f"tags: {tag[:64]!r} is no tag: 1 to 64 printable characters")
    return cleaned


def _settings(profile: Profile | None, params: NewParams) -> dict[str, Any]:
    """Model, mode and profile: what was asked for, else what the profile says."""
    return {
        "model": params.model or (profile.model if profile else None),
        "mode": params.mode or (profile.mode if profile else None),
        "profile": profile.name if profile else None,
    }


async def _child_of(workspace: Workspace, parent: Metadata, params: NewParams) -> dict[str, Any]:
    """A sub-session: its parent's configuration with the agent's laid over it, both kept."""
    if parent.status == "archived":
        raise SessionArchived(parent.id)
    overlay, agent = await _overlay(workspace, params)
    config = {"model": parent.model, "mode": parent.mode, "profile": parent.profile, **parent.config}
    merged = {**config, **overlay, **params.config}
    merged.pop("name", None)
    session_id = f"{parent.id}-{agent}-{uuid.uuid4().hex[:8]}"
    if len(session_id) > LONGEST_ID:
        raise InvalidParams("parentId: sub-sessions are nested too deep here")
    return {
        "id": session_id,
        "parent_id": parent.id,
        "trace_id": parent.trace_id or parent.id,
        "agent_name": agent,
        "agent_overlay": without_secrets(overlay),
        "config": without_secrets(merged),
        "model": params.model or overlay.get("model") or parent.model,
        "mode": params.mode or overlay.get("mode") or parent.mode,
        "profile": params.profile or parent.profile,
        "working_dir": parent.working_dir,
    }


async def _overlay(workspace: Workspace, params: NewParams) -> tuple[dict[str, Any], str]:
    """The agent's own configuration and its name. An agent that no file describes needs an overlay in the request."""
    agent = params.profile or "agent"
    if not NAME.fullmatch(agent):
        raise InvalidParams(f"profile: '{agent}' names no agent: 1 to 32 of a-z, 0-9 and -")
    if params.profile is None or (params.agent_overlay and agent not in (await workspace.profiles.all()).profiles):
        return dict(params.agent_overlay), agent
    found = await workspace.profiles.find(agent)
    return {**found.overlay, **params.agent_overlay}, agent
