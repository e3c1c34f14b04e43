"""config.yaml and the files beside it, as plain data.

Keys are the command line's flags without dashes. Sources: docs.k3s.io "k3s server", "k3s agent", "Configuration Options"
(several files: config.yaml.d, in alphabetical order; the last value of a key counts), docs.rke2.io "Server Configuration
Reference". That kubelet settings go into a drop-in of agent/etc/kubelet.conf.d: docs.k3s.io "Advanced Options". That an own
authentication-config replaces the default `anonymous-auth=false`: k3s-io/k3s#12245, rancher/rke2#8137.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from sloth.hosting.nodes import RESOLVER, kubelet_file, kubelet_settings, own_labels, taint_text, taints
from sloth.hosting.text import yaml_text
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.spec import ClusterSpec
from sloth.supervised.flavour import Flavour

API_FILES = "/etc/sloth/apiserver"
AUTHENTICATION = f"{API_FILES}/authentication.yaml"
_OWN_AUTHENTICATION = ("anonymous-auth", "authentication-config", "oidc-")
_COMPONENTS = {
    "apiServer": "kube-apiserver-arg",
    "controllerManager": "kube-controller-manager-arg",
    "scheduler": "kube-scheduler-arg",
    "etcd": "etcd-arg",
}
# What a machine's profile may ask of kube-proxy, as flags: these flavours take no KubeProxyConfiguration.
_PROXY_FLAGS = {("mode",): "proxy-mode", ("conntrack", "maxPerCore"): "conntrack-max-per-core"}
# The supervisor finds out itself what the host's cgroups allow, and tells containerd and the kubelet the same.
_LEFT_TO_IT = ("cgroupDriver",)


def disabled(spec: ClusterSpec) -> tuple[str, ...]:
    """Components that the spec does not want (`spec.kubernetes.disable`)."""
    return tuple(spec.kubernetes.options.get("disable", ()))


def kubelet(node: Node, cluster: Cluster) -> dict[str, Any]:
    """KubeletConfiguration fields of this node, over what the supervisor sets."""
    settings = kubelet_settings(node, cluster, {"serializeImagePulls": False, "resolvConf": RESOLVER})
    return {key: value for key, value in settings.items() if key not in _LEFT_TO_IT}


def kubelet_text(node: Node, cluster: Cluster) -> str:
    """The drop-in with them."""
    return kubelet_file(kubelet(node, cluster))


def config_text(node: Node, cluster: Cluster, flavour: Flavour, own: Mapping[str, Any]) -> str:
    """config.yaml of this node; `own` has what only the flavour knows. It holds no secret: tokens are in files of their own."""
    both = {
        "node-name": node.name,
        "node-ip": node.mesh_address,
        "node-label": own_labels(node),
        "node-taint": [taint_text(each) for each in taints(node, cluster)],
        "resolv-conf": kubelet(node, cluster)["resolvConf"],
        "kube-proxy-arg": _proxy(node),
    }
    if not node.is_control_plane:
        return yaml_text({**_filled(both), "token-file": flavour.agent_token, **own})
    return yaml_text({**_filled(both), **_server(node, cluster, flavour), **own})


def _server(node: Node, cluster: Cluster, flavour: Flavour) -> dict[str, Any]:
    network = cluster.spec.network
    return {
        "token-file": flavour.server_token,
        "agent-token-file": flavour.agent_token,
        "advertise-address": node.mesh_address,
        "tls-san": names(node, cluster),
        "write-kubeconfig-mode": "0600",
        "cluster-cidr": network.pods,
        "service-cidr": network.services,
        "cluster-dns": str(ip_network(network.services)[10]),
        "cluster-domain": network.dns_domain,
        **_filled({"disable": list(disabled(cluster.spec))}),
        **_components(cluster.spec.kubernetes.args),
    }


def _components(args: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    api = {"profiling": "false", "tls-min-version": "VersionTLS12"}
    if not any(flag.startswith(_OWN_AUTHENTICATION) for flag in args.get("apiServer", {})):
        api["authentication-config"] = AUTHENTICATION
    # Pod CIDRs are leased by sloth and routed by the mesh; the controller must not hand out others.
    ours = {"apiServer": api, "controllerManager": {"allocate-node-cidrs": "false"}}
    found = {key: {**ours.get(part, {}), **args.get(part, {})} for part, key in _COMPONENTS.items()}
    return {key: [f"{flag}={value}" for flag, value in sorted(flags.items())] for key, flags in found.items() if flags}


def names(node: Node, cluster: Cluster) -> list[str]:
    """Names and addresses for this server's certificate, beyond its own node-ip and 127.0.0.1.

    Only its own ones: a node that comes or goes must not change the configuration of the others, which would restart them.
    """
    machine, kubernetes = node.machine, cluster.spec.kubernetes
    found = [machine.address, machine.private_address, *machine.sans, kubernetes.hostname, *kubernetes.extra_sans]
    return list(dict.fromkeys(name for name in found if name))


def _proxy(node: Node) -> list[str]:
    wanted: dict[str, str] = {"proxy-mode": "nftables"}
    for path, flag in _PROXY_FLAGS.items():
        value: Any = node.machine.profile.kube_proxy
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            wanted[flag] = str(value)
    return [f"{flag}={value}" for flag, value in sorted(wanted.items())]


def containerd_text(node: Node) -> str:
    """A drop-in for containerd (config version 3) with what the machine needs; "" where it needs nothing special."""
    flags = node.machine.profile.containerd
    if not flags:
        return ""
    lines = "".join(f"  {key} = {str(bool(value)).lower()}\n" for key, value in sorted(flags.items()))
    return f"version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\n{lines}"


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ([], "", None)}


def founding_text(found: Mapping[str, Any]) -> str:
    """The membership of the node that founds the cluster; `found` is the flavour's word for that."""
    return yaml_text(found) if found else "# founds the cluster\n"


def joining_text(flavour: Flavour) -> str:
    """The membership of all others. A server with data in its etcd reads it only to find its way back (docs.k3s.io)."""
    return yaml_text({"server": flavour.join_url})
