"""The host below Kubernetes: what every distribution needs, and runc, which containerd asks for."""

from __future__ import annotations

from sloth.api import HOST_TOOLS, WHY, Cluster, Node, Put, Step, host_kernel, host_packages

from .kubelet import settings
from .text import text

_TOOLS = {"runc": "runc", **HOST_TOOLS}
PACKAGES = tuple(_TOOLS.values())


def packages(node: Node) -> list[Step]:
    """Debian packages that a made image has already."""
    return host_packages(node, _TOOLS)


def kernel(node: Node, cluster: Cluster) -> list[Step]:
    """Modules and settings that pods need; swap off unless this kubelet is told to live with it."""
    swap = not settings(node, cluster).get("failSwapOn", True)
    return [Put(path=WHY, content=text("kube-why.sh"), mode=0o755), *host_kernel(swap=swap)]
