"""Deleting: what goes, what is refused, what is asked, and the wait until it is gone."""

import pytest
import yaml

from sloth.errors import KubernetesError, ManyErrors
from sloth.kube import ApiError
from sloth.kube.workloads.deleting import How, Target, delete_all, wait_gone
from tests.kube.test_contract import config
from tests.kube.workloads.conftest import eventually
from tests.kube.workloads.things import deployment


def target(client, kind, name, space, uid=""):
    return Target(client.run(client.kinds.find(kind)), space, name, uid)


def names(client, space, kind="cm"):
    return {item["metadata"]["name"] for item in client.list(kind, space)} - {"kube-root-ca.crt"}


def test_those_that_are_there_go_and_the_others_are_named(client, space):
    made = client.create(config("a"), space)
    client.create(config("b"), space)
    wanted = [target(client, "cm", name, space) for name in ("a", "none", "b", "nothing")]
    with pytest.raises(ManyErrors) as caught:
        client.run(delete_all(client.api, wanted))
    assert {(each.code, each.summary.split()[2].rpartition("/")[2]) for each in caught.value.exceptions} == {
        ("kube/not-found", "none:"), ("kube/not-found", "nothing:"),
    }  # fmt: skip
    assert names(client, space) == set()
    client.create(config("a"), space)
    done = client.run(delete_all(client.api, [*wanted[:2]], How(missing_ok=True)))
    assert [(each.name, bool(each.uid)) for each in done] == [("a", True)]
    assert done[0].uid != made["metadata"]["uid"]


def test_preconditions(client, space):
    made = client.create(config("a"), space)
    old = made["metadata"]["resourceVersion"]
    client.patch("cm", "a", {"data": {"n": "1"}}, space)
    for wrong in (How(version=old),):
        with pytest.raises(ApiError) as caught:
            client.run(delete_all(client.api, [target(client, "cm", "a", space)], wrong))
        assert caught.value.code == "kube/conflict"
    with pytest.raises(ApiError):
        client.run(delete_all(client.api, [target(client, "cm", "a", space, "another")]))
    assert client.run(delete_all(client.api, [target(client, "cm", "a", space, made["metadata"]["uid"])], How(dry_run=True)))
    assert names(client, space) == {"a"}


def test_the_wait_ends_when_the_object_is_gone_and_says_what_holds_it_before(client, space):
    client.create({**config("a"), "metadata": {"name": "a", "finalizers": ["sloth.test/hold"]}}, space)
    done = client.run(delete_all(client.api, [target(client, "cm", "a", space)]))
    with pytest.raises(KubernetesError) as caught:
        client.run(wait_gone(done, 0))
    assert caught.value.code == "kube/still-there"
    assert f"configmap {space}/a: held by finalizers: sloth.test/hold" in caught.value.detail
    client.patch("cm", "a", {"metadata": {"finalizers": None}}, space)
    client.run(wait_gone(done, 0))
    client.create(config("a"), space)
    client.run(wait_gone(done, 0))  # another one of that name


def test_the_command_line(run, client, space, tmp_path):
    for name in ("a", "b", "c"):
        client.create({**config(name), "metadata": {"name": name, "labels": {"odd": str(name == "b")}}}, space)
    assert run("delete", "cm", "a", "--wait", "30")[:2] == (0, f"configmap {space}/a deleted\n")
    assert run("delete", "cm/b", "--dry-run")[1] == f"configmap {space}/b would be deleted (dry run)\n"
    code, _, err = run("delete", "cm", "-l", "odd=True")
    assert (code, "usage/no-terminal" in err, f"configmap {space}/b" in err) == (2, True, True)
    assert names(client, space) == {"b", "c"}
    assert run("delete", "cm", "-l", "odd=True", "--yes")[0] == 0
    assert names(client, space) == {"c"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config("c")))
    assert run("delete", "-f", "c.yaml")[0] == 0
    assert names(client, space) == set()
    assert run("delete", "-f", "c.yaml")[0] == 15
    assert run("delete", "-f", "-", "--ignore-not-found", stdin=yaml.safe_dump(config("c")))[0] == 0
    code, out, err = run("delete", "cm", "-l", "no=thing")
    assert (code, out, "nothing found" in err) == (0, "", True)


@pytest.mark.parametrize(
    "words",
    [
        (), ("cm",), ("cm", "a", "-l", "x=y"), ("cm", "--all", "-l", "x=y"), ("cm", "a", "-A"), ("cm", "a", "-f", "x.yaml"),
        ("cm", "--all", "--uid", "1"), ("-f", "x.yaml", "--all"), ("cm", "a", "--now", "--force"),
        ("cm", "a", "--now", "--grace-period", "5"), ("cm", "a", "--force", "--grace-period", "5"),
    ],
)  # fmt: skip
def test_what_says_two_things_at_once_is_refused(run, words):
    assert run("delete", *words)[0] == 2


def test_many_objects_and_namespaces_are_asked_for(run, client, space):
    many = [f"n{number}" for number in range(11)]
    assert run("delete", "cm", *many[:10], "--ignore-not-found")[0] == 0
    assert run("delete", "cm", *many, "--ignore-not-found")[0] == 2
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{space}-x"}})
    assert run("delete", "ns", f"{space}-x")[0] == 2
    assert run("delete", "ns", f"{space}-x", "--yes")[0] == 0


@pytest.mark.kube
def test_what_becomes_of_owned_objects(real_run, real_client, real_space, kubectl):
    """As kubectl's --cascade: with `orphan` the ReplicaSet stays, with `foreground` the owner goes last."""
    real_client.create(deployment("web", replicas=1), real_space)
    eventually(lambda: real_client.list("pods", real_space))
    assert real_run("delete", "deploy/web", "--propagation", "orphan", "--wait", "60")[0] == 0
    left = real_client.list("rs", real_space)
    assert [each["metadata"].get("ownerReferences") for each in left] == [None]
    name = left[0]["metadata"]["name"]
    assert real_run("delete", "rs", name, "--cascade", "foreground", "--wait", "60")[0] == 0
    assert real_client.list("pods", real_space) == []
    assert "No resources found" in kubectl("get", "rs,pods", check=False)[2]


def test_how_long_pods_have(run, client, space, server):
    from tests.kube.workloads.things import pod

    for name in "abc":
        client.create(pod(name, labels={"hand": "none"}), space)
    code, _, err = run("delete", "pod", "a", "--force")
    assert (code, "usage/no-terminal" in err) == (2, True)  # what runs on may be two of one then: that is asked
    assert run("delete", "pod", "a", "--force", "--yes", "--wait", "30")[0] == 0
    assert run("delete", "pod", "b", "--grace-period", "0", "--wait", "30")[0] == 0
    assert run("delete", "pod", "c", "--now", "--wait", "30")[0] == 0
    if server.connection.name == "fake":
        return
    from sloth.kube.workloads.deleting import How, Target, delete_all

    call = delete_all(client.api, [Target(client.run(client.kinds.find("pods")), space, "x")], How(grace=1))
    assert b'"gracePeriodSeconds":1' in next(call)[0].body
