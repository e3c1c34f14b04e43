"""Where a distribution keeps its etcd, and with what certificates it lets sloth in."""

from __future__ import annotations

from dataclasses import dataclass

from sloth.model.cluster import Cluster

SNAPSHOTS = "/var/lib/sloth/snapshots"  # on control-plane nodes, 0700: what sloth saved there before it took a member out

# `EtcdAccess.words` of a member that is a static pod: of its last two tries, for the newest may have only just begun. Where pods
# log: KubeletConfiguration, `podLogsDir`, its default.
POD_WORDS = "ls -tr /var/log/pods/kube-system_etcd-*/etcd/*.log | tail -n 2 | xargs -r tail -q -n 40"


@dataclass(frozen=True, kw_only=True)
class EtcdAccess:
    """Paths on a control-plane node. Members listen on the node's mesh address, so any of them can ask all of them.

    `etcdctl` and `etcdutl` are found in the PATH of root; a distribution that does not bring them delivers them.
    """

    cacert: str  # PEM: who signed the members' certificates
    cert: str  # PEM: a client certificate that etcd takes
    key: str
    data_dir: str  # holds `member/`
    client_port: int = 2379
    peer_port: int = 2380
    unit: str = "kubelet"  # systemd unit that runs the member: its journal says why it does not
    words: str = ""  # shell text that prints the last lines of the member itself; "" = they are in the unit's journal

    def client(self, address: str) -> str:
        """The URL under which the member at that mesh address answers clients."""
        return f"https://{address}:{self.client_port}"

    def peer(self, address: str) -> str:
        """The URL under which the other members know the member at that mesh address."""
        return f"https://{address}:{self.peer_port}"

    @property
    def last_words(self) -> str:
        """Shell text that prints what the member said last, newest line last; reads only."""
        return self.words or f"journalctl -u {self.unit} -n 60 -o cat --no-pager"

    def flags(self, *addresses: str, seconds: int = 8) -> str:
        """Flags for `etcdctl` that reach the members at these mesh addresses: 2 s to connect, `seconds` to answer."""
        endpoints = ",".join(self.client(address) for address in addresses)
        return f"--endpoints={endpoints} {self.credentials(seconds=seconds)}"

    def credentials(self, *, seconds: int = 8) -> str:
        """The same without the addresses."""
        return f"--cacert {self.cacert} --cert {self.cert} --key {self.key} --dial-timeout=2s --command-timeout={seconds}s"


def addresses(cluster: Cluster) -> dict[str, str]:
    """Mesh address -> name, of every control-plane node that is, shall be or was: who may be a member."""
    leases = (*cluster.plan.leases, *cluster.plan.remove, *cluster.record.leases)
    return {lease.mesh_address: lease.name for lease in leases if lease.role == "control-plane"}
