"""Other certificate authorities in place of kubeadm's three, stage by stage (sloth.model.authorities).

Order and reasons: kubernetes.io, "Manual Rotation of CA Certificates". That kubeadm signs with the first certificate of ca.crt
and writes that one alone into kubeconfigs: kubernetes/kubernetes, cmd/kubeadm/app/util/pkiutil and phases/certs/renewal. That the
controller manager's signer takes no bundle, and so gets a file of its own: the same document, step 2. That a node's own request
for its kubelet's certificate is approved by itself: kubernetes.io, "TLS bootstrapping", "Approval".
"""

from __future__ import annotations

import json
from typing import cast

from sloth.api import (
    WHY,
    Ask,
    Cluster,
    Do,
    Node,
    Put,
    Result,
    Retry,
    Rotation,
    Script,
    Step,
    Wait,
    published,
    restart_workloads,
)

from .certs import restart
from .config import init_text
from .layout import ADMIN, CONFIG, PATCHES, QUICK
from .text import text

_PKI = "/etc/kubernetes/pki"
# An authority -> its files, without endings.
_NAMES = {"kubernetes": f"{_PKI}/ca", "front-proxy": f"{_PKI}/front-proxy-ca", "etcd": f"{_PKI}/etcd/ca"}
PATHS = {name: f"{file}.crt" for name, file in _NAMES.items()}
_SIGNER = f"{_PKI}/sloth-signer.crt"
_PATCH = f"{PATCHES}/kube-controller-manager2+json.json"
_NOTE = "/etc/sloth/kubeadm/authorities"
_OWN = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf --cache-dir /run/sloth/kubectl --request-timeout=3s"


def has(node: Node, rotation: Rotation) -> Script[bool]:
    """Whether this node has the stage."""
    ask = Ask(title="look at its authorities", run=f"cat {_NOTE} 2>/dev/null", check=False)
    return cast(Result, (yield ask)).out.strip() == rotation.mark


def apply(node: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
    """Have this node take the stage, whatever an earlier try has done of it."""
    if rotation.stage == "nodes":
        steps = _kubelet(node)
    elif node.is_control_plane:
        steps = _server(node, cluster, rotation)
    else:
        steps = [_file("kubernetes", rotation), _trust(), *_restart_kubelet(node)]
    yield [*steps, Put(path=_NOTE, content=f"{rotation.mark}\n")]


def spread(server: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
    """What Kubernetes itself hands out; pods are made anew before they meet what only the new authorities have signed."""
    if rotation.stage not in ("trust", "drop"):
        return
    steps: list[Step] = [published(rotation.authorities["kubernetes"], rotation, ADMIN), _for_joining()]
    if rotation.stage == "trust":
        steps.append(restart_workloads(rotation, ADMIN))
    yield steps


def _file(name: str, rotation: Rotation) -> Put:
    return Put(path=PATHS[name], content=rotation.trusted(name))


def _server(node: Node, cluster: Cluster, rotation: Rotation) -> list[Step]:
    last = rotation.stage == "drop"
    config = Put(path=CONFIG, content=init_text(node, cluster), mode=0o600)
    steps: list[Step] = [config, *(_file(name, rotation) for name in _NAMES)]
    if rotation.stage == "leaves":
        keys = {name: f"{file}.key" for name, file in _NAMES.items()}
        steps += [Put(path=path, content=rotation.authorities[name].key, mode=0o600) for name, path in keys.items()]
        steps.append(_renew())
    steps += [_trust(), *_signing(rotation), *(step for pod in _PODS for step in restart(pod, node)), *_restart_kubelet(node)]
    return [*steps, Do(title="forget the signer", unless=f"! [ -e {_SIGNER} ]", run=f"rm -f {_SIGNER}")] if last else steps


_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def _renew() -> Do:
    return Do(
        title="have the new authorities sign",
        run=f"kubeadm certs renew all --config {CONFIG} >/dev/null",
        timeout=120.0,
        hint="kubeadm certs check-expiration on the node",
    )


def _signing(rotation: Rotation) -> list[Step]:
    """While ca.crt holds two, the controller manager signs with a file of its own."""
    if rotation.stage == "drop":
        gone: Step = Do(title="have it sign with ca.crt again", unless=f"! [ -e {_PATCH} ]", run=f"rm -f {_PATCH}")
        return [gone, _manifest()]
    flag = f"--cluster-signing-cert-file={_SIGNER}"
    patch = [{"op": "add", "path": "/spec/containers/0/command/-", "value": flag}]  # of two, the last one counts
    signer = Put(path=_SIGNER, content=rotation.signer("kubernetes"))
    return [signer, Put(path=_PATCH, content=json.dumps(patch)), _manifest()]


def _manifest() -> Do:
    return Do(
        title="write the controller manager's manifest",
        run=f"kubeadm init phase control-plane controller-manager --config {CONFIG} >/dev/null",
        hint=f"{WHY} on the node",
    )


def _trust() -> Do:
    return Do(title="have kubeconfigs trust it", run=f"(\n{text('trust.sh')})", hint="ls -l /etc/kubernetes on the node")


def _restart_kubelet(node: Node) -> list[Step]:
    return [Do(title="restart the kubelet", run="systemctl restart kubelet", hint=f"{WHY} on the node"), _kubelet_works(node)]


def _kubelet_works(node: Node) -> Wait:
    return Wait(
        title="wait until the kubelet works",
        until=f"systemctl is-active -q kubelet && curl -sk -m 2 -o /dev/null https://127.0.0.1:10250/healthz && "
        f"{_OWN} get node {node.name} >/dev/null 2>&1",
        diagnose=WHY,
        hint=f"sloth ssh {node.name} -- {WHY}",
    )


def _kubelet(node: Node) -> list[Step]:
    return [
        Do(
            title="have a new certificate for the kubelet",
            run=f"(\n{text('kubelet-cert.sh', NODE=node.name)})",
            timeout=150.0,
            retry=Retry(attempts=3, delay=5.0, reason="a controller manager may not sign with the new authority yet"),
            hint="kubectl get csr shows what became of the request",
        ),
        _kubelet_works(node),
    ]


def _for_joining() -> Do:
    return Do(
        title="have nodes that join trust it",
        run=f"(\n{text('cluster-info.sh', QUICK=QUICK)})",
        retry=Retry(attempts=3, delay=2.0, reason="the API server may have just started"),
        hint="kubectl -n kube-public get configmap cluster-info -o yaml",
    )
