"""Scaling by the `scale` subresource."""

import pytest

from sloth.errors import KubernetesError, UsageError
from sloth.kube import ApiError
from sloth.kube.workloads.scaling import scale, scale_all
from tests.kube.test_contract import CRD, config
from tests.kube.workloads.conftest import eventually
from tests.kube.workloads.things import deployment, stateful_set


def replicas(client, kind, name, space):
    return client.get(kind, name, space)["spec"]["replicas"]


def test_replicas_are_set(client, space):
    client.create(deployment("web", 1), space)
    client.create(stateful_set("db", 1), space)
    found = client.run(scale(client.api, "deploy", "web", 3, space))
    assert (found["kind"], found["spec"]["replicas"]) == ("Scale", 3)
    wanted = [(client.run(client.kinds.find(kind)), space, name) for kind, name in (("deploy", "web"), ("sts", "db"))]
    client.run(scale_all(client.api, wanted, 0))
    assert (replicas(client, "deploy", "web", space), replicas(client, "sts", "db", space)) == (0, 0)
    client.run(scale_all(client.api, wanted, 5, dry_run=True))
    assert replicas(client, "deploy", "web", space) == 0


def test_only_if_there_are_so_many(client, space):
    client.create(deployment("web", 2), space)
    with pytest.raises(KubernetesError) as caught:
        client.run(scale(client.api, "deploy", "web", 3, space, current=1))
    assert (caught.value.code, "has 2 replicas, not 1" in caught.value.summary) == ("kube/other-scale", True)
    client.run(scale(client.api, "deploy", "web", 3, space, current=2))
    assert replicas(client, "deploy", "web", space) == 3
    with pytest.raises(ApiError) as late:
        client.run(scale(client.api, "deploy", "web", 4, space, version="1"))
    assert late.value.code == "kube/conflict"
    assert replicas(client, "deploy", "web", space) == 3


def test_what_cannot_be_scaled(client, space):
    client.create(config("a"), space)
    for current in (None, 1):
        with pytest.raises(UsageError) as caught:
            client.run(scale(client.api, "cm", "a", 3, space, current=current))
        assert caught.value.code == "kube/not-scalable"
    with pytest.raises(ApiError) as missing:
        client.run(scale(client.api, "deploy", "none", 3, space))
    assert missing.value.code == "kube/not-found"


def test_the_command_line(run, client, space):
    client.create(deployment("web", 1), space)
    assert run("scale", "deploy/web", "--replicas", "4")[:2] == (0, "deployment/web has 4 replicas now\n")
    assert run("scale", "deploy", "web", "--replicas", "5", "--current-replicas", "1")[0] == 15
    assert run("scale", "deploy", "web", "--replicas", "5", "--current-replicas", "4")[0] == 0
    assert replicas(client, "deploy", "web", space) == 5
    assert run("scale", "deploy", "--replicas", "5")[0] == 2
    assert run("scale", "cm/kube-root-ca.crt", "--replicas", "5")[0] != 0


def test_those_that_a_selector_takes(run, client, space):
    for name in ("a", "b", "c"):
        item = deployment(name, 1)
        item["metadata"]["labels"] = {"odd": str(name != "b")}
        client.create(item, space)
    assert run("scale", "deploy", "-l", "odd=True", "--replicas", "0")[0] == 0
    assert [replicas(client, "deploy", name, space) for name in "abc"] == [0, 1, 0]
    assert run("rollout", "pause", "deploy", "-l", "odd=False")[1] == "deployment/b is paused\n"
    assert run("rollout", "pause", "deploy", "b", "-l", "odd=False")[0] == 2
    assert run("scale", "deploy", "-l", "odd=maybe", "--replicas", "0")[1:] == ("", "nothing found\n")


@pytest.mark.kube
def test_a_custom_kind_that_has_replicas(real_client, real_space, real_run):
    crd = {**CRD, "metadata": {"name": "widgets.scale.sloth.test"}, "spec": {**CRD["spec"], "group": "scale.sloth.test"}}
    version = dict(CRD["spec"]["versions"][0])
    version["subresources"] = {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}
    version["schema"] = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    crd["spec"]["versions"] = [version]
    real_client.create(crd)
    eventually(lambda: any(each.group == "scale.sloth.test" for each in real_client.resources()))
    thing = {"apiVersion": "scale.sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"replicas": 1}}
    real_client.create(thing, real_space)
    kind = "widgets.scale.sloth.test"
    assert real_run("scale", f"{kind}/w", "--replicas", "3")[0] == 0
    assert real_run("scale", f"{kind}/w", "--replicas", "4", "--current-replicas", "3")[0] == 0
    assert replicas(real_client, kind, "w", real_space) == 4
    real_client.delete("crds", crd["metadata"]["name"])


@pytest.mark.kube
def test_kubectl_does_the_same(real_run, real_client, real_space, kubectl):
    real_client.create(deployment("web", 1), real_space)
    assert real_run("scale", "deploy/web", "--replicas", "3", "--wait", "60")[0] == 0
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {.status.readyReplicas}") == "3 3"
    words = ["scale", "deploy/web", "--replicas=2", "--current-replicas=1"]
    assert kubectl(*words, check=False)[0] != 0
    assert real_run(*words)[0] != 0
    kubectl("scale", "deploy/web", "--replicas=2", "--current-replicas=3")
    assert real_client.get("deploy", "web", real_space)["spec"]["replicas"] == 2


def test_all_of_a_kind(run, client, space):
    for name in "ab":
        client.create(deployment(name, replicas=1), space)
    assert run("scale", "deploy", "--all", "--replicas", "0")[0] == 0
    assert [each["spec"]["replicas"] for each in client.list("deploy", space)] == [0, 0]
    for words in (("deploy",), ("deploy/a", "--all"), ("deploy", "--all", "-l", "a=b")):
        assert run("scale", *words, "--replicas", "1")[0] == 2
