"""A rehearsal of `sloth up`, for `sloth plan` and for what must know beforehand what `up` would do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sloth import __version__
from sloth.desk import desk
from sloth.engine.moved import moved, moved_inputs
from sloth.engine.plan_data import plan_data
from sloth.errors import ManyErrors, SlothError, StateError
from sloth.flows.up import Tools, phases
from sloth.model.cluster import Cluster
from sloth.model.options import Options
from sloth.model.phase import Phase
from sloth.model.plan import SavedPlan
from sloth.model.record import Record
from sloth.phases.mesh import Mesh
from sloth.phases.only import narrow, only, refuse_spread
from sloth.phases.survey import providers
from sloth.phases.upgrade_versions import refuse_other_version

if TYPE_CHECKING:
    from sloth.config.load import Loaded

World = Mapping[str, Mapping[str, Mapping[str, Any]]]  # provider -> node -> id and whether it runs

_SHOWN = 18  # lines of what moved; the panel shows 20


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What a rehearsal was made from, and what it found."""

    loaded: Loaded
    revision: int  # of the record; 0 = there is none
    version: str  # Kubernetes
    data: dict[str, Any]  # sloth.engine.plan_data
    world: World


def rehearse(options: Options, loaded: Loaded, targets: Sequence[str] = ()) -> Rehearsed:
    """Run the flow of `up` with rehearsing adapters; nothing is changed and no lock is taken. Raises SlothError."""
    with desk(options, loaded, "plan", rehearse=True) as here:
        assert here.rehearsal is not None  # noqa: S101  this is a rehearsal
        cluster, order = flow(here.cluster(), here.tools, targets)
        leaving: dict[str, list[str]] = {}
        for lease in cluster.plan.remove:
            leaving.setdefault(lease.provider, []).append(lease.name)
        here.rehearsal.leaving = leaving
        here.run(order, cluster)
        if targets:
            refuse_spread([(x.phase, x.node, x.title) for x in here.rehearsal.changes], cluster, targets)
        world = {
            name: {x.name: {"id": x.id, "running": x.running} for x in here.rig.machines(name).survey()}
            for name in providers(cluster)
        }
        data = plan_data(cluster, here.rehearsal, mesh=Mesh.title, targets=targets)
    return Rehearsed(loaded=loaded, revision=cluster.record.revision, version=cluster.version, data=data, world=world)


def flow(cluster: Cluster, tools: Tools, targets: Sequence[str]) -> tuple[Cluster, list[Phase]]:
    """The cluster and the phases of `up`; with targets, of as much of it as concerns them. Raises UsageError, ConfigError."""
    refuse_other_version(cluster)
    order = phases(tools)
    return (narrow(cluster, targets), only(order, targets)) if targets else (cluster, order)


def saved(
    loaded: Loaded, *, revision: int, version: str, data: dict[str, Any] | None = None, world: World | None = None
) -> SavedPlan:
    """A plan with all that it was made from, as of now."""
    from sloth.adapters.plan_file import lock_digest, masked, spec_digests
    from sloth.supply import lock_path

    return SavedPlan(
        cluster=loaded.spec.name,
        sloth=__version__,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        spec=spec_digests(loaded.raw),
        revision=revision,
        kubernetes=version,
        artifacts=lock_digest(lock_path(loaded)),
        world=masked(world or {}),
        plan=masked(data or {}),
    )


def still_true(then: SavedPlan, options: Options, loaded: Loaded) -> Rehearsed:
    """Plan anew and find the same. Raises StateError `plan/moved` that lists what is not as it was; nothing is changed."""
    from sloth.app import state_of
    from sloth.supply import version_of

    record = state_of(options, loaded.spec.name).load() or Record(cluster=loaded.spec.name)
    now = saved(loaded, revision=record.revision, version=version_of(loaded.spec, record))
    inputs = moved_inputs(then, now)
    try:
        again = rehearse(options, loaded, then.plan["targets"])
    except (SlothError, ManyErrors) as error:
        if not inputs:
            raise
        raise has_moved([*inputs, f"machines and nodes could not be looked at: {error}"], then) from error
    found = moved(then, saved(loaded, revision=again.revision, version=again.version, data=again.data, world=again.world))
    if found:
        raise has_moved(found, then)
    return again


def same_revision(then: SavedPlan, record: Record) -> None:
    """The last look, under the lock: whoever came since `still_true` has raised the revision. Raises StateError."""
    if record.revision != then.revision:
        raise has_moved([f"record: revision {then.revision} was planned with, it is {record.revision} now"], then)


def has_moved(found: Sequence[str], then: SavedPlan) -> StateError:
    """The refusal of a plan that is not true any more."""
    count = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
    return StateError(
        "plan/moved",
        f"the plan of {then.created} is not true any more: {count} not as it was planned with; nothing was done",
        detail="\n".join([*found[:_SHOWN], *([f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])]),
        hint="sloth plan --out FILE, then read the new plan",
    )
