"""What a plan asks the server, and what it leaves out."""

import pytest
import yaml

from sloth.kube import ApiError
from sloth.kube.applying.compare import make_plan
from sloth.kube.applying.inventory import Entry, parent, set_id
from sloth.kube.applying.manifests import read
from sloth.kube.applying.plan import ApplySet
from sloth.kube.applying.run import carry_out
from tests.kube.test_contract import CRD, config, deployment


@pytest.fixture
def asked(client, monkeypatch):
    """Every request from now on, as method, last part of the path, dry run or not."""
    found = []
    answer = client.wire.answer

    def seen(request, *rest, **more):
        found.append((request.method, request.path.rpartition("/")[2], ("dryRun", "All") in request.query))
        return answer(request, *rest, **more)

    monkeypatch.setattr(client.wire, "answer", seen)
    return found


def planned(client, space, *items, chosen=None, at_once=True):
    client.api.namespace = space
    found = read([("m.yaml", yaml.safe_dump_all(items).encode())])
    return client.run(make_plan(client.api, found, chosen, at_once=at_once))


def test_where_all_is_new_nothing_is_tried_before(client, space, asked):
    made = planned(client, space, config("a"), deployment("web"))
    assert [(each.action, each.predicted) for each in made.changes] == [("create", False)] * 2
    assert not [each for each in asked if each[0] != "GET"]
    client.run(carry_out(client.api, made))
    assert client.get("deploy", "web", space)


def test_a_diff_tries_all_the_same(client, space, asked):
    planned(client, space, config("a"), config("b"), at_once=False)
    assert sorted(each for each in asked if each[0] != "GET") == [("PATCH", "a", True), ("PATCH", "b", True)]


def test_where_something_could_be_spoiled_everything_is_tried_first(client, space, asked):
    client.create(config("a", n="1"), space)
    with pytest.raises(ApiError):
        planned(client, space, config("a", n="2"), config("b"))
    assert ("PATCH", "b", True) in asked


def test_a_set_from_which_something_goes_is_tried_first(client, space, asked):
    chosen = ApplySet("app", space, prune=True)
    client.run(carry_out(client.api, planned(client, space, config("old"), chosen=chosen), chosen))
    asked.clear()
    made = planned(client, space, config("a"), chosen=chosen)
    assert [each.action for each in made.changes] == ["create", "delete"]
    assert ("PATCH", "a", True) in asked


def test_an_apply_of_a_set_in_which_nothing_changes_writes_nothing(client, space, asked):
    chosen = ApplySet("app", space)
    items = [config("a", n="1"), config("b", n="1")]
    client.run(carry_out(client.api, planned(client, space, *items, chosen=chosen), chosen))
    asked.clear()
    client.run(carry_out(client.api, planned(client, space, *items, chosen=chosen), chosen))
    assert not [each for each in asked if each[0] != "GET" and not each[2]]


def test_a_member_that_is_listed_without_its_namespace_is_not_taken_for_a_former_one(client, space):
    """As a run leaves it that was killed while a custom kind was coming."""
    chosen = ApplySet("app", space, prune=True)
    client.apply(parent("app", space, [Entry("", "v1", "ConfigMap", "", "a")]), space)
    client.apply(
        {**config("a"), "metadata": {"name": "a", "labels": {"applyset.kubernetes.io/part-of": set_id("app", space)}}}, space
    )
    assert [each.action for each in planned(client, space, config("a"), chosen=chosen).changes] == ["same"]


def test_an_object_of_a_coming_kind_has_its_namespace_in_the_plan(fake_client):
    widget = {"apiVersion": "sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}}
    made = planned(fake_client, "default", widget, CRD)
    assert [(each.entry.kind, each.entry.namespace, each.predicted) for each in made.changes] == [
        ("CustomResourceDefinition", "", False), ("Widget", "default", True),
    ]  # fmt: skip
    whole = {**CRD, "spec": {**CRD["spec"], "scope": "Cluster"}}
    assert planned(fake_client, "default", widget, whole).changes[1].entry.namespace == ""
