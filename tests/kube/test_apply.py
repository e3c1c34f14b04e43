"""The apply engine, on the fake and on the real API server."""

import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import ManyErrors, UsageError
from sloth.kube import ApiError
from sloth.kube.applying.compare import make_plan
from sloth.kube.applying.difference import Field, difference
from sloth.kube.applying.inventory import PART_OF, Entry, members, parent, set_id
from sloth.kube.applying.manifests import read
from sloth.kube.applying.plan import ApplySet
from sloth.kube.applying.run import carry_out
from tests.kube.test_contract import CRD, config, deployment, remove_widgets

WIDGET = {"apiVersion": "sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}


def manifests(*items):
    return read([("test.yaml", yaml.safe_dump_all(items).encode())])


@pytest.fixture
def apply(client, space):
    """`apply(*items)`: plan and carry out in the test's namespace; gives {kind name: action}."""
    client.api.namespace = space

    def run(*items, chosen=None, force=False, dry=False):
        plan = client.run(make_plan(client.api, manifests(*items), chosen, force=force))
        if not dry:
            client.run(carry_out(client.api, plan, chosen, force=force))
        run.plan = plan
        return {f"{each.entry.kind} {each.entry.name}": each.action for each in plan.changes}

    return run


def test_a_second_apply_finds_nothing_to_do_and_sends_nothing(apply, client, server, space):
    items = [config("a", n="1"), deployment("web")]
    assert apply(*items) == {"ConfigMap a": "create", "Deployment web": "create"}
    version = client.get("cm", "a", space)["metadata"]["resourceVersion"]
    assert apply(*items) == {"ConfigMap a": "same", "Deployment web": "same"}
    assert all(each.settled for each in apply.plan.changes)
    assert client.get("cm", "a", space)["metadata"]["resourceVersion"] == version


def test_a_change_is_told_field_by_field_before_it_is_made(apply, client, space):
    apply(deployment("web"))
    assert apply(deployment("web", replicas=3, image="app:2"), dry=True) == {"Deployment web": "change"}
    fields = {(each.path, each.before, each.after) for each in apply.plan.changes[0].fields}
    assert fields == {("spec.replicas", "1", "3"), ("spec.template.spec.containers[app].image", "app:1", "app:2")}
    assert client.get("deploy", "web", space)["spec"]["replicas"] == 1
    first = apply.plan.digest
    assert apply(deployment("web", replicas=3, image="app:2"), dry=True) and apply.plan.digest == first
    assert apply(deployment("web", replicas=4), dry=True) and apply.plan.digest != first


def test_what_others_own_is_refused_with_their_names_unless_forced(apply, client, space):
    client.create(config("a", n="1"), space)
    with pytest.raises(ApiError) as caught:
        apply(config("a", n="2"))
    assert (caught.value.code, [cause.field for cause in caught.value.causes]) == ("kube/owned", [".data.n"])
    assert apply(config("a", n="2"), force=True) == {"ConfigMap a": "change"}


def test_a_namespace_and_what_is_in_it_in_one_apply(apply, client, space):
    inner = {**config("inside"), "metadata": {"name": "inside", "namespace": f"{space}-2"}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{space}-2"}}
    assert list(apply(inner, namespace)) == [f"Namespace {space}-2", "ConfigMap inside"]
    assert [each.predicted for each in apply.plan.changes] == [False, True]
    assert client.get("cm", "inside", f"{space}-2")


def test_a_custom_kind_and_an_object_of_it_in_one_apply(apply, client, space):
    assert apply(WIDGET, CRD) == {"CustomResourceDefinition widgets.sloth.test": "create", "Widget w": "create"}
    assert client.get("widgets", "w", space)["spec"] == {"size": 1}
    remove_widgets(client)


def test_a_set_is_pruned_only_of_what_is_its_own(apply, client, space):
    chosen = ApplySet("app", space, prune=True)
    kept = {**config("kept"), "metadata": {"name": "kept", "annotations": {"sloth.dev/keep": "true"}}}
    apply(config("a"), config("b"), config("c"), kept, chosen=chosen)
    assert client.get("cm", "a", space)["metadata"]["labels"][PART_OF] == set_id("app", space)
    client.delete("cm", "b", space)
    client.create(config("b", other="mine"), space)  # of somebody else, by the same name
    assert apply(config("a"), chosen=chosen) == {"ConfigMap a": "same", "ConfigMap c": "delete", "ConfigMap kept": "keep"}
    left = {item["metadata"]["name"] for item in client.list("cm", space)}
    assert {"a", "b", "kept"} <= left
    assert "c" not in left
    listed = {each.name for each in members(client.get("cm", "app", space))}
    assert {"a", "kept"} <= listed
    assert "c" not in listed


def test_without_prune_a_former_member_stays_known(apply, client, space):
    apply(config("a"), config("b"), chosen=ApplySet("app", space))
    apply(config("a"), chosen=ApplySet("app", space))
    assert client.get("cm", "b", space)
    assert apply(config("a"), chosen=ApplySet("app", space, prune=True))["ConfigMap b"] == "delete"


def test_namespaces_are_pruned_only_when_asked_for(apply, client, space):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{space}-3"}}
    apply(config("a"), namespace, chosen=ApplySet("app", space))
    assert apply(config("a"), chosen=ApplySet("app", space, prune=True))[f"Namespace {space}-3"] == "keep"
    assert apply(config("a"), chosen=ApplySet("app", space, prune=True, guarded=True))[f"Namespace {space}-3"] == "delete"


def test_nothing_is_pruned_if_something_failed(fake, fake_client):
    from sloth.testing.kube import Fault

    chosen = ApplySet("app", "default", prune=True)
    api = fake_client.api
    fake_client.run(carry_out(api, fake_client.run(make_plan(api, manifests(config("a"), config("b")), chosen)), chosen))
    plan = fake_client.run(make_plan(api, manifests(config("a", n="2"), config("x")), chosen))
    assert [each.action for each in plan.changes if each.entry.name == "b"] == ["delete"]
    fake.faults.append(
        Fault(when=lambda method, target: "/configmaps/a?" in target and "dryRun" not in target, status=500, body=b"no")
    )
    fake.faults.appendleft(Fault(when=lambda method, target: "/configmaps/app?" in target))  # the inventory, which is well
    with pytest.raises((ApiError, ManyErrors)):
        fake_client.run(carry_out(api, plan, chosen))
    assert fake_client.get("cm", "b")
    assert {each.name for each in members(fake_client.get("cm", "app"))} == {"a", "b", "x"}


def test_secrets_are_masked_in_every_difference():
    live = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"a": "b2xk", "same": "eA=="},
        "type": "Opaque",
    }
    wanted = {**live, "data": {"a": "bmV3", "same": "eA=="}, "type": "other"}
    assert difference(live, wanted) == (Field("data.a", "***", "***"), Field("type", "Opaque", "other"))
    assert "b2xk" not in str(difference(live, wanted))


