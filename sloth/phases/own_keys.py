"""Phase: another key for Secrets at rest, where the distribution keeps its keys itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sloth.contracts.distribution import Distribution
from sloth.contracts.lifecycle import EncryptsSecrets, RotatesSecretKeys
from sloth.errors import UsageError
from sloth.model.cluster import Cluster
from sloth.model.phase import Each, PhaseRun, Say
from sloth.phases.certs import refuse_absent
from sloth.phases.quorum import guard_restart, other_server

_AGAIN = "sloth certs rotate --encryption-key"


@dataclass(frozen=True)
class RotateOwnKeys:
    """Nothing where the record has the keys (`EncryptSecrets`). A server that is away would not learn of the new one."""

    distribution: Distribution
    title: str = "Rotate the key of Secrets"

    def run(self, cluster: Cluster) -> PhaseRun:
        """One server makes the key; then all restart, one after the other. Raises UsageError, KubernetesError."""
        able = self.distribution
        if isinstance(able, EncryptsSecrets):
            return cluster
        if not isinstance(able, RotatesSecretKeys) or not cluster.spec.kubernetes.encryption:
            why = (
                "does not say how their key is changed" if cluster.spec.kubernetes.encryption else "does not encrypt Secrets here"
            )
            raise UsageError("certs/not-supported", f"distribution {able.name} {why}", hint="sloth certs check")
        refuse_absent(cluster, "the key of Secrets is not changed")
        first = cluster.control_plane[0]
        yield Each(title=f"make a key on {first.name}", scripts={first.name: able.rotate_secret_key(first, cluster)})
        for node in cluster.control_plane:
            yield from guard_restart(able, cluster, other_server(node, cluster), node, then=_AGAIN)
            yield Each(title=f"restart {node.name}", scripts={node.name: able.take_secret_key(node, cluster)})
            cluster = replace(cluster, changed=cluster.changed | {node.name})
        yield Each(title="see that all agree", scripts={first.name: able.await_secret_key(first, cluster)})
        yield Say(text="all Secrets are encrypted with a new key now")
        return cluster
