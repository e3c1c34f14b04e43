"""Cordon and drain: what is evicted, what is left, what is refused, and what a budget says to it."""

import threading
from dataclasses import replace

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.kube import ApiError
from sloth.kube.decode import asked, dumps
from sloth.kube.wire import JSON, Request
from sloth.kube.workloads.draining import cordon, drain, hold
from sloth.kube.workloads.evictions import Rules
from sloth.kube.workloads.triage import MIRROR, Allow, triage
from sloth.nodes.cordon import HELD
from sloth.testing.kube import Fault
from tests.kube.workloads.cluster import NODE
from tests.kube.workloads.conftest import eventually, make_node
from tests.kube.workloads.things import budget, daemon_set, deployment, owned_by, pod

QUICK = {"every": 0.05, "again": 0.1}
EMPTY_DIR = {"volumes": [{"name": "v", "emptyDir": {}}]}


@pytest.fixture
def place(client, space):
    """A node of this test's own."""
    name = f"n-{space}"
    make_node(client, name)
    yield name
    for each in client.list("pods", "*", fields=f"spec.nodeName={name}"):
        client.delete("pods", each["metadata"]["name"], each["metadata"]["namespace"], grace=0)
    client.delete("nodes", name)


def test_cordon_and_uncordon(client, place):
    assert client.run(cordon(client.api, place)) is True
    assert client.run(cordon(client.api, place)) is False
    assert client.get("nodes", place)["spec"]["unschedulable"] is True
    assert client.run(cordon(client.api, place, on=False)) is True
    assert "unschedulable" not in client.get("nodes", place)["spec"]


def test_who_is_uncordoned_loses_the_note_that_sloth_held_it(client, place):
    note = {"metadata": {"annotations": {HELD: "upgrade", "other": "stays"}}, "spec": {"unschedulable": True}}
    client.patch("nodes", place, note)
    assert client.run(cordon(client.api, place, on=False)) is True
    assert client.get("nodes", place)["metadata"]["annotations"] == {"other": "stays"}


def test_what_would_be_lost_is_refused_before_anything_is_done(client, space, place):
    client.create(pod("bare", place), space)
    client.create(pod("scratch", place, **EMPTY_DIR), space)
    with pytest.raises(KubernetesError) as caught:
        client.run(drain(client.api, place, Rules(**QUICK)))
    assert caught.value.code == "kube/would-be-lost"
    assert f"{space}/bare: nothing manages it" in caught.value.detail
    assert f"{space}/scratch: has an emptyDir" in caught.value.detail
    assert "unschedulable" not in client.get("nodes", place).get("spec", {})
    rules = Rules(Allow(empty_dirs=True), **QUICK)
    with pytest.raises(KubernetesError) as still:
        client.run(drain(client.api, place, rules))
    assert "scratch" in still.value.detail and "emptyDir" not in still.value.detail
    named = Rules(Allow((f"{space}/bare", f"{space}/scratch")), dry_run=True, **QUICK)
    found = client.run(drain(client.api, place, named))
    assert {each["metadata"]["name"] for each in found.evict} == {"bare", "scratch"}
    assert {each["metadata"]["name"] for each in client.list("pods", space)} == {"bare", "scratch"}


def test_a_node_that_is_not_there(client):
    with pytest.raises(ApiError) as caught:
        client.run(drain(client.api, "nowhere", Rules()))
    assert caught.value.code == "kube/not-found"


def running(client, space, name):
    client.patch("pods", name, {"status": {"phase": "Running"}}, space, subresource="status")


def guarded(client, space, place, *, allowed=0):
    """A pod of a budget that lets `allowed` go; on the real server its own controller says how many, after we told it."""
    client.create(pod("web", place, {"app": "web", "hand": "none"}), space)
    running(client, space, "web")
    guarding(client, space, "web", allowed=allowed)


def guarding(client, space, app, *, allowed=0):
    client.create(budget(app, {"app": app}, minAvailable=2 if not allowed else 0), space)
    if client.connection.name == "fake":
        status = {"disruptionsAllowed": allowed, "currentHealthy": 0, "desiredHealthy": 2 if not allowed else 0}
        client.patch("pdb", app, {"status": status}, space, subresource="status")
    else:
        eventually(lambda: client.get("pdb", app, space).get("status", {}).get("observedGeneration"))


