"""What is plainly wrong with a host, told from its facts: pure functions. What was not seen is not wrong."""

from __future__ import annotations

from collections.abc import Iterator

from sloth.errors import ConnectError, SlothError, StepError
from sloth.model.facts import Facts
from sloth.model.node import Node

CLOCK_LIMIT = 30.0  # seconds; certificates and tokens of a new cluster are valid from "now" on
DISK_LIMIT = 2048  # MiB free on /var: images, container layers and logs
SYSTEMS = {"debian": 12.0, "ubuntu": 22.04}  # the oldest version of each
HARDWARE = ("amd64",)  # what artifacts are fetched and built for
LEAST_CPUS = 2  # control plane; kubeadm's check NumCPU
LEAST_MEMORY = 1700  # MiB, control plane; kubeadm's check Mem
# TCP ports that Kubernetes listens on (kubernetes.io, "Ports and Protocols"), kube-proxy's and the local API balancer's.
_EVERY = (6444, 10249, 10250, 10256)
PORTS = {"worker": _EVERY, "control-plane": (2379, 2380, 6443, *_EVERY, 10257, 10259)}
# Who may hold them: what a run that was cut off has left behind. Names as `ss` shows them, at most 15 characters.
_OWN = {
    "etcd", "haproxy", "kube-apiserver", "kube-controller", "kube-proxy", "kube-scheduler", "kubelet", "wireguard-go",
    "k3s", "k3s-server", "k3s-agent", "rke2",
}  # fmt: skip


def problems(node: Node, facts: Facts) -> list[SlothError]:
    """Everything that is wrong, each with cause and what to do."""
    return [problem for rule in _RULES for problem in rule(node, facts)]


def _root(node: Node, facts: Facts) -> Iterator[SlothError]:
    if facts.get("user", "0") != "0":
        yield ConnectError(
            "node/not-root",
            f"{node.name}: commands run as user {facts.get('user')}, not as root",
            where=node.name,
            hint=f"give {node.machine.user} passwordless sudo on {node.name}, or set user: root",
        )


def _system(node: Node, facts: Facts) -> Iterator[SlothError]:
    system, _, version = facts.get("os").partition(" ")
    if not system:
        return
    number = float(version) if version.replace(".", "", 1).isdigit() else float("inf")  # testing has no number
    if system in SYSTEMS and number >= SYSTEMS[system] and facts.get("arch", "amd64") in HARDWARE:
        return
    yield StepError(
        "node/unsupported-system",
        f"{node.name}: {system} {version or '(no version)'} on {facts.get('arch')} is not supported",
        where=node.name,
        hint="use Debian 12 or Ubuntu 22.04, or newer, on amd64",
    )


def _clock(node: Node, facts: Facts) -> Iterator[SlothError]:
    offset = facts.clock_offset
    if abs(offset) > CLOCK_LIMIT:
        yield StepError(
            "node/clock-skew",
            f"{node.name}: its clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine's",
            detail=f"at most {CLOCK_LIMIT:.0f} s are tolerated: certificates would not be valid yet, or not any more",
            where=node.name,
            hint=f"sloth ssh {node.name} -- timedatectl set-ntp true",
        )


def _disk(node: Node, facts: Facts) -> Iterator[SlothError]:
    free = _number(facts, "disk_free")
    if free is not None and free < DISK_LIMIT:
        yield StepError(
            "node/disk-full",
            f"{node.name}: only {free} MiB are free on /var, {DISK_LIMIT} are needed",
            where=node.name,
            hint=f"sloth ssh {node.name} -- du -xhd2 /var",
        )


def _size(node: Node, facts: Facts) -> Iterator[SlothError]:
    if not node.is_control_plane:
        return
    wanted = (("cpus", LEAST_CPUS, "CPUs", "NumCPU"), ("memory", LEAST_MEMORY, "MiB of memory", "Mem"))
    for key, least, unit, name in wanted:
        have = _number(facts, key)
        if have is not None and have < least and name not in node.machine.profile.ignore_preflight:
            yield StepError(
                "node/too-small",
                f"{node.name}: it has {have} {unit}, a control-plane node needs {least}",
                where=node.name,
                hint="use a larger machine for the control plane",
            )


def _wireguard(node: Node, facts: Facts) -> Iterator[SlothError]:
    if facts.get("wireguard") == "none":
        yield StepError(
            "node/no-wireguard",
            f"{node.name}: its kernel has neither WireGuard nor /dev/net/tun for wireguard-go",
            where=node.name,
            hint="use the system's ordinary kernel; in a container, give it /dev/net/tun",
        )


def _ports(node: Node, facts: Facts) -> Iterator[SlothError]:
    if facts.get("kube.state") == "joined":
        return
    seen = {key.removeprefix("port."): who for key, who in facts.values.items() if key.startswith("port.")}
    taken = {port: who for port, who in seen.items() if who and who not in _OWN}
    if taken:
        listed = ", ".join(f"{port} by {taken[port]}" for port in sorted(taken, key=int))
        yield StepError(
            "node/port-taken",
            f"{node.name}: ports that the cluster needs are taken: {listed}",
            where=node.name,
            hint=f"stop it: sloth ssh {node.name} -- ss -ltunp shows what it is",
        )


def _number(facts: Facts, key: str) -> int | None:
    value = facts.get(key)
    return int(value) if value.isdigit() else None


_RULES = (_root, _system, _clock, _disk, _size, _wireguard, _ports)
