"""What a distribution may be able to do after installation: optional, probed with `isinstance`, one Protocol for each ability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from sloth.etcd.access import EtcdAccess
from sloth.model.authorities import Rotation
from sloth.model.certificate import CertificateFile
from sloth.model.cluster import Cluster
from sloth.model.facts import Facts
from sloth.model.join_tokens import JoinTokens
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.step import Script, Step


@runtime_checkable
class HasEtcd(Protocol):
    """The control plane keeps its data in etcd members on control-plane nodes, one on each."""

    def etcd_access(self) -> EtcdAccess:
        """Where etcd is and how it is asked. The same on every control-plane node."""


@runtime_checkable
class HasKubectl(Protocol):
    """Kubernetes can be asked on a control-plane node, as its administrator."""

    def kubectl(self) -> str:
        """The command with its flags, to which a verb is added. It answers within 10 s or fails."""


@runtime_checkable
class Certificates(Protocol):
    """Certificates lie on nodes as files, and those that are no authority can be renewed in place."""

    def certificates(self) -> Sequence[CertificateFile]:
        """Every file whose days count, authorities included."""

    def renew(self, node: Node, cluster: Cluster) -> Script[None]:
        """Renew all certificates of this control-plane node and have its services use them; waits until they work again."""


@runtime_checkable
class RenewsWorkers(Protocol):
    """Certificates of worker nodes, too, are renewed only when they are told to. Goes with Certificates."""

    def renew_worker(self, node: Node, cluster: Cluster) -> Script[None]:
        """Renew all certificates of this worker node; waits until it works again. Nodes come several side by side."""


@runtime_checkable
class RotatesAuthorities(Protocol):
    """Certificate authorities can be replaced, stage by stage, without a moment at which somebody is not trusted."""

    def authorities(self) -> Mapping[str, str]:
        """Name of each -> path of its certificate on control-plane nodes."""

    def has_authorities(self, node: Node, rotation: Rotation) -> Script[bool]:
        """Whether this node has taken the stage. Changes nothing."""

    def apply_authorities(self, node: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """Have this node take the stage and work with it; an earlier try that was cut off is finished."""

    def spread_authorities(self, server: Node, cluster: Cluster, rotation: Rotation) -> Script[None]:
        """On a control-plane node, when all nodes have the stage: what is kept in Kubernetes itself. Safe to repeat."""


@runtime_checkable
class CrossSigns(Protocol):
    """New authorities are begun with a certificate of the old ones' hand, so that who trusts the old ones trusts them at once."""

    def authority_keys(self) -> Mapping[str, str]:
        """Name of each, as in `authorities` -> path of the key that signs with it, on control-plane nodes."""


@runtime_checkable
class Upgrades(Protocol):
    """Nodes can be brought to a newer version in place, one after the other."""

    def upgrade(self, node: Node, cluster: Cluster, *, first: bool) -> Script[None]:
        """Have this node, which is a member and drained, become `cluster.version`; `prepare` for that version follows at once.

        `first`: no control-plane node has the version wholly yet. What an earlier try began is finished; a node that has it is
        left alone. Nodes come one at a time if they are control planes, several side by side if they are workers.
        """


