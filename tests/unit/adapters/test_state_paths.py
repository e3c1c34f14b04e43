"""Folders: XDG, overrides, modes, and names that are none."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth.adapters.paths import cache_dir, cluster_dir, data_dir, private
from sloth.errors import UsageError


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SLOTH_DATA_DIR", "SLOTH_CACHE_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(("find", "fallback", "xdg", "own"), [
    (data_dir, ".local/share", "XDG_DATA_HOME", "SLOTH_DATA_DIR"),
    (cache_dir, ".cache", "XDG_CACHE_HOME", "SLOTH_CACHE_DIR"),
])  # fmt: skip
def test_what_is_nearer_wins(
    find: Callable[..., Path], fallback: str, xdg: str, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find() == tmp_path / fallback / "sloth"
    monkeypatch.setenv(xdg, "relative/is/ignored")
    assert find() == tmp_path / fallback / "sloth"
    monkeypatch.setenv(xdg, "/base")
    assert find() == Path("/base/sloth")
    monkeypatch.setenv(own, "~/mine")
    assert find() == tmp_path / "mine"
    assert find(Path("/given")) == Path("/given")
    monkeypatch.chdir(tmp_path)
    assert find(Path("here")) == tmp_path / "here"


def test_a_private_folder_and_its_new_parents_are_for_one_user_only(tmp_path: Path) -> None:
    os.umask(0o022)
    made = private(tmp_path / "a" / "b" / "c")
    for folder in (made, made.parent, made.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private(made) == made


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "-a", "a-", "a" * 64, "ä", "a\n", "a.b"])
def test_a_name_that_would_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        cluster_dir(tmp_path, name)
    assert caught.value.code == "usage/cluster-name"


@pytest.mark.parametrize("name", ["a", "demo-1", "0", "a" * 63])
def test_a_name_is_a_folder_below_clusters(name: str, tmp_path: Path) -> None:
    assert cluster_dir(tmp_path, name) == tmp_path / "clusters" / name
