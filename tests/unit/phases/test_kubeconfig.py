"""The kubeconfig: read once, named after the cluster, read again when the API's address moves."""

from dataclasses import replace

import yaml

from sloth.model.phase import Balance, Each, Keep
from sloth.model.secret import Secret
from sloth.model.spec import KubernetesSpec
from sloth.phases.kubeconfig import Kubeconfig, named
from tests.unit.phases.orders import Named, Player, cluster

ADMIN = Secret(yaml.safe_dump({
    "clusters": [{"name": "kubernetes", "cluster": {"server": "https://127.0.0.1:6444", "certificate-authority-data": "Y2E="}}],
    "users": [{"name": "kubernetes-admin", "user": {"client-key-data": "a2V5"}}],
}), known=False)  # fmt: skip
PHASE = Kubeconfig(Named())


def player(address=""):
    return Player({Balance: address, "kubeconfig": ADMIN})


def start(**settings):
    return cluster("cp-1", "cp-2", "work-1", states={"cp-1": "joined"}, **settings)


def server(record):
    return yaml.safe_load(record.kubeconfig.reveal())["clusters"][0]["cluster"]["server"]


def test_it_is_named_after_the_cluster_and_points_at_the_balancer():
    play = player("127.0.0.1:40000")
    end = play.play(PHASE, start())
    (balance,) = play.of(Balance)
    assert (balance.provider, balance.targets) == ("local", ("cp-1", "cp-2"))
    document = yaml.safe_load(end.record.kubeconfig.reveal())
    assert document["current-context"] == "demo"
    assert document["contexts"] == [{"name": "demo", "context": {"cluster": "demo", "user": "demo-admin"}}]
    assert document["clusters"][0]["cluster"] == {"server": "https://127.0.0.1:40000", "certificate-authority-data": "Y2E="}
    assert document["users"] == [{"name": "demo-admin", "user": {"client-key-data": "a2V5"}}]
    assert end.endpoint == "127.0.0.1:40000"
    assert isinstance(end.record.kubeconfig, Secret)


def test_it_is_read_once_and_again_when_the_address_moves():
    end = player("127.0.0.1:1").play(PHASE, start())
    play = player("127.0.0.1:1")
    play.play(PHASE, end)
    assert [type(order) for order in play.orders] == [Balance]
    play = player("127.0.0.1:2")
    moved = play.play(PHASE, end)
    assert [type(order) for order in play.orders] == [Balance, Each, Keep]
    assert server(moved.record) == "https://127.0.0.1:2"


def test_an_address_that_another_begins_with_is_another_address():
    end = player("127.0.0.1:64430").play(PHASE, start())
    moved = player("127.0.0.1:6443").play(PHASE, end)
    assert server(moved.record) == "https://127.0.0.1:6443"


def test_without_a_balancer_it_is_the_hostname_or_the_first_server():
    assert server(player().play(PHASE, start()).record) == "https://192.0.2.1:6443"
    spec = replace(start().spec, kubernetes=KubernetesSpec(hostname="api.example.org"))
    assert server(player().play(PHASE, start(spec=spec)).record) == "https://api.example.org:6443"


def test_without_a_server_there_is_none():
    play = player()
    assert play.play(PHASE, cluster("cp-1")).record.kubeconfig is None
    assert play.orders == []


def test_a_rehearsals_empty_answer_stays_empty():
    assert named(Secret("", known=False), "demo", "x:1") == Secret("", known=False)
