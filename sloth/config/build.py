"""From a valid, completed spec to the frozen `ClusterSpec`. Names change from the file's camelCase here and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sloth.config.assemble import Schema, core, own_pool_fields
from sloth.model.spec import (
    AccessSpec,
    ArtifactsSpec,
    BackupSpec,
    ClusterSpec,
    DnsSpec,
    HostSpec,
    KeepSpec,
    KubernetesSpec,
    MeshSpec,
    NetworkSpec,
    PoolSpec,
    UpgradeSpec,
)
from sloth.upgrade.batches import seconds

COMPONENTS = ("apiServer", "controllerManager", "scheduler", "etcd")


def build(document: Schema, given: Mapping[str, Any]) -> ClusterSpec:
    """The spec that the rest of sloth works with."""
    spec = given["spec"]
    return ClusterSpec(
        name=given["metadata"]["name"],
        labels=dict(given["metadata"]["labels"]),
        protect=spec["protect"],
        kubernetes=_kubernetes(spec["kubernetes"]),
        providers=copy.deepcopy(spec["providers"]),
        pools=tuple(_pool(document, pool) for pool in spec["pools"]),
        access=AccessSpec(ssh=tuple(spec["access"]["ssh"]), api=tuple(spec["access"]["api"])),
        mesh=_mesh(spec["mesh"]),
        network=_network(spec["network"]),
        artifacts=ArtifactsSpec(source=spec["artifacts"]["source"], mirror=spec["artifacts"].get("mirror", "")),
        backup=_backup(spec["backup"]),
        upgrade=UpgradeSpec(**spec["upgrade"]),
    )


def _kubernetes(given: Mapping[str, Any]) -> KubernetesSpec:
    common = core()["properties"]["spec"]["properties"]["kubernetes"]["properties"]
    return KubernetesSpec(
        distribution=given["distribution"],
        version=given["version"].removeprefix("v"),
        extra_sans=tuple(given["api"]["extraSANs"]),
        hostname=given["api"].get("hostname", ""),
        load_balancer=given["api"]["loadBalancer"],
        encryption=given["encryption"]["enabled"],
        kubelet=copy.deepcopy(given["kubelet"]["config"]),
        registries={name: tuple(urls) for name, urls in given["registries"]["mirrors"].items()},
        args={name: {flag: _flag(value) for flag, value in given[name]["args"].items()} for name in COMPONENTS},
        options={name: copy.deepcopy(value) for name, value in given.items() if name not in common},
    )


def _flag(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pool(document: Schema, given: Mapping[str, Any]) -> PoolSpec:
    own = own_pool_fields(document, given["provider"])
    return PoolSpec(
        name=given["name"],
        role=given["role"],
        provider=given["provider"],
        count=given["count"],
        labels=dict(given["labels"]),
        taints=tuple(given["taints"]),
        kubelet=copy.deepcopy(given["kubelet"]),
        drain_timeout=float(seconds(given["disruption"]["drainTimeout"])),
        max_unavailable=given["disruption"]["maxUnavailable"],
        hosts=tuple(_host(host) for host in given.get("hosts", ())),
        options={name: copy.deepcopy(value) for name, value in given.items() if name in own},
    )


def _host(given: Mapping[str, Any]) -> HostSpec:
    return HostSpec(
        name=given["name"],
        address=given["address"],
        user=given.get("user", ""),
        port=given["port"],
        host_key=given.get("hostKey", ""),
    )


def _mesh(given: Mapping[str, Any]) -> MeshSpec:
    return MeshSpec(cidr=given["cidr"], port=given["port"], mtu=0 if given["mtu"] == "auto" else given["mtu"])


def _network(given: Mapping[str, Any]) -> NetworkSpec:
    return NetworkSpec(
        pods=given["pods"], services=given["services"], cni=given["cni"], dns_domain=given["dnsDomain"], dns=_dns(given)
    )


def _dns(network: Mapping[str, Any]) -> DnsSpec:
    return DnsSpec(**network.get("dns", {}))


def _backup(given: Mapping[str, Any]) -> BackupSpec:
    return BackupSpec(
        to=given.get("to", ""),
        schedule=given.get("schedule", ""),
        keep=KeepSpec(**given["keep"]),
        access_key=copy.deepcopy(given.get("accessKey", {})),
        secret_key=copy.deepcopy(given.get("secretKey", {})),
    )
