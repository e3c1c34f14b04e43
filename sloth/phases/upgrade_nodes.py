"""Phases: images first, then control planes one by one, then workers: one alone, then batch by batch.

What a node has is seen on the node and in Kubernetes, never in the journal: a run that was cut off anywhere is continued by the
next one, which leaves finished nodes alone. Whatever fails halts the upgrade, with the cause and the next command.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import HasEtcd, Preloads
from sloth.errors import Interrupted, KubernetesError, ManyErrors, SlothError, flat
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Each, Order, PhaseRun, Say
from sloth.model.step import Script, Step, Wait
from sloth.nodes.cordon import few, release_all
from sloth.phases.emptying import drains, limit, rules
from sloth.phases.prepare import STAMP, managed_paths
from sloth.phases.quorum import guard_restart, other_server
from sloth.phases.stamp import stamped
from sloth.phases.upgrade_begin import RESUME
from sloth.phases.upgrade_look import done, kubectl, pools, server_of, upgrades
from sloth.upgrade.batches import batches
from sloth.upgrade.gate import nodes_are_well, pause, workloads_are_well
from sloth.upgrade.look import HOLDS

# They say themselves how to go on.
_OWN_WORDS = ("node/drain-blocked", "kube/drain-slow", "kube/would-be-lost", "kube/two-budgets", "etcd/quorum")


@dataclass(frozen=True)
class Preload:
    """What pods everywhere need of the new version, on every node that has not its turn behind it."""

    distribution: Distribution
    title: str = "Bring images of the new version"

    def run(self, cluster: Cluster) -> PhaseRun:
        """All nodes side by side, one round trip each."""
        if isinstance(self.distribution, Preloads):
            todo = [node for node in cluster.nodes if not done(node, cluster, self.distribution)]
            scripts = {node.name: _once(list(self.distribution.preload(node, cluster))) for node in todo}
            stopping = halting("images could not be brought", cluster)
            yield from stopping(each(Each(title=self.title, scripts=scripts)))
        return cluster


@dataclass(frozen=True)
class UpgradeControlPlane:
    """Control-plane nodes, one at a time; before each the quorum guard, after each the health gate."""

    distribution: Distribution
    title: str = "Upgrade the control plane"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Nodes that have the version already are passed over."""
        todo = [node for node in cluster.control_plane if not done(node, cluster, self.distribution)]
        first = len(todo) == len(cluster.control_plane)
        for node in todo:
            server = other_server(node, cluster)
            stopping = halting(f"{node.name} could not be upgraded", cluster)
            yield from stopping(guard_restart(self.distribution, cluster, server, node, then=RESUME))
            cluster = yield from _group(self.distribution, cluster, server, [node], first=first)
            first = False
        return cluster


