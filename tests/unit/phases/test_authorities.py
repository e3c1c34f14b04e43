"""New authorities: stage by stage, the record first; control planes one by one; refused while anybody is away; resumable."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sloth.errors import KubernetesError, StepError, UsageError
from sloth.model.authorities import STAGES, Authority, parse
from sloth.model.facts import Facts
from sloth.model.phase import Each, Keep, Say
from sloth.model.secret import Secret
from sloth.model.step import Result
from sloth.phases.authorities import RotateAuthorities
from sloth.phases.certs import RenewCertificates
from sloth.phases.upgrade_begin import Begin
from tests.unit.phases.orders import Named, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

SERVERS = ("cp-1", "cp-2", "cp-3")


class Able(WithEtcd):
    """Scripts are tuples; what a node has is in `has`: node -> mark."""

    def __init__(self):
        self.has = {}

    def authorities(self):
        return {"kubernetes": "/pki/ca.crt", "etcd": "/pki/etcd/ca.crt"}

    def has_authorities(self, node, rotation):
        return ("has", node.name, rotation.mark)

    def apply_authorities(self, node, of, rotation):
        return ("apply", node.name, rotation.stage, rotation.mark)

    def spread_authorities(self, server, of, rotation):
        return ("spread", server.name, rotation.stage)


class Crossing(Able):
    """It has the new ones signed by the old ones."""

    def authority_keys(self):
        return {"kubernetes": "/pki/ca.key", "etcd": "/pki/etcd/ca.key"}


class Nodes(Group):
    """Nodes that remember what they were given; `breaks` = (node, stage) at which the script fails once."""

    def __init__(self, able, breaks=(), members=None):
        super().__init__(members or {1: "well", 2: "well", 3: "well"})
        self.able = able
        self.breaks = list(breaks)
        self.story = []

    def _one(self, script, gather):
        if not isinstance(script, tuple):
            name = script.__qualname__
            if name == "_read":
                return ["OLD KUBERNETES\n", "OLD ETCD\n"]
            if name == "_read_pairs":
                return read_pairs(script)
            if name == "_unless_done":
                return self._worker(script)
            return super()._one(script, gather)
        if script[0] == "has":
            return self.able.has.get(script[1]) == script[2]
        if script[1:3] in self.breaks:
            self.breaks.remove(script[1:3])
            raise StepError("step/failed", "cut off", hint="x")
        self.story.append(script[:3])
        if script[0] == "apply":
            self.able.has[script[1]] = script[3]
        return None

    def _worker(self, script):
        frame = script.gi_frame.f_locals
        node, rotation = frame["node"], frame["rotation"]
        script.close()
        if self.able.has.get(node.name) != rotation.mark:
            self._one(self.able.apply_authorities(node, None, rotation), False)


def read_pairs(script):
    """As a node answers."""
    asks = next(script)
    assert [each.secret for each in asks] == [False, False, True, True], "keys are secret"
    try:
        script.send([Result(out=f"what {each.run} says") for each in asks])
    except StopIteration as end:
        return end.value
    raise AssertionError("one round trip")


def made():
    numbers = iter(range(1, 100))
    return lambda name: (f"NEW {name} {next(numbers)}\n", Secret("k", known=False))


def start(away=(), **values):
    of = cluster(*SERVERS, "work-1", "work-2", joined=(*SERVERS, "work-1", "work-2"), **values)
    seen = {"kube.state": "joined", "kube.api": "ok", "kube.etcd": "ok"}
    return replace(of, facts={name: Facts(values=seen) for name in (*SERVERS, "work-1", "work-2") if name not in away})


def signed(name, old, key):
    return Authority(old=f"CROSSED\n{old}", new=f"NEW {name}\n", key=Secret(f"below {key.reveal()}", known=False))


def phase(able, until="drop"):
    return RotateAuthorities(able, made(), signed, until=until, now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_each_stage_is_taken_by_all_before_the_next_and_spread():
    able = Able()
    player = Nodes(able)
    end = player.play(phase(able), start())
    expected = []
    for stage in STAGES:
        expected += [("apply", name, stage) for name in (*SERVERS, "work-1", "work-2")] + [("spread", "cp-1", stage)]
    assert player.story == expected
    assert end.record.authorities is None, "the new keys are on the nodes only"
    assert end.changed == {*SERVERS, "work-1", "work-2"}


def test_the_record_has_a_stage_and_the_new_keys_before_a_node_takes_it():
    able = Able()
    player = Nodes(able)
    player.play(phase(able), start())
    kinds = [
        "keep" if isinstance(x, Keep) else "work" if isinstance(x, Each) and "trust" in x.title else "" for x in player.orders
    ]
    assert kinds.index("keep") < kinds.index("work")
    keeps = [order.change(start().record).authorities for order in player.of(Keep)]
    assert [parse(each).stage if each else None for each in keeps] == [*STAGES, None]
    first = parse(keeps[0])
    assert first.id == "20260102T030405Z"
    assert first.authorities["kubernetes"] == Authority(
        old="OLD KUBERNETES\n", new="NEW kubernetes 2026-01-02 1\n", key=Secret("k", known=False)
    )


def test_where_old_ones_sign_too_their_keys_are_read_and_the_new_ones_are_made_of_both():
    player = Nodes(Crossing())
    player.play(phase(player.able, until="trust"), start())
    first = parse(player.of(Keep)[0].change(start().record).authorities).authorities["etcd"]
    assert first.old == "CROSSED\nwhat cat /pki/etcd/ca.crt says\n"
    assert first.new == "NEW etcd 20260102T030405Z\n", "two on one day have names of their own"
    assert first.key.reveal() == "below what awk '{print} /-----END/ {exit}' /pki/etcd/ca.key says"


def test_the_sum_is_told_before_each_control_plane_restarts():
    able = Able()
    player = Nodes(able)
    player.play(phase(able, until="trust"), start())
    said = [order.text for order in player.of(Say)]
    assert [text.partition("while ")[2][:4] for text in said if text.startswith("etcd")] == list(SERVERS)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("node", ["cp-1", "cp-3", "work-1"])
def test_cut_off_anywhere_the_next_run_goes_on_and_does_nothing_twice(stage, node):
    able = Able()
    player = Nodes(able, breaks=[(node, stage)])
    with pytest.raises(StepError):
        player.play(phase(able), start())
    record = player.record
    assert parse(record.authorities).stage == stage
    before = list(player.story)
    again = Nodes(able)
    end = again.play(phase(able), replace(start(), record=record))
    assert end.record.authorities is None
    applied = [each for each in (*before, *again.story) if each[0] == "apply"]
    assert len(applied) == len(set(applied)) == len(STAGES) * 5
    order = [STAGES.index(each[2]) for each in applied]
    assert order == sorted(order)


def test_up_to_a_stage_and_then_the_rest():
    able = Able()
    player = Nodes(able)
    half = player.play(phase(able, until="trust"), start())
    assert {each[2] for each in player.story} == {"trust"} and parse(half.record.authorities).stage == "leaves"
    untouched = Nodes(able)
    untouched.play(phase(able, until="trust"), half)
    assert untouched.orders == [], "taken already by an earlier run"
    rest = Nodes(able)
    rest.play(phase(able), half)
    assert {each[2] for each in rest.story} == {"leaves", "nodes", "drop"}


@pytest.mark.parametrize(("away", "code"), [("cp-2", "certs/servers-absent"), ("work-2", "certs/nodes-absent")])
def test_refused_while_somebody_is_away(away, code):
    able = Able()
    player = Nodes(able)
    with pytest.raises(KubernetesError) as caught:
        player.play(phase(able), start(away=[away]))
    assert caught.value.code == code and away in caught.value.summary
    assert player.orders == []


def test_refused_while_etcd_cannot_spare_a_member():
    able = Able()
    player = Nodes(able, members={1: "well", 2: "ill", 3: "well"})
    with pytest.raises(KubernetesError) as caught:
        player.play(phase(able), start())
    assert caught.value.code == "etcd/quorum" and "sloth certs rotate --ca" in caught.value.hint
    assert player.story == []


@pytest.mark.parametrize("work", [RenewCertificates, Begin], ids=["leaves alone", "an upgrade"])
def test_what_would_write_kubeconfigs_anew_waits_until_it_is_done(work):
    of = start()
    of = replace(of, record=replace(of.record, authorities=Secret("{}", known=False)))
    with pytest.raises(KubernetesError) as caught:
        Nodes(Able()).play(work(Renewing()), of)
    assert caught.value.code == "certs/rotation-unfinished" and "sloth certs rotate --ca" in caught.value.hint


class Renewing(Able):
    """It can renew leaves."""

    def certificates(self):
        return []

    def renew(self, node, of):
        raise AssertionError(node)


def test_a_distribution_that_cannot_says_so():
    with pytest.raises(UsageError) as caught:
        Nodes(Able()).play(phase(Named()), start())
    assert caught.value.code == "certs/authorities-stay"
