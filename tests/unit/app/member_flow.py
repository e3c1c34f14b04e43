"""The whole of `sloth recover` for one damaged etcd member of three, for the kill harness: hosts and etcd, on disk."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import pytest

from sloth import registry
from sloth.cli.recover import recover_cluster
from sloth.cli.up import bring_up
from tests.unit.app.restore_flow import ASIDE, DATA, MEMBER, SERVERS, Saving, _halt
from tests.unit.app.toy import ADMIN
from tests.unit.app.world import World

SIGN = '{"level":"panic","msg":"failed to open database","error":"invalid database"}'
SNAPSHOT = "/var/lib/sloth/snapshots/saved.db"
ADDRESS = {name: f"10.90.0.{number}" for number, name in enumerate(SERVERS, 1)}


def _members(host) -> list[str]:
    """A node is a member from each of its joins until somebody dismisses it."""
    hosts = {name: each for name, each in host.others().items() if name in SERVERS}
    out = {name: max((each.facts.get("out", {}).get(name, 0) for each in hosts.values()), default=0) for name in SERVERS}
    return [name for name in hosts if hosts[name].facts.get("joins", 0) > out[name]]


def _healthy(host) -> list[str]:
    hosts = host.others()
    return [name for name in _members(host) if hosts[name].has(DATA) and hosts[name].text(DATA) == "whole"]


def _dismiss(host, match):
    host.facts.setdefault("out", {})[match[1]] = host.others()[match[1]].facts.get("joins", 0)


def _join(host, _match):
    """Refused with data of its own, without a majority, or while it still is a member."""
    members, healthy = _members(host), _healthy(host)
    if host.has(DATA) or host.name in members or len(healthy) < len(members) // 2 + 1:
        return 9
    host.facts["joins"] = host.facts.get("joins", 0) + 1
    host.write(DATA, "whole")
    host.write(MEMBER, "yes")
    return None


def _found(host, _match):
    if any(other.has(DATA) for other in host.others().values()):
        return 9  # a second cluster beside the first
    host.facts["joins"] = 1
    host.write("/etc/toy/admin.conf", ADMIN, 0o600)
    host.write(DATA, "whole")
    host.write(MEMBER, "yes")
    return None


def _listed(host, _match):
    def one(name):
        return f"a{name[-1]}, started, {name}, https://{ADDRESS[name]}:2380, https://{ADDRESS[name]}:2379, false"

    return "\n".join(map(one, _members(host)))


def _known(host, _match):
    found = [{"ID": int(name[-1]), "name": name, "peerURLs": [f"https://{ADDRESS[name]}:2380"]} for name in _members(host)]
    return json.dumps({"members": found}) if host.name in _healthy(host) else 1


def _status(host, _match):
    well = _healthy(host)
    if host.name not in well:
        return 1
    leader = int(well[0][-1])
    return json.dumps(
        [
            {
                "Endpoint": f"https://{ADDRESS[name]}:2379",
                "Status": {"header": {"member_id": int(name[-1])}, "leader": leader, "raftTerm": 3, "dbSize": 1},
            }
            for name in well
        ]
    )


def _each(key):
    def answer(host, _match):
        return "\n".join(json.dumps([{key: f"https://{ADDRESS[name]}:2379", "health": True}]) for name in _healthy(host))

    return answer


HANDLERS = [
    (r"toy halt", _halt),
    (r"toy dismiss (\S+)", _dismiss),
    (r"etcdctl member list -w json .*", _known),
    (r"etcdctl endpoint status --cluster .*", _status),
    (r"etcdctl endpoint status -w simple .*", lambda host, _: "" if host.name in _healthy(host) else SIGN),
    (r".*etcdctl endpoint health .*", _each("endpoint")),
    (r".*etcdctl endpoint status -w json --endpoints=@.*", _each("Endpoint")),
    (r"(\{ )?etcdctl member list -w simple .*", _listed),
    (r".*etcdctl snapshot save .*", lambda host, _: host.write(SNAPSHOT, "whole") or SNAPSHOT),
    (r"toy ready", lambda *_: None),
]


class EtcdWorld(World):
    """Its control-plane nodes have a member each."""

    def host(self, name):
        host = super().host(name)
        if HANDLERS[0][0] not in [pattern.pattern for pattern, _ in host.handlers]:
            before = len(host.handlers)
            own = [*HANDLERS, (r"toy join", _join), (r"toy found", _found)] if name in SERVERS else HANDLERS
            for pattern, handler in own:
                host.on(pattern, handler)
            host.handlers[:] = [*host.handlers[before:], *host.handlers[:before]]
        return host


class RecoverFlow:
    """What the harness asks for: a recovery; when nothing is wrong any more, `up`."""

    def __init__(self, world: EtcdWorld) -> None:
        self.world = world
        self.changed: list[str] = []

    def run(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):
            if not recover_cluster(self.world.options, yes=True).data["found"]:
                self.changed = bring_up(self.world.options, yes=False).data["changed"]

    def changes(self) -> int:
        return len(self.changed)

    def snapshot(self) -> dict[str, object]:
        return self.world.snapshot()

    def problems(self, then: dict[str, object]) -> list[str]:
        hosts = self.world.living()
        found = [f"{name} is no healthy member" for name in SERVERS if name not in _healthy(hosts["cp-1"])]
        found += [] if hosts["cp-2"].has(ASIDE) and hosts["cp-2"].text(ASIDE) == "damaged" else ["nothing was put aside"]
        found += [f"{name}: data was put aside" for name in ("cp-1", "cp-3") if hosts[name].has(ASIDE)]
        found += [] if any(hosts[name].has(SNAPSHOT) for name in ("cp-1", "cp-3")) else ["there is no snapshot"]
        found += [f"{what} moved" for what in ("leases", "ssh key", "machines") if then and then[what] != self.snapshot()[what]]
        return found + (["the lock is left over"] if self.world.state.owner() else [])


def template(directory: Path) -> None:
    """`standing`, in a process of its own."""
    standing(directory, pytest.MonkeyPatch())


def standing(directory: Path, patch: pytest.MonkeyPatch, *, damaged: tuple[str, ...] = ("cp-2",)) -> EtcdWorld:
    """A cluster that is up, and the data of these members overwritten."""
    world = _world(directory, lambda _what: None, patch)
    with contextlib.redirect_stderr(io.StringIO()):
        bring_up(world.options, yes=False)
    for name in damaged:
        host = world.host(name)
        host.write(DATA, "damaged")
        host._save()
    return world


def _world(directory: Path, tick, patch: pytest.MonkeyPatch) -> EtcdWorld:
    world = EtcdWorld(directory, tick, control=3, workers=1, name="shop").install(patch)
    saving = Saving()
    patch.setattr(registry, "distribution", lambda name: saving)
    return world


def make(template_folder: Path):
    """A maker of flows that begin with what lies in that folder."""

    def made(directory: Path, tick) -> RecoverFlow:
        if not any(directory.iterdir()):
            shutil.copytree(template_folder, directory, dirs_exist_ok=True)
        return RecoverFlow(_world(directory, tick, pytest.MonkeyPatch()))

    return made