@dataclass(frozen=True)
class UpgradeWorkers:
    """Workers: the canary, then batches, with a pause after each but the last."""

    distribution: Distribution
    batch: str = "25%"
    canary: bool = True
    pause: int = 0  # seconds
    title: str = "Upgrade workers"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Nodes that have the version already are passed over."""
        todo = [node.name for node in cluster.workers if not done(node, cluster, self.distribution)]
        groups = batches(todo, len(cluster.workers), self.batch, canary=self.canary, pools=pools(cluster))
        for number, group in enumerate(groups, start=1):
            cluster = yield from _group(self.distribution, cluster, server_of(cluster), [cluster.node(name) for name in group])
            if number < len(groups):
                yield Say(text=f"{sum(map(len, groups[:number]))} of {len(todo)} workers upgraded")
                if self.pause:
                    server = server_of(cluster)
                    yield Each(title=f"pause {self.pause} s", scripts={server.name: _waiting(self.pause)})
        return cluster


def _group(distribution: Distribution, cluster: Cluster, server: Node, nodes: Sequence[Node], *, first: bool = False) -> PhaseRun:
    """Empty these nodes, upgrade them side by side, see that they are well, let pods in, see that workloads are well."""
    names = [node.name for node in nodes]
    listed = few(names)
    stopping = halting(f"{listed} could not be upgraded", cluster)
    # A node that somebody else cordoned is emptied as well, and stays cordoned afterwards.
    how = {name: rules(limit(name, cluster)) for name in names}
    yield from stopping(each(drains(how, server, cluster, why=HOLDS, then=RESUME)))
    scripts = {node.name: _upgrade(distribution, node, cluster, first=first) for node in nodes}
    answers = yield from stopping(each(Each(title=f"upgrade {listed}", scripts=scripts, gather=True)))
    failed = [answer for answer in answers.values() if isinstance(answer, Exception)]
    well = [name for name in names if not isinstance(answers[name], Exception)]
    if well:  # those that made it come back before anything else is said
        cluster = replace(cluster, changed=cluster.changed | frozenset(well))
        gate = {server.name: _gate(distribution, cluster, server, well)}
        yield from stopping(each(Each(title=f"see whether all is well after {listed}", scripts=gate)))
    if failed:
        yield from stopping(_raise(failed))
    return cluster


def _gate(distribution: Distribution, cluster: Cluster, server: Node, names: Sequence[str]) -> Script[None]:
    command = kubectl(distribution)
    yield nodes_are_well(command, names, cluster.version, _etcd(distribution, cluster))
    yield from release_all(names, command)
    yield calm(distribution, cluster)


def calm(distribution: Distribution, cluster: Cluster) -> Wait:
    """Until no larger share of workloads fails than before the upgrade began, whichever run began it."""
    wish = cluster.record.upgrade
    return workloads_are_well(kubectl(distribution), int(wish.get("failing", 0)), int(wish.get("workloads", 0)))


def _etcd(distribution: Distribution, cluster: Cluster) -> str:
    if not isinstance(distribution, HasEtcd):
        return ""
    flags = distribution.etcd_access().flags(*(node.mesh_address for node in cluster.control_plane))
    return f"etcdctl endpoint health {flags} >/dev/null 2>&1"


def _upgrade(distribution: Distribution, node: Node, cluster: Cluster, *, first: bool) -> Script[None]:
    yield from upgrades(distribution).upgrade(node, cluster, first=first)
    steps = list(distribution.prepare(node, cluster))
    yield stamped(STAMP, steps, managed_paths(steps))


def _once(steps: list[Step]) -> Script[None]:
    if steps:
        yield steps


def _waiting(seconds: int) -> Script[None]:
    # One by one, not as a list: between two of them Ctrl-C is heeded. And a list's own iterator takes no results.
    for step in pause(seconds):  # noqa: UP028
        yield step


def each(order: Order) -> Generator[Any, Any, Any]:
    """One order as a part of a phase, for `halting`."""
    return (yield order)


def _raise(failed: Sequence[Exception]) -> Generator[Any, Any, None]:
    raise ManyErrors("nodes could not be upgraded", flat(failed)) if len(flat(failed)) > 1 else failed[0]
    yield  # a generator, as all that `halting` wraps


class halting:
    """Wraps a part of a phase: whatever fails in it becomes the halt of the upgrade, with its cause and the next command."""

    def __init__(self, what: str, cluster: Cluster) -> None:
        self._what = what
        self._cluster = cluster

    def __call__(self, part: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The same part, and its answer."""
        try:
            return (yield from part)
        except Interrupted:
            raise
        except (SlothError, ManyErrors) as error:
            raise self._halt(error) from error

    def _halt(self, error: SlothError | ManyErrors) -> SlothError:
        causes = flat([error])
        cause = causes[0]
        if cause.code in _OWN_WORDS:
            return cause
        more = f" (and {len(causes) - 1} more)" if len(causes) > 1 else ""
        return KubernetesError(
            "upgrade/halted",
            f"the upgrade to {self._cluster.version} halted: {self._what}: {cause.summary}{more}",
            detail="\n".join(f"{each.summary}\n{each.detail}".strip() for each in causes[:3]),
            where=cause.where,
            hint=f"{cause.hint}; then {RESUME}",
        )
