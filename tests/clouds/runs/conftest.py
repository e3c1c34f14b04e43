"""Beds for tests that run `sloth`."""

from __future__ import annotations

import pytest

from tests.clouds.runs.bed import Forks, bed


@pytest.fixture(scope="session")
def forks():
    """What forks runs; the engine is had before."""
    from sloth.adapters.pulumi.install import install_tool

    install_tool()
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture
def shop(forks, tmp_path):
    """A cluster of twelve servers at two clouds, nothing of it made yet."""
    with bed(tmp_path / "user", forks) as made:
        yield made
        assert made.engines() == []
