"""Taking a node out of a running cluster: drain, etcd, Kubernetes, in that order; refused where quorum would be lost."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

from sloth.api import Ask, Cluster, Do, KubernetesError, Node, Result, Script, Step, StepError, Wait

from .layout import API_ANSWERS, AS_ADMIN, QUICK, WHY, etcd_flags

DRAIN_SECONDS = 300
_BLOCKERS = (
    '{range .items[?(@.status.disruptionsAllowed==0)]}{.metadata.namespace}/{.metadata.name} allows no disruption{"\\n"}{end}'
)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One etcd member. A learner, or one that never started, has no vote that counts for health."""

    id: str
    peer: str  # URL
    client: str  # URL, "" while it has not started
    learner: bool
    healthy: bool


def evict(server: Node, name: str, cluster: Cluster) -> Script[None]:
    """Drain node `name` and take it out of etcd and Kubernetes. Each part that is done already is skipped."""
    if name == server.name:
        raise KubernetesError(
            "kubeadm/evicts-itself",
            f"{name} cannot take itself out of the cluster",
            where=name,
            hint="sloth status",
        )
    alive, members = yield from _look(server, name, cluster)
    leaving = _of_node(name, members, cluster)
    if leaving:
        check_quorum(name, leaving, members)
    if alive is not None:
        yield from _drain(name, alive)
    last: list[Step] = []
    if alive is not None:
        delete = f"kubectl delete node {name} --ignore-not-found --timeout=30s {AS_ADMIN}"
        last.append(Do(title=f"delete node {name}", run=delete, hint="sloth status"))
    if leaving:  # after the node: its API server fails as soon as its etcd is out, and might be the one that is asked
        etcd = etcd_flags(tuple(node for node in cluster.control_plane if node.name != name))
        last.append(Do(title=f"take {name} out of etcd", run=f"etcdctl member remove {leaving.id} {etcd}", hint="sloth status"))
        last.append(Wait(title="wait for the Kubernetes API", until=API_ANSWERS, diagnose=WHY, hint="sloth status"))
    if last:
        yield last


def _look(server: Node, name: str, cluster: Cluster) -> Generator[Any, Any, tuple[bool | None, list[Member]]]:
    """Whether the node lives (None: Kubernetes does not know it), and etcd's members."""
    etcd = etcd_flags((server,))
    condition = "'{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status}'"
    steps: list[Step] = [
        Wait(title="wait for the Kubernetes API", until=API_ANSWERS, timeout=60.0, diagnose=WHY, hint="sloth status"),
        Ask(title=f"look at node {name}", run=f"kubectl get node {name} --ignore-not-found -o jsonpath={condition} {QUICK}"),
        Ask(title="list etcd members", run=f"etcdctl member list -w simple {etcd}"),
        Ask(
            title="ask etcd members for health", run=f"etcdctl endpoint health --cluster -w json {etcd} 2>/dev/null", check=False
        ),
    ]
    for address in sorted(_addresses(name, cluster)):
        # Kubernetes calls a dead node Ready for 40 s; any answer, a refusal too, shows that its kubelet lives.
        ask = f"curl -sk -m 3 -o /dev/null https://{address}:10250/healthz"
        steps.append(Ask(title=f"ask whether the kubelet of {name} lives", run=ask, check=False))
    node, listed, health, *kubelet = cast(list[Result], (yield steps))[1:]
    alive = node.out.endswith(" True") and all(answer.ok for answer in kubelet)
    return (alive if node.out.strip() else None), read_members(listed.out, health.out)


def read_members(listed: str, health: str) -> list[Member]:
    """Members from `member list -w simple` (id, status, name, peer URLs, client URLs, learner) and `endpoint health -w json`."""
    try:
        well = {each["endpoint"] for each in json.loads(health or "[]") if each.get("health")}
    except ValueError:
        well = set()
    members = []
    for line in listed.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 6:
            members.append(
                Member(id=fields[0], peer=fields[3], client=fields[4], learner=fields[5] == "true", healthy=fields[4] in well)
            )
    return members


def _addresses(name: str, cluster: Cluster) -> set[str]:
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    return {lease.mesh_address for lease in leases if lease.name == name}


def _of_node(name: str, members: list[Member], cluster: Cluster) -> Member | None:
    peers = {f"https://{address}:2380" for address in _addresses(name, cluster)}
    return next((member for member in members if member.peer in peers), None)


def check_quorum(name: str, leaving: Member, members: list[Member]) -> None:
    """Raise KubernetesError if the voters that stay could not decide anything without `leaving`."""
    if leaving.learner:
        return
    staying = [member for member in members if member is not leaving and not member.learner]
    well = sum(member.healthy for member in staying)
    needed = len(staying) // 2 + 1
    if well < needed:
        raise KubernetesError(
            "kubeadm/quorum",
            f"taking {name} out would leave etcd without a majority: {well} of {len(staying)} others healthy, {needed} needed",
            detail="\n".join(f"{each.peer}: {'healthy' if each.healthy else 'not healthy'}" for each in staying),
            where=name,
            hint="bring the other control-plane nodes back first: sloth status",
        )


def _drain(name: str, alive: bool) -> Script[None]:
    # A dead node's kubelet will never confirm that its pods ended, so nobody waits for that.
    dead = "" if alive else " --skip-wait-for-delete-timeout=1 --grace-period=0 --force"
    flags = f"--ignore-daemonsets --delete-emptydir-data --timeout={DRAIN_SECONDS}s{dead}"
    drain = Do(
        title=f"drain {name}",
        run=f"kubectl drain {name} {flags} {AS_ADMIN}",
        timeout=DRAIN_SECONDS + 30.0,
        hint=f"kubectl get pods -A --field-selector spec.nodeName={name}",
    )
    budgets = f"kubectl get poddisruptionbudgets -A -o jsonpath='{_BLOCKERS}' {QUICK}"
    try:
        yield drain
    except StepError as error:
        found = cast(Result, (yield Ask(title="list the budgets that block", run=budgets, check=False)))
        raise blocked(name, found.out.strip(), error) from error


def blocked(name: str, budgets: str, error: StepError) -> KubernetesError:
    """The error for a drain that did not come to its end: by the disruption budgets that hold it up, or by what it said."""
    if budgets and "disruption budget" in error.detail:
        first = budgets.split(maxsplit=1)[0]
        namespace, _, budget = first.partition("/")
        return KubernetesError(
            "kubeadm/drain-blocked",
            f"{name} cannot be drained: disruption budget {first} allows no pod to go",
            detail=f"{budgets}\n{error.detail}",
            where=name,
            hint=f"kubectl -n {namespace} describe poddisruptionbudget {budget}",
        )
    return KubernetesError(
        "kubeadm/drain-failed",
        f"{name} cannot be drained; it stays cordoned",
        detail=error.detail,
        where=name,
        hint=f"kubectl get pods -A --field-selector spec.nodeName={name}",
    )
