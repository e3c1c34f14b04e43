"""Nodes are emptied: what is asked and ordered, in whose time, and what is said of those that could not be."""

import base64
from dataclasses import replace

import pytest

from sloth.errors import KubernetesError
from sloth.kube import Client
from sloth.kube.workloads.evictions import Rules
from sloth.model.phase import Api, Each
from sloth.model.secret import Secret
from sloth.model.step import Result
from sloth.nodes.cordon import HELD
from sloth.phases.emptying import drains, emptied, empty, limit, rules
from sloth.testing.kube import FakeKube
from tests.kube.workloads.things import budget, deployment, owned_by, pod
from tests.unit.distributions.kubeadm.clusters import KUBEADM, cluster
from tests.unit.distributions.kubeadm.run import run

OF = cluster(3, 2)
RECORD = replace(OF.record, kubeconfig=Secret("kind: Config"))
OF = replace(OF, record=RECORD)
SERVER = OF.nodes[0]
RESUME = "sloth upgrade apply --resume"


def orders(seen, of=OF, **settings):
    """What `emptied` orders for work-1 where its look sees that, and what it returns."""
    given, came = [], emptied(KUBEADM, SERVER, "work-1", of, **settings)
    try:
        order = next(came)
        while True:
            given.append(order)
            answer = True
            if isinstance(order, Each):
                answer = {name: run(script, seen).value for name, script in order.scripts.items()}
            order = came.send(answer)
    except StopIteration as done:
        return given, done.value


READY, DEAD = {"look at node work-1": "work-1 True"}, {"look at node work-1": "work-1 Unknown"}
GONE = {}
SILENT = {**READY, "ask whether the kubelet of work-1 lives": Result(exit=7)}


@pytest.mark.parametrize(
    ("seen", "ready", "lives"),
    [
        (READY, True, True),
        (DEAD, True, False),
        (DEAD, False, True),
        (SILENT, True, False),
        (SILENT, False, False),
        ({}, True, None),
    ],
    ids=["well", "not Ready, leaves", "not Ready, stays", "silent, leaves", "silent, stays", "unknown"],
)
def test_whether_it_lives_is_seen_first(seen, ready, lives):
    given, found = orders(seen, ready=ready)
    assert found is lives
    assert [type(order) for order in given] == [Each] if lives is None else [Each, Api]
    if lives is not None:
        how = given[1].talk.args[0]["work-1"]
        assert (how.dead, how.allow.unmanaged, how.allow.empty_dirs) == (not lives, not lives, True)


def test_amid_a_restore_the_kubeconfig_is_read_from_the_server():
    text = base64.b64encode(b"kind: Config").decode()
    given, _ = orders(
        {**READY, "read the administrator's kubeconfig": text}, of=replace(OF, record=replace(RECORD, kubeconfig=None))
    )
    look, reading, drain = given
    assert list(reading.scripts) == list(look.scripts) == [SERVER.name]
    assert drain.kubeconfig.reveal() == '{"kind": "Config"}'


def test_a_drain_takes_as_long_as_the_pool_allows_unless_it_is_told_otherwise():
    pools = tuple(replace(each, drain_timeout=900.0 if each.name == "work" else 60.0) for each in OF.spec.pools)
    of = replace(OF, spec=replace(OF.spec, pools=pools))
    assert (limit("work-1", of), limit("control-1", of)) == (900, 60)
    assert limit("work-1", replace(of, spec=replace(of.spec, pools=pools[:1]))) == 300, "of a pool that is gone"
    assert orders(READY, seconds=5.0)[0][1].talk.args[0]["work-1"].seconds == 5
    assert orders(READY, budgets=["shop/web"])[0][1].talk.args[0]["work-1"].budgets == ("shop/web",)


def test_it_goes_through_the_server_and_not_through_the_nodes_that_are_drained():
    joined = RECORD
    for name in ("control-1", "control-2", "control-3"):
        joined = joined.with_node(name, joined=True)
    of = replace(OF, record=joined)
    order = drains({"control-2": rules(9)}, of.nodes[2], of)
    assert [node.name for node in order.servers] == ["control-3", "control-1"]
    assert (order.node, order.title, order.awaits) == ("control-2", "drain control-2", True)
    many = drains({f"work-{n}": rules(9) for n in range(1, 6)}, SERVER, of)
    assert many.title == "drain work-1 and 4 more"