@runtime_checkable
class Preloads(Protocol):
    """Some of a version must lie on every node before the first one is upgraded."""

    def preload(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """What pods that run everywhere need of `cluster.version`. Changes nothing that runs; done already is no change."""


@runtime_checkable
class BringsComponents(Protocol):
    """Some workloads of kube-system are the distribution's own, and change with its version."""

    def components(self, version: str) -> Mapping[str, Sequence[str]]:
        """Deployment or DaemonSet -> versions of its image that belong to that exact version (empty if it is not known)."""


@runtime_checkable
class Reconfigures(Protocol):
    """A running control plane takes what the spec asks of it (`spec.kubernetes.apiServer.args` and its like) by a restart."""

    def settings_applied(self, facts: Facts, cluster: Cluster) -> bool:
        """Whether the control plane of the node that these facts are of runs with what `prepare` has put there, or will."""

    def apply_settings(self, node: Node, cluster: Cluster) -> Script[None]:
        """On a prepared member: have its control plane run with it, and wait until it works. No change where it does already."""


@runtime_checkable
class EncryptsSecrets(Protocol):
    """Kubernetes Secrets are encrypted at rest as `record.encryption` (sloth.model.encryption) says."""

    def encryption_applied(self, facts: Facts, cluster: Cluster) -> bool:
        """Whether the API server of the control-plane node that these facts are of runs with what the record asks for."""

    def apply_encryption(self, node: Node, cluster: Cluster) -> Script[None]:
        """Have this node's API server run with it, and wait until it does. Changes nothing where it does already."""

    def rewrite_secrets(self, server: Node, cluster: Cluster) -> Script[None]:
        """Write every Secret anew, so that the first provider encrypts it. Safe to repeat."""


@runtime_checkable
class RotatesSecretKeys(Protocol):
    """The distribution itself keeps the keys of Secrets at rest, and can change them. Not together with EncryptsSecrets."""

    def rotate_secret_key(self, server: Node, cluster: Cluster) -> Script[None]:
        """On one control-plane node: a new key, by which all Secrets are written anew. One that was cut off is gone on with."""

    def take_secret_key(self, node: Node, cluster: Cluster) -> Script[None]:
        """Have this control-plane node learn of it; waits until it works."""

    def await_secret_key(self, server: Node, cluster: Cluster) -> Script[None]:
        """Until all control-plane nodes have the same keys."""


@runtime_checkable
class Restores(Protocol):
    """The control plane's data can be saved and put back. Goes with HasEtcd: the data is a snapshot of etcd."""

    def backup_paths(self) -> Sequence[str]:
        """Files and folders that must come back with the data: authorities, signing and encryption keys. Absolute, no blanks.

        Those that do not exist on a node are left out of its backup. Node certificates and configuration, which are made anew,
        do not belong here.
        """

    def halt(self, node: Node, cluster: Cluster) -> Script[None]:
        """Stop the control plane on this node and put its data aside (not away), so that it can be restored or join anew.

        Afterwards the probe says `kube.state=none`. A node on which there is nothing is left alone.
        """

    def restore(self, node: Node, cluster: Cluster, snapshot: str) -> Script[None]:
        """Make this halted, prepared node alone a one-member control plane with a backup's data; waits until its API answers.

        `snapshot` is a folder on the node with `etcd.db` and `files.tar`: what `backup_paths` named, to be unpacked at `/`. What
        an earlier try began is made anew: no other node can have joined yet.
        """

    def force_alone(self, node: Node, cluster: Cluster) -> Script[None]:
        """Have the etcd member of this node, whose others are lost, go on as the only member, with all that it holds.

        Keeps a copy of its data on the node first. Done already is no change. Waits until the API answers.
        """

    def revive(self, node: Node, cluster: Cluster) -> Script[None]:
        """On a worker that kept running: have it register anew with the restored control plane, which may not know it."""

    def scratch_etcd(self, cluster: Cluster) -> tuple[str, str]:
        """Shell text for a control-plane node: one that sets `$etcd` to a program, and one that undoes what the first did.

        Runs in `$work`, a folder that is deleted afterwards.
        """


@runtime_checkable
class RevokesTokens(Protocol):
    """What lets nodes join can be made void."""

    def revoke_tokens(self, server: Node, cluster: Cluster) -> Script[None]:
        """On a working control-plane node: no token or key for joining that exists now works any more."""


@runtime_checkable
class RotatesTokens(Protocol):
    """What lets nodes join lies on every node, and is changed on all of them. Not together with RevokesTokens."""

    def new_tokens(self, node: Node, cluster: Cluster, tokens: JoinTokens) -> Script[Secret]:
        """On the first control-plane node: work with the new ones, and answer what the others need too. Safe to repeat."""

    def take_tokens(self, node: Node, cluster: Cluster, tokens: JoinTokens) -> Script[None]:
        """Have any other node work with them. No change where it does already."""