@given(st.lists(st.sampled_from("abcd"), unique=True), st.lists(st.sampled_from("abcd"), unique=True))
def test_items_of_a_list_are_told_apart_by_their_names(before, after):
    def pod(names):
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": name, "image": "i"} for name in names]},
        }

    paths = {each.path for each in difference(pod(before), pod(after))}
    if before and after:
        assert paths == {f"spec.containers[{name}]" for name in set(before) ^ set(after)}
    else:
        assert bool(paths) == (before != after)


def test_the_inventory_is_what_other_tools_expect():
    entries = [
        Entry("apps", "v1", "Deployment", "x", "web", "1"),
        Entry("", "v1", "Namespace", "", "y", "2"),
        Entry("", "v1", "ConfigMap", "z", "c", "3"),
    ]
    made = parent("app", "x", entries)
    assert sorted(members(made)) == sorted(entries)
    notes = made["metadata"]["annotations"]
    assert notes["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps,Namespace"
    assert notes["applyset.kubernetes.io/additional-namespaces"] == "z"
    assert made["metadata"]["labels"]["applyset.kubernetes.io/id"] == set_id("app", "x")
    assert set_id("app", "x").startswith("applyset-") and len(set_id("app", "x")) == len("applyset-") + 43 + len("-v1")
    assert members({"data": {"members": "{"}}) == members({"data": None}) == members(None) == []


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("a: [", "f:2", "no YAML"),
        ("- 1", "f:1", "mapping"),
        ("---\n---\nkind: Pod\nmetadata: {name: x}\n", "f:3", "apiVersion"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: x}\n", "f:1", "metadata.name"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: x}\n",
            "f:5",
            "twice: also in f:1",
        ),
        ("apiVersion: v1\nkind: List\nitems: [5]\n", "f:3", "mapping"),
        ("apiVersion: v1\nkind: A\nkind: B\n", "f:3:1", "`kind` is there twice"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
            + "\n".join(
                f"{y}: &{y} [*{x},*{x},*{x},*{x},*{x},*{x},*{x},*{x},*{x},*{x}]" for x, y in zip("bcdef", "cdefg", strict=True)
            )
            + "\n",
            "f:",
            "aliases",
        ),
    ],
)
def test_what_is_no_manifest_is_said_with_its_line(text, where, why):
    with pytest.raises(UsageError) as caught:
        read([("f", text.encode())])
    assert caught.value.summary.startswith(where if where == "f:" else f"{where} ")
    assert why in caught.value.detail


def test_lists_are_taken_apart_and_empty_documents_passed_over():
    text = textwrap.dedent("""
        ---
        # nothing
        ---
        apiVersion: v1
        kind: List
        items:
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
          - {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: n}}
    """)
    assert [(each.kind, each.namespace, each.name) for each in read([("f", text.encode())])] == [
        ("v1/ConfigMap", "", "a"),
        ("v1/ConfigMap", "n", "b"),
    ]
