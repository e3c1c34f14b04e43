"""Secrets at rest: the API server's EncryptionConfiguration, the same on every control-plane node, and putting it in force.

Provider `secretbox` (XSalsa20 and Poly1305, keys of 32 bytes): strong, and unlike `aesgcm` its keys do not wear out with writes
(kubernetes.io, "Encrypting Confidential Data at Rest", table "Providers for Kubernetes encryption at rest"). Fields:
apiserver.config.k8s.io/v1, EncryptionConfiguration.
"""

from __future__ import annotations

import hashlib
import json
from itertools import groupby

from sloth.api import IDENTITY, WHY, Cluster, Do, Encryption, Facts, Node, Put, Retry, Script, Secret, Step, parse_encryption

from .certs import running
from .config import init_text
from .layout import CONFIG, ENCRYPTION, PATCHES, QUICK

_ANNOTATION = "sloth.dev/encryption"  # of the API server's pod: another configuration makes another pod
_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"


def state(cluster: Cluster) -> Encryption | None:
    """What the record asks for; None = this cluster was never encrypted."""
    return parse_encryption(cluster.record.encryption)


def document(now: Encryption) -> Secret:
    """The configuration, as one line of JSON (which is YAML)."""
    providers: list[dict[str, object]] = []
    for plain, names in groupby(now.providers, key=lambda name: name == IDENTITY):
        keys = [{"name": name, "secret": now.keys[name].reveal()} for name in names if not plain]
        providers.append({"identity": {}} if plain else {"secretbox": {"keys": keys}})
    resources = [{"resources": ["secrets"], "providers": providers}]
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}
    return Secret(json.dumps({**head, "resources": resources}))


def digest(now: Encryption) -> str:
    """Names the configuration without telling anything of its keys."""
    return hashlib.sha256(document(now).reveal().encode()).hexdigest()[:16]


def files(cluster: Cluster) -> list[Step]:
    """What must be on a control-plane node before its API server starts. Nothing where the cluster is not encrypted."""
    now = state(cluster)
    if now is None:
        return []
    patch = json.dumps({"metadata": {"annotations": {_ANNOTATION: digest(now)}}})
    return [
        Put(path=ENCRYPTION, content=document(now), mode=0o600),
        Put(path=f"{PATCHES}/kube-apiserver0+strategic.json", content=patch),
    ]


def applied(facts: Facts, cluster: Cluster) -> bool:
    """Whether the API server that was seen runs with what the record asks for."""
    now = state(cluster)
    return now is None or facts.get("kube.encryption") == digest(now)


def apply(node: Node, cluster: Cluster) -> Script[None]:
    """Have the API server of this node run with the configuration; wait until it does, and answers."""
    now = state(cluster)
    if now is None:
        return
    in_force = (
        f"grep -q '^ *{_ANNOTATION}: \"*{digest(now)}\"*$' {_MANIFEST} && grep -q -- '--encryption-provider-config=' {_MANIFEST}"
    )
    yield [
        *files(cluster),
        Put(path=CONFIG, content=init_text(node, cluster), mode=0o600),
        Do(
            title="give the API server its encryption configuration",
            unless=in_force,
            run=f"kubeadm init phase control-plane apiserver --config {CONFIG} >/dev/null",
            hint=f"sloth ssh {node.name} -- {WHY}",
        ),
        running("kube-apiserver", node),
        Do(
            title="tell nodes that join of it",
            unless=f"kubectl get configmap kubeadm-config -n kube-system -o jsonpath='{{.data}}' {QUICK} "
            "| grep -q encryption-provider-config",
            run=f"kubeadm init phase upload-config kubeadm --config {CONFIG} >/dev/null",
            retry=Retry(attempts=3, delay=2.0, reason="the API server has just started"),
        ),
    ]


def rewrite(server: Node, cluster: Cluster) -> Script[None]:
    """Write every Secret anew, unchanged, so that the first provider encrypts it. They never leave the node."""
    everything = f"kubectl get secrets --all-namespaces -o json {QUICK} | kubectl replace -f - {QUICK} >/dev/null"
    yield Do(
        title="write all Secrets anew",
        run=everything,
        timeout=600.0,
        retry=Retry(attempts=5, delay=2.0, reason="a Secret that is changed or deleted at that moment is refused"),
        hint="sloth up goes on with it",
    )
