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


def wait_led(kubectl: str, timeout: float = 60.0) -> Wait:
    """Until controllers and scheduler are at work: their leaders renewed their leases while this looked on; `timeout` in seconds.

    Without them no Service learns that a pod goes, and no pod comes in its place. A leader that dies keeps its lease for 15 s, so
    its age tells nothing; a living one renews it every 2 s (kube-controller-manager reference, `--leader-elect-*`). A component
    without a lease does not elect one.
    """
    read = f"{kubectl} get lease -n kube-system kube-controller-manager kube-scheduler --ignore-not-found -o jsonpath="
    versions = read + "'{.items[*].metadata.resourceVersion}'"
    looks = "for _ in 1 2 3 4 5 6 7 8"
    moved = '{ [ -z "$was" ] || { [ "${was%% *}" != "${is%% *}" ] && [ "${was##* }" != "${is##* }" ]; }; }'
    show = read + "'{range .items[*]}{.metadata.name} held by {.spec.holderIdentity}, renewed {.spec.renewTime}{\"\\n\"}{end}'"
    return Wait(
        title="wait until controllers and scheduler are at work",
        until=f"(was=$({versions}) && {looks}; do sleep 0.5; is=$({versions}) && {moved} && exit 0; done; exit 1)",
        timeout=timeout,
        diagnose=f"{show} 2>&1",
        hint="sloth health",
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
