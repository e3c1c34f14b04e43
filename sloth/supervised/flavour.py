"""Where K3s and RKE2 differ: names, ports and paths.

Sources: docs.k3s.io "k3s server", "k3s agent", "Cluster Access"; docs.rke2.io "Server Configuration Reference", "CLI Tools".
"""

from __future__ import annotations

from dataclasses import dataclass

from sloth.etcd.access import POD_WORDS, EtcdAccess
from sloth.hosting.admin import Admin
from sloth.hosting.balancer import Front
from sloth.hosting.settle import Settling

# Local ports of sloth's balancer. 6444 is not free: behind a K3s server it is the API server's own, and agents balance there.
_API = Front(name="api", listen=6446)
_SUPERVISOR = Front(name="supervisor", listen=9346, port=9345)


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """One of the two."""

    name: str  # `k3s`: of the binary, of its folders below /etc/rancher and /var/lib/rancher, and of its kubeconfig
    server_unit: str
    agent_unit: str
    kubectl: str  # where its kubectl is (or what stands for one)
    coredns: str  # the deployment of kube-system
    metrics: str  # the deployment of kube-system that serves resource metrics
    scale_dns: bool  # sloth sets the number of DNS servers; false = an autoscaler of the distribution does
    supervisor_port: int  # of servers, where others join
    static_pods: bool  # control-plane components run as static pods, not inside the supervisor

    @property
    def binary(self) -> str:
        """The supervisor."""
        return f"/usr/local/bin/{self.name}"

    @property
    def etc(self) -> str:
        """Configuration."""
        return f"/etc/rancher/{self.name}"

    @property
    def data(self) -> str:
        """State (`data-dir`)."""
        return f"/var/lib/rancher/{self.name}"

    @property
    def config(self) -> str:
        """What the spec asks for; written by `prepare`."""
        return f"{self.etc}/config.yaml"

    @property
    def membership(self) -> str:
        """A drop-in: found a cluster, or whom to join. Without it the unit is not started."""
        return f"{self.etc}/config.yaml.d/50-sloth-membership.yaml"

    @property
    def server_token(self) -> str:
        """0600: lets control-plane nodes join, and encrypts the cluster's secrets inside etcd."""
        return f"{self.etc}/server-token"

    @property
    def agent_token(self) -> str:
        """0600: lets workers join, nothing more."""
        return f"{self.etc}/agent-token"

    @property
    def kubeconfig(self) -> str:
        """The administrator's, on servers."""
        return f"{self.etc}/{self.name}.yaml"

    @property
    def kubelet_kubeconfig(self) -> str:
        """The kubelet's own, on every node."""
        return f"{self.data}/agent/kubelet.kubeconfig"

    @property
    def note(self) -> str:
        """Written as the last step of founding and joining: this node is a member for good."""
        return f"/etc/sloth/{self.name}/member"

    @property
    def tombstone(self) -> str:
        """Left by etcd where its member was taken out of the cluster (k3s-io/k3s: pkg/etcd/etcd.go)."""
        return f"{self.data}/server/db/etcd/tombstone"

    @property
    def version_note(self) -> str:
        """Size and time of the binary, and the version that it said it has: asking it costs a third of a second of CPU."""
        return f"/etc/sloth/{self.name}/version"

    @property
    def fronts(self) -> tuple[Front, ...]:
        """What the balancer listens for. A K3s server is joined through the port of its API."""
        return (_API,) if self.supervisor_port == _API.port else (_API, _SUPERVISOR)

    @property
    def join_url(self) -> str:
        """Where a node joins: any living server, through its own balancer."""
        return f"https://127.0.0.1:{self.fronts[-1].listen}"

    @property
    def itself(self) -> str:
        """For commands that ask a supervisor: this node's own. Else they ask the `server` of the configuration, which is any."""
        return f"--server=https://127.0.0.1:{self.supervisor_port}"

    @property
    def admin(self) -> Admin:
        """As the administrator, through the balancer and not only through the node's own API server."""
        return Admin(kubeconfig=self.kubeconfig, port=_API.listen, server=True)

    @property
    def etcd(self) -> EtcdAccess:
        """The embedded etcd (docs.k3s.io "Advanced Options", using etcdctl; the same below RKE2's data-dir)."""
        tls = f"{self.data}/server/tls/etcd"
        return EtcdAccess(
            cacert=f"{tls}/server-ca.crt",
            cert=f"{tls}/client.crt",
            key=f"{tls}/client.key",
            data_dir=f"{self.data}/server/db/etcd",
            unit=self.server_unit,
            words=POD_WORDS if self.static_pods else "",
        )

    def settling(self, disabled: tuple[str, ...]) -> Settling:
        """How the cluster is brought to what the spec asks. A flavour labels its own servers."""
        off = {"coredns", f"{self.name}-coredns"} & set(disabled)
        rollouts = () if off else (f"deployment/{self.coredns}",)
        dns = self.coredns if self.scale_dns and not off else ""
        return Settling(admin=self.admin, rollouts=rollouts, dns=dns, role=False, static_pods=self.static_pods)

    def unit(self, *, server: bool) -> str:
        """The systemd unit of a node."""
        return self.server_unit if server else self.agent_unit