def test_a_budget_in_the_way_is_named(client, space, place):
    guarded(client, space, place)
    rules = Rules(Allow(unmanaged=True), seconds=0.2, **QUICK)
    said = []
    with pytest.raises(KubernetesError) as caught:
        client.run(drain(client.api, place, rules, said.append))
    assert caught.value.code == "node/drain-blocked"
    assert f"{place} cannot be drained: disruption budget {space}/web lets no pod of {space}/web go" in caught.value.summary
    assert caught.value.hint.endswith(f"sloth kube drain {place} --force-budget {space}/web")
    assert f"{space}/web (of nobody): budget {space}/web lets none go: 0 healthy, 2 needed" in caught.value.detail
    assert said[0] == f"{place} is cordoned"
    assert said[1].startswith(f"refused for now: {space}/web: The disruption budget web")
    assert len(said) == 2
    client.delete("pdb", "web", space)


def test_a_budget_that_gives_way_is_waited_for(client, space, place):
    guarded(client, space, place)
    said = []

    def heard(text):
        said.append(text)
        if text.startswith("refused"):
            client.delete("pdb", "web", space)
            if client.connection.name != "fake":  # nobody else ends this pod
                threading.Thread(target=end_when_asked, args=(client, space, "web"), daemon=True).start()

    found = client.run(drain(client.api, place, Rules(Allow(unmanaged=True), seconds=60, **QUICK), heard))
    assert len(found.evict) == 1
    assert said[-1] == f"gone: {space}/web"


def test_a_budget_that_is_given_up_keeps_no_pod_and_the_others_keep_theirs(client, space, place):
    guarded(client, space, place)
    client.create(pod("db", place, {"app": "db", "hand": "none"}), space)
    running(client, space, "db")
    guarding(client, space, "db")
    rules = Rules(Allow(unmanaged=True), seconds=0.2, grace=0, budgets=(f"{space}/web",), **QUICK)
    said = []
    with pytest.raises(KubernetesError) as caught:
        client.run(drain(client.api, place, rules, said.append))
    assert caught.value.code == "node/drain-blocked"
    assert f"budget {space}/db lets none go" in caught.value.detail and f"{space}/web" not in caught.value.detail
    assert f"deleted: {space}/web" in said
    assert [each["metadata"]["name"] for each in client.list("pods", space)] == ["db"]
    client.run(drain(client.api, place, replace(rules, budgets=(f"{space}/web", f"{space}/db"))))
    assert client.list("pods", space) == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"message": "etcdserver: leader changed"}),
        (503, {"message": "the server is starting"}),
        (403, {"message": "no new content", "details": {"causes": [{"reason": "NamespaceTerminating", "message": "it ends"}]}}),
    ],
    ids=["etcd without a leader", "starting", "its namespace ends"],
)
def test_a_refusal_that_passes_is_waited_out(fake_client, refusing, status, body):
    refusing(status, dumps({"kind": "Status", **body}))
    said = []
    fake_client.run(drain(fake_client.api, "n-1", Rules(Allow(unmanaged=True), seconds=5, **QUICK), said.append))
    assert [line.partition(":")[0] for line in said] == ["n-1 is cordoned", "refused for now", "gone"]


def test_a_refusal_that_stays_ends_it(fake_client, refusing):
    refusing(403, b"{}")
    with pytest.raises(ApiError) as caught:
        fake_client.run(drain(fake_client.api, "n-1", Rules(Allow(unmanaged=True), **QUICK)))
    assert caught.value.code == "kube/forbidden"


def test_a_budget_that_is_not_there_cannot_be_given_up(client, space, place):
    guarded(client, space, place)
    with pytest.raises(UsageError) as caught:
        client.run(drain(client.api, place, Rules(Allow(unmanaged=True), budgets=(f"{space}/wbe",), **QUICK)))
    assert caught.value.code == "usage/unknown-budget" and f"{space}/web" in caught.value.detail
    assert "unschedulable" not in client.get("nodes", place).get("spec", {}), "nothing was begun"


def test_nobody_waits_for_pods_of_a_dead_node(client, space, place):
    lasting = pod("lasting", place)
    lasting["metadata"]["finalizers"] = ["example.org/stays"]
    client.create(lasting, space)
    client.create(pod("plain", place), space)
    rules = Rules(Allow(unmanaged=True), seconds=5, dead=True, **QUICK)
    assert len(client.run(drain(client.api, place, rules)).evict) == 2
    (left,) = client.list("pods", space)
    assert left["metadata"]["name"] == "lasting" and left["metadata"]["deletionTimestamp"]
    client.patch("pods", "lasting", {"metadata": {"finalizers": None}}, space)


