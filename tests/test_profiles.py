"""The user's profiles on disk: read when asked for; a file that is none costs itself and is named."""

import os
from pathlib import Path

import pytest

from agentd.errors import InvalidParams
from agentd.profiles import MOST_BYTES, Profiles

pytestmark = pytest.mark.anyio


async def test_none_yet(tmp_path: Path) -> None:
    assert (await Profiles(tmp_path / "agents").all()).profiles == {}
    with pytest.raises(InvalidParams, match=r"no profile 'x' \(known: none yet\)\. Profiles are files NAME\.md in "):
        await Profiles(tmp_path / "agents").find("x")


async def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    profiles = Profiles(tmp_path)
    (tmp_path / "a.md").write_text("---\nmode: plan\n---\none")
    assert (await profiles.find("a")).system == "one"
    (tmp_path / "a.md").write_text("two")
    found = await profiles.find("a")
    assert (found.system, found.mode) == ("two", None)


async def test_each_wrong_file_is_named_and_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("fine")
    (tmp_path / "yaml.md").write_text("---\na: [\nb: 1\n---\n")
    (tmp_path / "list.md").write_text("---\n- 1\n---\n")
    (tmp_path / "code.md").write_text("---\n!!python/object/apply:os.system ['touch /tmp/x']\n---\n")
    (tmp_path / "Upper Case.md").write_text("x")
    (tmp_path / "latin.md").write_bytes(b"\xe9t\xe9")
    (tmp_path / "huge.md").write_text("x" * (MOST_BYTES + 1))
    (tmp_path / "folder.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".hidden.md").write_text("---")
    (tmp_path / "notes.txt").write_text("---")
    found = await Profiles(tmp_path).all()
    assert set(found.profiles) == {"good"}
    named = {Path(problem.split(": ")[0]).stem for problem in found.problems}
    assert named == {"yaml", "list", "code", "Upper Case", "latin", "huge", "folder", "pipe", "gone"}
    with pytest.raises(InvalidParams, match=r"'yaml' cannot be used: .*not valid YAML, line 3"):
        await Profiles(tmp_path).find("yaml")


async def test_a_bomb_of_aliases_is_no_profile(tmp_path: Path) -> None:
    lines = [
        "a: &a [x,x,x,x,x,x,x,x,x]",
        *(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
    (tmp_path / "bomb.md").write_text("---\n" + "\n".join(lines) + "\n---\n")
    assert (await Profiles(tmp_path).all()).profiles == {}
