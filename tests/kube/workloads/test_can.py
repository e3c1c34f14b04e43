"""What one may do, as a list and one by one; and the kinds of a cluster."""

import pytest

from sloth.kube.wire import Answer
from sloth.kube.workloads.rights import Right, rights, rows
from tests.kube.workloads.conftest import eventually


def table(text):
    return [line.split() for line in text.splitlines()]


def test_the_list(run):
    eventually(lambda: "*.*" in run("can-i", "--list")[1])  # a server that has just begun makes its roles first
    code, out, _ = run("can-i", "--list")
    found = table(out)
    assert (code, found[0]) == (0, ["RESOURCE", "NAMES", "VERBS"])
    assert ["*.*", "*"] in found
    assert ["*", "*"] in found  # paths
    assert ["*.*", "*"] in table(run("can-i", "--list", "--no-headers")[1])[:1]


def test_one_question(run):
    assert run("can-i", "get", "pods/log")[:2] == (0, "yes\n")
    assert run("can-i", "get", "deploy/web", "--subresource", "scale")[:2] == (0, "yes\n")
    assert run("can-i", "get", "/metrics")[:2] == (0, "yes\n")
    assert run("can-i", "delete", "nodes", "-q") == (0, "", "")
    for words in ((), ("get",), ("get", "pods", "--list")):
        assert run("can-i", *words)[0] == 2


@pytest.mark.kube
def test_who_may_little(real_run, real_client, real_space, kubectl):
    subject = [{"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "few"},
        "rules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
            {"verbs": ["patch"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"]},
        ],
    }  # fmt: skip
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "few"}, "subjects": subject,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"},
    }  # fmt: skip
    real_client.create(role, real_space)
    real_client.create(binding, real_space)
    eventually(lambda: "web" in real_run("can-i", "--list", "--as", "jane")[1])  # the server reads roles from a cache
    out = real_run("can-i", "--list", "--as", "jane")[1]
    assert ["pods/log", "get,list"] in table(out) and ["deployments.apps", "web", "patch"] in table(out)
    hers = kubectl("auth", "can-i", "--list", "--as", "jane")
    assert {line.split()[0] for line in hers.splitlines()[1:] if not line.startswith(" ")} <= {line[0] for line in table(out)}
    for words in (("get", "pods"), ("delete", "pods"), ("patch", "deploy/web"), ("patch", "deploy/db"), ("get", "/metrics")):
        code, answer, _ = kubectl("auth", "can-i", *words, "--as", "jane", check=False)
        split = (words[0], *words[1].split("/")) if words[1].startswith("deploy") else words
        assert real_run("can-i", *split, "--as", "jane")[:2] == (code, answer), words


def test_what_several_rules_say_of_the_same_is_one_row():
    found = [
        Right(("get",), ("pods", "secrets")), Right(("list", "get"), ("pods",)), Right(("*", "get"), ("nodes",)),
        Right(("get",), ("pods",), ("web",)), Right(("get",), paths=("/healthz",)),
    ]  # fmt: skip
    assert rows(found)[1:] == [
        ["nodes", "", "*"], ["pods", "", "get,list"], ["pods", "web", "get"], ["secrets", "", "get"], ["/healthz", "", "get"],
    ]  # fmt: skip


def test_a_list_that_is_not_whole_says_so():
    call = rights("shop")
    assert b'"namespace":"shop"' in next(call).body
    with pytest.raises(StopIteration) as done:
        call.send(Answer(201, b'{"status":{"resourceRules":[],"nonResourceRules":[],"incomplete":true,"evaluationError":"no"}}'))
    assert (done.value.value.rights, done.value.value.incomplete) == ((), "no")


def test_the_kinds(run):
    assert {"deployments.apps", "pods"} <= set(run("api-resources", "-o", "name")[1].split())
    core = table(run("api-resources", "--api-group", "", "--no-headers")[1])
    assert {"pods", "nodes"} <= {line[0] for line in core} and all("v1" in line for line in core)
    whole = run("api-resources", "--no-namespaced", "-o", "name")[1].split()
    assert "nodes" in whole and "pods" not in whole
    assert "pods" in run("api-resources", "--namespaced", "-o", "name")[1].split()
    assert "pods" in run("api-resources", "--categories", "all", "-o", "name")[1].split()
    assert "configmaps" not in run("api-resources", "--categories", "all", "-o", "name")[1].split()
    assert "selfsubjectaccessreviews.authorization.k8s.io" not in run("api-resources", "--verbs", "list,watch", "-o", "name")[1]
    kinds = [line[-1] for line in table(run("api-resources", "--sort-by", "kind", "--no-headers")[1])]
    assert kinds == sorted(kinds)
    assert run("api-resources", "-o", "wide")[1].splitlines()[0].split()[-2:] == ["VERBS", "CATEGORIES"]
