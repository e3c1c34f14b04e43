"""Versions as K3s and RKE2 write them: with a `+`, or without what follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloth import registry
from sloth.config.load import load
from sloth.errors import ConfigError
from sloth.supply import exact

SPEC = """
metadata: {{name: shop}}
spec:
  kubernetes: {{distribution: {name}, version: "{version}"}}
  pools:
    - {{name: control, role: control-plane, count: 1}}
"""


def version(folder: Path, name: str, asked: str) -> str:
    path = folder / "sloth.yaml"
    path.write_text(SPEC.format(name=name, version=asked))
    spec = load([path]).spec
    return exact(spec, spec.kubernetes.version)


@pytest.mark.parametrize("name", ["k3s", "rke2"])
def test_every_way_to_write_a_known_version(name: str, tmp_path: Path) -> None:
    for known in registry.distribution(name).versions():
        number = known.removeprefix("v")
        assert version(tmp_path, name, number) == version(tmp_path, name, known) == known
        assert version(tmp_path, name, number.partition("+")[0]).partition("+")[0] == known.partition("+")[0]
    assert version(tmp_path, name, "1.36") == registry.distribution(name).versions()[0]


@pytest.mark.parametrize("asked", ["1.36.99", "1.36.2+k3s9", "1.36.2+", "1.36+k3s1", "1.36.2+k3s1 "])
def test_unknown_and_misspelt_ones(asked: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        version(tmp_path, "k3s", asked)
