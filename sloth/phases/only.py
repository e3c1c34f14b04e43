"""`--target`: the phases of `up` for some nodes, with all others left as they are.

Every node stays in the mesh's and in Kubernetes' picture, so that nobody loses a peer; but of the others no machine is made or
changed, and no stage of theirs is looked at. What that cannot be done with safely is refused, naming what stands in the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sloth.errors import UsageError
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.node import Lease, Machine
from sloth.model.phase import MakeMachines, Order, Phase, PhaseRun, SurveyMachines, Together
from sloth.model.plan import Plan
from sloth.model.words import counted
from sloth.phases.connect import Connect
from sloth.phases.encryption import EncryptionKey, EncryptSecrets
from sloth.phases.inspect import Inspect
from sloth.phases.machines import Machines
from sloth.phases.mesh import Mesh
from sloth.phases.prepare import Prepare
from sloth.phases.settings import Settings

_OWN = (Machines.title, Connect.title, Inspect.title, Mesh.title, Prepare.title)  # what is done there is for that node itself


def narrow(cluster: Cluster, targets: Collection[str]) -> Cluster:
    """The cluster with a plan that brings and takes nobody but the targets. Raises UsageError."""
    plan = cluster.plan
    known = [lease.name for lease in (*plan.leases, *plan.remove)]
    unknown = [name for name in targets if name not in known]
    if unknown:
        raise UsageError(
            "usage/unknown-target",
            f"there is no node {', '.join(unknown)}",
            detail=f"nodes of the spec and the record: {', '.join(known) or 'none'}",
            hint=f"--target {known[0]}" if known else "sloth plan",
        )
    stay = tuple(lease for lease in plan.leases if lease.name in targets or lease.name in plan.keep)
    stay += tuple(lease for lease in plan.remove if lease.name not in targets)
    if not any(lease.role == "control-plane" for lease in stay):
        server = next(lease.name for lease in plan.leases if lease.role == "control-plane")
        raise UsageError(
            "plan/target-alone",
            f"{cluster.spec.name} has no control-plane node yet, and none is named: {', '.join(targets)} could join nothing",
            hint=f"--target {server} as well",
        )
    _refuse([(lease.name, why) for lease in stay if lease.name not in targets and (why := _unfinished(lease, cluster))])
    return replace(
        cluster,
        plan=Plan(
            leases=stay,
            add=tuple(name for name in plan.add if name in targets),
            keep=tuple(lease.name for lease in stay if lease.name not in plan.add),
            remove=tuple(lease for lease in plan.remove if lease.name in targets),
        ),
    )


def only(phases: Iterable[Phase], targets: Collection[str]) -> list[Phase]:
    """The same phases, which do nothing for nodes that are no targets."""
    narrowed: list[Phase] = []
    for phase in phases:
        if isinstance(phase, (EncryptSecrets, Settings)):
            continue  # they restart every control plane; one that joins begins with what the others run with
        if isinstance(phase, EncryptionKey):
            phase = replace(phase, found_only=True)  # noqa: PLW2901
        narrowed.append(_OnlyMachines(phase, targets) if isinstance(phase, Machines) else phase)
        if isinstance(phase, Inspect):
            narrowed.append(_LeaveOthers(targets))
    return narrowed


def refuse_spread(changes: Iterable[tuple[str, str, str]], cluster: Cluster, targets: Collection[str]) -> None:
    """Refuse what a rehearsal (phase, node, title) found to change on other nodes beyond the part they have in it anyway.

    That part: a control-plane node admits and dismisses members, and every node gets or loses the peer. Raises UsageError.
    """
    changes = list(changes)
    servers = {lease.name for lease in cluster.plan.leases if lease.role == "control-plane"}
    peers = bool(cluster.plan.remove) or any(phase == Mesh.title and node in targets for phase, node, _ in changes)

    def fine(phase: str, node: str) -> bool:
        if node in targets or not node or (phase == Mesh.title and peers):
            return True
        return node in servers and phase not in _OWN

    _refuse([(node, f"{phase}: {title}") for phase, node, title in changes if not fine(phase, node)])


@dataclass(frozen=True)
class _OnlyMachines:
    """Asks providers for the targets' machines; the others' must be there."""

    inner: Phase
    targets: Collection[str]

    @property
    def title(self) -> str:
        return self.inner.title

    def run(self, cluster: Cluster) -> PhaseRun:
        orders = self.inner.run(cluster)
        seen: dict[str, Machine] = {}
        answer: Any = None
        try:
            while True:
                order = orders.send(answer)
                if isinstance(order, Together):
                    answers = []
                    for each in order.orders:
                        answers.append((yield from self._one(each, seen)))
                    answer = tuple(answers)
                else:
                    answer = yield order
        except StopIteration as end:
            narrowed: Cluster = end.value
            return narrowed

    def _one(self, order: Order, seen: dict[str, Machine]) -> Any:
        if isinstance(order, MakeMachines):
            return (yield from self._make(order, seen))
        answer = yield order
        if isinstance(order, SurveyMachines):
            seen.update({machine.name: machine for machine in answer})
        return answer

    def _make(self, order: MakeMachines, seen: dict[str, Machine]) -> Any:
        others = [request.name for request in order.wanted if request.name not in self.targets]
        _refuse([(name, "its machine is not there, or not running") for name in others if not _runs(seen.get(name))])
        mine = tuple(request for request in order.wanted if request.name in self.targets)
        made = (yield replace(order, wanted=mine)) if mine else ()
        both = {**seen, **{machine.name: machine for machine in made}}
        return tuple(both[request.name] for request in order.wanted)


def _runs(machine: Machine | None) -> bool:
    return machine is not None and machine.running


@dataclass(frozen=True)
class _LeaveOthers:
    """Has later phases believe that all stages of the other nodes are as they should be."""

    targets: Collection[str]
    title: str = "Leave other nodes as they are"

    def run(self, cluster: Cluster) -> PhaseRun:
        others = [node.name for node in cluster.nodes if node.name not in self.targets]
        strange = [name for name in others if cluster.fact(name).get("kube.state") != "joined"]
        _refuse([(name, "it is no working member of Kubernetes") for name in strange])
        untouched = {name: _Untouched(**vars(cluster.fact(name))) for name in others}
        return replace(cluster, facts={**cluster.facts, **untouched})
        yield  # makes this a generator, as phases are


class _Untouched(Facts):
    """Facts of a node on which nothing is to be done."""

    def stamped(self, name: str, digest: str) -> bool:
        return True


def _unfinished(lease: Lease, cluster: Cluster) -> str:
    """Why a node that is no target cannot be left as it is; "" = it can."""
    known = cluster.record.node(lease.name)
    if known.leaving:
        return "its removal was begun"
    if known.boot_public_key or not known.joined:
        return "it is not a member of the cluster yet"
    if all(pool.name != lease.pool for pool in cluster.spec.pools):
        return f"its pool {lease.pool} is not in the spec any more"
    return ""


def _refuse(found: Sequence[tuple[str, str]]) -> None:
    if not found:
        return
    names = list(dict.fromkeys(node for node, _ in found))
    raise UsageError(
        "plan/target-others",
        f"this cannot be done without touching {counted(len(names), 'other node')}: nothing was done",
        detail="\n".join(dict.fromkeys(f"{node}: {why}" for node, why in found)),
        hint="sloth up, without --target" if len(names) > 3 else " ".join(f"--target {name}" for name in names) + " as well",
    )
