"""`sloth` and its engine are killed or interrupted all along `up` and `down` of twelve servers at two clouds.

Each test is one cluster that meets all three: SIGKILL of sloth, SIGINT of sloth, SIGKILL of the engine, each at another moment.
Moments are calls that arrive at the clouds, which stand still until the signal was sent: no clock is involved. Each of the
three is sent at ten moments of `up` and at ten of `down`; with SLOTH_ALL_MOMENTS set, at twenty of each.
"""

from __future__ import annotations

import copy
import itertools
import os
import shutil
import signal
from collections import Counter
from math import ceil

import pytest

from tests.clouds.runs.bed import bed, until
from tests.clouds.runs.gate import Moment

NODES = {
    *(f"control-{n}" for n in (1, 2, 3)),
    *(f"work-{n}" for n in (1, 2, 3)),
    *(f"far-control-{n}" for n in (1, 2)),
    *(f"far-{n}" for n in (1, 2, 3, 4)),
}
WHOLE = 35  # resources of the whole cluster at both clouds
MOMENTS = 20
QUESTIONS = (1, 5, 8, 12)  # before anything is changed
CHANGES = 15  # moments while something is changed
CHAINS = range(0, MOMENTS, 1 if os.environ.get("SLOTH_ALL_MOMENTS") else 2)
# To join a network again is no error at Hetzner (terraform-provider-hcloud, internal/server/resource_network.go).
AGAIN = "ServerNetwork"


def moment(number, method, left):
    """Where the run is cut off: early questions, then all along what is `left` to be changed, then a question after it."""
    if number < len(QUESTIONS) or not left:
        return Moment("ask", QUESTIONS[number % len(QUESTIONS)], after=number % 2 == 1)
    part = number - len(QUESTIONS)
    if part == CHANGES:
        return Moment("ask", 1, since=left)
    return Moment(method, max(1, ceil(left * (part + 1) / CHANGES)), after=part % 2 == 1)


