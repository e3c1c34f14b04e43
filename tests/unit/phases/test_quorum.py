"""The guard before every removal: what it says, what it saves, and what it refuses before anything is done."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.etcd.access import EtcdAccess
from sloth.etcd.members import Member
from sloth.model.phase import Api, DeleteMachines, Each, Say
from sloth.model.plan import Plan
from sloth.phases.control_plane import ControlPlane
from sloth.phases.depart import Depart
from sloth.phases.quorum import guard_pause
from tests.unit.phases.orders import Named, Player, cluster, lease, login_for

ACCESS = EtcdAccess(cacert="/ca", cert="/cert", key="/key", data_dir="/var/lib/etcd")


class WithEtcd(Named):
    """The same distribution, with etcd."""

    def etcd_access(self):
        return ACCESS


class Group(Player):
    """A player whose etcd has these members: number -> `well`, `ill` or `learner`."""

    def __init__(self, members):
        super().__init__()
        self.members = members
        self.steps = []

    def _one(self, script, gather):
        if isinstance(script, tuple):
            return super()._one(script, gather)
        if script.__qualname__ == "look":
            return [member(number, state) for number, state in self.members.items()]
        self.steps += [next(script).title]
        return None


def member(number, state):
    return Member(
        id=f"a{number}",
        name=f"cp-{number}",
        peers=(f"https://10.90.0.{number}:2380",),
        learner=state == "learner",
        healthy=state == "well",
        answers=state == "well",
    )


def leaving(name, *stay):
    start = cluster(*stay, states={stay[0]: "joined"})
    gone = lease(name, int(name.rpartition("-")[2]))
    record = replace(start.record, leases=(*start.record.leases, gone))
    return replace(start, record=record, plan=Plan(leases=start.plan.leases, remove=(gone,)))


def test_a_server_leaves_after_the_sum_was_told_and_a_snapshot_saved():
    player = Group({1: "well", 2: "well", 3: "well"})
    player.play(Depart(WithEtcd(), login_for), leaving("cp-3", "cp-1", "cp-2"))
    (said,) = player.of(Say)
    assert said.text == "etcd: 3 voting members, 3 healthy, 2 needed; without cp-3: 2 voting, 2 healthy, 2 needed: quorum stays"
    assert [order.title for order in player.orders if isinstance(order, (Each, Api))] == [
        "count etcd members", "save a snapshot of etcd on cp-1", "see whether cp-3 lives", "drain cp-3", "take out cp-3",
    ]  # fmt: skip
    assert player.steps == ["save a snapshot of etcd"]


def test_what_would_lose_the_majority_is_refused_before_anything_is_changed():
    player = Group({1: "well", 2: "ill", 3: "well"})
    with pytest.raises(KubernetesError) as caught:
        player.play(Depart(WithEtcd(), login_for), leaving("cp-3", "cp-1", "cp-2"))
    assert caught.value.code == "etcd/quorum"
    (said,) = player.of(Say)
    assert said.warning
    assert [order.title for order in player.of(Each)] == ["count etcd members"]
    assert player.of(DeleteMachines) == []
    assert player.steps == []


def test_without_a_snapshot_nobody_is_taken_out():
    """A full disk, for example."""

    class Full(Group):
        def _one(self, script, gather):
            if not isinstance(script, tuple) and script.__qualname__ != "look":
                raise StepError("node/disk-full", "no space", hint="df -h")
            return super()._one(script, gather)

    player = Full({1: "well", 2: "well", 3: "well"})
    with pytest.raises(StepError):
        player.play(Depart(WithEtcd(), login_for), leaving("cp-3", "cp-1", "cp-2"))
    assert ("evict", "cp-1", "cp-3") not in player.scripts
    assert player.of(DeleteMachines) == []


def test_a_worker_or_a_learner_costs_no_snapshot():
    worker = Group({1: "well"})
    worker.play(Depart(WithEtcd(), login_for), leaving("work-2", "cp-1"))
    assert [order.title for order in worker.of(Each)] == ["see whether work-2 lives", "take out work-2"]
    learner = Group({1: "well", 2: "learner"})
    learner.play(Depart(WithEtcd(), login_for), leaving("cp-2", "cp-1"))
    assert learner.steps == []


def joining(state="none"):
    return cluster("cp-1", "cp-2", "cp-3", states={"cp-1": "joined", "cp-2": "joined", "cp-3": state})


def played(members, start):
    player = Group(members)
    player.answers = {"join_info": None}
    player.play(ControlPlane(WithEtcd()), start)
    return player


def test_a_learner_left_behind_is_taken_out_before_the_next_join():
    player = played({1: "well", 2: "well", 9: "learner"}, joining())
    titles = [order.title for order in player.of(Each)]
    assert titles == [
        "look for members left behind",
        "take out cp-9, left behind by an earlier join",
        "make a join token for cp-3",
        "join cp-3",
    ]
    assert player.steps == ["take cp-9 out of etcd"]


def test_a_half_made_node_takes_its_own_learner_back_itself():
    assert played({1: "well", 2: "well", 3: "learner"}, joining("broken")).steps == []


def test_a_node_that_joined_since_it_was_inspected_is_left_alone():
    """The join of a run that was killed goes on by itself on its node."""
    assert played({1: "well", 2: "well", 3: "well"}, joining()).steps == []


def test_a_half_made_node_that_votes_already_is_told_of_and_left_to_its_join():
    player = played({1: "well", 2: "ill", 3: "well"}, joining("broken"))
    (said,) = player.of(Say)
    assert said.warning
    assert "without cp-3: 2 voting, 1 healthy, 2 needed: refused" in said.text
    assert player.steps == []
    assert ("join", "cp-3", None) in player.scripts


def test_a_bare_host_does_not_inherit_a_membership():
    player = played({1: "well", 2: "well", 3: "ill"}, joining())
    assert player.steps == ["save a snapshot of etcd", "take cp-3 out of etcd"]
    (said,) = player.of(Say)
    assert "without cp-3: 2 voting, 2 healthy, 2 needed: quorum stays" in said.text


def test_a_lost_member_is_forgotten_under_the_guard():
    start = cluster("cp-1", "cp-2", states={"cp-1": "joined"}, joined=("cp-1", "cp-2"))
    player = Group({1: "well", 2: "ill"})
    with pytest.raises(KubernetesError) as caught:
        player.play(ControlPlane(WithEtcd()), start)
    assert caught.value.code == "etcd/quorum"
    assert ("evict", "cp-1", "cp-2") not in player.scripts


class Alone:
    """A phase of the guard for a pause alone."""

    def __init__(self, **settings):
        self.settings = settings

    def run(self, cluster):
        yield from guard_pause(WithEtcd(), cluster.nodes[0], ["cp-2"], cluster, **self.settings)
        return cluster


def test_a_pause_may_be_accepted_by_name_and_is_told_all_the_same():
    start = cluster("cp-1", "cp-2", "cp-3")
    player = Group({1: "well", 2: "well", 3: "ill"})
    with pytest.raises(KubernetesError) as caught:
        player.play(Alone(hint="add --accept-outage"), start)
    assert caught.value.hint == "add --accept-outage"
    again = Group({1: "well", 2: "well", 3: "ill"})
    again.play(Alone(accept=True), start)
    (said,) = again.of(Say)
    assert said.warning
    assert "while cp-2 is down: 3 voting, 1 healthy, 2 needed: refused" in said.text
