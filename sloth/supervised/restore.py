"""Putting a control plane's data back: stop and set aside, restore a snapshot on one node, or go on alone with what is left.

Facts: docs.k3s.io "k3s etcd-snapshot" (restoring, also to new hosts: the server token must be the one of the snapshot, as it
decrypts the authorities inside etcd's data) and "k3s server" (`--cluster-reset`: forget all peers; it ends when it is done, and
must not be given a `server`); docs.rke2.io "Backup and Restore" says the same of RKE2. A node whose password is not the one
that the cluster remembers is refused (docs.k3s.io "Architecture", how agent node registration works), so what the snapshot
remembers is forgotten: each node gives its password anew.
"""

from __future__ import annotations

from sloth.hosting.admin import WHY
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Wait
from sloth.supervised.clean import stop_all
from sloth.supervised.config import founding_text, joining_text
from sloth.supervised.flavour import Flavour
from sloth.supervised.prepare import TEXTS
from sloth.supervised.state import note_member, start, wait_working

ASIDE = "/var/lib/sloth/aside"  # data of earlier control planes of this node: the last two
SCRATCH_ETCD = "/usr/local/lib/sloth/etcd"  # upstream's server, for trying a backup out


def backup_paths(flavour: Flavour) -> list[str]:
    """The tokens: all else is in etcd's data, encrypted with the server's."""
    return [flavour.server_token, flavour.agent_token]


def halt(node: Node, flavour: Flavour) -> Script[None]:
    """Nothing is deleted: the server's data is moved to ASIDE."""
    left = f"{flavour.data}/server {flavour.note} {flavour.membership} {flavour.data}/agent/client-kubelet.crt"
    run = TEXTS.text(
        "halt.sh",
        ASIDE=ASIDE,
        NAME=flavour.name,
        DATA=flavour.data,
        NOTE=flavour.note,
        MEMBERSHIP=flavour.membership,
        STOP_ALL=stop_all(flavour),
    )
    yield Do(
        title="stop the control plane and put its data aside",
        unless=f"! ls -d {left} 2>/dev/null | grep -q .",
        run=f"(\n{run})",
        timeout=240.0,
        hint=f"sloth ssh {node.name} -- journalctl -u {flavour.server_unit} -n 50",
    )


def restore(node: Node, cluster: Cluster, snapshot: str, flavour: Flavour) -> Script[None]:
    """The tokens, then the data, then a start; whatever an earlier try left is made anew."""
    yield [
        Do(title="put the cluster's tokens back", run=f"tar -C / --no-overwrite-dir -xpf {snapshot}/files.tar"),
        Put(path=flavour.membership, content=founding_text({}), mode=0o600),
        Do(
            title="restore the snapshot",
            run=f"systemctl stop {flavour.server_unit} 2>/dev/null; rm -rf {flavour.data}/server; "
            + _once(flavour, f"--cluster-reset --cluster-reset-restore-path={snapshot}/etcd.db"),
            timeout=600.0,
            hint=f"sloth ssh {node.name} -- tail -n 50 {_said(flavour)}",
        ),
        *_again(node, cluster, flavour),
        note_member("restored", flavour),
    ]


def force_alone(node: Node, cluster: Cluster, flavour: Flavour) -> Script[None]:
    """By `--cluster-reset`, with the data of this member. Done already is no change."""
    flags = flavour.etcd.flags(node.mesh_address)
    alone = f'[ "$(etcdctl member list -w simple {flags} 2>/dev/null | wc -l)" = 1 ] && {flavour.admin.own_api_answers}'
    ask = Ask(title="look whether etcd is alone already", run=f"test -s {flavour.note} && {alone}", check=False)
    result = yield ask
    assert isinstance(result, Result)  # noqa: S101  one step, one result
    if result.ok:
        return
    kept = f"{ASIDE}/{flavour.name}-before-alone"
    yield [
        Do(
            title="keep a copy of etcd's data",
            run=f"umask 077; systemctl stop {flavour.server_unit}; mkdir -p {ASIDE} && rm -rf {kept} && "
            f"cp -a {flavour.data}/server/db {kept}",
            timeout=300.0,
            hint=f"sloth ssh {node.name} -- df -h /var/lib",
        ),
        Put(path=flavour.membership, content=founding_text({}), mode=0o600),
        Do(
            title="have etcd go on alone",
            # The flag's own guard against doing it twice; here it was asked whether it is done.
            run=f"rm -f {flavour.data}/server/db/reset-flag {flavour.tombstone}; " + _once(flavour, "--cluster-reset"),
            timeout=600.0,
            hint=f"sloth ssh {node.name} -- tail -n 50 {_said(flavour)}",
        ),
        *_again(node, cluster, flavour),
    ]


def revive(node: Node, flavour: Flavour) -> Script[None]:
    """A start makes the kubelet register its node, with the password that the restored data has forgotten."""
    unit = flavour.unit(server=node.is_control_plane)
    yield [
        Do(
            title=f"restart {unit}",
            run=f"systemctl restart --no-block {unit}",
            hint=f"sloth ssh {node.name} -- journalctl -u {unit} -n 50",
        ),
        wait_working(node, flavour, title=f"wait until {node.name} is a member of the restored cluster"),
    ]


def scratch_etcd() -> tuple[str, str]:
    """Upstream's etcd, which lies on servers for this only."""
    return f"etcd={SCRATCH_ETCD}", ":"


def _said(flavour: Flavour) -> str:
    return f"/var/lib/sloth/{flavour.name}-reset.log"


def _once(flavour: Flavour, flags: str) -> str:
    """Run the supervisor until it has reset its etcd; it ends by itself. Only its last words are evidence."""
    said = _said(flavour)
    return (
        f"mkdir -p /var/lib/sloth && {flavour.binary} server {flags} >{said} 2>&1; code=$?; chmod 600 {said}; "
        f"[ $code = 0 ] || {{ tail -n 25 {said} >&2; false; }}"
    )


def _again(node: Node, cluster: Cluster, flavour: Flavour) -> list[Step]:
    return [
        start(node, flavour),
        _forget_passwords(cluster, flavour),
        wait_working(node, flavour),
        Put(path=flavour.membership, content=joining_text(flavour), mode=0o600),
    ]


def _forget_passwords(cluster: Cluster, flavour: Flavour) -> Wait:
    """Where the snapshot remembers another password of this very node, its server ends some seconds after every start.

    So this is one request, tried again and again: once while its API answers is enough, and the next start is the last one.
    """
    kube = f"kubectl --kubeconfig {flavour.kubeconfig} --cache-dir /run/sloth/kubectl --request-timeout=5s -n kube-system"
    secrets = " ".join(f"{node.name}.node-password.{flavour.name}" for node in cluster.nodes)
    return Wait(
        title="forget the nodes' passwords of before",
        until=f"{kube} delete secret {secrets} --ignore-not-found --wait=false >/dev/null 2>&1",
        timeout=300.0,
        every=0.2,
        diagnose=WHY,
        hint=f"journalctl -u {flavour.server_unit} -n 100 on the node says why the API server does not come up",
    )