def test_who_is_held_has_a_note_unless_somebody_else_cordoned_it(client, place):
    assert client.run(hold(client.api, place, "reboot")) is True
    assert client.run(hold(client.api, place, "reboot")) is False
    assert client.run(hold(client.api, place, "upgrade")) is True, "what a reboot left cordoned is the upgrade's from then on"
    node = client.get("nodes", place)
    assert (node["spec"]["unschedulable"], node["metadata"]["annotations"][HELD]) == (True, "upgrade")
    client.run(cordon(client.api, place, on=False))
    client.run(cordon(client.api, place))
    assert client.run(hold(client.api, place, "upgrade")) is False
    assert HELD not in client.get("nodes", place)["metadata"].get("annotations", {})


@pytest.fixture
def refusing(fake, fake_client):
    """`refusing(status, body)`: the next eviction on node n-1 is refused like that, which no real server does on demand."""
    make_node(fake_client, "n-1")
    fake_client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    fake_client.create(pod("web", "n-1"), "shop")

    def refuse(status, body):
        fake.faults.append(Fault(when=lambda _method, target: target.endswith("/eviction"), status=status, body=body))

    return refuse


def end_when_asked(client, space, name):
    eventually(lambda: client.get("pods", name, space)["metadata"].get("deletionTimestamp"))
    client.delete("pods", name, space, grace=0)


def test_a_pod_with_two_budgets_is_said_at_once(client, space, place):
    guarded(client, space, place)
    client.create(budget("also", {"app": "web"}, minAvailable=0), space)
    with pytest.raises(KubernetesError) as caught:
        client.run(drain(client.api, place, Rules(Allow(unmanaged=True), seconds=60, **QUICK)))
    assert caught.value.code == "kube/two-budgets"


def test_a_pod_that_does_not_run_goes_whatever_its_budget_says(client, space, place):
    client.create(pod("idle", place, {"app": "web", "hand": "none"}), space)
    client.create(budget("web", {"app": "web"}, minAvailable=2), space)
    if client.connection.name != "fake":
        eventually(lambda: client.get("pdb", "web", space).get("status", {}).get("observedGeneration"))
        threading.Thread(target=end_when_asked, args=(client, space, "idle"), daemon=True).start()
    said = []
    client.run(drain(client.api, place, Rules(Allow(unmanaged=True), seconds=60, **QUICK), said.append))
    assert said == [f"{place} is cordoned", f"gone: {space}/idle"]


def test_an_eviction_is_of_that_very_pod(client, space, place):
    client.create(pod("web", place, {"hand": "none"}), space)
    body = {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web", "namespace": space},
        "deleteOptions": {"preconditions": {"uid": "another"}},
    }  # fmt: skip
    path = f"/api/v1/namespaces/{space}/pods/web/eviction"
    with pytest.raises(ApiError) as caught:
        client.run(asked(Request("POST", path, (), {"Content-Type": JSON}, dumps(body), "evict")))
    assert caught.value.status == 409


def kept(kind, uid="1", **more):
    owner = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x", "uid": uid}}
    return {**pod("p", owner=owned_by(owner), **more), "status": {"phase": "Running"}}


def test_the_rules():
    mirror = pod("static")
    mirror["metadata"]["annotations"] = {MIRROR: "1"}
    finished = {**pod("done", **EMPTY_DIR), "status": {"phase": "Succeeded"}}
    found = triage([mirror, kept("DaemonSet"), kept("ReplicaSet"), kept("ReplicaSet", **EMPTY_DIR), finished], Allow())
    assert [why for _, why in found.left] == ["a static pod: its node makes it", "of DaemonSet x"]
    assert [why for _, why in found.refused] == ["has an emptyDir, whose data is lost"]
    assert len(found.evict) == 2
    orphan = triage([kept("DaemonSet")], Allow(), {"1"})
    assert [why for _, why in orphan.refused] == ["its DaemonSet x is gone, so it does not come back"]
    assert len(triage([kept("DaemonSet")], Allow(unmanaged=True), {"1"}).evict) == 1


