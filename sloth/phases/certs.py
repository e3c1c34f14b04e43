"""Phase: new certificates on control-plane nodes, one node at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import Certificates, RenewsWorkers
from sloth.errors import KubernetesError, UsageError
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun
from sloth.model.secret import Secret


def able(distribution: Distribution) -> Certificates:
    """The distribution as one that can renew certificates. Raises UsageError."""
    if isinstance(distribution, Certificates):
        return distribution
    raise UsageError(
        "certs/not-supported",
        f"distribution {distribution.name} does not say how its certificates are renewed",
        hint="sloth certs check",
    )


def refuse_absent(cluster: Cluster, what: str) -> None:
    """Control planes are restarted one at a time: with another one down, that could take the majority away."""
    leases = [lease.name for lease in cluster.record.leases if lease.role == "control-plane"]
    ill = [name for name in leases if not _well(cluster, name)]
    if ill:
        raise KubernetesError(
            "certs/servers-absent",
            f"{what} while control-plane nodes are not well: {', '.join(ill)}",
            detail="each control plane is restarted in its turn, and the others must carry the cluster meanwhile",
            hint="sloth health",
        )


def refuse_silent(cluster: Cluster, what: str, *, detail: str, then: str) -> None:
    """What all nodes must learn is not begun while one of them cannot."""
    away = [lease.name for lease in cluster.record.leases if cluster.fact(lease.name).get("kube.state") != "joined"]
    if away:
        raise KubernetesError(
            "certs/nodes-absent",
            f"{what} while nodes are away: {', '.join(away)}",
            detail=detail,
            hint=f"bring them back with sloth up, or sloth nodes remove {away[0]}; then {then}",
        )


def refuse_rotating(cluster: Cluster, what: str) -> None:
    """While authorities are rotated, whatever writes kubeconfigs anew would make them trust one authority only."""
    _refuse_unfinished(cluster.record.authorities, what, "certificate authorities", "--ca")


def refuse_half_tokens(cluster: Cluster, what: str) -> None:
    """While servers have different tokens, a snapshot of one may be sealed with a token that only another has."""
    _refuse_unfinished(cluster.record.join_tokens, what, "join tokens", "--join-tokens")


def _refuse_unfinished(kept: Secret | None, what: str, of: str, option: str) -> None:
    if kept is not None:
        raise KubernetesError(
            "certs/rotation-unfinished",
            f"{what} while a rotation of {of} is under way",
            hint=f"sloth certs rotate {option} goes on where it ended",
        )


def _well(cluster: Cluster, name: str) -> bool:
    fact = cluster.fact(name)
    return fact.get("kube.state") == "joined" and "down" not in (fact.get("kube.api"), fact.get("kube.etcd"))


@dataclass(frozen=True)
class RenewCertificates:
    """All leaves of every control-plane node, in plan order; then those of workers, where they do not renew theirs themselves."""

    distribution: Distribution
    nodes: Sequence[str] = ()  # only these; none given = all
    expired: bool = False  # they do not work any more: nothing can get worse, so nobody else need be well
    title: str = "Renew certificates"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One node after the other; each is well again before the next is touched."""
        plugin = able(self.distribution)
        if not self.expired:
            refuse_rotating(cluster, "certificates are not renewed")
            refuse_absent(cluster, "certificates are not renewed")
        for node in cluster.control_plane:
            if not self.nodes or node.name in self.nodes:
                yield Each(title=f"renew certificates of {node.name}", scripts={node.name: plugin.renew(node, cluster)})
                cluster = replace(cluster, changed=cluster.changed | {node.name})
        if isinstance(plugin, RenewsWorkers) and not self.nodes:
            here = [node for node in cluster.workers if cluster.fact(node.name).get("kube.state") == "joined"]
            yield Each(
                title="renew certificates of workers", scripts={node.name: plugin.renew_worker(node, cluster) for node in here}
            )
            cluster = replace(cluster, changed=cluster.changed | {node.name for node in here})
        return cluster
