"""What a distribution plugin is: it turns hosts into a Kubernetes cluster. See docs/guide/write-a-distribution.md."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sloth.errors import SlothError
from sloth.model.artifact import Need
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, Role
from sloth.model.step import Script, Step


@dataclass(frozen=True, kw_only=True)
class JoinInfo:
    """What other nodes need to join. Made anew for each run that joins somebody; short-lived."""

    token: Secret
    ca_hash: str = ""
    certificate_key: Secret | None = None


class Distribution(ABC):
    """The plugin. All work is in scripts (generators of steps): nothing is opened, read or run by a plugin."""

    name: ClassVar[str]
    packages: ClassVar[Sequence[str]] = ()  # Debian packages that `prepare` installs; machines at clouds are told so at boot

    @abstractmethod
    def versions(self) -> Sequence[str]:
        """Exact versions known, newest first (`v1.36.3`). A spec's minor means the newest patch of it."""

    @abstractmethod
    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Problems of the spec that only this distribution can see."""

    @abstractmethod
    def needs(self, version: str) -> Sequence[Need]:
        """Binaries and images for that version."""

    @abstractmethod
    def probe(self) -> str:
        """Shell text that prints `key=value` lines about this distribution on a node; reads only.

        Must print `kube.state` = `none` | `joined` | `broken`, and on a healthy control-plane node also
        `kube.nodes` = `NAME:Ready|NotReady` words for all nodes it knows.
        """

    @abstractmethod
    def prepare(self, node: Node, cluster: Cluster) -> Sequence[Step]:
        """Steps that make the host ready (runtime, binaries, images, kubelet unit, API balancer). Re-running changes nothing."""

    @abstractmethod
    def first_server(self, node: Node, cluster: Cluster) -> Script[None]:
        """Start the cluster on this node; resumes what was begun."""

    @abstractmethod
    def join_info(self, node: Node, cluster: Cluster) -> Script[JoinInfo]:
        """On a working control-plane node: make what others need to join."""

    @abstractmethod
    def join(self, node: Node, cluster: Cluster, info: JoinInfo) -> Script[None]:
        """Make this node a member; resumes what was begun."""

    @abstractmethod
    def settle(self, server: Node, cluster: Cluster) -> Script[None]:
        """On a working control-plane node: labels, taints, cluster add-ons as the spec asks, then wait until all is Ready."""

    @abstractmethod
    def evict(self, server: Node, name: str, cluster: Cluster) -> Script[None]:
        """On a working control-plane node: take node `name`, drained, out of Kubernetes and etcd. Gone already is no error."""

    @abstractmethod
    def remove(self, node: Node, cluster: Cluster) -> Script[None]:
        """On the node itself: stop and delete everything that this distribution put there."""

    @abstractmethod
    def kubeconfig(self, server: Node, cluster: Cluster) -> Script[Secret]:
        """Read the administrator's kubeconfig (YAML text) from a control-plane node."""

    def kubelet_unit(self, role: Role) -> str:
        """The systemd unit that runs the kubelet of a node: its journal says why Kubernetes does not work there."""
        return "kubelet"

    def options_schema(self) -> Mapping[str, Any]:
        """JSON Schema of fields of `spec.kubernetes` that only this distribution knows."""
        return {}
