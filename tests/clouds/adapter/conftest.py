"""The real command line, and a fake that it is attached to."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from sloth.adapters.pulumi import machines
from tests.clouds.adapter.world import World, until


@pytest.fixture(scope="session")
def tool():
    """Path and version of the pinned command line; had at once where the store has it."""
    from sloth.adapters.pulumi import tool
    from sloth.adapters.pulumi.install import install_tool

    return str(install_tool()), tool.VERSION


@pytest.fixture(scope="session")
def grown(tool, tmp_path_factory):
    """A cluster after its first run, for tests that begin there."""
    world = World(folder=tmp_path_factory.mktemp("grown") / "user", tool=tool)
    with world.fake.serve() as attached, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_DEBUG_PROVIDERS", attached)
        world.up()
    return world


@pytest.fixture
def world(tool, grown, tmp_path, monkeypatch):
    """One cluster with its own files; afterwards nothing of the engine is left running or lying about."""
    world = World(folder=tmp_path / "user", tool=tool, grown=grown)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(machines, "_PAUSE", 0.05)
    others = _children()  # of other modules' fixtures, in the same process
    with world.fake.serve() as attached:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", attached)
        before = _threads()
        yield world
        world.settled()
    until(lambda: not _threads() - before)  # gRPC ends its own a moment later
    assert {pid: words for pid, words in _children().items() if pid not in others} == {}
    assert list(scratch.rglob("*")) == []


def _threads():
    """Those that are no part of a gRPC server's pool, of which the fake's is one."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("ThreadPoolExecutor")}


def _children():
    """Command lines of our child processes, by number (proc(5): fields 4 and 3 of stat are parent and state)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if parent == str(os.getpid()):
                found[path.parent.name] = f"{state} {path.with_name('cmdline').read_text()}"
    return found
