"""The whole of `sloth backup restore` in place, for the kill harness: three control-plane nodes and a worker, on disk."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from sloth import registry
from sloth.backup.memory import proof, restoring, with_keys
from sloth.backup.scripts import RESTORE
from sloth.cli.backup_restore import restore_backup
from sloth.cli.up import bring_up
from sloth.etcd.access import EtcdAccess
from sloth.model.step import Do
from sloth.phases.backup_restore import NOTE
from tests.unit.app.toy import ADMIN, Toy
from tests.unit.app.world import World
from tests.unit.backup.material import Site, keys

SERVERS = ("cp-1", "cp-2", "cp-3")
MEMBER, API, DATA, ASIDE = "/var/lib/toy/member", "/etc/toy/admin.conf", "/var/lib/toy/data", "/var/lib/toy/aside"
UNPACKED = f"{RESTORE}/restore/etcd.db"


class Saving(Toy):
    """The toy with backups."""

    def etcd_access(self):
        return EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/data")

    def backup_paths(self):
        return ("/etc/toy/keys",)

    def halt(self, node, cluster):
        yield Do(title="halt", run="toy halt")

    def restore(self, node, cluster, snapshot):
        yield Do(title="restore", run="toy restore")

    def force_alone(self, node, cluster):
        yield Do(title="alone", run="toy alone")

    def revive(self, node, cluster):
        yield Do(title="revive", run="toy revive")

    def scratch_etcd(self, cluster):
        return "etcd=toy", "true"

    def evict(self, server, name, cluster):
        yield Do(title=f"dismiss {name}", run=f"toy dismiss {name}")


def _halt(host, _match):
    if host.has(DATA):
        host.write(ASIDE, host.text(DATA))
    for path in (MEMBER, API, DATA):
        host.files.pop(path, None)


def _restore(host, _match):
    """Refuses what would end in two clusters, or in half of one."""
    others = [name for name, other in host.others().items() if name in SERVERS and name != host.name and other.has(MEMBER)]
    if others or host.has(MEMBER) or not host.has(UNPACKED):
        return 9
    host.write(API, ADMIN, 0o600)
    host.write(DATA, "of the backup")
    host.write(MEMBER, "yes")
    return None


def _unpack(host, match):
    host.files.pop(match[1])
    host.write(UNPACKED, "data")


def _sweep(host, _match):
    for path in [path for path in host.files if path.startswith(RESTORE)]:
        host.files.pop(path)


HANDLERS = [
    (r"\[ -d /etc/sloth/backup \]", lambda *_: None),
    (r"sh /etc/sloth/backup/backup", lambda *_: 1),
    (re.escape(f"cat {NOTE} 2>/dev/null"), lambda host, _: host.text(NOTE) if host.has(NOTE) else 1),
    (rf"mkdir -p -m 0700 /var/lib/sloth/backup && echo (\S+) >{NOTE}\.new .*", lambda host, match: host.write(NOTE, match[1])),
    (r"toy halt", _halt),
    (r"toy restore", _restore),
    (r"toy (revive|dismiss \S+)", lambda *_: None),
    (rf"\[ -d {RESTORE} \]", lambda *_: None),
    (rf"umask 077; rm -rf {RESTORE}/restore && .* -xzf (\S+) .*", _unpack),
    (rf"\[ ! -e {RESTORE} \]", lambda host, _: 1 if any(path.startswith(RESTORE) for path in host.files) else 0),
    (rf"rm -rf {RESTORE}", _sweep),
    (r"listed=.*", lambda *_: None),
    (r"(\{ )?etcdctl member list .*", lambda *_: "a1, started, cp-1, https://10.90.0.1:2380, https://10.90.0.1:2379, false"),
    (r"etcdctl endpoint .*", lambda *_: "[]"),
]


class RestoringWorld(World):
    """Its hosts can do what a restore asks of them."""

    def host(self, name):
        host = super().host(name)
        if HANDLERS[0][0] not in [pattern.pattern for pattern, _ in host.handlers]:
            before = len(host.handlers)
            for pattern, handler in HANDLERS:
                host.on(pattern, handler)
            host.handlers[:] = [*host.handlers[before:], *host.handlers[:before]]
        return host


class RestoreFlow:
    """What the harness asks for (`tests.unit.engine.kill_harness.Flow`): a restore; when it is done, `up`."""

    def __init__(self, world: RestoringWorld) -> None:
        self.world = world
        self.changed: list[str] = []

    def run(self) -> None:
        record = self.world.state.load()
        with contextlib.redirect_stderr(io.StringIO()):
            if record and proof(record, "restored") and not restoring(record):
                self.changed = bring_up(self.world.options, yes=False).data["changed"]
            else:
                restore_backup(self.world.options, "", survivor="", yes=True)

    def changes(self) -> int:
        return len(self.changed)

    def snapshot(self) -> dict[str, object]:
        return self.world.snapshot()

    def problems(self, then: dict[str, object]) -> list[str]:
        record, hosts = self.world.state.load(), self.world.living()
        found = [] if proof(record, "restored") and not restoring(record) else ["the record says that it is not finished"]
        found += [f"{name} is no member" for name, host in hosts.items() if not host.has(MEMBER)]
        found += [f"{name}: what was there is not put aside" for name in SERVERS if not hosts[name].has(ASIDE)]
        found += [
            f"{name}: {path} is left over" for name, host in hosts.items() for path in host.files if path.startswith(RESTORE)
        ]
        found += [] if hosts["cp-1"].text(DATA) == "of the backup" else [f"the data is {hosts['cp-1'].text(DATA)}"]
        found += [f"{path.name} is left over" for path in (self.world.directory / "data").rglob("opened-*")]
        found += [f"{what} moved" for what in ("leases", "ssh key", "machines") if then and then[what] != self.snapshot()[what]]
        return found + (["the lock is left over"] if self.world.state.owner() else [])


def template(directory: Path) -> None:
    """`standing`, in a process of its own."""
    standing(directory, pytest.MonkeyPatch())


def standing(directory: Path, patch: pytest.MonkeyPatch) -> RestoringWorld:
    """A cluster that is up, with data, and a backup of earlier data at its place."""
    world = _world(directory, lambda _what: None, patch)
    with contextlib.redirect_stderr(io.StringIO()):
        bring_up(world.options, yes=False)
    for name, host in world.living().items():
        if name in SERVERS:
            host.write(DATA, "of now")
            host._save()
    state = world.state
    state.save(with_keys(state.load(), keys()))
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder) / "node")
        site.make()
        shutil.copytree(site.spool, directory / "data" / "backups" / "shop")
    return world


def _world(directory: Path, tick, patch: pytest.MonkeyPatch) -> RestoringWorld:
    world = RestoringWorld(directory, tick, control=3, workers=1, name="shop").install(patch)
    saving = Saving()
    patch.setattr(registry, "distribution", lambda name: saving)
    return world


def make(template_folder: Path):
    """A maker of flows that begin with what lies in that folder."""

    def made(directory: Path, tick) -> RestoreFlow:
        if not any(directory.iterdir()):
            shutil.copytree(template_folder, directory, dirs_exist_ok=True)
        return RestoreFlow(_world(directory, tick, pytest.MonkeyPatch()))

    return made
