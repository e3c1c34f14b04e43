"""Fields that are for good: explained, and made anew only when asked for. What is immutable only a real server knows."""

import secrets
import threading

import pytest
import yaml

from sloth.errors import KubernetesError, ManyErrors
from sloth.kube import ApiError
from sloth.kube.applying.inventory import KEEP
from tests.kube.test_contract import deployment


def fixed_config(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "immutable": True, "data": data}


def fixed_secret(value):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "immutable": True, "stringData": {"word": value}}


def binding(role):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "u"}],
    }  # fmt: skip


def other_selector(name):
    item = deployment(name)
    item["spec"]["selector"]["matchLabels"] = item["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    return item


def job(image):
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": image}]}}},
    }  # fmt: skip


def stateful(service):
    item = {**deployment("st"), "kind": "StatefulSet"}
    item["spec"] = {**item["spec"], "serviceName": service}
    return item


def storage(name, kind):
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}, "provisioner": "example.org/x",
        "parameters": {"type": kind},
    }  # fmt: skip


def claim(size, access="ReadWriteOnce"):
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"},
        "spec": {"accessModes": [access], "storageClassName": "none", "resources": {"requests": {"storage": size}}},
    }  # fmt: skip


def service(address):
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"},
        "spec": {"clusterIP": address, "ports": [{"port": 80}], "selector": {"a": "b"}},
    }  # fmt: skip


PAIRS = {
    "ConfigMap": (fixed_config(n="1"), fixed_config(n="2"), "data", "pods that start"),
    "Secret": (fixed_secret("aaa-1"), fixed_secret("bbb-2"), "data", "pods that start"),
    "RoleBinding": (binding("view"), binding("edit"), "roleRef", "away for a moment"),
    "Deployment": (deployment("web"), other_selector("web"), "spec.selector", "its pods end"),
    "Job": (job("a:1"), job("a:2"), "spec.template", "runs again"),
    "StatefulSet": (stateful("one"), stateful("two"), "spec", "claims of its pods"),
    "PersistentVolumeClaim": (claim("1Gi"), claim("1Gi", "ReadWriteMany"), "spec", "ALL DATA"),
    # Of the lowest 16, which Services that name no address are given last (kubernetes.io: Service ClusterIP allocation).
    "Service": (service("10.0.0.7"), service("10.0.0.8"), "spec.clusterIPs[0]", "another cluster address"),
}


@pytest.fixture
def server(real_server):
    """Only the real one has immutable fields."""
    return real_server


@pytest.fixture
def collector(client, space):
    """Who does the garbage collector's work, which an API server alone has not: finish foreground deletions."""
    stop = threading.Event()

    def work():
        while not stop.wait(0.05):
            for kind in ("deployments", "statefulsets", "jobs"):
                for item in client.list(kind, space):
                    if item["metadata"].get("deletionTimestamp") and item["metadata"].get("finalizers"):
                        left = [each for each in item["metadata"]["finalizers"] if each != "foregroundDeletion"]
                        client.patch(kind, item["metadata"]["name"], {"metadata": {"finalizers": left}}, space)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.kube
@pytest.mark.parametrize("kind", PAIRS)
def test_the_field_and_what_it_means_are_told(apply, plan, client, space, kind):
    before, after, field, means = PAIRS[kind]
    apply(before)
    with pytest.raises(KubernetesError) as caught:
        plan(after)
    error = caught.value
    assert error.code == "kube/immutable"
    assert f"  {field}: " in error.detail
    assert means in error.detail
    assert "--recreate" in error.hint
    assert error.where.startswith("test.yaml:")
    assert "aaa-1" not in error.detail + error.summary
    assert "bbb-2" not in error.detail + error.summary
    assert "YmJi" not in error.detail
    client.delete(kind, before["metadata"]["name"], space)


@pytest.mark.kube
@pytest.mark.parametrize("kind", PAIRS)
def test_it_is_made_anew_only_when_asked_for(apply, plan, client, space, collector, kind):
    before, after, _, _ = PAIRS[kind]
    apply(before)
    name = before["metadata"]["name"]
    uid = client.get(kind, name, space)["metadata"]["uid"]
    (change,) = plan(after, recreate=True).changes
    assert (change.action, bool(change.why)) == ("recreate", True)
    assert client.get(kind, name, space)["metadata"]["uid"] == uid
    if kind == "PersistentVolumeClaim":  # its protection controller is not there either
        client.patch("pvc", name, {"metadata": {"finalizers": None}}, space)
    apply(after, recreate=True)
    assert client.get(kind, name, space)["metadata"]["uid"] != uid
    assert {each.action for each in plan(after).changes} == {"same"}


@pytest.mark.kube
def test_what_would_not_be_taken_back_is_not_deleted(apply, client, space):
    apply(fixed_config(n="1"))
    wrong = {**fixed_config(n="2"), "data": {"bad key!": "1"}}
    with pytest.raises((ApiError, ManyErrors)):
        apply(wrong, recreate=True)
    assert client.get("cm", "c", space)["data"] == {"n": "1"}


@pytest.mark.kube
def test_what_asks_to_be_kept_is_never_made_anew(apply, plan, client, space):
    kept = {**fixed_config(n="1"), "metadata": {"name": "c", "annotations": {KEEP: "true"}}}
    apply(kept)
    with pytest.raises(KubernetesError) as caught:
        plan({**kept, "data": {"n": "2"}}, recreate=True)
    assert caught.value.code == "kube/immutable"
    assert "--recreate" not in caught.value.hint


@pytest.mark.kube
def test_kinds_of_the_whole_cluster(apply, plan, client):
    name = f"class-{secrets.token_hex(3)}"
    apply(storage(name, "a"))
    with pytest.raises(KubernetesError) as caught:
        plan(storage(name, "b"))
    assert "parameters" in caught.value.detail
    apply(storage(name, "b"), recreate=True)
    assert client.get("sc", name)["parameters"] == {"type": "b"}
    client.delete("sc", name)


@pytest.mark.kube
def test_a_plain_mistake_is_no_immutable_field(apply, plan, client):
    apply(deployment("web"))
    with pytest.raises(ApiError) as caught:
        plan(deployment("web", replicas=-1), recreate=True)
    assert caught.value.code == "kube/invalid"
    assert caught.value.where.startswith("test.yaml:")


@pytest.mark.kube
def test_the_command_line_asks_before(run, client, space, tmp_path):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(fixed_config(n="1")))
    assert run("apply", "-f", "m.yaml")[0] == 0
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(fixed_config(n="2")))
    code, _, err = run("apply", "-f", "m.yaml")
    assert code == 15
    assert "kube/immutable" in err
    code, out, _ = run("diff", "-f", "m.yaml", "--recreate")
    assert f"± configmap {space}/c" in out
    assert "1 to make anew" in out
    assert run("apply", "-f", "m.yaml", "--recreate")[0] == 2
    assert run("apply", "-f", "m.yaml", "--recreate", "--yes")[0] == 0
    assert client.get("cm", "c", space)["data"] == {"n": "2"}
