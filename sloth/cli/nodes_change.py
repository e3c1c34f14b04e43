"""`sloth nodes add|remove|replace`: the spec is changed and then made so, as if it had been changed by hand before `sloth up`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.options import verb
from sloth.errors import UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.config.edit import Edit
    from sloth.config.load import Loaded
    from sloth.desk import Desk
    from sloth.model.record import Record

Names = Annotated[list[str], typer.Argument(metavar="NODE...", help="Names, as `sloth nodes list` shows them.")]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="A pool of the spec.")]
Count = Annotated[int, typer.Option("--count", min=1, help="How many more.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @verb(group, "add")
    def add(options: Options, pool: Pool, *, count: Count = 1, yes: Yes = False) -> Outcome:
        """Raise a pool's count in the spec file, then bring the new nodes up: sloth nodes add work --count 2"""
        return add_nodes(options, pool, count, yes=yes)

    @verb(group, "remove")
    def remove(options: Options, names: Names, *, yes: Yes = False) -> Outcome:
        """Drain these nodes and delete them; the spec's count follows, and their numbers stay free until more are asked for."""
        return remove_nodes(options, names, yes=yes)

    @verb(group, "replace")
    def replace(options: Options, names: Names, *, yes: Yes = False) -> Outcome:
        """Make these nodes anew under the same names: drained, deleted, joined again. Any control-plane node, too."""
        return replace_nodes(options, names, yes=yes)


def add_nodes(options: Options, name: str, count: int, *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import load
    from sloth.cli.up import bring_up
    from sloth.config.edit import edit

    loaded = load(options)
    pool = next((pool for pool in loaded.spec.pools if pool.name == name), None)
    if pool is None:
        raise UsageError(
            "usage/unknown-pool",
            f"the spec has no pool {name}",
            detail=f"its pools: {', '.join(pool.name for pool in loaded.spec.pools)}",
            hint="sloth config show",
        )
    if pool.hosts:
        raise UsageError(
            "usage/existing-hosts",
            f"pool {name} is made of hosts that exist: only you know the next one",
            hint=f"add it to hosts of pool {name}, then sloth up",
        )
    change = edit(loaded, {name: pool.count + count})
    done = bring_up(options, yes=yes, loaded=change.loaded, prepare=lambda here: _write(here, change))
    return _told(done, change)


def remove_nodes(options: Options, names: Sequence[str], *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import load, state_of
    from sloth.cli.up import bring_up
    from sloth.model.record import Record

    loaded = load(options)
    _refuse_protected(loaded, "removed")
    record = state_of(options, loaded.spec.name).load() or Record(cluster=loaded.spec.name)
    change = without(loaded, record, names)
    done = bring_up(options, yes=yes, loaded=change.loaded, prepare=lambda here: _leave(here, change, names, yes=yes))
    return _told(done, change)


def replace_nodes(options: Options, names: Sequence[str], *, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.up import bring_up

    return bring_up(options, yes=yes, anew=list(dict.fromkeys(names)))


def without(loaded: Loaded, record: Record, names: Sequence[str]) -> Edit:
    """The change of the spec that removing these nodes takes. Raises UsageError, ConfigError.

    A pool that has more nodes than its count already (an earlier run was cut off) is not lowered once more for them.
    """
    from sloth.config.edit import edit

    leases = {lease.name: lease for lease in record.leases}
    unknown = [name for name in names if name not in leases]
    if unknown:
        raise UsageError(
            "usage/unknown-node",
            f"{loaded.spec.name} has no node {', '.join(unknown)}",
            detail=f"its nodes: {', '.join(leases) or 'none yet'}",
            hint="sloth nodes list",
        )
    hosts = [(pool.name, host.name) for pool in loaded.spec.pools for host in pool.hosts if f"{pool.name}-{host.name}" in names]
    counts: dict[str, int] = {}
    for pool in loaded.spec.pools:
        stay = sum(x.pool == pool.name and x.name not in names and not record.node(x.name).leaving for x in leases.values())
        mine = sum(leases[name].pool == pool.name for name in dict.fromkeys(names))
        if mine and not pool.hosts and pool.count > stay:
            counts[pool.name] = max(stay, pool.count - mine)
    return edit(loaded, counts, hosts)


def _refuse_protected(loaded: Loaded, what: str) -> None:
    if loaded.spec.protect:
        raise UsageError(
            "usage/protected",
            f"{loaded.spec.name} is protected: no node is {what}",
            detail="spec.protect is true",
            hint="set spec.protect to false in the spec, then run the same command again",
        )


def _leave(here: Desk, change: Edit, names: Sequence[str], *, yes: bool) -> Sequence[str]:
    """Plan, ask, guard, mark, write: in this order, so that what is refused has changed nothing."""
    from sloth.app import confirm
    from sloth.flows.nodes import may_leave
    from sloth.phases.leave_check import marked
    from sloth.phases.plan import plan

    plan(change.loaded.spec, marked(here.record, names))
    if not yes:
        confirm(f"These nodes will be drained and deleted: {', '.join(names)} ({'; '.join(change.notes)}). Go on?")
    here.run(may_leave(here.tools, names, mark=True), here.cluster(as_recorded=True))
    _write(here, change)
    return names


def _write(here: Desk, change: Edit) -> Sequence[str]:
    from sloth.adapters.spec_file import write_back
    from sloth.model.event import Event

    write_back(change.texts, change.before)
    for note in change.notes:
        here.rig.emit(Event(kind="note", title=note))
    return ()


def _told(done: Outcome, change: Edit) -> Outcome:
    data: Mapping[str, object] = {**done.data, "spec": list(change.notes)}
    return changed(done, data=data)
