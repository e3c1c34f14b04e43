"""The Kubernetes API as a control-plane node reaches it.

`kubectl`, here and in all of this room, is shell text that begins a command as the administrator, with its flags, such as
`kubectl --kubeconfig /etc/… --request-timeout=10s` (`sloth.contracts.lifecycle.HasKubectl`). A later flag of the same name wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sloth.errors import KubernetesError
from sloth.model.cluster import Cluster
from sloth.model.step import Ask, Result, Script, Step, Wait

KUBELET_PORT = 10250
PATIENT = "--request-timeout=60s"  # for requests that may take longer: evictions pass admission webhooks


def wait_api(kubectl: str, timeout: float = 60.0) -> Wait:
    """Until the API says that it is ready, whichever member of the control plane answers; `timeout` in seconds."""
    return Wait(
        title="wait for the Kubernetes API",
        until=f'[ "$({kubectl} get --raw /readyz 2>/dev/null)" = ok ]',
        timeout=timeout,
        diagnose=f"{kubectl} get --raw '/readyz?verbose' 2>&1 | tail -n 30",
        hint="sloth status",
    )


def wait_ready(name: str, kubectl: str, timeout: float = 300.0, *, unit: str, boot: str = "") -> Wait:
    """Until Kubernetes calls the node Ready; `timeout` in seconds. With a boot id: in that boot, not in an earlier one.

    `unit`: the systemd unit there that runs the kubelet.
    """
    path = "'{.status.conditions[?(@.type==\"Ready\")].status} {.status.nodeInfo.bootID}'"
    wanted = f"'True {boot}'" if boot else "'True '*"
    return Wait(
        title=f"wait until {name} is Ready",
        until=f'case "$({kubectl} get node {name} -o jsonpath={path} 2>/dev/null)" in {wanted}) ;; *) false ;; esac',
        timeout=timeout,
        diagnose=f"{kubectl} describe node {name} 2>&1 | tail -n 30",
        hint=f"sloth ssh {name} -- journalctl -u {unit} -n 50",
    )


def ask_node(name: str, kubectl: str) -> Ask:
    """The node's name and whether it is Ready; nothing if Kubernetes does not know it."""
    condition = "'{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status}'"
    return Ask(title=f"look at node {name}", run=f"{kubectl} get node {name} --ignore-not-found -o jsonpath={condition}")


def ask_alive(name: str, cluster: Cluster, kubectl: str) -> list[Step]:
    """Questions for `alive`: what Kubernetes says of a node, and whether its kubelet answers."""
    steps: list[Step] = [ask_node(name, kubectl)]
    for address in addresses_of(name, cluster):
        # Kubernetes calls a dead node Ready for 40 s; any answer, a refusal too, shows that its kubelet lives.
        ask = f"curl -sk -m 3 -o /dev/null https://{address}:{KUBELET_PORT}/healthz"
        steps.append(Ask(title=f"ask whether the kubelet of {name} lives", run=ask, check=False))
    return steps


def alive(results: Sequence[Result], *, ready: bool = True) -> bool | None:
    """Whether the node lives: its kubelet answers and, with `ready`, it is Ready. None if Kubernetes does not know it."""
    node, *kubelet = results
    if not node.out.strip():
        return None
    return (node.out.endswith(" True") or not ready) and all(answer.ok for answer in kubelet)


def see(name: str, cluster: Cluster, kubectl: str, *, ready: bool) -> Script[bool | None]:
    """On a control-plane node: whether node `name` lives; None if Kubernetes does not know it.

    Without `ready`, a node that is not Ready and whose kubelet answers is not given up: its pods may still run.
    """
    results = cast(list[Result], (yield [wait_api(kubectl), *ask_alive(name, cluster, kubectl)]))
    return alive(results[1:], ready=ready)


def unknown(name: str) -> KubernetesError:
    """The failure for a node that is in the record, and not in Kubernetes."""
    return KubernetesError(
        "node/not-joined",
        f"Kubernetes does not know {name}: it has not joined, or was deleted by hand",
        where=name,
        hint="sloth up",
    )


def addresses_of(name: str, cluster: Cluster) -> list[str]:
    """Mesh addresses that are or were leased to a node's name."""
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    return sorted({lease.mesh_address for lease in leases if lease.name == name})
