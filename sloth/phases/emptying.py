"""A part of phases: see whether nodes live, and have their pods go elsewhere, by the drain of `sloth.kube`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sloth.contracts.distribution import Distribution
from sloth.errors import KubernetesError, SlothError
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.phase import Api, Each, Order
from sloth.nodes.api import see
from sloth.nodes.cordon import few
from sloth.phases.server import kubectl_of

if TYPE_CHECKING:
    from sloth.kube.wire import Call
    from sloth.kube.workloads.evictions import Rules

SECONDS = 300.0  # that a drain may take where the spec does not know the node's pool any more


def emptied(
    distribution: Distribution, server: Node, name: str, cluster: Cluster, *,
    ready: bool = True, seconds: float = 0.0, budgets: Collection[str] = (), why: str = "",
) -> Generator[Order, Any, bool | None]:  # fmt: skip
    """Whether the node lives, as `server` and its kubelet say; None if Kubernetes does not know it. Without `ready`: its kubelet.

    If it is known, the node is drained, within `seconds` or what its pool allows. `budgets` are given up for this once; `why` is
    for what it is held meanwhile. Raises KubernetesError that names the budgets in the way, and UsageError.
    """
    look = see(name, cluster, kubectl_of(distribution), ready=ready)
    answers = yield Each(title=f"see whether {name} lives", scripts={server.name: look})
    lives: bool | None = answers[server.name]
    if lives is not None:
        how = rules(seconds or limit(name, cluster), lives=lives, budgets=budgets)
        order = drains({name: how}, server, cluster, why=why)
        if cluster.record.kubeconfig is None:  # amid a restore onto new machines: `up` reads it at its end
            script = distribution.kubeconfig(server, cluster)
            read = yield Each(title="read the kubeconfig", scripts={server.name: script})
            order = replace(order, kubeconfig=read[server.name])
        yield order
    return lives


def drains(nodes: Mapping[str, Rules], server: Node, cluster: Cluster, *, why: str = "", then: str = "") -> Api:
    """The order that drains these side by side, through `server` if it can. `then`: what to type after a failure is mended."""
    others = [node for node in cluster.control_plane if node.name not in {server.name, *nodes}]
    members = [node for node in others if cluster.record.node(node.name).joined]
    names = list(nodes)
    talk = partial(empty, nodes, why, then)
    return Api(title=f"drain {few(names)}", node=names[0], servers=(server, *members), talk=talk, awaits=True)


def limit(name: str, cluster: Cluster) -> float:
    """Seconds that the drain of that node may take, as its pool says."""
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    pools = {lease.pool for lease in leases if lease.name == name}
    return next((pool.drain_timeout for pool in cluster.spec.pools if pool.name in pools), SECONDS)


def rules(seconds: float, *, lives: bool = True, budgets: Collection[str] = ()) -> Rules:
    """How sloth drains by itself: emptyDirs go with their pods, and pods that nothing would make anew are not lost unasked.

    Those of a node that does not live are: they do not run any more.
    """
    from sloth.kube.workloads.evictions import Rules
    from sloth.kube.workloads.triage import Allow

    allow = Allow(empty_dirs=True, unmanaged=not lives)
    return Rules(allow, seconds, budgets=tuple(budgets), dead=not lives, command="sloth nodes drain")


def empty(nodes: Mapping[str, Rules], why: str, then: str, api: Any, say: Callable[[str], None]) -> Call[bool]:
    """Drain nodes side by side; True when they are empty. `why`: for what they are held meanwhile, "" for good.

    `say` gets what the server refuses for now; `then` is what to type after a failure is mended. Raises KubernetesError,
    UsageError and ApiError, for the first node of those that could not be drained.
    """
    from sloth.kube.workloads.beside import side_by_side
    from sloth.kube.workloads.draining import hold
    from sloth.kube.workloads.leaders import led, ready

    yield from ready()
    if why:
        _all_well(nodes, (yield from side_by_side([hold(api, name, why) for name in nodes])), then)
    yield from led(api)
    _all_well(nodes, (yield from side_by_side([_drained(api, name, each, say) for name, each in nodes.items()])), then)
    return True


def _drained(api: Any, name: str, how: Rules, say: Callable[[str], None]) -> Call[None]:
    from sloth.kube.workloads.draining import drain

    try:
        yield from drain(api, name, how, refused=say)
    except SlothError as error:
        if error.code != "kube/not-found":
            raise
        # It was there a moment ago. Controllers of K3s and RKE2 delete the node of a member that is gone.


def _all_well(names: Iterable[str], results: Sequence[object], then: str) -> None:
    """Raises the first failure, with the names of the other nodes and with how to go on."""
    failed = [(name, result) for name, result in zip(names, results, strict=True) if isinstance(result, SlothError)]
    if not failed:
        return
    (_, first), *others = failed
    if not others and not then:
        raise first
    nor = f"; nor could {few([name for name, _ in others])}" if others else ""
    hint = f"{first.hint}; then {then}" if then else first.hint
    raise KubernetesError(first.code, f"{first.summary}{nor}", detail=first.detail, where=first.where, hint=hint) from first
