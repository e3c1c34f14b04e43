"""The Kubernetes API as a control-plane node reaches it.

`kubectl`, here and in all of this room, is shell text that begins a command as the administrator, with its flags, such as
`kubectl --kubeconfig /etc/… --request-timeout=10s` (`sloth.contracts.lifecycle.HasKubectl`). A later flag of the same name wins.
"""

from __future__ import annotations

from collections.abc import Sequence

from sloth.model.cluster import Cluster
from sloth.model.step import Ask, Result, Step, Wait

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


def wait_ready(name: str, kubectl: str, timeout: float = 300.0, *, boot: str = "") -> Wait:
    """Until Kubernetes calls the node Ready; `timeout` in seconds. With a boot id: in that boot, not in an earlier one."""
    path = "'{.status.conditions[?(@.type==\"Ready\")].status} {.status.nodeInfo.bootID}'"
    wanted = f"'True {boot}'" if boot else "'True '*"
    return Wait(
        title=f"wait until {name} is Ready",
        until=f'case "$({kubectl} get node {name} -o jsonpath={path} 2>/dev/null)" in {wanted}) ;; *) false ;; esac',
        timeout=timeout,
        diagnose=f"{kubectl} describe node {name} 2>&1 | tail -n 30",
        hint=f"sloth ssh {name} -- journalctl -u kubelet -n 50",
    )


def ask_alive(name: str, cluster: Cluster, kubectl: str) -> list[Step]:
    """Questions for `alive`: what Kubernetes says of a node, and whether its kubelet answers."""
    condition = "'{.metadata.name} {.status.conditions[?(@.type==\"Ready\")].status}'"
    steps: list[Step] = [
        Ask(title=f"look at node {name}", run=f"{kubectl} get node {name} --ignore-not-found -o jsonpath={condition}")
    ]
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


def addresses_of(name: str, cluster: Cluster) -> list[str]:
    """Mesh addresses that are or were leased to a node's name."""
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    return sorted({lease.mesh_address for lease in leases if lease.name == name})
