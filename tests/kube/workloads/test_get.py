"""`sloth kube get`: order, columns of labels, pages, files, and forms; kubectl as a check."""

import json
import re

import pytest
import yaml

from tests.kube.test_contract import config
from tests.kube.workloads.things import deployment, pod


def put(client, space, *items):
    for each in items:
        client.create(each, space)


def labelled(name, **labels):
    found = {key.replace("__", "/"): value for key, value in labels.items()}
    return {**config(name), "metadata": {"name": name, "labels": found}}


def column(text, at=0):
    return [line.split()[at] for line in text.splitlines()]


AGE = re.compile(r"\b\d+s\b")
MINE = ("--field-selector", "metadata.name!=kube-root-ca.crt")


@pytest.fixture
def three(client, space):
    """Three config maps with labels and numbers."""
    for name, number, tier in (("web-10", "9", "b"), ("web-9", "10", "a"), ("db", "2Ki", "c")):
        item = labelled(name, app=name.partition("-")[0], x__tier=tier)
        put(client, space, {**item, "data": {"n": number}})


def test_the_order_is_that_of_a_field(run, three):
    assert column(run("get", "cm", *MINE, "--sort-by", ".metadata.name", "--no-headers")[1]) == ["db", "web-10", "web-9"]
    assert column(run("get", "cm", *MINE, "--sort-by", "{.data.n}", "-o", "name")[1]) == [
        "configmap/web-10", "configmap/web-9", "configmap/db",
    ]  # fmt: skip
    items = json.loads(run("get", "cm", *MINE, "--sort-by", ".metadata.labels.x/tier", "-o", "json")[1])["items"]
    assert [each["metadata"]["name"] for each in items] == ["web-9", "web-10", "db"]
    named = run("get", "cm", "web-9", "db", "web-10", "--sort-by", "metadata.name", "--no-headers")[1]
    assert column(named) == ["db", "web-10", "web-9"]


def test_a_field_that_none_has_is_no_order(run, three):
    code, out, err = run("get", "cm", *MINE, "--sort-by", ".spec.nothing")
    assert (code, out, "kube/sort-by" in err) == (2, "", True)
    assert run("get", "secrets", "--sort-by", ".spec.nothing")[0] == 0  # of nothing any order is right
    assert run("get", "cm", "--sort-by", "{.metadata.name")[0] == 2


def test_those_without_the_field_come_first(run, client, space, three):
    put(client, space, config("bare"))
    assert column(run("get", "cm", *MINE, "--sort-by", ".metadata.labels.app", "--no-headers")[1])[0] == "bare"


def test_labels_as_columns(run, client, space, three):
    put(client, space, config("bare"))
    code, out, _ = run("get", "cm", *MINE, "-L", "app,x/tier", "--sort-by", ".metadata.name")
    rows = [line.split() for line in out.splitlines()]
    assert (code, rows[0][-2:], rows[2][0], rows[2][-2:]) == (0, ["APP", "TIER"], "db", ["db", "c"])
    assert rows[1][0] == "bare" and len(rows[1]) == len(rows[2]) - 2
    out = run("get", "cm", "db", "bare", "--show-labels")[1].splitlines()
    assert [line.split()[-1] for line in out] == ["LABELS", "app=db,x/tier=c", "<none>"]


def test_pages(run, server, space, three):
    assert len(run("get", "cm", *MINE, "--chunk-size", "1", "--no-headers")[1].splitlines()) == 3
    assert run("get", "cm", *MINE, "--chunk-size", "2", "-o", "name")[1].split() == [
        "configmap/db", "configmap/web-10", "configmap/web-9",
    ]  # fmt: skip
    assert run("get", "cm", "--chunk-size", "-1")[0] == 2


