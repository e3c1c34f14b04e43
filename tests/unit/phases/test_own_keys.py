"""Keys of Secrets that the distribution keeps itself: made once, learnt by all, one after the other."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.model.facts import Facts
from sloth.model.phase import Say
from sloth.phases.own_keys import RotateOwnKeys
from tests.unit.phases.orders import Named, cluster
from tests.unit.phases.test_quorum import Group, WithEtcd

SERVERS = ("cp-1", "cp-2", "cp-3")
WELL = {1: "well", 2: "well", 3: "well"}


class Own(WithEtcd):
    """It keeps its keys itself."""

    def rotate_secret_key(self, server, of):
        return ("rotate", server.name)

    def take_secret_key(self, node, of):
        return ("take", node.name)

    def await_secret_key(self, server, of):
        return ("await", server.name)


class Ours(Own):
    """The record has its keys."""

    def encryption_applied(self, facts, of):
        return True

    def apply_encryption(self, node, of):
        raise AssertionError(node)

    def rewrite_secrets(self, server, of):
        raise AssertionError(server)


def start(**facts):
    of = cluster(*SERVERS, joined=SERVERS)
    seen = {"kube.state": "joined", "kube.api": "ok", "kube.etcd": "ok"}
    return replace(of, facts={name: Facts(values={**seen, **facts.get(name.replace("-", "_"), {})}) for name in SERVERS})


def done(player):
    return [script for script in player.scripts if isinstance(script, tuple)]


def test_one_makes_it_and_all_learn_it_one_after_the_other():
    player = Group(WELL)
    end = player.play(RotateOwnKeys(Own()), start())
    assert done(player) == [("rotate", "cp-1"), ("take", "cp-1"), ("take", "cp-2"), ("take", "cp-3"), ("await", "cp-1")]
    assert sum("while" in order.text for order in player.of(Say)) == 3
    assert end.changed == set(SERVERS)


def test_refused_while_a_server_is_away_or_etcd_cannot_spare_one():
    player = Group(WELL)
    with pytest.raises(KubernetesError) as caught:
        player.play(RotateOwnKeys(Own()), start(cp_2={"kube.api": "down"}))
    assert caught.value.code == "certs/servers-absent" and player.orders == []
    player = Group({**WELL, 3: "ill"})
    with pytest.raises(KubernetesError) as caught:
        player.play(RotateOwnKeys(Own()), start())
    assert caught.value.code == "etcd/quorum" and ("take", "cp-1") not in done(player)


def test_where_the_record_has_the_keys_this_is_not_the_way():
    player = Group(WELL)
    player.play(RotateOwnKeys(Ours()), start())
    assert player.orders == []


def test_who_cannot_says_so():
    plain = start()
    plain = replace(plain, spec=replace(plain.spec, kubernetes=replace(plain.spec.kubernetes, encryption=False)))
    for distribution, of in ((Named(), start()), (Own(), plain)):
        with pytest.raises(UsageError) as caught:
            Group(WELL).play(RotateOwnKeys(distribution), of)
        assert caught.value.code == "certs/not-supported"
