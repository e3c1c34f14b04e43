"""Steps on a control-plane node that ask etcd and change its membership, made from a distribution's EtcdAccess."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from shlex import quote
from typing import cast

from sloth.etcd.access import SNAPSHOTS, EtcdAccess, addresses
from sloth.etcd.members import Member, read_members
from sloth.model.cluster import Cluster
from sloth.model.node import Node
from sloth.model.step import Ask, Do, Result, Script, Step, Wait

KEPT = 5  # snapshots on a node
_SNAPSHOT_SECONDS = 180.0  # etcd's default limit of 2 GiB, at 12 MB/s


def ask_members(access: EtcdAccess, server: str, addresses: Collection[str]) -> list[Step]:
    """Three questions for `members_of`: who is a member, who is healthy, who answers at all.

    `server` is the mesh address of the node that is asked first, `addresses` those of all control-plane nodes. The list is read
    without asking the others (`--consistency=s`), so that it comes also when there is no majority any more. Only started members
    are asked how they are: a node that has not joined yet would cost all the time that a dead one does.
    """
    listing = "etcdctl member list -w simple --consistency=s"
    every = access.flags(*dict.fromkeys((server, *sorted(addresses))))
    listed = f"{listing} {access.flags(server)} 2>/dev/null || {listing} {every}"
    started = f"{{ {listed}; }} 2>/dev/null | awk -F', ' '$5 != \"\" {{print $5}}' | tr , '\\n'"

    def each(question: str, seconds: int) -> str:
        # Side by side, each in a process of its own: etcdctl asks for `status` one after the other, dead ones included.
        ask = f"etcdctl endpoint {question} -w json --endpoints=@ {access.credentials(seconds=seconds)}"
        return f"{started} | xargs -r -P 16 -I@ {ask} 2>/dev/null"

    return [
        Ask(title="list etcd members", run=listed),
        Ask(title="ask etcd members for health", run=each("health", 5), check=False),
        Ask(title="ask etcd members whether they live", run=each("status", 3), check=False),
    ]


def members_of(results: Sequence[Result], access: EtcdAccess, names: Mapping[str, str]) -> list[Member]:
    """Members out of the results of `ask_members`. `names`: mesh address -> node."""
    listed, health, status = results
    return read_members(listed.out, health.out, status.out, {access.peer(address): name for address, name in names.items()})


def look(access: EtcdAccess, server: Node, cluster: Cluster) -> Script[list[Member]]:
    """The members, as that control-plane node sees them; those of known nodes under the node's name. One round trip."""
    known = addresses(cluster)
    results = cast(list[Result], (yield ask_members(access, server.mesh_address, known)))
    return members_of(results, access, known)


def remove_member(access: EtcdAccess, member: Member, addresses: Sequence[str]) -> Do:
    """Take one member out. Asked through `addresses`, which must not be its own; a member that is gone already is no error."""
    flags = access.flags(*addresses)
    gone = f"listed=$(etcdctl member list -w simple {flags}) && ! echo \"$listed\" | grep -q '^{member.id}, '"
    return Do(
        title=f"take {member.label} out of etcd",
        unless=gone,
        # A distribution may take it out by itself when its node is deleted, between the look and this.
        run=f"etcdctl member remove {member.id} {flags} || {{ {gone}; }}",
        timeout=60.0,
        hint="sloth status",
    )


def wait_healthy(access: EtcdAccess, address: str, name: str, *, timeout: float = 120.0) -> Wait:
    """Until the member at that address takes part in decisions (again)."""
    return Wait(
        title=f"wait until {name} is a healthy etcd member",
        until=f"etcdctl endpoint health {access.flags(address)} >/dev/null 2>&1",
        timeout=timeout,
        diagnose=f"etcdctl endpoint status -w simple {access.flags(address)} 2>&1",
        hint=f"sloth ssh {name} -- journalctl -u {access.unit} -n 50",
    )


def room(access: EtcdAccess, *, folder: str = SNAPSHOTS) -> Ask:
    """Whether a control-plane node has room for a snapshot, asked before anything is begun that saves one. Changes nothing."""
    data = f"{quote(access.data_dir)}/member/snap/db"
    text = f"""at={quote(folder)}; until [ -e "$at" ]; do at=${{at%/*}}; done
free=$(df -Pk "$at" | awk 'NR == 2 {{print $4}}'); need=$(($(stat -c %s {data} 2>/dev/null || echo 0) / 1024 + 1024))
[ "$free" -ge "$need" ] || {{ echo "No space left on device: $at has $free KiB, a snapshot needs $need KiB" >&2; exit 1; }}"""
    return Ask(title="look for room for a snapshot", run=f"(\n{text}\n)", expected="")


def snapshot(access: EtcdAccess, address: str, why: str, *, folder: str = SNAPSHOTS, kept: int = KEPT) -> Do:
    """Save all that etcd holds to `folder` on the node at that address, `TIME-WHY.db`, 0600; prints its path.

    etcdctl saves aside, compares the digest that etcd sends at the end, and renames (client/v3/snapshot/v3_snapshot.go of etcd
    3.6); what a failure leaves aside is deleted. Only the last `kept` ones of this kind stay.
    """
    flags = access.flags(address, seconds=round(_SNAPSHOT_SECONDS) - 10)
    text = f"""umask 077; mkdir -p {quote(folder)} && chmod 700 {quote(folder)} || exit
file={quote(folder)}/$(date -u +%Y%m%dT%H%M%SZ)-{why}.db
etcdctl snapshot save "$file" {flags} >/dev/null || {{ rm -f "$file" "$file.part"; exit 1; }}
chmod 600 "$file" && sync "$file" && echo "$file" || exit
ls -1 {quote(folder)}/*-{why}.db | sort -r | tail -n +{kept + 1} | while read -r old; do rm -f "$old"; done"""
    return Do(
        title="save a snapshot of etcd",
        run=f"(\n{text}\n)",
        timeout=_SNAPSHOT_SECONDS,
        expected=f"{folder}/predicted-{why}.db",
        hint="df -h on that node: a snapshot needs as much room as etcd's data",
    )