def test_what_is_not_there(run, three):
    code, out, err = run("get", "cm", "db", "nobody", "--ignore-not-found")
    assert (code, column(out), err) == (0, ["NAME", "db"], "")
    assert run("get", "cm", "nobody", "--ignore-not-found") == (0, "", "")
    for form in ("json", "name", "jsonpath={.kind}"):
        assert run("get", "cm", "nobody", "--ignore-not-found", "-o", form) == (0, "", "")
    assert run("get", "cm", "db", "nobody")[:2] == (15, "")


def test_what_files_name(run, client, space, tmp_path, three):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump_all([config("db"), config("web-9")]))
    assert run("get", "-f", "m.yaml", "-o", "name")[1].split() == ["configmap/db", "configmap/web-9"]
    assert run("get", "-f", "-", "-o", "name", stdin=yaml.safe_dump(config("db")))[1] == "configmap/db\n"
    for words in ((), ("cm", "-f", "m.yaml"), ("-f", "m.yaml", "-A"), ("-f", "m.yaml", "-l", "a=b")):
        assert run("get", *words)[0] == 2


def test_kinds_subresources_and_managers(run, client, space):
    put(client, space, deployment("web"))
    assert column(run("get", "deploy", "--show-kind", "--no-headers")[1]) == ["deployment.apps/web"]
    assert "deployment.apps/web" in run("get", "deploy,cm")[1]
    scale = json.loads(run("get", "deploy", "web", "--subresource", "scale", "-o", "json")[1])
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 2)
    assert run("get", "deploy", "--subresource", "scale")[0] == 2
    assert "managedFields" not in run("get", "deploy", "web", "-o", "yaml")[1]


@pytest.mark.kube
def test_who_owns_what_is_shown_if_asked_for(real_run, real_client, real_space):
    put(real_client, real_space, config("a", n="1"))
    assert "managedFields" in real_run("get", "cm", "a", "-o", "yaml", "--show-managed-fields")[1]


def test_names_of_one_kind_make_one_table(run, three):
    assert column(run("get", "cm/db", "cm/web-9")[1]) == ["NAME", "db", "web-9"]


def test_answers_as_they_are(run):
    assert json.loads(run("get", "--raw", "/version")[1])["major"] == "1"
    assert run("get", "--raw", "/nothing?a=b")[0] == 15
    assert run("get", "--raw", "readyz")[0] == run("get", "cm", "--raw", "/version")[0] == 2


@pytest.mark.kube
def test_kubectl_shows_the_same(real_run, real_client, real_space, kubectl):
    for number, name in enumerate(("web-10", "web-9", "db")):
        item = pod(name, labels={"app": name[:2], "x/tier": "abc"[number]})
        item["spec"]["priority"] = 0
        put(real_client, real_space, item)
    put(real_client, real_space, *(config(f"c{at}", n=n) for at, n in enumerate(("10", "9", "2Ki", "1500m", "1e3", "-1"))))
    words = [
        ("get", "pods", "--sort-by", ".metadata.name"), ("get", "pods", "--sort-by", "{.metadata.labels.x/tier}", "--no-headers"),
        ("get", "pods", "-L", "app,x/tier"), ("get", "pods", "--show-labels"), ("get", "pods", "-L", "app", "--show-labels"),
        ("get", "pods", "--show-kind"), ("get", "pods", "web-9", "db", "--sort-by=.metadata.name", "-o", "name"),
        ("get", "pods", "--sort-by", ".metadata.name", "-o", "custom-columns=N:.metadata.name"), ("get", "all", "--no-headers"),
        ("get", "pods", "nobody", "--ignore-not-found"), ("get", "cm", "--sort-by", ".data.n", "-o", "name"),
        ("get", "cm", "--sort-by", ".data.n", "--no-headers"),
    ]  # fmt: skip
    for each in words:
        hers, ours = kubectl(*each), real_run(*each)[1]
        assert [AGE.sub("AGE", line).split() for line in ours.splitlines()] == [
            AGE.sub("AGE", line).split() for line in hers.splitlines()
        ], each
