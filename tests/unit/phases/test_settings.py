"""Control planes that run take new settings one after the other, under the quorum guard; others are not touched."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.facts import Facts
from sloth.model.phase import Each, Say
from sloth.model.secret import Secret
from sloth.phases.settings import Settings
from tests.unit.phases.orders import Named, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

WELL = {1: "well", 2: "well", 3: "well"}


class Able(WithEtcd):
    """Its API servers say by a fact whether they run with the settings."""

    def settings_applied(self, facts, of):
        return facts.get("set") == "new"

    def apply_settings(self, node, of):
        return ("apply_settings", node.name)

    def probe(self):
        return "true"


class Servers(Group):
    """A group that is asked for its settings, too."""

    def __init__(self, members=WELL, fresh="new"):
        super().__init__(members)
        self.fresh = fresh

    def _one(self, script, gather):
        if not isinstance(script, tuple) and script.__qualname__ == "Settings._ask":
            return Facts(values={"set": self.fresh})
        return super()._one(script, gather)


def servers(*states, **values):
    """Three control-plane nodes that run with settings of these ages, and a worker."""
    of = cluster("cp-1", "cp-2", "cp-3", "work-1", joined=("cp-1", "cp-2", "cp-3"), **values)
    facts = {
        f"cp-{n}": Facts(values={"kube.state": "joined", "kube.api": "ok", "set": state}) for n, state in enumerate(states, 1)
    }
    return replace(of, facts={**of.facts, **facts})


def configured(player):
    return [script[1] for script in player.scripts if isinstance(script, tuple) and script[0] == "apply_settings"]


def test_where_all_run_with_it_nobody_is_asked():
    player = Servers()
    player.play(Settings(Able()), servers("new", "new", "new"))
    assert player.orders == []


def test_one_after_the_other_each_after_the_sum():
    player = Servers()
    end = player.play(Settings(Able()), servers("old", "new", "old"))
    assert configured(player) == ["cp-1", "cp-3"]
    assert end.changed == {"cp-1", "cp-3"}
    sums = [order.text for order in player.of(Say)]
    assert ["while cp-1 is down: 3 voting, 2 healthy" in sums[0], "while cp-3 is down: 3 voting, 2 healthy" in sums[1]] == [
        True
    ] * 2
    kinds = ["say" if isinstance(x, Say) else "set" if "configure" in x.title else "ask" for x in player.orders]
    assert kinds == ["ask", "say", "set"] * 2


def test_nothing_restarts_while_a_majority_would_be_lost():
    player = Servers({1: "well", 2: "well", 3: "ill"})
    with pytest.raises(KubernetesError) as caught:
        player.play(Settings(Able()), servers("old", "old", "old"))
    assert caught.value.code == "etcd/quorum" and caught.value.hint.endswith("then sloth up")
    assert configured(player) == []


def test_one_that_does_not_come_up_with_it_leaves_the_others_as_they_are():
    player = Servers()
    player.answers["apply_settings"] = StepError("step/timed-out", "no", hint="x")
    with pytest.raises(StepError):
        player.play(Settings(Able()), servers("old", "old", "old"))
    assert configured(player) == ["cp-1"]


@pytest.mark.parametrize(("fresh", "expected"), [("new", []), ("old", ["cp-2"])])
def test_what_this_run_did_before_may_have_been_enough(fresh, expected):
    of = replace(servers("new", "old", "new"), changed=frozenset({"cp-2", "work-1"}))
    player = Servers(fresh=fresh)
    player.play(Settings(Able()), of)
    (asked,) = [order for order in player.of(Each) if order.title == "look at its settings"]
    assert list(asked.scripts) == ["cp-2"], "only members that ran, and that were changed"
    assert configured(player) == expected


def test_new_members_have_it_from_the_start():
    of = servers("old", "new", "new")
    of = replace(of, facts={**of.facts, "cp-1": Facts(values={"kube.state": "joined"})}, changed=frozenset({"cp-1"}))
    player = Servers()
    player.play(Settings(Able()), of)
    assert player.orders == []


def test_a_rotation_of_authorities_that_is_half_done_is_said():
    of = servers("new", "new", "new")
    player = Servers()
    player.play(Settings(Able()), replace(of, record=replace(of.record, authorities=Secret("{}", known=False))))
    (said,) = player.orders
    assert isinstance(said, Say) and said.warning and "sloth certs rotate --ca" in said.text


def test_an_upgrade_under_way_brings_it_itself():
    of = servers("old", "old", "old")
    player = Servers()
    player.play(Settings(Able()), replace(of, record=replace(of.record, upgrade={"to": "v1.36.3"})))
    assert player.orders == []


def test_a_distribution_that_cannot_is_left_alone():
    player = Servers()
    player.play(Settings(Named()), servers("old", "old", "old"))
    assert player.orders == []