@pytest.fixture
def client():
    with FakeKube() as fake, Client(fake.connection) as made:
        for name in ("work-1", "work-2", "work-3"):
            made.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield made


def placed(client, name, node, app="web"):
    owner = owned_by(client.create({**deployment(f"for-{name}", 0)}, "shop"))
    client.create(pod(name, node, {"app": app}, owner=owner), "shop")
    client.patch("pods", name, {"status": {"phase": "Running"}}, "shop", subresource="status")


def quick(**more):
    return replace(rules(0.2), every=0.05, again=0.1, **more)


def drained(client, nodes, why="", then="", said=None):
    return client.run(empty(nodes, why, then, client.api, [].append if said is None else said.append))


def test_nodes_are_held_and_emptied_side_by_side(client):
    placed(client, "a", "work-1")
    placed(client, "b", "work-2")
    placed(client, "c", "work-3")
    assert drained(client, {"work-1": quick(), "work-2": quick()}, "upgrade") is True
    assert [each["metadata"]["name"] for each in client.list("pods", "shop")] == ["c"]
    notes = {node["metadata"]["name"]: node["metadata"].get("annotations", {}).get(HELD) for node in client.list("nodes")}
    assert notes == {"work-1": "upgrade", "work-2": "upgrade", "work-3": None}


def test_a_node_that_somebody_deletes_meanwhile_is_empty(client):
    placed(client, "a", "work-1")
    assert drained(client, {"gone": quick(), "work-1": quick()}) is True
    assert client.list("pods", "shop") == []
    with pytest.raises(KubernetesError) as caught:
        drained(client, {"gone": quick()}, "upgrade")
    assert caught.value.code == "kube/not-found", "one that is to come back must be there"


def test_who_leaves_for_good_gets_no_note(client):
    drained(client, {"work-1": quick()})
    node = client.get("nodes", "work-1")
    assert node["spec"]["unschedulable"] and HELD not in node["metadata"].get("annotations", {})


def kept(client, *names):
    for name in names:
        client.create(budget(name, {"app": name}), "shop")
        client.patch("pdb", name, {"status": {"disruptionsAllowed": 0}}, "shop", subresource="status")


def test_those_that_could_not_be_emptied_are_named_with_how_to_go_on(client):
    kept(client, "web", "db")
    placed(client, "web", "work-1")
    placed(client, "db", "work-3", "db")
    placed(client, "free", "work-2", "free")
    with pytest.raises(KubernetesError) as caught:
        drained(client, {name: quick() for name in ("work-1", "work-2", "work-3")}, "upgrade", RESUME)
    error = caught.value
    assert (error.code, error.where) == ("node/drain-blocked", "work-1")
    assert "budget shop/web lets no pod of Deployment shop/for-web go; it stays cordoned; nor could work-3" in error.summary
    assert error.hint.endswith(f"sloth nodes drain work-1 --force-budget shop/web; then {RESUME}")
    assert sorted(each["metadata"]["name"] for each in client.list("pods", "shop")) == ["db", "web"], "the second one is empty"


def test_all_budgets_in_the_way_are_named(client):
    kept(client, "web", "db")
    placed(client, "web", "work-1")
    placed(client, "db", "work-1", "db")
    said = []
    with pytest.raises(KubernetesError) as caught:
        drained(client, {"work-1": quick()}, said=said)
    assert [line.partition(": The")[0] for line in said] == ["refused for now: shop/db", "refused for now: shop/web"]
    assert "(and 1 more budgets)" in caught.value.summary
    assert caught.value.hint.endswith("--force-budget shop/db --force-budget shop/web")


def test_pods_that_nobody_would_make_anew_are_lost_with_a_dead_node_only(client):
    client.create(pod("lonely", "work-1"), "shop")
    with pytest.raises(KubernetesError) as caught:
        drained(client, {"work-1": quick()}, "", RESUME)
    assert caught.value.code == "kube/would-be-lost" and "shop/lonely" in caught.value.detail
    assert caught.value.hint == f"sloth kube drain work-1 --delete-emptydir-data --lose shop/lonely; then {RESUME}"
    assert drained(client, {"work-1": replace(rules(0.2, lives=False), every=0.05)}) is True
    assert client.list("pods", "shop") == []


def test_what_a_verb_drains_by_itself_loses_no_more_than_it_says():
    assert rules(300.0) == Rules(rules(300.0).allow, 300.0, command="sloth nodes drain")
