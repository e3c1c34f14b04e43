"""Ports that a control-plane node needs, who holds one, and the error for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sloth.errors import KubernetesError
from sloth.model.node import Node

# kubernetes.io, "Ports and Protocols".
CONTROL_PLANE_PORTS: Mapping[int, str] = {
    6443: "the API server",
    2379: "etcd",
    2380: "etcd",
    10250: "the kubelet",
    10257: "the controller",
    10259: "the scheduler",
}
# From `LISTEN 0 128 *:6443 *:* users:(("nginx",pid=12,fd=3))` to `port 6443 nginx 12`.
_WHO = 'sed -nE \'s/^([^ ]+ +){3}[^ ]*:([0-9]+) .*users:\\(\\("([^"]+)",pid=([0-9]+).*/port \\2 \\3 \\4/p\''


def listeners(ports: Iterable[int]) -> str:
    """Shell text that prints `port NUMBER PROGRAM PID` for each of the ports that is taken."""
    wanted = " or ".join(f"sport = :{port}" for port in ports)
    return f"ss -Hltnp '( {wanted} )' | {_WHO}"


def taken_port(node: Node, lines: Iterable[str], ports: Mapping[int, str] = CONTROL_PLANE_PORTS) -> KubernetesError | None:
    """The error for a port that another program holds, from what `listeners` has printed, or None."""
    for line in lines:
        if line.startswith("port "):
            _, port, rest = line.split(" ", 2)
            program, _, pid = rest.rpartition(" ")
            return KubernetesError(
                "kubernetes/port-taken",
                f"port {port} on {node.name}, which {ports[int(port)]} needs, is taken by {program} (process {pid})",
                detail=line,
                where=node.name,
                hint=f"sloth ssh {node.name} -- systemctl status {pid}",
            )
    return None
