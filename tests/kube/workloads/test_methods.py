"""The clients' methods for workloads, nodes and waiting: both fronts, against the fake and against the real API server."""

from datetime import UTC, datetime, timedelta

import pytest

from sloth.errors import CredentialsError, KubernetesError, UsageError
from sloth.kube import ApiError
from sloth.model.secret import Secret
from tests.kube.blocking import Fronts, Loop
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config
from tests.kube.workloads.conftest import make_node
from tests.kube.workloads.things import deployment, pod
from tests.kube.world import PlainSeal


@pytest.fixture(params=["sync", "async"])
def either(request, server):
    """A client of either front, for either server."""
    with Loop() as loop, Fronts(request.param, loop).client(server.connection, policy=QUICK) as made:
        yield made


@pytest.fixture(params=["sync", "async"])
def real_either(request, controlled):
    """A client of either front, for the real server with its controllers."""
    with Loop() as loop, Fronts(request.param, loop).client(controlled.connection, policy=QUICK) as made:
        yield made


def refused(expected, code, call, *words, **settings):
    with pytest.raises(expected) as caught:
        call(*words, **settings)
    assert caught.value.code == code
    return caught.value


def test_scale(either, space):
    either.create(deployment("web", 2), space)
    assert either.scale("deploy", "web", 5, space, dry_run=True)["spec"]["replicas"] == 5
    refused(KubernetesError, "kube/other-scale", either.scale, "deploy", "web", 3, space, current=1)
    assert either.scale("deploy", "web", 3, space, current=2)["spec"]["replicas"] == 3
    assert either.get("deploy", "web", space)["spec"]["replicas"] == 3
    refused(UsageError, "kube/not-scalable", either.scale, "ns", space, 3)


def test_wait_for_a_condition(either, space):
    either.create({**deployment("web", 1), "spec": {**deployment("web", 1)["spec"], "paused": True}}, space)
    either.create(pod("lone", labels={"hand": "none"}), space)
    error = refused(
        KubernetesError, "kube/not-so", either.wait, "pods", ["lone", "nothing"], space, until="Ready", seconds=0.02, every=0.01
    )
    assert f"Pod {space}/nothing: it is not there" in error.detail
    assert "`Ready` is not so of 2 objects" in error.summary
    status = {"conditions": [{"type": "Ready", "status": "False", "reason": "Slow"}]}
    either.patch("pods", "lone", {"status": status}, space, subresource="status")
    (found,) = either.wait("pods", "lone", space, until="ready=false", seconds=0)
    assert found["metadata"]["name"] == "lone"
    error = refused(KubernetesError, "kube/not-so", either.wait, "pods", "lone", space, until="Ready", seconds=0)
    assert "Ready is False (Slow)" in error.detail
    (found,) = either.wait("deploy", "web", space, until=lambda item: item["spec"]["paused"], seconds=0)
    assert found["spec"]["replicas"] == 1
    for words in ("create", "condition=Ready=False", "jsonpath={.spec.containers[0].name}=app"):
        assert len(either.wait("pods", "lone", space, until=words, seconds=0)) == 1
    refused(KubernetesError, "kube/not-so", either.wait, "pods", "nothing", space, until="create", seconds=0)
    refused(UsageError, "kube/wait-for", either.wait, "pods", "lone", space, until="jsonpath=", seconds=0)


def test_wait_until_it_is_gone_or_ready(either, space):
    either.create(config("stays"), space)
    assert [item["metadata"]["name"] for item in either.wait("cm", ["stays"], space, seconds=0)] == ["stays"]
    refused(KubernetesError, "kube/still-there", either.wait, "cm", "stays", space, until="delete", seconds=0.02, every=0.01)
    assert either.wait("cm", ["nothing"], space, until="delete", seconds=0) == []
    refused(KubernetesError, "kube/not-healthy", either.wait, "cm", "nothing", space, seconds=0)


@pytest.mark.kube
def test_a_rollout_from_beginning_to_end(real_either, real_space):
    client, space = real_either, real_space
    client.create(deployment("web", 2, cause="first"), space)
    said = []
    assert client.rollout.status("deploy", "web", space, seconds=60, say=said.append).done
    assert client.rollout.pause("deploy", "web", space) and not client.rollout.pause("deploy", "web", space)
    refused(UsageError, "kube/paused", client.rollout.restart, "deploy", "web", space)
    assert client.rollout.resume("deploy", "web", space)
    client.rollout.restart("deploy", "web", space)
    assert client.rollout.status("deploy", "web", space, seconds=60).done
    assert [each.number for each in client.rollout.history("deploy", "web", space)] == [1, 2]
    revision, changed = client.rollout.undo("deploy", "web", space)
    assert (revision.number, changed) == (1, True)
    (found,) = client.wait("deploy", "web", space, until="Available", seconds=60)
    assert found["spec"]["template"]["metadata"].get("annotations", {}) == {}
    pods = [item["metadata"]["name"] for item in client.list("pods", space, labels="app=web")]
    client.scale("deploy", "web", 0, space)
    assert client.wait("pods", pods, space, until="delete", seconds=60) == []


