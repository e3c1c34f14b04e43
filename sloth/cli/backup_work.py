"""`sloth backup create|list|verify|schedule|prune` without their command line."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from sloth.model.options import Options, Outcome


def create_backup(options: Options) -> Outcome:
    """One backup, made and carried to its place. Raises SlothError."""
    from sloth.adapters.backup_keys import make_keys
    from sloth.app import known_spec
    from sloth.backups import bring, place_of
    from sloth.desk import desk
    from sloth.flows.backup import create
    from sloth.phases.backup_create import Made

    loaded = known_spec(options)
    place = place_of(options, loaded.spec)
    with desk(options, loaded, "backup") as here:
        made = Made()
        cluster = here.run(create(here.tools, make_keys, made), here.cluster(as_recorded=True))
        manifest = bring(here, cluster, made, place)
        seconds = round(here.elapsed, 1)
    data = {
        "cluster": loaded.spec.name,
        "name": manifest.name,
        "place": place.address,
        "seconds": seconds,
        **_told(asdict(manifest)),
    }
    text = f"{manifest.name} is at {place.address}: revision {manifest.revision}, {manifest.keys} keys ({seconds} s)"
    return Outcome("Backup", data=data, text=f"{text}\nnext: sloth backup verify")


def _told(manifest: dict[str, Any]) -> dict[str, Any]:
    return {key: manifest[key] for key in ("node", "revision", "keys", "hash", "data_size", "archive_size")}


def list_backups(options: Options) -> Outcome:
    """The catalogue. Raises SlothError."""
    from sloth.app import known_spec, state_of
    from sloth.backups import catalogue, place_of
    from sloth.model.record import Record

    spec = known_spec(options).spec
    place = place_of(options, spec)
    record = state_of(options, spec.name).load() or Record(cluster=spec.name)
    now = time.time()
    rows = [row.as_dict(now) for row in catalogue(place, spec.name, record)]
    data = {"cluster": spec.name, "place": place.address, "backups": rows}

    def show(chosen: Options) -> None:
        from sloth.ui.backup_table import backups

        backups(data, chosen)

    return Outcome("Backups", data=data, show=show)


def verify_backup(options: Options, name: str) -> Outcome:
    """One backup, proven. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.backup.memory import Proof, with_proof
    from sloth.backups import choose, mark_verified, opened, place_of
    from sloth.desk import desk
    from sloth.flows.backup import verify

    loaded = known_spec(options)
    place = place_of(options, loaded.spec)
    with desk(options, loaded, "backup") as here:
        manifest = choose(place, loaded.spec.name, here.record, name)
        with opened(here, place, manifest) as backup:
            here.run(verify(here.tools, backup), here.cluster(as_recorded=True))
        at, seconds = int(time.time()), round(here.elapsed, 1)
        mark_verified(place, manifest, at, seconds)
        proof = Proof(name=manifest.name, at=at, seconds=seconds)
        here.record = here.rig.state.save(with_proof(here.record, "verified", proof))
    data = {"cluster": loaded.spec.name, "name": manifest.name, "seconds": seconds, **manifest.content}
    same = f"revision {manifest.revision}, hash {manifest.hash} and {manifest.keys} keys are as at its making"
    return Outcome("BackupVerified", data=data, text=f"{manifest.name} can be restored: {same} ({seconds} s)")


def schedule_backups(options: Options) -> Outcome:
    """Timers as the spec says, and what they say. Raises SlothError."""
    from sloth.adapters.backup_keys import make_keys
    from sloth.app import known_spec
    from sloth.backup.schedule import calendar
    from sloth.backups import sending
    from sloth.desk import desk
    from sloth.flows.backup import schedule
    from sloth.phases.backup_schedule import Schedule

    loaded = known_spec(options)
    spec = loaded.spec
    wanted = calendar(spec.backup.schedule) if spec.backup.schedule else ""
    with desk(options, loaded, "backup") as here:
        wish = Schedule(here.tools.distribution, wanted, sending(spec) if wanted else None)
        here.run(schedule(here.tools, make_keys, wish), here.cluster(as_recorded=True))
    data = {
        "cluster": spec.name,
        "schedule": spec.backup.schedule,
        "nodes": [{"node": name, **seen} for name, seen in wish.seen.items()],
    }

    def show(chosen: Options) -> None:
        from sloth.ui.backup_table import timers

        timers(data, chosen)

    return Outcome("BackupSchedule", data=data, show=show)


def prune_backups(options: Options, *, yes: bool, dry_run: bool) -> Outcome:
    """What retention does not keep goes. Raises SlothError."""
    from sloth.app import confirm, known_spec, state_of
    from sloth.backup.retention import keep
    from sloth.backups import catalogue, place_of, remove
    from sloth.model.record import Record

    spec = known_spec(options).spec
    place = place_of(options, spec)
    record = state_of(options, spec.name).load() or Record(cluster=spec.name)
    rows = catalogue(place, spec.name, record)
    wanted = {
        "last": spec.backup.keep.last,
        "hourly": spec.backup.keep.hourly,
        "daily": spec.backup.keep.daily,
        "weekly": spec.backup.keep.weekly,
    }
    # What cannot be used counts for nothing: it is neither kept in place of a good one nor deleted unseen.
    good = {row.name: row.taken for row in rows if not row.problem}
    kept = keep(good, [row.name for row in rows if row.verified], wanted)
    going = sorted(set(good) - kept)
    if going and not dry_run:
        if not yes:
            confirm(f"These {len(going)} backups will be deleted: {', '.join(going)}. Go on?")
        for name in going:
            remove(place, name)
    data = {"cluster": spec.name, "place": place.address, "deleted": going, "kept": sorted(kept), "dry_run": dry_run}
    verb = "would be deleted" if dry_run else "deleted"
    return Outcome("BackupPrune", data=data, text=f"{len(going)} {verb}, {len(kept)} kept at {place.address}")
