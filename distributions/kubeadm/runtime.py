"""containerd, configured for Kubernetes."""

from __future__ import annotations

from sloth.api import Cluster, Node, Put, Step, Unit

from .kubelet import settings
from .layout import image
from .text import TEXTS, text

_CONFIG = "/etc/containerd/config.toml"
_PAUSE = "registry.k8s.io/pause:3.10.2"  # what kubeadm v1.36 and containerd v2.4 agree on


def config(node: Node, cluster: Cluster) -> str:
    """Containerd's configuration, version 3. Kubelet and containerd must use the same cgroup driver."""
    flags = node.machine.profile.containerd
    return text(
        "containerd.toml",
        SANDBOX=image(cluster.delivery, "pause") or _PAUSE,
        FLAGS="".join(f"  {key} = {str(bool(value)).lower()}\n" for key, value in sorted(flags.items())),
        SYSTEMD_CGROUP=str(settings(node, cluster)["cgroupDriver"] == "systemd").lower(),
    )


def steps(node: Node, cluster: Cluster) -> list[Step]:
    """Configuration and unit, running."""
    unit = Unit(name="containerd", reads=[_CONFIG], binary="/usr/local/bin/containerd", texts=TEXTS)
    # Where no process may lower its OOM score (a container without that right), asking for it would stop the unit.
    oom = "0" if node.machine.profile.containerd.get("restrict_oom_score_adj") else "-999"
    return [Put(path=_CONFIG, content=config(node, cluster)), *unit.steps(OOM=oom)]
