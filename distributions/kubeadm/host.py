"""The host below Kubernetes: packages, kernel settings, swap."""

from __future__ import annotations

from sloth.api import Cluster, Do, Node, Put, Step

from .kubelet import settings
from .layout import WHY
from .text import text

_TOOLS = {  # command -> Debian package
    "runc": "runc",
    "haproxy": "haproxy",
    "conntrack": "conntrack",
    "socat": "socat",
    "iptables": "iptables",
    "nft": "nftables",
    "ethtool": "ethtool",
    "curl": "curl",
    "modprobe": "kmod",
    "ss": "iproute2",
}
PACKAGES = tuple(_TOOLS.values())
_SYSCTL = {
    "net.ipv4.ip_forward": "1",
    # Pods of one node talk over the bridge; without this a reply from a Service's pod would skip its address translation.
    "net.bridge.bridge-nf-call-iptables": "1",
}


def packages(node: Node) -> list[Step]:
    """Debian packages that a made image has already. A running haproxy of the host's own is left alone."""
    if node.machine.profile.baked:
        return []
    here = f"! for tool in {' '.join(_TOOLS)}; do command -v $tool >/dev/null || echo $tool; done | grep -q ."
    install = (
        "command -v apt-get >/dev/null || { echo 'this host has no apt-get: only Debian and Ubuntu work' >&2; exit 1; }; "
        "command -v haproxy >/dev/null && had=yes; export DEBIAN_FRONTEND=noninteractive; "
        "set -- -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3; apt-get $* update >/dev/null && "
        f"apt-get $* install -y --no-install-recommends {' '.join(_TOOLS.values())} >/dev/null && "
        '{ [ -n "$had" ] || systemctl disable -q --now haproxy; }'
    )
    return [
        Do(
            title="install packages",
            unless=here,
            run=install,
            timeout=900.0,
            hint="apt-get update on the node says what is wrong with its package sources",
        )
    ]


def kernel(node: Node, cluster: Cluster) -> list[Step]:
    """Modules and settings that pods need, now and after a reboot; swap off unless this kubelet is told to live with it."""
    now = " && ".join(f'[ "$(sysctl -n {key} 2>/dev/null)" = {value} ]' for key, value in _SYSCTL.items())
    lines = "".join(f"{key} = {value}\n" for key, value in _SYSCTL.items())
    steps: list[Step] = [
        Put(path=WHY, content=text("kube-why.sh"), mode=0o755),
        Put(path="/etc/modules-load.d/sloth.conf", content="overlay\nbr_netfilter\n"),
        Do(
            title="load kernel modules",
            # Built into some kernels: then there is nothing to load, and in a container no modprobe could.
            unless="grep -qw overlay /proc/filesystems && [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]",
            run="modprobe overlay && modprobe br_netfilter",
            hint="this kernel lacks overlay or br_netfilter: install the distribution's ordinary kernel",
        ),
        Put(path="/etc/sysctl.d/90-sloth.conf", content=lines),
        Do(title="apply kernel settings", unless=now, run="sysctl -q -p /etc/sysctl.d/90-sloth.conf"),
        _watches(),
    ]
    return [*steps, _swap_off()] if settings(node, cluster).get("failSwapOn", True) else steps


def _watches() -> Do:
    # The kernel's 128 is for the whole machine, containers included; a kubelet that gets none ends with `too many open files`.
    key, least = "fs.inotify.max_user_instances", 1024
    return Do(
        title="allow enough file watches",
        unless=f'[ "$(sysctl -n {key})" -ge {least} ]',
        run=f"sysctl -q -w {key}={least} && echo {key} = {least} >/etc/sysctl.d/91-sloth-watches.conf",
        hint=f"sysctl -w {key}={least} on the machine that this node runs on",
    )


def _swap_off() -> Do:
    return Do(
        title="turn swap off",
        unless="! tail -n +2 /proc/swaps | grep -q . && ! grep -qE '^[^#]+[[:space:]]swap[[:space:]]' /etc/fstab",
        run="swapoff -a && sed -i -E 's/^([^#]+[[:space:]]swap[[:space:]].*)$/# sloth: \\1/' /etc/fstab",
        hint="set kubelet failSwapOn: false in the spec if this host needs its swap",
    )
