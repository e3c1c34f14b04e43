"""Plugin names without importing them; one plugin by name on demand; entry points for strangers' plugins.

A plugin is a folder `providers/NAME` (or distributions, addons) whose `__init__` sets `PLUGIN` to an instance. Packages of
others announce theirs under the entry-point groups `sloth.providers` and `sloth.distributions`.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any, Literal, cast

from sloth.contracts.distribution import Distribution
from sloth.contracts.provider import Provider
from sloth.errors import InternalError, UsageError

Kind = Literal["providers", "distributions", "addons"]
# Whole codes, so that they can be found by searching for them.
_UNKNOWN: dict[Kind, str] = {
    "providers": "plugin/unknown-provider",
    "distributions": "plugin/unknown-distribution",
    "addons": "plugin/unknown-addon",
}


@cache
def names(kind: Kind) -> tuple[str, ...]:
    """Names of all plugins of a kind, bundled ones and strangers', sorted. Imports none of them."""
    bundled = {entry.name for entry in files(f"sloth.{kind}").iterdir() if entry.is_dir() and (entry / "__init__.py").is_file()}
    return tuple(sorted(bundled | {point.name for point in entry_points(group=f"sloth.{kind}")}))


@cache
def _load(kind: Kind, name: str) -> Any:
    if name not in names(kind):
        raise UsageError(
            _UNKNOWN[kind],
            f"there is no {kind.rstrip('s')} `{name}`",
            hint=f"use one of: {', '.join(names(kind))}",
        )
    points = [point for point in entry_points(group=f"sloth.{kind}") if point.name == name]
    if (files(f"sloth.{kind}") / name / "__init__.py").is_file():
        if points:
            raise InternalError(
                "plugin/duplicate",
                f"{kind.rstrip('s')} `{name}` exists twice: bundled, and in {points[0].value}",
                hint=f"pip uninstall the package that announces {points[0].value}",
            )
        return importlib.import_module(f"sloth.{kind}.{name}").PLUGIN
    return points[0].load()


def provider(name: str) -> Provider:
    """The provider of that name. Raises UsageError naming the known ones."""
    return cast(Provider, _load("providers", name))


def distribution(name: str) -> Distribution:
    """The distribution of that name. Raises UsageError naming the known ones."""
    return cast(Distribution, _load("distributions", name))