def test_cordon_and_drain(either, client, space):
    name = f"node-{space}"
    make_node(client, name)
    assert either.cordon(name, dry_run=True) and either.cordon(name) and not either.cordon(name)
    assert either.uncordon(name) and not either.uncordon(name)
    either.create(pod("lone", node=name), space)
    error = refused(KubernetesError, "kube/would-be-lost", either.drain, name)
    assert f"{space}/lone" in error.detail
    assert not either.get("nodes", name)["spec"].get("unschedulable")
    said = []
    done = either.drain(name, lose=[f"{space}/lone"], seconds=60, say=said.append)
    assert [item["metadata"]["name"] for item in done[name].evict] == ["lone"]
    assert said[0] == f"{name} is cordoned"
    refused(ApiError, "kube/not-found", either.get, "pods", "lone", space)
    client.delete("nodes", name)


def test_events(either, space):
    either.create(pod("web", labels={"hand": "none"}), space)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, kind, about in (("a", "Normal", "web"), ("b", "Warning", "web"), ("c", "Warning", "other")):
        either.create(
            {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "type": kind, "reason": name.upper(),
             "lastTimestamp": now, "involvedObject": {"kind": "Pod", "name": about, "namespace": space}}, space)  # fmt: skip
    reasons = [event["reason"] for event in either.events(space)]
    assert set(reasons) >= {"A", "B", "C"}
    mine = either.events(space, kind="pod", name="web")
    assert {"A", "B"} <= {event["reason"] for event in mine} and "C" not in {event["reason"] for event in mine}
    assert "B" in {event["reason"] for event in either.events(space, kind="pod", name="web", types=["warning"])}
    assert "A" not in {event["reason"] for event in either.events(space, types=["Warning"])}
    refused(UsageError, "kube/which-events", either.events, space, kind="pod")


def test_who_may_what(either, server, space):
    assert either.can_i("delete", "pods", space) and either.can_i("get", "/metrics") and either.may("get", "pods", space)
    name = either.who_am_i().name
    assert name in ("tester", "admin")
    assert either.token_review(server.connection.token).name == name
    refused(CredentialsError, "kube/token-refused", either.token_review, Secret("no-token-of-this-cluster"))


def test_sets_of_manifests(either, space):
    seal, text = PlainSeal(), "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}"

    def applied(*given):
        plan = either.manifests.plan(*given, set_name="shop", namespace=space, prune=True)
        done = either.manifests.apply(plan, seal=seal, wait=10)
        return [(each.action, each.entry.name) for each in plan.changes], [each.name for each in done]

    def mine(name, **data):
        return {**config(name, **data), "metadata": {"name": name, "namespace": space}}

    hidden = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": space}, "data": {"k": "djE="}}
    one = text.replace("name: one", f"name: one, namespace: {space}")
    assert applied(one, mine("two", n="1"), hidden)[0] == [("create", "one"), ("create", "two"), ("create", "key")]
    assert either.manifests.plan(one, set_name="shop", namespace=space).changes[0].action == "same"
    assert applied(mine("two", n="2")) == ([("change", "two"), ("delete", "one"), ("delete", "key")], ["two"])
    refused(ApiError, "kube/not-found", either.get, "cm", "one", space)
    assert [each.number for each in either.manifests.history("shop", space)] == [2, 1]
    back = either.manifests.rollback("shop", namespace=space, seal=seal)
    assert either.manifests.apply(back, seal=seal) and either.get("cm", "two", space)["data"] == {"n": "1"}
    assert either.get("secrets", "key", space)["data"] == {"k": "djE="}
    assert either.manifests.history("shop", space)[0].note.why == "rollback to 1"
    refused(UsageError, "kube/no-set", either.manifests.plan, one, prune=True)


def test_manifests_are_given_in_any_form(either, space, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(f"# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {space}}}\n")
    named = (
        "from a tool",
        b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d", "namespace": "%s"}}' % space.encode(),
    )
    plan = either.manifests.plan(path, named, {**config("e"), "metadata": {"name": "e", "namespace": space}})
    assert [(each.entry.name, each.where.partition(":")[0]) for each in plan.changes] == [
        ("c", str(path)), ("d", "from a tool"), ("e", "argument 3")
    ]  # fmt: skip
    assert [each.name for each in either.manifests.apply(plan)] == ["c", "d", "e"]
    refused(UsageError, "kube/no-file", either.manifests.plan, tmp_path / "nothing.yaml")
    refused(UsageError, "kube/no-object", either.manifests.plan, path, path)


def test_many_at_once(either, space):
    for number in range(40):
        either.create(config(f"c{number}"), space)
    names = [f"c{number}" for number in range(39, -1, -1)]
    assert [item["metadata"]["name"] for item in either.get_many("cm", names, space)] == names


def test_a_time_without_a_zone_is_refused(either, space):
    either.create(pod("web", labels={"hand": "none"}), space)
    with pytest.raises(UsageError) as caught:
        list(either.logs("web", space, since=datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)))
    assert caught.value.code == "kube/no-zone"
