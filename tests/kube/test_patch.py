"""The documented cases of the patches, sent to both servers: the fake changes objects as the real one does.

Cases: kubernetes.io, "Update API Objects in Place Using kubectl patch"; kubernetes/community, strategic-merge-patch.md;
RFC 7396, appendix A (those that a ConfigMap's data can hold); RFC 6902, appendix A.
"""

import pytest

from sloth.kube import ApiError
from sloth.testing.kube_patch import json_patch, merge_patch
from tests.kube.test_contract import deployment


def pod_spec(**more):
    return {"spec": {"template": {"spec": more}}}


CASES = {
    "a container of a new name is added": (
        pod_spec(containers=[{"name": "side", "image": "s:1"}]),
        lambda spec: sorted(each["name"] for each in spec["containers"]) == ["app", "side"],
    ),
    "a container of a known name is merged": (
        pod_spec(containers=[{"name": "app", "image": "app:9"}]),
        lambda spec: [(each["image"], [x["name"] for x in each["env"]]) for each in spec["containers"]] == [("app:9", ["A"])],
    ),
    "a container is deleted by its name": (
        pod_spec(containers=[{"name": "app", "$patch": "delete"}, {"name": "side", "image": "s:1"}]),
        lambda spec: [each["name"] for each in spec["containers"]] == ["side"],
    ),
    "a list is replaced as a whole": (
        pod_spec(containers=[{"name": "only", "image": "o:1"}, {"$patch": "replace"}]),
        lambda spec: [each["name"] for each in spec["containers"]] == ["only"],
    ),
    "tolerations have no merge key and are replaced": (
        pod_spec(tolerations=[{"key": "a", "operator": "Exists"}]),
        lambda spec: [each["key"] for each in spec["tolerations"]] == ["a"],
    ),
    "an environment variable is deleted by its name": (
        pod_spec(containers=[{"name": "app", "env": [{"name": "A", "$patch": "delete"}, {"name": "B", "value": "2"}]}]),
        lambda spec: [each["name"] for each in spec["containers"][0]["env"]] == ["B"],
    ),
    "null takes a field away": (
        pod_spec(nodeSelector=None, priorityClassName="system-node-critical"),
        lambda spec: "nodeSelector" not in spec and spec["priorityClassName"] == "system-node-critical",
    ),
    "a map is merged": (
        pod_spec(nodeSelector={"b": "2"}),
        lambda spec: spec["nodeSelector"] == {"a": "1", "b": "2"},
    ),
    "a map is replaced": (
        pod_spec(nodeSelector={"$patch": "replace", "b": "2"}),
        lambda spec: spec["nodeSelector"] == {"b": "2"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_strategic_merge(client, space, case):
    item = deployment("web")
    item["spec"]["template"]["spec"]["nodeSelector"] = {"a": "1"}
    item["spec"]["template"]["spec"]["tolerations"] = [{"key": "z", "operator": "Exists"}]
    client.create(item, space)
    patch, holds = CASES[case]
    found = client.patch("deploy", "web", patch, space, how="strategic")["spec"]["template"]["spec"]
    assert holds(found), found


def test_strategy_retain_keys(client, space):
    item = deployment("web")
    item["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    client.create(item, space)
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert client.patch("deploy", "web", patch, space, how="strategic")["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"e": ""}, {"a": "1"}, {"e": "", "a": "1"}),
    ],
)
def test_merge_patch(client, space, before, patch, after):
    client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": before}, space)
    assert (client.patch("cm", "a", {"data": patch}, space).get("data") or {}) == after


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": 1}]}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": 1}, {"a": 1}),
        ({}, {"a": {"bb": {"c": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_of_the_rfc(before, patch, after):
    assert merge_patch(before, patch) == after


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        ([{"op": "add", "path": "/data/c.d", "value": "3"}], {"a": "1", "b": "2", "c.d": "3"}),
        ([{"op": "remove", "path": "/data/a"}], {"b": "2"}),
        ([{"op": "replace", "path": "/data/a", "value": "9"}], {"a": "9", "b": "2"}),
        ([{"op": "move", "from": "/data/a", "path": "/data/c"}], {"b": "2", "c": "1"}),
        ([{"op": "copy", "from": "/data/a", "path": "/data/c"}], {"a": "1", "b": "2", "c": "1"}),
        ([{"op": "test", "path": "/data/a", "value": "x"}], None),
        ([{"op": "remove", "path": "/data/none"}], None),
        ([{"op": "replace", "path": "/data/none", "value": "1"}], {"a": "1", "b": "2", "none": "1"}),
    ],
)
def test_json_patch(client, space, operations, after):
    data = {"a": "1", "b": "2"}
    client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x-y"}, "data": data}, space)
    if after is None:
        with pytest.raises(ApiError) as caught:
            client.patch("cm", "x-y", operations, space, how="json")
        assert caught.value.status == 422
    else:
        assert client.patch("cm", "x-y", operations, space, how="json")["data"] == after


def test_json_patch_of_lists():
    assert json_patch({"x": [1, 2]}, [{"op": "add", "path": "/x/1", "value": 9}, {"op": "add", "path": "/x/-", "value": 3}]) == {
        "x": [1, 9, 2, 3]
    }
    assert json_patch({"a/b": 1}, [{"op": "replace", "path": "/a~1b", "value": 2}]) == {"a/b": 2}
