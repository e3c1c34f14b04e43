"""What the client does with a server, once with the fake and once with a real kube-apiserver: the second proves the first."""

import json
import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError, CredentialsError, UsageError
from sloth.kube import ApiError, Client, Connection, Impersonation, Informer
from sloth.kube.api import Select
from sloth.kube.builtin import BUILTIN
from sloth.kube.connection import ExecPlugin
from sloth.kube.decode import asked, dumps
from sloth.kube.watch import Watch
from sloth.kube.wire import JSON, Request
from sloth.model.secret import Secret
from tests.kube.real import client_pair

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.sloth.test"},
    "spec": {
        "group": "sloth.test",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["toys"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}


def config(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name, replicas=1, image="app:1"):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": image, "env": [{"name": "A", "value": "1"}]}]},
            },
        },
    }


def refused(code, status, call, *args, **settings):
    """The ApiError that a call ends with."""
    with pytest.raises(ApiError) as caught:
        call(*args, **settings)
    assert (caught.value.code, caught.value.status) == (code, status)
    return caught.value


def test_an_object_is_made_read_changed_and_deleted(client, space):
    made = client.create(config("a", color="red"), space)
    assert made["metadata"]["uid"]
    assert client.get("cm", "a", space)["data"] == {"color": "red"}
    made["data"]["color"] = "blue"
    put = client.replace(made, space)
    assert put["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    client.delete("configmaps", "a", space)
    refused("kube/not-found", 404, client.get, "configmaps", "a", space)


def test_failures_have_codes(client, space):
    made = client.create(config("a", n="1"), space)
    refused("kube/exists", 409, client.create, config("a"), space)
    client.patch("cm", "a", {"data": {"n": "2"}}, space)
    refused("kube/conflict", 409, client.replace, made, space)
    refused("kube/not-found", 404, client.delete, "cm", "nothing", space)
    refused("kube/not-found", 404, client.create, config("b"), "no-such-namespace")
    refused("kube/conflict", 409, client.delete, "cm", "a", space, uid="another")
    with pytest.raises(UsageError) as unknown:
        client.list("wombats", space)
    assert unknown.value.code == "kube/unknown-kind"


def test_wrong_credentials_are_refused(server):
    with Client(replace(server.connection, token=Secret("not the token"))) as stranger:
        error = refused("kube/unauthorized", 401, stranger.list, "namespaces")
    assert error.exit == 11


def test_the_three_patches(client, space):
    client.create(deployment("web"), space)
    merged = client.patch("deploy", "web", {"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 3}}, space)
    assert (merged["metadata"]["labels"]["a"], merged["spec"]["replicas"]) == ("1", 3)
    operations = [{"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 4}]
    assert client.patch("deploy", "web", operations, space, how="json")["spec"]["replicas"] == 4
    refused("kube/invalid", 422, client.patch, "deploy", "web", operations, space, how="json")
    patch = {
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "app", "env": [{"name": "B", "value": "2"}]}, {"name": "side", "image": "s:1"}]}
            }
        }
    }
    containers = client.patch("deploy", "web", patch, space, how="strategic")["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["image"] for each in containers} == {"app": "app:1", "side": "s:1"}
    app = next(each for each in containers if each["name"] == "app")
    assert {each["name"]: each["value"] for each in app["env"]} == {"A": "1", "B": "2"}


def test_a_dry_run_keeps_nothing(client, space):
    assert client.create(config("a"), space, dry_run=True)["metadata"]["name"] == "a"
    refused("kube/not-found", 404, client.get, "cm", "a", space)
    client.create(config("a", n="1"), space)
    assert client.patch("cm", "a", {"data": {"n": "2"}}, space, dry_run=True)["data"]["n"] == "2"
    assert client.apply(config("a", m="3"), space, dry_run=True)["data"] == {"n": "1", "m": "3"}
    client.delete("cm", "a", space, dry_run=True)
    assert client.get("cm", "a", space)["data"] == {"n": "1"}


def test_apply_owns_fields(server, client, space):
    client.apply(config("a", ours="1", both="1"), space)
    with Client(server.connection, manager="other") as other:
        error = refused("kube/owned", 409, other.apply, config("a", both="2", theirs="1"), space)
        assert [(cause.field, 'conflict with "sloth"' in cause.message) for cause in error.causes] == [(".data.both", True)]
        other.apply(config("a", both="2", theirs="1"), space, force=True)
    assert client.get("cm", "a", space)["data"] == {"ours": "1", "both": "2", "theirs": "1"}
    again = client.apply(config("a", more="1"), space)
    assert again["data"] == {"both": "2", "theirs": "1", "more": "1"}  # what was ours alone and is not applied any more is gone


def test_an_apply_that_changes_nothing_makes_no_version(client, space):
    first = client.apply(config("a", n="1"), space)
    second = client.apply(config("a", n="1"), space)
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_lists_come_in_pages_and_items_say_what_they_are(client, space):
    for number in range(7):
        client.create({**config(f"c{number}"), "metadata": {"name": f"c{number}", "labels": {"odd": str(number % 2)}}}, space)
    names = {f"c{number}" for number in range(7)}
    pages = [page for page in client.pages("configmaps", space, limit=3)]
    assert max(len(page.items) for page in pages) == 3
    assert names <= {item["metadata"]["name"] for page in pages for item in page.items}
    assert {item["kind"] for page in pages for item in page.items} == {"ConfigMap"}
    one_by_one = [item["metadata"]["name"] for item in client.each("cm", space, limit=3)]
    assert one_by_one == [item["metadata"]["name"] for page in pages for item in page.items]
    odd = client.list("cm", space, labels="odd=1")
    assert [item["metadata"]["name"] for item in odd] == ["c1", "c3", "c5"]
    assert len(client.list("cm", space, labels="odd in (0, 1)", fields="metadata.name!=c0")) == 6
    assert [item["metadata"]["name"] for item in client.get_many("cm", ["c5", "c2"], space)] == ["c5", "c2"]


def test_all_namespaces_at_once(client, space):
    client.create(config("everywhere"), space)
    found = client.list("configmaps", "*", fields="metadata.name=everywhere")
    assert space in {item["metadata"]["namespace"] for item in found}


@pytest.fixture
def widgets(client):
    """A kind of our own, gone afterwards."""
    client.apply(CRD, force=True)
    for _ in client.watch("crds", fields="metadata.name=widgets.sloth.test"):
        break
    wait_for(lambda: any(each.plural == "widgets" for each in client.resources()))
    yield "widgets"
    remove_widgets(client)


def remove_widgets(client):
    """Delete the kind, and wait until it is gone: the next test makes it anew."""
    client.delete("crds", "widgets.sloth.test")
    wait_for(lambda: not client.list("crds", fields="metadata.name=widgets.sloth.test"))


def wait_for(condition):
    """A server's other side may take a moment; the test's own time limit bounds it."""
    import time

    while not condition():
        time.sleep(0.02)


def test_custom_kinds_by_any_name(server, client, space, widgets):
    thing = {"apiVersion": "sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    client.create(thing, space)
    for name in ("widgets", "widget", "Widget", "wd", "widgets.sloth.test", "widgets.v1.sloth.test", "sloth.test/v1/Widget"):
        assert client.get(name, "w", space)["spec"] == {"size": 1}
    assert [each.plural for each in client.run(client.kinds.category("toys"))] == ["widgets"]
    refused("kube/not-possible", 415, client.patch, "widgets", "w", {"spec": {"size": 2}}, space, how="strategic")


def test_discovery_is_kept_in_a_file_and_asked_for_anew(server, tmp_path):
    with Client(server.connection, cache=tmp_path) as first:
        known = {each.full_name for each in first.resources()}
    assert {"pods", "deployments.apps"} <= known
    with Client(server.connection, cache=tmp_path) as second:
        assert {each.full_name for each in second.run(second.kinds.all())} == known
        assert {each.full_name for each in second.resources()} == known


def test_the_kinds_that_need_no_discovery_are_as_the_server_has_them(client):
    served = {(each.group, each.version, each.plural): each for each in client.resources()}
    for each in BUILTIN:
        found = served[(each.group, each.version, each.plural)]
        assert (each.kind, each.namespaced, set(each.short)) == (found.kind, found.namespaced, set(found.short))
        assert ("all" in each.categories) == ("all" in found.categories)


def test_a_watch_tells_everything(client, space):
    client.create(config("a"), space)
    seen = []
    for event in client.watch("cm", space, fields="metadata.name=a"):
        seen.append((event.type, event.object.get("data") or {}))
        if len(seen) == 1:
            client.patch("cm", "a", {"data": {"n": "1"}}, space)
        elif len(seen) == 2:
            client.delete("cm", "a", space)
        else:
            break
    assert seen == [("ADDED", {}), ("MODIFIED", {"n": "1"}), ("DELETED", {"n": "1"})]


def test_an_object_that_comes_into_the_selection_is_added_and_one_that_leaves_it_is_deleted(client, space):
    client.create({**config("a"), "metadata": {"name": "a", "labels": {"on": "1"}}}, space)
    seen = []
    for event in client.watch("cm", space, labels="on=1"):
        seen.append(event.type)
        if len(seen) < 3:
            client.patch("cm", "a", {"metadata": {"labels": {"on": "0" if len(seen) == 1 else "1"}}}, space)
        else:
            break
    assert seen == ["ADDED", "DELETED", "ADDED"]


def test_a_version_that_never_was_makes_a_new_list(client, space):
    """A watch that is far behind: what the server answers to a version that it forgot is covered with the fake."""
    client.create(config("a"), space)
    resource = client.run(client.kinds.find("cm"))
    machine = Watch(resource, space, Select(fields="metadata.name=a"))
    machine.listed([{"metadata": {"name": "old", "namespace": space, "uid": "1"}}], "")  # no version: as after a 410
    stop, seen = threading.Event(), []
    for event in client.follow(machine, stop):
        seen.append((event.type, event.object["metadata"]["name"]))
        if len(seen) == 2:
            break
    assert seen == [("DELETED", "old"), ("ADDED", "a")]


def test_an_informer_follows_and_indexes(client, space):
    client.create(config("a", colour="red"), space)
    index = {"colour": lambda item: [(item.get("data") or {}).get("colour", "")]}
    with Informer(client, "cm", space, indexers=index) as informer:
        informer.synced(30)
        changes = informer.subscribe()
        seen = []

        def until(kind, name):
            while (kind, name) not in seen:
                event = changes.take(60)
                assert event, seen
                seen.append((event.type, event.object["metadata"]["name"]))

        until("ADDED", "a")
        client.create(config("b", colour="red"), space)
        until("ADDED", "b")
        client.delete("cm", "a", space)
        until("DELETED", "a")
        assert [item["metadata"]["name"] for item in informer.store.by("colour", "red")] == ["b"]
        assert informer.store.get(f"{space}/a") is None
    assert changes.take() is None  # closed, and its reader comes to an end


def test_what_i_may(client, space):
    assert client.may("delete", "pods", space)
    assert client.may("create", "deployments", "*")


@pytest.mark.kube
def test_impersonation(real_server):
    acting = Impersonation("nobody", ("a", "b"), extra=(("sloth.test/why", ("x", "y")),))
    with Client(replace(real_server.connection, acting_as=acting)) as client:
        error = refused("kube/forbidden", 403, client.list, "secrets", "default")
        assert 'User "nobody"' in error.detail
        status = client.run(who_am_i())
    assert (status["username"], status["groups"][:2]) == ("nobody", ["a", "b"])
    assert status["extra"]["sloth.test/why"] == ["x", "y"]


def who_am_i():
    """A SelfSubjectReview, whose answer is what the server took us for."""
    body = dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    found = yield from asked(Request("POST", path, (), {"Content-Type": JSON}, body, "who am I"))
    return found["status"]["userInfo"]


@pytest.mark.kube
def test_a_client_certificate(real_server):
    chain, key = real_server.client_pair
    connection = replace(real_server.connection, token=None, client_certificate=chain, client_key=Secret(key))
    with Client(connection) as client:
        assert client.run(who_am_i())["username"] == "cert-user"


@pytest.mark.kube
def test_a_certificate_that_a_plugin_gives(real_server, tmp_path):
    chain, key = real_server.client_pair
    status = {"clientCertificateData": chain.decode(), "clientKeyData": key}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    (tmp_path / "credential").write_text(json.dumps(credential))
    plugin = ExecPlugin("cat", (str(tmp_path / "credential"),), interactive="Never")
    with Client(replace(real_server.connection, token=None, plugin=plugin)) as client:
        assert client.run(who_am_i())["username"] == "cert-user"


@pytest.mark.kube
@pytest.mark.parametrize("wrong", [{"ca": b""}, {"tls_server_name": "elsewhere.example.org"}])
def test_who_does_not_prove_to_be_the_cluster_is_sent_nothing(real_server, wrong):
    with Client(replace(real_server.connection, **wrong)) as client, pytest.raises(ConnectError) as caught:
        client.list("namespaces")
    assert caught.value.code == "kube/certificate"


def test_a_key_of_another_certificate_is_refused_before_anything_is_sent(tmp_path):
    chain, _ = client_pair(tmp_path / "a")
    _, key = client_pair(tmp_path / "b")
    connection = Connection("https://127.0.0.1:1", client_certificate=chain, client_key=Secret(key))
    with Client(connection) as client, pytest.raises(CredentialsError) as caught:
        client.list("namespaces")
    assert caught.value.code == "kube/client-certificate"
    assert key not in str(caught.value.as_dict())