class Killer:
    """Runs of one verb on one cluster that are cut off, and what must be true of them."""

    def __init__(self, shop, *words):
        self.shop, self.words = shop, words
        self.method = "create" if words == ("up",) else "delete"

    def left(self):
        there = len(_things(self.shop))
        return WHOLE - there if self.method == "create" else there

    def begin(self, number):
        """A run that has come to that moment."""
        self.shop.gate.settled()
        self.shop.gate.arm(moment(number, self.method, self.left()))
        run = self.shop.start(*self.words)
        assert self.shop.gate.reached(lambda: run.over), run.end().text
        return run

    def sloth_killed(self, number):
        """The engine goes on with what it had begun."""
        run = self.begin(number)
        run.send(signal.SIGKILL)
        done = run.end()
        assert done.code == -signal.SIGKILL, done.text
        self.shop.gate.open()

    def sloth_interrupted(self, number):
        """Once, or twice: then it has to end though the cloud still does not answer."""
        run = self.begin(number)
        run.send(signal.SIGINT)
        until(lambda: run.over or run.said("press Ctrl-C again"))
        if number % 4 == 3:
            run.send(signal.SIGINT)
            done = run.end()
            self.shop.gate.open()
        else:
            self.shop.gate.open()
            done = run.end()
        complete = not self.left() and done.code == 0  # nothing was left that it could leave undone
        assert done.code == 130 or complete, done.text
        assert self.shop.engines() == []
        assert not self.shop.state().owner()

    def engine_killed(self, number):
        """One of them, or all; what they asked last has arrived at the cloud, or has not."""
        run = self.begin(number)
        engines = self.shop.engines()
        assert engines
        for pid in engines if number % 2 else engines[:1]:
            os.kill(pid, signal.SIGKILL)
        self.shop.gate.open(lost=number % 4 > 1 and number % 2 == 1)
        done = run.end()
        assert done.code == 12, done.text
        assert self.shop.engines() == []

    def chain(self, number):
        """All three, in an order that differs from test to test; the last may leave an engine at work."""
        ways = [*itertools.permutations((self.sloth_killed, self.sloth_interrupted, self.engine_killed))][number % 6]
        told = []
        for step, way in enumerate(ways):
            way((number + 6 * step + step // 2) % MOMENTS)
            told.append(_kept(self.shop))
            if step < 2:
                until(lambda: not self.shop.engines())
        return told


def _things(shop):
    """Everything at the clouds, by kind and name."""
    return {(token, item.name) for fake in shop.fakes.values() for (token, _), item in fake.items.items()}


def _kept(shop):
    """What the record must never change again once it has it."""
    record = shop.record()
    if record is None:
        return {}
    places = {f"{cloud}/{name}": place for cloud in ("hcloud", "aws") for name, place in record.placements(cloud).items()}
    leases = {lease.name: (lease.mesh_address, lease.pod_cidr) for lease in record.leases}
    keys = {name: record.node(name).boot_public_key for name in leases if record.node(name).boot_public_key}
    return {"places": places, "leases": leases, "boot keys": keys, "engine": record.engine_key, "ssh": record.ssh_public_key}


def _is_up(shop, told):
    assert set(shop.servers()) == NODES
    assert len(_things(shop)) == WHOLE
    for fake in shop.fakes.values():
        made = Counter(f"{call.token} {call.name}" for call in fake.calls if call.method == "Create" and not call.refused)
        assert [name for name, count in made.items() if count > 1 and not name.split()[0].endswith(AGAIN)] == []
        assert [call.name for call in fake.calls if call.method == "Delete"] == []
        for (token, _), item in fake.items.items():
            if fake.rules[token].server:
                assert item.name in (item.get("labels", {}) | item.get("tags", {})).values()
    now = _kept(shop)
    assert set(now["leases"]) == NODES
    for then in told:
        for what, was in then.items():
            assert was.items() <= now[what].items() if isinstance(was, dict) else was == now[what], what
    assert not shop.state().owner()
    assert shop.engines() == []


def _is_gone(shop):
    assert [item.name for fake in shop.fakes.values() for item in fake.items.values()] == []
    assert shop.record() is None
    assert shop.locks() == []
    assert shop.engines() == []


@pytest.mark.parametrize("number", CHAINS)
def test_up_is_finished_by_the_next_run(shop, number):
    told = Killer(shop, "up").chain(number)
    shop.run("up")
    shop.gate.settled()
    _is_up(shop, told)
    # An engine that was killed when all was done leaves a lock that nobody needs until something is to be changed.
    if number == 6 or shop.locks():
        before = shop.calls()
        shop.run("up")
        assert shop.calls() == before
        shop.run("down", "--yes")
        _is_gone(shop)


@pytest.fixture(scope="module")
def made(forks, tmp_path_factory):
    """A whole cluster, to make copies of."""
    with bed(tmp_path_factory.mktemp("made") / "user", forks) as first:
        first.run("up")
        _is_up(first, [])
        yield first


@pytest.fixture
def whole(made, shop):
    """A copy of it: the user's files and all that is at the clouds."""
    shutil.copytree(made.folder / "data", shop.folder / "data")
    for name, fake in shop.fakes.items():
        fake.items.update(copy.deepcopy(made.fakes[name].items))
    return shop


@pytest.mark.parametrize("number", CHAINS)
def test_down_is_finished_by_the_next_run(whole, number):
    assert sum(len(fake.items) for fake in whole.fakes.values()) == WHOLE
    Killer(whole, "down", "--yes").chain(number)
    whole.run("down", "--yes")
    whole.gate.settled()
    _is_gone(whole)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("kind", "number"), [("NetworkSubnet", 1), ("RouteTableAssociation", 2), ("KeyPair", 1)])
def test_what_a_killed_engine_was_just_making_is_found_again_or_made(shop, kind, number, lost):
    """Also where it carries no tag, so that no survey sees it; and where the cloud was never asked."""
    shop.gate.arm(Moment("create", number, kind=kind))
    run = shop.start("up")
    assert shop.gate.reached(lambda: run.over)
    for pid in shop.engines():
        os.kill(pid, signal.SIGKILL)
    shop.gate.open(lost=lost)
    assert run.end().code == 12
    shop.gate.settled()
    shop.run("up")
    _is_up(shop, [])
