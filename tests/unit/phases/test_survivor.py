"""The sum before one member of etcd goes on alone: told as far as it can be read, refused where there is a majority."""

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.etcd.members import Member
from sloth.phases.survivor import CountSurvivor
from tests.unit.phases.orders import Named, Player, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

START = cluster("cp-1", "cp-2", "cp-3", states={"cp-1": "joined"})


def member(number, **state):
    return Member(id=f"a{number}", name=f"cp-{number}", peers=(f"https://10.90.0.{number}:2380",), **state)


def counted(members, start=START):
    class Answering(Group):
        def _one(self, script, gather):
            if isinstance(members, Exception):
                return members
            return list(members)

    told = []
    Answering({}).play(CountSurvivor(WithEtcd(), "cp-1", told.append), start)
    return told


def test_the_sum_names_members_majority_and_what_is_left():
    (text,) = counted([member(1, answers=True), member(2), member(3)])
    assert text.splitlines() == [
        "3 voting members, 0 healthy, 2 needed, so nothing can be decided; cp-1 alone: 1 voting, 1 needed, none may fail",
        "  cp-1: answers, but reaches no majority",
        "  cp-2: does not answer",
        "  cp-3: does not answer",
        "if 1 more came back, there would be a majority again, and nothing would be lost",
    ]


def test_members_that_answer_and_cannot_reach_each_other_are_told_of():
    (text,) = counted([member(1, answers=True), member(2, answers=True), member(3)])
    assert text.endswith(
        "if the 2 that answer could reach each other, there would be a majority again, and nothing would be lost"
    )


def test_a_learner_brings_no_majority_back():
    (text,) = counted([member(1, answers=True), member(2), member(3, answers=True, learner=True)])
    assert text.startswith("2 voting members") and "if 1 more came back" in text


def test_where_there_is_a_majority_nothing_is_forced():
    with pytest.raises(KubernetesError) as caught:
        counted([member(1, healthy=True, answers=True), member(2, healthy=True, answers=True), member(3)])
    error = caught.value
    assert (error.code, error.where) == ("backup/majority-there", "cp-1")
    assert "3 voting, 2 healthy, 2 needed" in error.summary and "cp-3: does not answer" in error.detail


def test_a_node_that_is_no_member_any_more_is_told_of():
    (text,) = counted([member(2, answers=True), member(3)])
    assert text == "cp-1 is no member any more, so its data is of an earlier time; members: cp-2, cp-3"


def test_what_cannot_be_read_is_unknown_and_ends_nothing():
    (text,) = counted(StepError("step/failed", "etcdctl says nothing", hint="x"))
    assert text == "the members are unknown: etcdctl says nothing"
    (text,) = counted([], start=cluster("cp-2", states={}))
    assert text == "the members are unknown: the machine of cp-1 does not run yet"


def test_without_etcd_there_is_no_sum():
    told = []
    Player().play(CountSurvivor(Named(), "cp-1", told.append), START)
    assert told == []
