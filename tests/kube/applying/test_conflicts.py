"""What others own, and what fails half-way: all of it is told, with lines and owners, and nothing is pruned."""

import pytest
import yaml

from sloth.errors import ManyErrors
from sloth.kube import ApiError
from sloth.kube.applying.inventory import members
from sloth.kube.applying.plan import ApplySet
from tests.kube.test_contract import config, deployment

TEXT = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  one: ours
  two: ours
  free: ours
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
data: {three: ours}
"""


def test_conflicts_are_listed_by_field_owner_and_line(client, plan, space):
    client.run(client.api.apply(config("a", one="1"), space, manager="first-tool"))
    client.run(client.api.apply(config("a", two="2"), space, manager="second-tool"))
    client.run(client.api.apply(config("b", three="3"), space, manager="first-tool"))
    with pytest.raises(ManyErrors) as caught:
        plan(TEXT)
    one, two = sorted(caught.value.exceptions, key=lambda error: len(error.where))
    assert one.code == two.code == "kube/owned"
    assert sorted(one.detail.splitlines()) == [
        'test.yaml:5:3  data.one: owned by "first-tool"',
        'test.yaml:6:3  data.two: owned by "second-tool"',
    ]
    assert two.detail == 'test.yaml:12:8  data.three: owned by "first-tool"'
    assert "--force-conflicts" in two.hint
    assert client.get("cm", "a", space)["data"] == {"one": "1", "two": "2"}


def test_an_item_of_a_list_has_its_line_too(client, plan, space):
    client.run(client.api.apply(deployment("web", image="theirs:1"), space, manager="first-tool"))
    with pytest.raises(ApiError) as caught:
        plan(yaml.safe_dump(deployment("web")))
    assert 'containers[name="app"].image: owned by "first-tool"' in caught.value.detail.replace("'", '"')
    lines = yaml.safe_dump(deployment("web")).splitlines()
    line = next(at for at, each in enumerate(lines, 1) if "image:" in each)
    assert f"test.yaml:{line}:" in caught.value.detail


def test_a_plan_that_is_refused_changes_and_prunes_nothing(client, apply, space):
    chosen = ApplySet("app", space, prune=True)
    apply(config("a"), config("b"), chosen=chosen)
    client.run(client.api.apply(config("c", n="1"), space, manager="first-tool"))
    with pytest.raises(ApiError):
        apply(config("a", n="new"), config("c", n="2"), chosen=chosen)
    assert not client.get("cm", "a", space).get("data")
    assert client.get("cm", "b", space)
    assert {each.name for each in members(client.get("cm", "app", space))} == {"a", "b"}


def test_what_fails_half_way_is_told_whole_and_prunes_nothing(client, plan, space):
    """Between the dry run and the apply somebody takes two fields over."""
    from sloth.kube.applying.run import carry_out

    chosen = ApplySet("app", space, prune=True)
    client.run(carry_out(client.api, plan(config("a", n="1"), config("b", n="1"), config("old"), chosen=chosen), chosen))
    made = plan(config("a", n="2"), config("b", n="2"), config("new"), chosen=chosen)
    for name in "ab":
        client.run(client.api.apply(config(name, n="theirs"), space, manager="first-tool", force=True))
    with pytest.raises(ManyErrors) as caught:
        client.run(carry_out(client.api, made, chosen))
    assert [(error.code, error.where) for error in caught.value.exceptions] == [
        ("kube/owned", "test.yaml:1"), ("kube/owned", "test.yaml:8"),
    ]  # fmt: skip
    assert all('"first-tool"' in error.detail for error in caught.value.exceptions)
    assert client.get("cm", "new", space)
    assert client.get("cm", "old", space)
    assert {each.name for each in members(client.get("cm", "app", space))} == {"a", "b", "new", "old"}
