"""kubectl as the judge, against the real API server: what it applies, what it sees as changed, and whose set it would prune."""

import os
import secrets
import subprocess

import pytest
import yaml

from sloth.kube.applying.inventory import set_id
from sloth.kube.applying.plan import ApplySet
from sloth.kube.applying.unchanged import unchanged
from tests.kube.applying.corpus import changed, items
from tests.kube.test_contract import CRD, config, deployment

pytestmark = pytest.mark.kube


@pytest.fixture
def server(real_server):
    """Only the real one."""
    return real_server


@pytest.fixture
def kubectl(run, tmp_path, kubectl_path):
    """`kubectl(*words, stdin=…)`: the finished process; `run` has written the kubeconfig."""
    env = {"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config"), "PATH": os.environ["PATH"], "KUBECTL_APPLYSET": "true"}

    def called(*words, stdin=""):
        command = [str(kubectl_path), *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=env, check=False)

    return called


@pytest.fixture
def other(client):
    """A second namespace, for kubectl."""
    name = f"k-{secrets.token_hex(4)}"
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def bare(item):
    """Without what tells one object from its twin in another namespace."""
    meta = {
        key: value for key, value in item["metadata"].items()
        if key not in ("namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")
    }  # fmt: skip
    owners = [
        {key: value for key, value in each.items() if key != "time"}
        for each in item["metadata"].get("managedFields", ())
        if each["manager"] == "sloth"
    ]
    spec = {key: value for key, value in (item.get("spec") or {}).items() if key not in ("clusterIP", "clusterIPs")}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta, "spec": spec, "owners": owners}


def twins(client, ours, theirs, listed):
    for item in listed:
        name, kind = item["metadata"]["name"], f"{item['apiVersion']}/{item['kind']}"
        yield name, bare(client.get(kind, name, ours)), bare(client.get(kind, name, theirs))


def test_the_result_is_that_of_kubectl_apply(apply, client, space, other, kubectl):
    for listed in (items(), changed(), items()):
        apply(*listed)
        done = kubectl(
            "apply", "--server-side", "--field-manager=sloth", "-n", other, "-f", "-", stdin=yaml.safe_dump_all(listed)
        )
        assert done.returncode == 0, done.stderr
        for name, one, two in twins(client, space, other, listed):
            assert one == two, name


def test_kubectl_diff_sees_the_same_changes(apply, plan, client, space, kubectl):
    apply(*items())
    after = changed()
    by_name = {each.entry.name: each.action for each in plan(*after).changes}
    seen = set()
    for item in after:
        words = ("diff", "--server-side", "--field-manager=sloth", "-n", space, "-f", "-")
        done = kubectl(*words, stdin=yaml.safe_dump(item))
        assert done.returncode in (0, 1), done.stderr
        name = item["metadata"]["name"]
        assert by_name[name] == ("change" if done.returncode else "same"), (name, done.stdout)
        seen.add(by_name[name])
    assert seen == {"change", "same"}


def test_what_is_proved_unchanged_is_unchanged_for_the_server(apply, client, space):
    """The short cut has no false positive, and takes most objects."""
    apply(*items())
    proved = []
    for item in [*items(), *changed()]:
        kind, name = f"{item['apiVersion']}/{item['kind']}", item["metadata"]["name"]
        live = client.get(kind, name, space)
        sent = {**item, "metadata": {**item["metadata"], "namespace": space}}
        if unchanged(sent, live, "sloth"):
            proved.append(name)
            after = client.apply(sent, space, dry_run=True)
            assert after == live, name
    # The server writes quantities in its own form, fills defaults into lists that it takes as a whole, and keeps no stringData.
    odd = {"web", "plain", "claim", "limits", "policy", "state"}
    assert set(proved) >= {item["metadata"]["name"] for item in items()} - odd


@pytest.mark.parametrize("reader", ["label", "annotation", "data"])
def test_a_touch_by_somebody_else_is_no_longer_proved(apply, client, space, reader):
    apply(config("a", n="1"))
    item = {**config("a", n="1"), "metadata": {"name": "a", "namespace": space}}
    assert unchanged(item, client.get("cm", "a", space), "sloth")
    if reader == "data":
        client.patch("cm", "a", {"data": {"n": "2"}}, space)
        assert not unchanged(item, client.get("cm", "a", space), "sloth")
    else:
        client.patch("cm", "a", {"metadata": {f"{reader}s": {"x": "y"}}}, space)
        assert unchanged(item, client.get("cm", "a", space), "sloth")  # not ours: an apply leaves it
    more = {**item, "data": {"n": "1", "m": "1"}}
    less = {**item, "data": {}}
    assert not unchanged(more, client.get("cm", "a", space), "sloth")
    assert not unchanged(less, client.get("cm", "a", space), "sloth")
    assert not unchanged(item, client.get("cm", "a", space), "other")


def test_many_objects_are_looked_at_by_a_list_and_not_asked_again(apply, plan, client, space, monkeypatch):
    listed = [config(f"c-{at}", n=str(at)) for at in range(30)]
    apply(*listed)
    sent = []
    answer = client.wire.answer
    monkeypatch.setattr(
        client.wire, "answer", lambda request, *rest, **more: sent.append(request) or answer(request, *rest, **more)
    )
    assert {each.action for each in plan(*listed).changes} == {"same"}
    assert [(each.method, each.path) for each in sent] == [("GET", f"/api/v1/namespaces/{space}/configmaps")]


def test_kubectl_takes_a_set_over_and_prunes_it(apply, client, space, kubectl):
    """By KEP-3659 a tool refuses the sets of another; but for the name of the tool, ours are as kubectl wants them."""
    chosen = ApplySet("app", space)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    apply(config("a"), config("b"), deployment("web"), service, chosen=chosen)
    words = (
        "apply", "--server-side", "--field-manager=sloth", "-n", space, "--prune", "--applyset=configmaps/app", "-f", "-",
    )  # fmt: skip
    done = kubectl(*words, stdin=yaml.safe_dump(config("a")))
    assert done.returncode == 1
    assert 'managed by tooling "sloth"' in done.stderr
    notes = {"applyset.kubernetes.io/tooling": "kubectl/v1.36.3"}
    client.patch("cm", "app", {"metadata": {"annotations": notes}}, space)
    done = kubectl(*words, stdin=yaml.safe_dump(config("a")))
    assert done.returncode == 0, done.stderr
    assert sorted(line for line in done.stdout.splitlines() if line.endswith("pruned")) == [
        "configmap/b pruned", "deployment.apps/web pruned", "service/s pruned",
    ]  # fmt: skip
    assert client.get("cm", "a", space)
    assert "b" not in {item["metadata"]["name"] for item in client.list("cm", space)}


def test_kubectl_finds_the_members_of_a_set_by_its_id(apply, client, space, kubectl):
    apply(config("a"), deployment("web"), chosen=ApplySet("app", space))
    label = f"applyset.kubernetes.io/part-of={set_id('app', space)}"
    done = kubectl("get", "cm,deploy", "-n", space, "-l", label, "-o", "name")
    assert done.stdout.split() == ["configmap/a", "deployment.apps/web"]


def test_every_object_of_the_corpus_is_valid(client):
    from sloth.kube.applying.checking import check_all
    from sloth.kube.applying.manifests import read
    from tests.kube.applying.corpus import TEXT

    assert CRD["kind"] == "CustomResourceDefinition"
    found = read([("corpus.yaml", f"{TEXT}---\n{yaml.safe_dump(CRD)}".encode())])
    checked = client.run(check_all(client.api, found))
    assert (checked.findings, checked.unknown) == ((), ())
