"""Check a spec: its form by JSON Schema, then everything across fields. All problems are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sloth import registry
from sloth.config.assemble import DEFAULT_PROVIDER, Schema, assemble, core, published
from sloth.config.build import build
from sloth.config.defaults import fill
from sloth.config.explain import Fault, explain_all
from sloth.config.merge import without_nulls
from sloth.config.problem import Finding, combine, in_order
from sloth.config.rules import ALL
from sloth.config.rules.desk import Desk
from sloth.config.rules.plugins import news, plugins
from sloth.config.rules.secrets import literals
from sloth.config.salvage import rests_on, salvage
from sloth.config.tree import Path, Places, Tree
from sloth.config.validator import faults as find_faults
from sloth.model.spec import ClusterSpec


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A spec without problems."""

    spec: ClusterSpec
    effective: dict[str, Any]
    defaulted: frozenset[Path]


def schema() -> dict[str, Any]:
    """The whole published JSON Schema, with the fields of every plugin."""
    document = assemble(registry.names("providers"), registry.names("distributions"))
    return dict(published(document))


def check(tree: Tree, files: Sequence[str]) -> Checked:
    """Check and complete a merged spec (`null` means "not given"). Raises ConfigError with every problem found."""
    given = without_nulls(tree).plain()
    document = assemble(_providers(given), _distributions(given))
    places = Places(tree)
    faults = find_faults(document, given)
    findings = explain_all(faults, places)
    wrong = [path for finding in findings for path in (finding.path, *finding.depends)]
    findings += [found for found in literals(tree) if not rests_on(found.path, wrong)]
    checked, further = _across(document, given, faults, places)
    findings += [found for found in further if not any(rests_on(path, wrong) for path in (found.path, *found.depends))]
    if findings or checked is None:
        raise combine(in_order(findings, files), files)
    return checked


def _across(document: Schema, given: Any, faults: Sequence[Fault], places: Places) -> tuple[Checked | None, list[Finding]]:
    """The checks across fields, on what is right of the spec."""
    effective = salvage(document, given, faults)
    if effective is None:
        return None, []
    defaulted = fill(document, effective)
    checked = Checked(spec=build(document, effective), effective=effective, defaulted=defaulted)
    desk = Desk(spec=checked.spec, places=places)
    found = [finding for rule in ALL for finding in rule(desk)]
    return checked, found if faults else [*found, *news(list(plugins(desk)), found)]


def _providers(given: Any) -> tuple[str, ...]:
    """Known providers that this spec names, and the one that is meant where none is named."""
    spec = given.get("spec") if isinstance(given, dict) else None
    pools = spec.get("pools") if isinstance(spec, dict) else None
    options = spec.get("providers") if isinstance(spec, dict) else None
    named = [pool.get("provider") for pool in _maps(pools)]
    keys = list(options) if isinstance(options, dict) else []
    return tuple(name for name in registry.names("providers") if name in (*named, *keys, DEFAULT_PROVIDER))


def _distributions(given: Any) -> tuple[str, ...]:
    """The distribution that this spec names, if it is known; otherwise the default one."""
    spec = given.get("spec") if isinstance(given, dict) else None
    kubernetes = spec.get("kubernetes") if isinstance(spec, dict) else None
    default = core()["properties"]["spec"]["properties"]["kubernetes"]["properties"]["distribution"]["default"]
    named = kubernetes.get("distribution", default) if isinstance(kubernetes, dict) else default
    return tuple(name for name in registry.names("distributions") if name == named)


def _maps(value: Any) -> Iterator[dict[str, Any]]:
    items: Iterable[Any] = value if isinstance(value, list) else ()
    return (item for item in items if isinstance(item, dict))
