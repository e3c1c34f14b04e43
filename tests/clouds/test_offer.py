"""`sloth providers show NAME --live` over the real engine: what the fake offers, and nothing left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloth.clouds import offer
from sloth.model.spec import ClusterSpec, PoolSpec
from tests.clouds.engine import TOOL
from tests.clouds.fakes.hcloud import Fake
from tests.clouds.plugins import CLOUDS


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The folder in which temporary files are made, with a fake project attached to the engine."""
    monkeypatch.setenv("SLOTH_PULUMI", str(TOOL))
    monkeypatch.setenv("HCLOUD_TOKEN", "hcloud-token-k2Jx81q")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Fake().serve() as provider:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", provider)
        yield tmp_path


def test_what_the_account_can_have(attached: Path) -> None:
    pool = PoolSpec(name="work", role="worker", provider="hcloud", count=1, options={"size": "cx33", "location": "fsn1"})
    found = offer(CLOUDS["hcloud"], ClusterSpec(name="demo", pools=(pool,)))
    assert "fsn1" in found.locations
    assert found.sizes["cx33"].cpus == 4
    assert found.images["debian-12"]
    assert list(attached.iterdir()) == []


def test_without_a_spec_the_example_is_asked_about(attached: Path) -> None:
    assert CLOUDS["hcloud"].example["size"] in offer(CLOUDS["hcloud"], ClusterSpec(name="providers")).sizes
    assert list(attached.iterdir()) == []
