"""Undoing kubeadm's work on a node: before a half-made member is made anew, and when a node leaves for good."""

from __future__ import annotations

from shlex import quote

from sloth.api import Cluster, Do, Node, Script

from .text import text

_UNITS = ("kubelet", "sloth-api-balancer", "sloth-pod-network", "sloth-pod-dns", "containerd")
_FILES = (
    "/etc/systemd/system/kubelet.service.d",
    "/etc/kubernetes",
    "/etc/containerd",
    "/etc/cni/net.d/10-sloth.conflist",
    "/etc/sloth/kubeadm",
    "/etc/sloth/kubelet.d",
    "/etc/sloth/apiserver",
    "/etc/sloth/api-balancer.cfg",
    "/etc/modules-load.d/sloth.conf",
    "/etc/sysctl.d/90-sloth.conf",
    "/etc/sysctl.d/91-sloth-watches.conf",
    "/usr/local/lib/sloth",
    "/run/sloth",
    "/var/lib/sloth/artifacts",
    "/var/lib/kubelet",
    "/var/log/pods",
    "/var/log/containers",
)


def reset(node: Node, cluster: Cluster) -> Do:
    """Take back what an unfinished init or join left, etcd membership included."""
    others = [other for other in cluster.control_plane if other.name != node.name] if node.is_control_plane else []
    peers = ",".join(f"https://{other.mesh_address}:2379" for other in others)
    return Do(
        title="take back an unfinished membership",
        run=f"sh -c {quote(text('reset.sh', PEERS=peers, ADDRESS=node.mesh_address))}",
        timeout=180.0,
        hint="sloth up tries again",
    )


def remove(node: Node, cluster: Cluster) -> Script[None]:
    """Stop and delete all that this distribution put on the host. Debian packages stay: others may use them by now."""
    binaries = [each.path for each in cluster.delivery.artifacts if each.kind == "binary" and each.path]
    stop = " ".join(_UNITS)
    units = " ".join(f"/etc/systemd/system/{unit}.service" for unit in _UNITS)
    ours = f"{units} {' '.join([*_FILES, *binaries])}"
    yield [
        Do(
            title="undo kubeadm's work",
            unless="! [ -e /etc/kubernetes ] || ! [ -x /usr/local/bin/kubeadm ] || ! systemctl is-active -q containerd",
            run="systemctl stop kubelet; kubeadm reset --force --skip-phases=remove-etcd-member --cleanup-tmp-dir "
            "--cri-socket=unix:///run/containerd/containerd.sock >/dev/null",
            timeout=180.0,
            hint="sloth down tries again",
        ),
        Do(
            title="delete what is left of Kubernetes",
            unless=f"! ls -d {ours} /var/lib/etcd /sys/class/net/cni0 2>/dev/null | grep -q .",
            run=_sweep(stop, ours),
            timeout=180.0,
            hint="sloth down tries again",
        ),
    ]


_FORGET_RULES = (  # the chains that a kubelet makes for itself and leaves behind
    "for table in filter mangle nat; do iptables -w -t $table -S 2>/dev/null | grep -E '^-A [A-Z]+ .*-j KUBE-|^-N KUBE-' | "
    "sed -E 's/^-A/-D/; s/^-N/-F/' | while read -r rule; do eval iptables -w -t $table $rule; done; "
    "for chain in $(iptables -w -t $table -S 2>/dev/null | sed -n 's/^-N \\(KUBE-.*\\)/\\1/p'); do "
    "iptables -w -t $table -X $chain; done; done"
)


def _sweep(stop: str, ours: str) -> str:
    under = r"'$2 ~ \"^/(var/lib/kubelet|run/containerd|var/lib/containerd)/\" {print $2}'".replace('\\"', '"')
    return (
        f"systemctl disable -q --now {stop} 2>/dev/null; "
        # containerd leaves its shims running when it stops (KillMode=process): by their own socket folder, only ours.
        "for pid in $(pgrep -f '^/usr/local/bin/containerd-shim-runc-v2 -namespace k8s.io '); do kill -9 $pid; done; "
        f"for at in $(awk {under} /proc/mounts | sort -r); do umount -l $at; done; "
        "ip link delete cni0 2>/dev/null; for family in ip ip6; do nft delete table $family kube-proxy 2>/dev/null; done; "
        f"{_FORGET_RULES}; "
        f"rm -rf {ours} /var/lib/etcd /var/lib/cni /opt/cni; "
        # The folder itself may be a mount point.
        "find /var/lib/containerd -mindepth 1 -delete 2>/dev/null; systemctl daemon-reload; systemctl reset-failed"
    )
