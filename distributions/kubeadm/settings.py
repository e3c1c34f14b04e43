"""Flags of the control plane, put in force where it runs already: kubeadm writes a static pod's manifest anew, the kubelet does
the rest. An annotation of each manifest says for which flags it was written; it comes by a patch, so that `kubeadm init`, `join`
and `upgrade` write it as well.

Sources: kubernetes.io, "Reconfiguring a kubeadm cluster" (manifests by `kubeadm init phase`, and the ConfigMap for those who join
later), "Customizing components with the kubeadm API" (patches: `target[suffix][+patchtype].extension`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import cast

from sloth.api import WHY, Ask, Cluster, Do, Facts, Node, Put, Result, Retry, Script, Step

from . import encryption
from .certs import running
from .config import flags, init_text
from .layout import CONFIG, PATCHES

_ANNOTATION = "sloth.dev/settings"
# Static pod -> its part of the spec, and the phase that writes its manifest.
_PODS = {
    "etcd": ("etcd", "etcd local"),
    "kube-apiserver": ("apiServer", "control-plane apiserver"),
    "kube-controller-manager": ("controllerManager", "control-plane controller-manager"),
    "kube-scheduler": ("scheduler", "control-plane scheduler"),
}
# Values that YAML writes as they are, on one line. Others are known by the annotation alone.
_PLAIN = re.compile(r"[A-Za-z0-9._/:,=@%-]*[A-Za-z0-9._/,=@%-]\Z")


def digest(pod: str, cluster: Cluster) -> str:
    """Names what the pod is told, in a few characters. What Secrets are encrypted with does not count: it has its own."""
    told = sorted(flags(_PODS[pod][0], cluster).items())
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def patches(cluster: Cluster) -> list[Step]:
    """One for each manifest."""
    return [
        Put(
            path=f"{PATCHES}/{pod}1+strategic.json",
            content=json.dumps({"metadata": {"annotations": {_ANNOTATION: digest(pod, cluster)}}}),
        )
        for pod in _PODS
    ]


def applied(facts: Facts, cluster: Cluster) -> bool:
    """Whether every manifest that was seen was written for these flags and still has them."""
    return all(_applied(pod, facts, cluster) for pod in _PODS)


def _applied(pod: str, facts: Facts, cluster: Cluster) -> bool:
    seen = set(facts.get(f"kube.flags.{pod}").split())
    return facts.get(f"kube.settings.{pod}") == digest(pod, cluster) and seen.issuperset(_plain(pod, cluster))


def _plain(pod: str, cluster: Cluster) -> list[str]:
    told: Mapping[str, str] = flags(_PODS[pod][0], cluster)
    return [f"--{name}={value}" for name, value in sorted(told.items()) if _PLAIN.match(value)]


def apply(node: Node, cluster: Cluster) -> Script[None]:
    """Each component that does not run with its flags is made anew and works before the next one is touched."""
    look = "; ".join(f"{{ {_in_force(pod, cluster)}; }} || echo {pod}" for pod in _PODS)
    stale = cast(Result, (yield Ask(title="look which components have other settings", run=f"{look}; true"))).out.split()
    if not stale:
        return
    yield [
        *encryption.files(cluster),
        *patches(cluster),
        Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
        *(step for pod in stale for step in _renew(pod, node)),
        Do(
            title="tell nodes that join of it",
            run=f"kubeadm init phase upload-config kubeadm --config {CONFIG} >/dev/null",
            retry=Retry(attempts=3, delay=2.0, reason="the API server may have just started"),
            hint="sloth up tells them again, whenever one joins",
        ),
    ]


def _renew(pod: str, node: Node) -> list[Step]:
    return [
        Do(
            title=f"give {pod} its settings",
            run=f"kubeadm init phase {_PODS[pod][1]} --config {CONFIG} >/dev/null",
            hint=f"sloth ssh {node.name} -- {WHY}",
        ),
        running(pod, node),
    ]


def _in_force(pod: str, cluster: Cluster) -> str:
    """Shell condition about the manifest."""
    manifest = f"/etc/kubernetes/manifests/{pod}.yaml"
    marked = f"grep -q '^ *{_ANNOTATION}: \"*{digest(pod, cluster)}\"*$' {manifest}"
    return " && ".join([marked, *(f"grep -qx ' *- {flag}' {manifest}" for flag in _plain(pod, cluster))])
