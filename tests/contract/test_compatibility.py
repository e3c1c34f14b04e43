"""docs/reference/compatibility.md: which versions each distribution has and what is in them, made from the plugins themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sloth import registry
from sloth.contracts.distribution import Distribution
from sloth.supervised.distribution import Supervised

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "compatibility.md"
NAMES = registry.names("distributions")
HEAD = """# Compatibility

Which Kubernetes each distribution of this sloth installs, and what comes with it. Newest first: a minor such as `"1.36"` in
`spec.kubernetes.version` means its first row here for a new cluster; an existing one stays at its version until an upgrade, which
goes to a later release of the same minor or of the next one. This page is made from the plugins, by
`pytest tests/contract/test_compatibility.py --update-golden`.
"""
# Programs that come out of one release with another one, and so have its version.
_BESIDE = ("containerd-shim-runc-v2", "ctr", "etcdctl", "etcdutl")


def components(plugin: Distribution, version: str) -> Mapping[str, str]:
    """What is in a version besides Kubernetes itself."""
    found = {}
    for need in plugin.needs(version):
        if need.version != version and need.name not in _BESIDE:
            found["CNI plugins" if need.name.startswith("cni-") else need.name] = need.version
    if isinstance(plugin, Supervised):
        found |= next(release.parts for release in plugin.releases if release.version == version)
    return found


def minor(version: str) -> str:
    return ".".join(version.removeprefix("v").split(".")[:2])


def table(plugin: Distribution) -> str:
    rows = {version: components(plugin, version) for version in plugin.versions()}
    parts = list(dict.fromkeys(part for row in rows.values() for part in row))
    lines = [["version", "minor", *parts], ["---"] * (len(parts) + 2)]
    lines += [[version, minor(version), *(row.get(part, "") for part in parts)] for version, row in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def test_the_page_is_current(golden: Callable[[Path, str], None]) -> None:
    golden(PAGE, HEAD + "".join(f"\n## `{name}`\n\n{table(registry.distribution(name))}" for name in NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_two_minors_are_there_to_upgrade_between(name: str) -> None:
    minors = list(dict.fromkeys(minor(version) for version in registry.distribution(name).versions()))
    numbers = [int(each.partition(".")[2]) for each in minors]
    assert len(minors) >= 2 and numbers == sorted(numbers, reverse=True)
    assert {number + 1 for number in numbers[1:]} == set(numbers[:-1]), "a minor must not be skipped by an upgrade"


@pytest.mark.parametrize("name", NAMES)
def test_every_version_tells_all_that_is_in_it(name: str) -> None:
    plugin = registry.distribution(name)
    rows = [components(plugin, version) for version in plugin.versions()]
    assert all(row.keys() == rows[0].keys() and all(row.values()) for row in rows)
