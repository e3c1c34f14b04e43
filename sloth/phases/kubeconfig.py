"""Phases: read the administrator's kubeconfig and keep it in the record, named after the cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.model.cluster import Cluster
from sloth.model.phase import Balance, Each, Keep, PhaseRun
from sloth.model.secret import Secret
from sloth.phases.server import working_server

API_PORT = 6443


@dataclass(frozen=True)
class Kubeconfig:
    """The record's kubeconfig points at the address under which this machine reaches the API."""

    distribution: Distribution
    title: str = "Kubeconfig"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Ask the provider for the API's address; read the kubeconfig where there is none or the address moved."""
        server = working_server(cluster)
        if server is None:
            return cluster
        targets = tuple(node.name for node in cluster.control_plane)
        balanced: str = yield Balance(provider=server.lease.provider, targets=targets)
        endpoint = balanced or f"{cluster.spec.kubernetes.hostname or server.machine.address}:{API_PORT}"
        kept = cluster.record.kubeconfig
        if kept is None or f"https://{endpoint}" not in kept.reveal().split():
            read = yield Each(title=self.title, scripts={server.name: self.distribution.kubeconfig(server, cluster)})
            text = named(read[server.name], cluster.spec.name, endpoint)
            record = yield Keep(change=lambda record: replace(record, kubeconfig=text))
            cluster = replace(cluster, record=record)
        return replace(cluster, endpoint=endpoint)


@dataclass(frozen=True)
class ReadKubeconfig:
    """The record's kubeconfig gets the administrator's new certificate; the address in it stays."""

    distribution: Distribution
    title: str = "Kubeconfig"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Nothing where the record has no kubeconfig yet: `up` reads it."""
        kept, server = cluster.record.kubeconfig, working_server(cluster)
        endpoint = _endpoint(kept.reveal()) if kept else ""
        if server is None or not endpoint:
            return cluster
        read = yield Each(title=self.title, scripts={server.name: self.distribution.kubeconfig(server, cluster)})
        text = named(read[server.name], cluster.spec.name, endpoint)
        return replace(cluster, record=(yield Keep(change=lambda record: replace(record, kubeconfig=text))), endpoint=endpoint)


def _endpoint(kubeconfig: str) -> str:
    """`host:port` of the first server in it."""
    words = kubeconfig.split()
    return next((word.removeprefix("https://") for word in words if word.startswith("https://")), "")


def named(kubeconfig: Secret, name: str, endpoint: str) -> Secret:
    """The kubeconfig with one cluster, user (`NAME-admin`) and context, all called after the cluster, at `endpoint`."""
    import yaml

    document = yaml.safe_load(kubeconfig.reveal()) or {}
    if not document.get("clusters") or not document.get("users"):
        return kubeconfig  # a rehearsal's empty answer
    cluster = {**document["clusters"][0]["cluster"], "server": f"https://{endpoint}"}
    user = f"{name}-admin"
    return Secret(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": name, "cluster": cluster}],
                "users": [{"name": user, "user": document["users"][0]["user"]}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
                "current-context": name,
            },
            sort_keys=False,
        )
    )
