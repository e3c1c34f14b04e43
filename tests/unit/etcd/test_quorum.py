"""The arithmetic of majorities, held against a small model of Raft that shares nothing with it."""

from itertools import combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import KubernetesError
from sloth.etcd.members import Member
from sloth.etcd.quorum import Tally, pause, refusal, take_out, tally


def member(number, *, healthy=True, learner=False):
    return Member(id=f"a{number}", name=f"control-{number}", healthy=healthy, learner=learner, answers=healthy)


def members(voters, sick=(), learners=0):
    numbers = range(1, voters + 1)
    extra = range(voters + 1, voters + learners + 1)
    return [*(member(n, healthy=n not in sick) for n in numbers), *(member(n, healthy=False, learner=True) for n in extra)]


class Raft:
    """Voters that decide by acknowledgement: an entry is decided when those who have it outnumber those who have not."""

    def __init__(self, voters, alive):
        self.voters = set(voters)
        self.alive = set(alive)

    def decide(self):
        """Whether an entry that every living voter acknowledges comes to be decided."""
        acknowledged = [voter for voter in self.voters if voter in self.alive]
        silent = [voter for voter in self.voters if voter not in self.alive]
        return len(acknowledged) > len(silent)

    def remove(self, voter):
        """A change of the membership is an entry, decided by those who are members before it; then it takes effect."""
        if not self.decide():
            return False
        self.voters.discard(voter)
        return True

    def survives(self, leaving):
        """Whether all of them can be removed one after the other, and the rest still decides after each."""
        return self.decide() and all(self.remove(voter) and self.decide() for voter in leaving)


def subsets(items):
    items = list(items)
    return (set(chosen) for size in range(len(items) + 1) for chosen in combinations(items, size))


@pytest.mark.parametrize("voters", range(1, 8))
def test_every_topology_with_every_set_of_failures_and_every_set_of_leavers(voters):
    """1 to 7 members: all sets of ill ones times all sets of leaving ones, in the order of their numbers and in reverse."""
    numbers = range(1, voters + 1)
    checked = 0
    for sick, leaving in product(subsets(numbers), subsets(numbers)):
        group = members(voters, sick)
        by_number = dict(zip(numbers, group, strict=True))
        for order in (sorted(leaving), sorted(leaving, reverse=True)):
            verdict = take_out(group, [by_number[n] for n in order])
            assert verdict.allowed == Raft(numbers, set(numbers) - sick).survives(order), (voters, sick, order)
            checked += 1
    assert checked == 2 * 4**voters


@pytest.mark.parametrize("voters", range(1, 6))
def test_the_order_of_leaving_counts_as_the_model_says(voters):
    numbers = range(1, voters + 1)
    for sick in subsets(numbers):
        group = members(voters, sick)
        for size in range(1, voters + 1):
            for order in permutations(numbers, size):
                verdict = take_out(group, [group[n - 1] for n in order])
                assert verdict.allowed == Raft(numbers, set(numbers) - sick).survives(order), (voters, sick, order)


@pytest.mark.parametrize("voters", range(1, 8))
def test_members_that_are_down_for_a_while_are_still_counted(voters):
    numbers = range(1, voters + 1)
    for sick, stopping in product(subsets(numbers), subsets(numbers)):
        group = members(voters, sick)
        before, during = Raft(numbers, set(numbers) - sick), Raft(numbers, set(numbers) - sick - stopping)
        verdict = pause(group, [group[n - 1] for n in sorted(stopping)])
        assert verdict.allowed == (before.decide() and during.decide()), (voters, sick, stopping)


@given(voters=st.integers(1, 7), learners=st.integers(0, 3), data=st.data())
def test_learners_have_no_vote_and_may_go_whenever_anything_can_be_decided(voters, learners, data):
    sick = data.draw(st.sets(st.integers(1, voters)))
    group = members(voters, sick, learners)
    assert tally(group) == tally(group[:voters])
    gone = data.draw(st.lists(st.sampled_from(group[voters:]), unique=True)) if learners else []
    assert take_out(group, gone).allowed == Raft(range(1, voters + 1), set(range(1, voters + 1)) - sick).decide()


@given(voting=st.integers(0, 9), data=st.data())
def test_two_majorities_always_meet(voting, data):
    """What makes a majority safe: no two of them can be without a common member."""
    count = Tally(voting=voting, healthy=data.draw(st.integers(0, voting)))
    assert 2 * count.needed > voting
    assert count.decides == (count.spare >= 0)


def test_the_sum_can_be_checked_by_its_reader():
    group = members(3, sick={3})
    refused = take_out(group, [group[1]])
    assert refused.text == "3 voting members, 2 healthy, 2 needed; without control-2: 2 voting, 1 healthy, 2 needed: refused"
    allowed = take_out(group, [group[2]])
    assert allowed.text == "3 voting members, 2 healthy, 2 needed; without control-3: 2 voting, 2 healthy, 2 needed: quorum stays"
    down = take_out(members(3, sick={2, 3}), [group[2]])
    assert down.text == "3 voting members, 1 healthy, 2 needed, so nothing can be decided: refused"
    alone = members(1)
    assert (
        pause(alone, alone).text
        == "1 voting member, 1 healthy, 1 needed; while control-1 is down: 1 voting, 0 healthy, 1 needed: refused"
    )
    assert pause(group, []).text == "3 voting members, 2 healthy, 2 needed: quorum stays"
    two = take_out(members(5), members(5)[3:])
    assert "without control-4: 4 voting, 4 healthy, 3 needed; without control-4, control-5: 3 voting" in two.text


def test_a_refusal_says_how_everybody_is():
    group = [member(1), member(2, healthy=False), member(3, healthy=False, learner=True)]
    error = refusal(take_out(group, [group[0]]), ["control-1"], group)
    assert isinstance(error, KubernetesError)
    assert (error.code, error.exit, error.where) == ("etcd/quorum", 15, "control-1")
    assert error.detail.splitlines()[1:] == [
        "control-1: healthy", "control-2: does not answer", "control-3: a learner, without a vote",
    ]  # fmt: skip
    assert refusal(take_out(group, []), ["x"], group, hint="wait").hint == "wait"
