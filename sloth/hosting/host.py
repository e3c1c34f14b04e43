"""The host below Kubernetes: packages, kernel settings, swap."""

from __future__ import annotations

from collections.abc import Mapping

from sloth.model.node import Node
from sloth.model.step import Do, Put, Step

# command -> Debian package: what the balancer, the pod network and every kubelet need
HOST_TOOLS: Mapping[str, str] = {
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
_SYSCTL = {
    "net.ipv4.ip_forward": "1",
    # Pods of one node talk over the bridge; without this a reply from a Service's pod would skip its address translation.
    "net.bridge.bridge-nf-call-iptables": "1",
}
# Values that `protectKernelDefaults` of a kubelet insists on (kubernetes/kubernetes: pkg/kubelet/cm/container_manager_linux.go,
# k8s.io/component-helpers/node/util/sysctl).
KUBELET_SYSCTL: Mapping[str, str] = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
HOST_FILES = ("/etc/modules-load.d/sloth.conf", "/etc/sysctl.d/90-sloth.conf", "/etc/sysctl.d/91-sloth-watches.conf")


def host_packages(node: Node, tools: Mapping[str, str]) -> list[Step]:
    """Debian packages that a made image has already. A running haproxy of the host's own is left alone."""
    if node.machine.profile.baked:
        return []
    here = f"! for tool in {' '.join(tools)}; do command -v $tool >/dev/null || echo $tool; done | grep -q ."
    install = (
        "command -v apt-get >/dev/null || { echo 'this host has no apt-get: only Debian and Ubuntu work' >&2; exit 1; }; "
        "command -v haproxy >/dev/null && had=yes; export DEBIAN_FRONTEND=noninteractive; "
        "set -- -q -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3; apt-get $* update >/dev/null && "
        f"apt-get $* install -y --no-install-recommends {' '.join(tools.values())} >/dev/null && "
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


def host_kernel(*, swap: bool, more: Mapping[str, str] | None = None) -> list[Step]:
    """Modules and settings that pods need, now and after a reboot; `more` settings; swap off unless it is to stay."""
    values = {**_SYSCTL, **(more or {})}
    now = " && ".join(f'[ "$(sysctl -n {key} 2>/dev/null)" = {value} ]' for key, value in values.items())
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    steps: list[Step] = [
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
    return steps if swap else [*steps, _swap_off()]


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