@pytest.mark.kube
def test_kubectl_drains_the_same_pods(real_client, real_space, real_run, controlled, kubectl):
    """Two nodes with the same pods: kubectl refuses and evicts what sloth refuses and evicts."""
    left = {}
    other = f"other-{real_space}"
    make_node(real_client, other)
    real_client.create(daemon_set("agent"), real_space)
    eventually(lambda: len(real_client.list("pods", real_space, labels="app=agent")) >= 2)
    owner = owned_by(real_client.create(deployment("owner", 0), real_space))
    for name in (NODE, other):
        real_client.create(pod(f"bare-{name}", name), real_space)
        real_client.create(pod(f"empty-{name}", name, **EMPTY_DIR), real_space)
        real_client.create(pod(f"mine-{name}", name, owner=owner), real_space)
        static = pod(f"static-{name}", name, {"app": "static"})
        static["metadata"]["annotations"] = {MIRROR: "1"}
        real_client.create(static, real_space)
    code, _, err = kubectl("drain", other, "--ignore-daemonsets", "--timeout=20s", check=False)
    assert code and f"bare-{other}" in err and f"empty-{other}" in err and f"mine-{other}" not in err
    code, _, err = real_run("drain", NODE)
    assert code == 15 and f"bare-{NODE}" in err and f"empty-{NODE}" in err and f"mine-{NODE}" not in err
    kubectl("drain", other, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s")
    code, out, err = real_run("drain", NODE, "--force", "--delete-emptydir-data", "--timeout", "60")
    assert (code, "is drained" in out) == (0, True), err
    for name in (NODE, other):
        left[name] = [each["metadata"]["labels"] for each in real_client.list("pods", real_space, fields=f"spec.nodeName={name}")]
        left[name] = [each.get("app") for each in left[name]]
    assert left[NODE] == left[other] == ["agent", "static"]
    assert real_run("uncordon", NODE, other)[1].splitlines() == [f"{NODE} is uncordoned", f"{other} is uncordoned"]
    real_client.delete("nodes", other)


@pytest.mark.kube
def test_evicted_pods_come_back_elsewhere_and_their_budget_is_kept(real_client, real_space, controlled):
    """A Deployment of 3 of which 2 must live: never are fewer ready, and all have left the node in the end."""
    second = f"second-{real_space}"
    make_node(real_client, second)
    item = deployment("web", 3)
    item["spec"]["template"]["spec"]["nodeName"] = second
    real_client.create(item, real_space)
    real_client.create(budget("web", {"app": "web"}, minAvailable=2), real_space)
    eventually(lambda: real_client.get("pdb", "web", real_space).get("status", {}).get("currentHealthy") == 3)
    before = {each["metadata"]["uid"] for each in real_client.list("pods", real_space, labels="app=web")}
    healthy, stop = [], threading.Event()

    def look():
        for event in real_client.watch("pdb", real_space, stop=stop):
            healthy.append((event.object.get("status") or {}).get("currentHealthy", 3))

    threading.Thread(target=look, daemon=True).start()
    # New pods are to come elsewhere: the template names the other node from now on, but nothing rolls out by itself.
    real_client.patch("deploy", "web", {"spec": {"paused": True, "template": {"spec": {"nodeName": NODE}}}}, real_space)
    rs = real_client.list("rs", real_space)[0]["metadata"]["name"]
    real_client.patch("rs", rs, {"spec": {"template": {"spec": {"nodeName": NODE}}}}, real_space)
    found = real_client.run(drain(real_client.api, second, Rules(seconds=60, **QUICK)))
    stop.set()
    assert {each["metadata"]["uid"] for each in found.evict} == before
    assert real_client.list("pods", "*", fields=f"spec.nodeName={second}") == []
    assert min(healthy) >= 2
    real_client.delete("nodes", second)


def test_the_command_line_takes_nodes_by_their_labels(run, client, place):
    client.patch("nodes", place, {"metadata": {"labels": {"of": place}}})
    assert run("cordon", "-l", f"of={place}")[:2] == (0, f"{place} is cordoned\n")
    assert run("uncordon", f"node/{place}")[:2] == (0, f"{place} is uncordoned\n")
    code, out, _ = run("drain", "-l", f"of={place}", "--ignore-daemonsets", "--timeout", "1m", "--dry-run", "--force")
    assert (code, f"{place} would be drained" in out) == (0, True)
    code, _, err = run("cordon", "-l", "of=nobody")
    assert (code, "kube/nothing-there" in err) == (15, True)
    assert run("cordon")[0] == run("cordon", place, "-l", "a=b")[0] == run("drain", place, "--timeout", "soon")[0] == 2
