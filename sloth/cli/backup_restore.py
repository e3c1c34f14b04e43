"""`sloth backup restore` without its command line."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from sloth.errors import Interrupted, ManyErrors, SlothError, UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.backup.manifest import Manifest
    from sloth.backup.memory import Restoring
    from sloth.contracts.backup import Place
    from sloth.desk import Desk


def restore_backup(options: Options, name: str, *, survivor: str, yes: bool) -> Outcome:
    """The cluster with the data of a backup, or of one surviving control-plane node. Raises SlothError."""
    from sloth.app import load
    from sloth.backup.memory import Proof, restoring, with_proof
    from sloth.backups import opened, place_of
    from sloth.desk import desk
    from sloth.flows.backup import restore

    if name and survivor:
        raise UsageError(
            "usage/not-together",
            "a backup's name and --survivor do not go together",
            hint=f"sloth backup restore --survivor {survivor}",
        )
    loaded = load(options)
    spec = loaded.spec
    if spec.protect:
        raise UsageError(
            "usage/protected", f"{spec.name} is protected: its data is not replaced", detail="spec.protect is true",
            hint="set spec.protect to false in the spec, then the same command again",
        )  # fmt: skip
    place = place_of(options, spec)
    with desk(options, loaded, "restore") as here:
        under_way = restoring(here.record)
        manifest, wish = _wish(here, place, name, survivor, under_way)
        going_on = under_way is not None and under_way.id == wish.id
        if wish.survivor and not going_on:
            _count(here, wish)
        if not yes and not going_on:
            _ask(here, wish, manifest)
        if not going_on and not survivor:
            _save_present(here, place)
        with opened(here, place, manifest) if manifest else nullcontext() as backup:
            cluster = here.run(restore(here.tools, wish, backup), here.cluster())
        here.remember_document()
        proof = Proof(
            name=wish.name,
            at=int(time.time()),
            seconds=round(here.elapsed, 1) if not going_on else round(time.time() - wish.begun, 1),
            behind=max(0, wish.begun - manifest.taken) if manifest else 0,
        )
        here.record = here.rig.state.save(with_proof(here.record, "restored", proof))
    data = {
        "cluster": spec.name,
        "from": wish.name,
        "node": wish.node,
        "nodes": [node.name for node in cluster.nodes],
        "revision": manifest.revision if manifest else 0,
        "seconds": proof.seconds,
        "behind": proof.behind,
        "api": f"https://{cluster.endpoint}",
    }
    text = f"{spec.name} has the data of {wish.name} ({proof.seconds} s)"
    return Outcome("BackupRestore", data=data, text=f"{text}\nnext: sloth kubeconfig --merge")


def _wish(here: Desk, place: Place, name: str, survivor: str, under_way: Restoring | None) -> tuple[Manifest | None, Restoring]:
    """What is to be put back where. One under way that was meant, by name or by none, goes on."""
    from sloth.backup.memory import Restoring
    from sloth.backups import choose

    cluster = here.cluster()
    servers = [lease.name for lease in cluster.plan.leases if lease.role == "control-plane"]
    if survivor and survivor not in servers:
        raise UsageError(
            "usage/unknown-node", f"{cluster.spec.name} has no control-plane node {survivor}",
            detail=f"its control-plane nodes: {', '.join(servers)}", hint="sloth nodes list",
        )  # fmt: skip
    if survivor:
        if under_way and under_way.survivor and under_way.node == survivor:
            return None, under_way
        return None, Restoring(name=survivor, begun=int(time.time()), node=survivor, survivor=True)
    if under_way and not under_way.survivor and name in ("", under_way.name):
        return choose(place, cluster.spec.name, here.record, under_way.name), under_way
    manifest = choose(place, cluster.spec.name, here.record, name)
    return manifest, Restoring(name=manifest.name, begun=int(time.time()), node=servers[0])


def _count(here: Desk, wish: Restoring) -> None:
    """Say the quorum guard's sum. Raises KubernetesError where etcd can decide: then nothing has to be forced."""
    from sloth.app import say
    from sloth.flows.backup import survivor

    here.run(survivor(here.tools, wish.node, lambda text: say(f"etcd: {text}")), here.cluster(as_recorded=True))


def _ask(here: Desk, wish: Restoring, manifest: Manifest | None) -> None:
    """Say what is lost, and go on only when the cluster's name was typed. Raises UsageError."""
    from sloth.app import type_cluster

    cluster = here.loaded.spec.name
    others = [x.name for x in here.record.leases if x.role == "control-plane" and x.name != wish.node]
    if manifest is None:
        text = (
            f"etcd of {cluster} will go on with {wish.node} alone, without asking any other member. "
            f"What only {', '.join(others) or 'others'} knew is lost; their data is put aside and they join anew.\n"
            "Do this only if a majority of the members is lost for good: none may come back later with its old data."
        )
    else:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(manifest.taken))
        text = (
            f"All control planes of {cluster} will be stopped, and its data replaced by that of {when} "
            f"(revision {manifest.revision}, {manifest.keys} keys). What was changed since then is lost; "
            "the present data is backed up, where it can be read, and put aside."
        )
    type_cluster(cluster, text)


def _save_present(here: Desk, place: Place) -> None:
    """A backup of what is there now, where that can be read."""
    from sloth.adapters.backup_keys import make_keys
    from sloth.app import say
    from sloth.backups import bring
    from sloth.flows.backup import create
    from sloth.phases.backup_create import Made

    if not any(known.joined for known in here.record.nodes.values()):
        return
    made = Made()
    try:
        cluster = here.run(create(here.tools, make_keys, made), here.cluster(as_recorded=True))
        say(f"the present data is in {bring(here, cluster, made, place).name}")
    except Interrupted:
        raise
    except (SlothError, ManyErrors) as error:
        say(f"the present data cannot be backed up, and is only put aside on the nodes: {error}")
