"""Hosts below Kubernetes: disks, clocks, versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median

from sloth.health.finding import Finding, critical, healthy, unknown, warning
from sloth.health.nodes import known_to_kubernetes
from sloth.health.view import View

# The kubelet evicts pods below 10 % of nodefs and deletes images below 15 % (kubernetes.io, "Node-pressure Eviction").
DISK_WARNING = 15  # percent free
DISK_CRITICAL = 5
INODES_WARNING = 10  # the kubelet evicts below 5 % of inodes
INODES_CRITICAL = 3
DISK_LEAST = 2048  # MiB free on /var; as for a new node
CLOCK_WARNING = 5.0  # seconds; less cannot be told from a slow answer
CLOCK_CRITICAL = 30.0
# Prints `disk.MOUNT=SIZE FREE` (MiB) and `inodes.MOUNT=ALL FREE` for each file system that holds something of the cluster.
PROBE = r"""set -- / /var
for path in /var/lib/containerd /var/lib/etcd /var/lib/kubelet /var/lib/rancher; do [ ! -d "$path" ] || set -- "$@" "$path"; done
df -Pm "$@" 2>/dev/null | { read -r _; while read -r _ size _ free _ mount; do echo "disk.$mount=$size $free"; done; } | sort -u
df -Pi "$@" 2>/dev/null | { read -r _; while read -r _ all _ free _ mount; do echo "inodes.$mount=$all $free"; done; } | sort -u
"""


def disks(view: View) -> Iterator[Finding]:
    """Room on every file system that the cluster writes to, in space and in inodes."""
    for name in view.names:
        if not view.answered(name):
            yield unknown("disk", name, "not read: the node does not answer", f"sloth ssh {name}")
            continue
        shares = [] if name in view.unevicting else _shares(view, name, "disk", "space")
        found = [*_space(view, name), *shares, *_shares(view, name, "inodes", "inodes")]
        free = view.fact(name).get("disk_free")
        if not free.isdigit():
            found.append(unknown("disk", name, "the free space of /var could not be read", f"sloth ssh {name} -- df -h"))
        yield from found or [healthy("disk", name, f"{int(free) // 1024} GiB free on /var")]


def _space(view: View, name: str) -> Iterator[Finding]:
    free = view.fact(name).get("disk_free")
    if free.isdigit() and int(free) < DISK_LEAST:
        hint = f"sloth ssh {name} -- du -xhd2 /var"
        yield critical("disk", name, f"only {free} MiB are free on /var", hint)


def _shares(view: View, name: str, kind: str, word: str) -> Iterator[Finding]:
    low, lowest = (DISK_WARNING, DISK_CRITICAL) if kind == "disk" else (INODES_WARNING, INODES_CRITICAL)
    hint = f"sloth ssh {name} -- {'df -h' if kind == 'disk' else 'df -i'}"
    for key, value in sorted(view.fact(name).values.items()):
        numbers = value.split()
        if not key.startswith(f"{kind}.") or len(numbers) != 2 or not all(map(str.isdigit, numbers)) or numbers[0] == "0":
            continue
        percent = 100 * int(numbers[1]) // int(numbers[0])
        text = f"{percent} % of the {word} of {key.removeprefix(f'{kind}.')} {'is' if word == 'space' else 'are'} free"
        if percent < lowest:
            yield critical("disk", name, text, hint)
        elif percent < low:
            yield warning("disk", name, text, hint)


def clocks(view: View) -> Iterator[Finding]:
    """Clocks against each other (certificates, leases and logs depend on them), and this machine's against theirs."""
    offsets = {name: view.fact(name).clock_offset for name in view.names if view.fact(name).get("clock")}
    offsets = {name: value for name, value in offsets.items() if value != float("inf")}
    middle = median(offsets.values()) if offsets else 0.0
    for name in view.names:
        if name not in offsets:
            yield unknown("clock", name, "its clock could not be read", f"sloth ssh {name} -- date")
            continue
        skew = offsets[name] - middle
        text = f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the other nodes'"
        hint = f"sloth ssh {name} -- timedatectl set-ntp true"
        if abs(skew) > CLOCK_CRITICAL:
            yield critical("clock", name, text, hint)
        elif abs(skew) > CLOCK_WARNING:
            yield warning("clock", name, text, hint)
        else:
            yield healthy("clock", name, f"within {CLOCK_WARNING:.0f} s of the other nodes")
    if abs(middle) > CLOCK_CRITICAL:
        text = f"this machine's clock is {abs(middle):.0f} s {'behind' if middle > 0 else 'ahead of'} the nodes'"
        yield warning("clock", "this machine", text, "timedatectl set-ntp true")


def versions(view: View) -> Iterator[Finding]:
    """What runs against what the spec asks for."""
    seen = known_to_kubernetes(view)
    for name in view.names:
        have = seen[name].version if name in seen else view.fact(name).get("kube.version")
        if not have:
            yield unknown("versions", name, "its version of Kubernetes could not be read", f"sloth ssh {name}")
        elif _plain(have) != _plain(view.version):
            yield warning("versions", name, f"it runs {have}, the spec asks for {view.version}", "sloth upgrade plan")
        else:
            yield healthy("versions", name, have)


def _plain(version: str) -> str:
    """`v1.36.3` of `v1.36.3+k3s1` and of `1.36.3`."""
    found = re.search(r"\d+\.\d+\.\d+", version)
    return found[0] if found else version
