"""Other join tokens: the record first, servers one by one, refused while anybody is away; what was cut off is gone on with."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sloth.errors import KubernetesError, StepError
from sloth.model.facts import Facts
from sloth.model.join_tokens import JoinTokens, parse
from sloth.model.phase import Each, Keep, Say
from sloth.model.secret import Secret
from sloth.phases.tokens import RotateTokens
from tests.unit.phases.orders import Named, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

SERVERS = ("cp-1", "cp-2", "cp-3")
NODES = (*SERVERS, "work-1", "work-2")


class Able(WithEtcd):
    """Scripts are tuples."""

    def new_tokens(self, node, of, tokens):
        return ("new", node.name, tokens)

    def take_tokens(self, node, of, tokens):
        return ("take", node.name, tokens)


class Nodes(Group):
    """`breaks`: the node at which the script fails once."""

    def __init__(self, breaks=""):
        super().__init__({1: "well", 2: "well", 3: "well"})
        self.breaks = breaks
        self.story = []

    def _one(self, script, gather):
        if not isinstance(script, tuple):
            return super()._one(script, gather)
        verb, name, tokens = script
        if name == self.breaks:
            self.breaks = ""
            raise StepError("step/failed", "cut off", hint="x")
        self.story.append((verb, name, tokens.agent.reveal(), tokens.server.reveal() if tokens.server else ""))
        return Secret("K10::server:new", known=False) if verb == "new" else None


def start(away=()):
    of = cluster(*NODES, joined=NODES)
    seen = {"kube.state": "joined", "kube.api": "ok", "kube.etcd": "ok"}
    return replace(of, facts={name: Facts(values=seen) for name in NODES if name not in away})


def phase(able=None):
    numbers = iter(range(1, 100))
    return RotateTokens(
        able or Able(),
        lambda: Secret(f"seed {next(numbers)}", known=False),
        now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def test_the_first_server_makes_them_and_all_others_take_them():
    player = Nodes()
    end = player.play(phase(), start())
    rest = [("take", name, "seed 1", "K10::server:new") for name in NODES[1:]]
    assert player.story == [("new", "cp-1", "seed 1", ""), *rest]
    assert end.record.join_tokens is None, "they are on the nodes only"
    assert end.changed == set(NODES)
    said = [order.text for order in player.of(Say)]
    assert [text.partition("while ")[2][:4] for text in said if text.startswith("etcd")] == list(SERVERS)


def test_the_record_has_them_before_a_node_does():
    player = Nodes()
    player.play(phase(), start())
    kept = [parse(order.change(start().record).join_tokens) for order in player.of(Keep)]
    begun = JoinTokens(id="20260102T030405Z", agent=Secret("seed 1", known=False))
    assert kept == [begun, replace(begun, server=Secret("K10::server:new", known=False)), None]
    kinds = [type(order) for order in player.orders if isinstance(order, Keep) or "tokens" in getattr(order, "title", "")]
    assert kinds[:4] == [Keep, Each, Keep, Each]


@pytest.mark.parametrize("node", NODES)
def test_cut_off_anywhere_the_next_run_goes_on_with_the_same_ones(node):
    player = Nodes(breaks=node)
    with pytest.raises(StepError):
        player.play(phase(), start())
    again = Nodes()
    end = again.play(phase(), replace(start(), record=player.record))
    assert end.record.join_tokens is None
    assert {each[2] for each in (*player.story, *again.story)} == {"seed 1"}, "no second password is made"
    made = [each for each in (*player.story, *again.story) if each[0] == "new"]
    assert len(made) == 1, "who has them is known from the record"
    assert {each[1] for each in (*player.story, *again.story)} == set(NODES)


@pytest.mark.parametrize(("away", "code"), [("cp-2", "certs/servers-absent"), ("work-2", "certs/nodes-absent")])
def test_refused_while_somebody_is_away(away, code):
    player = Nodes()
    with pytest.raises(KubernetesError) as caught:
        player.play(phase(), start(away=[away]))
    assert caught.value.code == code and away in caught.value.summary
    assert player.orders == []


def test_refused_while_authorities_are_rotated():
    of = start()
    with pytest.raises(KubernetesError) as caught:
        Nodes().play(phase(), replace(of, record=replace(of.record, authorities=Secret("{}", known=False))))
    assert caught.value.code == "certs/rotation-unfinished"


def test_a_distribution_that_keeps_none_is_left_alone():
    player = Nodes()
    assert player.play(phase(Named()), start()).changed == frozenset()
    assert player.orders == []
