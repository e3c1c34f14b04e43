"""Phase: log in to every node, and replace the one-time host keys of new machines by keys that only the machine has.

A machine that sloth made shows at first the key from its user-data. It makes keys of its own beside it; these are recorded
before they take force, and until a new connection has seen them both are accepted. So a run may be cut off anywhere: the next
one finds a host that shows a key it knows. A node whose keys are recorded costs no round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sloth.errors import ConnectError
from sloth.model.cluster import Cluster
from sloth.model.node import Login, Node
from sloth.model.phase import Connect as Use
from sloth.model.phase import Each, Keep, PhaseRun
from sloth.model.record import NodeRecord, Record
from sloth.model.step import Ask, Do, Result, Script

LoginFor = Callable[[Node, Record], Login]
STAGE = "/var/lib/sloth/host-keys"  # new keys; only their public halves stay there once they are in force
_PATIENCE = 15.0  # seconds
# seconds: a new machine at a cloud boots, and installs packages before it lets anybody in (templates/cloud/prepare.sh)
_CLOUD_PATIENCE = 420.0
_TYPES = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256"}
_SSH = "/etc/ssh"
# Made in a directory aside and renamed: half a set of keys is never taken for a whole one.
_MAKE = (
    f"umask 077; rm -rf {STAGE}.new && mkdir -p {STAGE}.new && cd {STAGE}.new && "
    + " && ".join(f"ssh-keygen -q -t {kind} -N '' -C '' -f ssh_host_{kind}_key" for kind in _TYPES)
    + f" && sync . && mv -T {STAGE}.new {STAGE}"
)
_READ = f"cat {' '.join(f'{STAGE}/ssh_host_{kind}_key.pub' for kind in _TYPES)}"
# Old host keys of other types go too: nobody has recorded them. The private halves leave the stage last.
_ACTIVATE = f"""cd {STAGE} || exit
for key in ssh_host_*_key; do
  install -m 600 "$key" "{_SSH}/$key.new" && install -m 644 "$key.pub" "{_SSH}/$key.pub" || exit
  mv -fT "{_SSH}/$key.new" "{_SSH}/$key" || exit
done
for key in {_SSH}/ssh_host_*_key; do
  [ -e "${{key##*/}}.pub" ] || rm -f "$key" "$key.pub"
done
sshd=$(command -v sshd || echo /usr/sbin/sshd)
mkdir -p /run/sshd && "$sshd" -t || exit
systemctl reload ssh 2>/dev/null || systemctl reload sshd || exit
rm -f ssh_host_*_key"""
_ACTIVE = f"[ -d {STAGE} ] && ! ls {STAGE} | grep -q '_key$'"


@dataclass(frozen=True)
class Connect:
    """Connections open on first use. With `rotate` false, one-time keys stay in force: for verbs that change nothing."""

    login_for: LoginFor
    rotate: bool = True
    title: str = "Connect"

    def run(self, cluster: Cluster) -> PhaseRun:
        """Log in; where a one-time key is still accepted, have the host make keys, record them, put them in force, see them."""
        yield Use(logins=tuple(self._patient(node, cluster) for node in cluster.nodes))
        new = [node for node in cluster.nodes if cluster.record.node(node.name).boot_public_key and not node.machine.existing]
        if not new or not self.rotate:
            return cluster
        made: Mapping[str, tuple[str, ...]] = yield Each(title="make host keys", scripts={n.name: _make(n) for n in new})
        record = yield Keep(change=lambda record: _with_keys(record, made))
        # From here on the machine may show either; the connection in hand goes on.
        yield Each(title="put host keys in force", scripts={node.name: _activate() for node in new})
        yield Use(logins=tuple(replace(self._login(node, record), host_keys=made[node.name]) for node in new))
        yield Each(title="see the new host keys", scripts={node.name: _look() for node in new})
        return replace(cluster, record=(yield Keep(change=lambda record: _without_boot_keys(record, made))))

    def _patient(self, node: Node, cluster: Cluster) -> Login:
        """A machine that was just made or started may take its time; one that ran already answers soon or not at all."""
        boots = node.name in cluster.fresh or cluster.record.node(node.name).boot_public_key
        at_cloud = node.name in cluster.record.placements(node.lease.provider)
        patience = (_CLOUD_PATIENCE if at_cloud else 0.0) if boots else _PATIENCE
        return replace(self._login(node, cluster.record), patience=patience)

    def _login(self, node: Node, record: Record) -> Login:
        login = self.login_for(node, record)
        return replace(login, host_keys=accepted(record.node(node.name)) or login.host_keys)


def accepted(known: NodeRecord) -> tuple[str, ...]:
    """Host keys that the record vouches for: the host's own, and the one-time key until these were seen in force."""
    return (*known.host_keys, *((known.boot_public_key,) if known.boot_public_key else ()))


def _make(node: Node) -> Script[tuple[str, ...]]:
    """The host's new public keys, made unless they are there already."""
    expected = "\n".join(f"{kind} predicted" for kind in _TYPES.values())
    results = yield [
        Do(title="make host keys", run=_MAKE, unless=f"[ -d {STAGE} ]", timeout=60.0),
        Ask(title="read the new host keys", run=_READ, expected=expected),
    ]
    assert isinstance(results, list)  # noqa: S101  two steps, two results
    keys = tuple(" ".join(line.split()[:2]) for line in results[1].out.splitlines() if len(line.split()) > 1)
    if len(keys) != len(_TYPES):
        raise ConnectError(
            "connect/no-host-keys",
            f"{node.name}: the host did not make the SSH host keys that it was asked for",
            detail=results[1].out,
            where=node.name,
            hint=f"look at {STAGE} and the free space on the machine, then sloth up",
        )
    return keys


def _activate() -> Script[None]:
    yield Do(
        title="put the host's own keys in force",
        run=f"(\n{_ACTIVATE}\n)",
        unless=_ACTIVE,
        hint="journalctl -u ssh -n 20 on the machine's console says why sshd did not take the keys",
    )


def _look() -> Script[Result]:
    result = yield Ask(title="see the host's own keys", run="test -d /etc/ssh")
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    return result


def _with_keys(record: Record, made: Mapping[str, tuple[str, ...]]) -> Record:
    for name, keys in made.items():
        record = record.with_node(name, host_keys=keys)
    return record


def _without_boot_keys(record: Record, made: Mapping[str, tuple[str, ...]]) -> Record:
    for name in made:
        record = record.with_node(name, boot_key=None, boot_public_key="")
    return record
