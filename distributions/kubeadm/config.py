"""kubeadm's configuration files (kubeadm.k8s.io/v1beta4), as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sloth.api import API_PORT, Cluster, JoinInfo, Node, Put, Secret, merged, yaml_text

from .kubelet import registration
from .layout import API_FILES, BALANCER, ENCRYPTION, NAMES, PATCHES, image_tag

_API = "kubeadm.k8s.io/v1beta4"
_OURS = {
    "apiServer": {"profiling": "false", "tls-min-version": "VersionTLS12"},
    # Pod CIDRs are leased by sloth and routed by the mesh; the controller must not hand out others.
    "controllerManager": {"allocate-node-cidrs": "false", "profiling": "false"},
    "scheduler": {"profiling": "false"},
}
_OWN_AUTHENTICATION = ("anonymous-auth", "authentication-config", "oidc-")


def init_text(node: Node, cluster: Cluster) -> str:
    """The file for `kubeadm init` and its phases. Holds no secret: kubeadm makes the (short-lived) first token itself."""
    return yaml_text(_init(node, cluster), cluster_configuration(cluster), _kube_proxy(node))


def _init(node: Node, cluster: Cluster) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"ttl": "1m0s", "description": "made by kubeadm init, not used"}],
        "localAPIEndpoint": _endpoint(node),
        "nodeRegistration": registration(node, cluster),
        "patches": {"directory": PATCHES},
    }


def cluster_configuration(cluster: Cluster) -> dict[str, Any]:
    """ClusterConfiguration: the same for all control-plane nodes."""
    network = cluster.spec.network
    return {
        "apiVersion": _API,
        "kind": "ClusterConfiguration",
        "clusterName": cluster.spec.name,
        "kubernetesVersion": cluster.version,
        "controlPlaneEndpoint": BALANCER,
        "networking": {
            "podSubnet": network.pods,
            "serviceSubnet": network.services,
            "dnsDomain": network.dns_domain,
        },
        "apiServer": _api_server(cluster),
        "controllerManager": {"extraArgs": _args(flags("controllerManager", cluster))},
        "scheduler": {"extraArgs": _args(flags("scheduler", cluster))},
        "etcd": {"local": {**_tag(cluster, "etcd"), "extraArgs": _args(flags("etcd", cluster))}},
        "dns": _tag(cluster, "coredns"),
    }


def flags(part: str, cluster: Cluster) -> dict[str, str]:
    """What a component (`apiServer`, `controllerManager`, `scheduler`, `etcd`) is told, but for how Secrets are stored."""
    theirs = cluster.spec.kubernetes.args.get(part, {})
    ours = dict(_OURS.get(part, {}))
    # The API server refuses both ways at once.
    if part == "apiServer" and not any(flag.startswith(_OWN_AUTHENTICATION) for flag in theirs):
        ours["authentication-config"] = f"{API_FILES}/authentication.yaml"
    return {**ours, **theirs}


def _api_server(cluster: Cluster) -> dict[str, Any]:
    told = flags("apiServer", cluster)
    if cluster.record.encryption is not None:
        told = {"encryption-provider-config": ENCRYPTION, **told}
    volume = {"name": "sloth", "hostPath": API_FILES, "mountPath": API_FILES, "readOnly": True, "pathType": "Directory"}
    return {"certSANs": names(cluster), "extraArgs": _args(told), "extraVolumes": [volume]}


def names(cluster: Cluster) -> list[str]:
    """Every address and name under which the API may be reached: what its certificates are made out to."""
    found = ["127.0.0.1", "localhost"]
    for node in cluster.control_plane:
        machine = node.machine
        found += [node.mesh_address, machine.address, machine.private_address, *machine.sans]
    found += [cluster.spec.kubernetes.hostname, *cluster.spec.kubernetes.extra_sans]
    return list(dict.fromkeys(name for name in found if name))


def names_note(cluster: Cluster) -> Put:
    """Note on a control-plane node for which names its certificate was made."""
    return Put(path=NAMES, content=" ".join(names(cluster)) + "\n")


def join_text(node: Node, cluster: Cluster, info: JoinInfo) -> Secret:
    """The file for `kubeadm join`. One line of JSON (which is YAML), so that the masker learns no ordinary line from it."""
    document: dict[str, Any] = {
        "apiVersion": _API,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": BALANCER,
                "token": info.token.reveal(),
                "caCertHashes": [info.ca_hash],
            }
        },
        "nodeRegistration": registration(node, cluster),
    }
    if node.is_control_plane:
        document["patches"] = {"directory": PATCHES}
        key = info.certificate_key.reveal() if info.certificate_key else ""
        document["controlPlane"] = {"localAPIEndpoint": _endpoint(node), "certificateKey": key}
    return Secret(json.dumps(document))


def _kube_proxy(node: Node) -> dict[str, Any]:
    head = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}
    return merged(head, {"mode": "nftables"}, node.machine.profile.kube_proxy)


def _endpoint(node: Node) -> dict[str, Any]:
    return {"advertiseAddress": node.mesh_address, "bindPort": API_PORT}


def _args(told: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(told.items())]


def _tag(cluster: Cluster, image: str) -> dict[str, str]:
    tag = image_tag(cluster.delivery, image)
    return {"imageTag": tag} if tag else {}
