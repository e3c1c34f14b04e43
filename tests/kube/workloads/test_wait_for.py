"""`sloth kube wait --for=…`: conditions, values, being there, being gone."""

import threading
from decimal import Decimal

import pytest
import typer
import yaml

from sloth.cli.kube_named import seconds
from sloth.errors import UsageError
from sloth.kube.workloads.awaited import wanted
from tests.kube.test_contract import config
from tests.kube.workloads.things import pod


def status(client, space, name, **fields):
    client.patch("pods", name, {"status": fields}, space, subresource="status")


def condition(kind, value, **more):
    return {"type": kind, "status": value, **more}


def test_a_condition(run, client, space):
    for name in ("web", "db"):
        client.create(pod(name, labels={"hand": "none"}), space)
    status(client, space, "web", conditions=[condition("Odd", "True"), condition("Even", "False", reason="Why")])
    status(client, space, "db", conditions=[condition("Odd", "True")])
    code, out, _ = run("wait", "pod/web", "pod/db", "--for=condition=Odd", "--timeout", "0")
    assert (code, out.splitlines()) == (0, ["pod/web has condition Odd=True", "pod/db has condition Odd=True"])
    assert run("wait", "pods", "web", "--for", "condition=even=false", "--timeout=0")[0] == 0
    code, out, err = run("wait", "pods", "--all", "--for=condition=Even=False", "--timeout", "0s")
    assert (code, out, "kube/not-so" in err, "Pod" in err and "db" in err) == (15, "", True, True)
    assert "web: Odd" not in err


def test_a_condition_of_an_older_generation_does_not_count(run, client, space):
    from tests.kube.workloads.things import deployment

    client.create(deployment("web"), space)
    client.patch("deploy", "web", {"spec": {"replicas": 5}}, space)
    now = client.get("deploy", "web", space)["metadata"]["generation"]
    seen = {"conditions": [condition("Odd", "True")], "observedGeneration": now - 1}
    if run("get", "--raw", "/version")[1].count("1.36.0"):  # the fake has no controllers that would say otherwise at once
        client.patch("deploy", "web", {"status": seen}, space, subresource="status")
        assert run("wait", "deploy/web", "--for=condition=Odd", "--timeout", "0")[0] == 15
        client.patch("deploy", "web", {"status": {"observedGeneration": now}}, space, subresource="status")
        assert run("wait", "deploy/web", "--for=condition=Odd", "--timeout", "0")[0] == 0


def test_a_value(run, client, space):
    client.create({**config("a", phase="up"), "metadata": {"name": "a", "labels": {"app": "x"}}}, space)
    for text in ("jsonpath={.data.phase}=up", "jsonpath='{.data.phase}'=up", "jsonpath=.data.phase=up", "jsonpath={.data.phase}"):
        assert run("wait", "cm/a", f"--for={text}", "--timeout=0")[0] == 0, text
    assert run("wait", "cm", "-l", "app=x", "--for=jsonpath={.data.phase}=up", "--timeout=0")[0] == 0
    for text in ("jsonpath={.data.phase}=down", "jsonpath={.data.nothing}"):
        assert run("wait", "cm/a", f"--for={text}", "--timeout=0")[0] == 15, text
    for text in ("jsonpath={.data}=x", "jsonpath={.data.phase", "jsonpath=", "condition=", "joy"):
        assert run("wait", "cm/a", f"--for={text}", "--timeout=0")[0] == 2, text


def test_gone(run, client, space):
    client.create(config("a"), space)
    client.create(config("b"), space)
    code, _, err = run("wait", "cm/a", "cm/never", "--for=delete", "--timeout=0")
    assert (code, "kube/still-there" in err) == (15, True)
    client.delete("cm", "a", space)
    assert run("wait", "cm/a", "--for=delete", "--timeout=0")[:2] == (0, "configmap/a is gone\n")
    code, out, err = run("wait", "cm", "-l", "no=body", "--for=delete", "--timeout=0")
    assert (code, out, "nothing found" in err) == (0, "", True)


def test_gone_while_it_waits(run, client, space):
    client.create(config("a"), space)
    later = threading.Timer(0.3, client.delete, args=("cm", "a", space))
    later.start()
    assert run("wait", "cm/a", "--for=delete", "--timeout=1m")[0] == 0
    later.join()


def test_there(run, client, space):
    code, _, err = run("wait", "cm/a", "--for=create", "--timeout=0")
    assert (code, "it is not there" in err) == (15, True)
    later = threading.Timer(0.3, client.create, args=(config("a"), space))
    later.start()
    assert run("wait", "cm/a", "--for=create", "--timeout=60")[:2] == (0, "configmap/a is there\n")
    later.join()


def test_a_selector_that_finds_something_later(run, client, space):
    item = {**config("a"), "metadata": {"name": "a", "labels": {"app": "late"}}}
    code, _, err = run("wait", "cm", "-l", "app=late", "--for=create", "--timeout=0")
    assert (code, "kube/nothing-there" in err) == (15, True)
    later = threading.Timer(0.3, client.create, args=(item, space))
    later.start()
    assert run("wait", "cm", "-l", "app=late", "--for=create", "--timeout=60")[:2] == (0, "configmap/a is there\n")
    later.join()
    assert run("wait", "cm", "-l", "app=never", "--for=jsonpath={.data}", "--timeout=0")[0] == 15


def test_what_files_name(run, client, space, tmp_path):
    client.create(config("a"), space)
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(config("a")))
    assert run("wait", "-f", "m.yaml", "--for=create", "--timeout=0")[0] == 0
    assert run("wait", "-f", "m.yaml", "--timeout=0")[1] == "configmap/a is ready\n"


@pytest.mark.parametrize(
    "words",
    [(), ("cm",), ("cm", "a", "--all"), ("cm/a", "-f", "m.yaml"), ("-f", "m.yaml", "--all"), ("cm/a", "--timeout", "soon")],
)
def test_what_says_nothing_or_two_things(run, tmp_path, words):
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(config("a")))
    assert run("wait", *words)[0] == 2


@pytest.mark.kube
def test_kubectl_waits_for_the_same(real_run, real_client, real_space, kubectl):
    item = pod("web", labels={"app": "web", "hand": "none"})
    real_client.create(item, real_space)
    status(real_client, real_space, "web", conditions=[condition("Odd", "True"), condition("Even", "False")])
    real_client.create(config("a", phase="up"), real_space)
    cases = [
        ("pod/web", "condition=Odd"), ("pod/web", "condition=odd=TRUE"), ("pod/web", "condition=Even"),
        ("pod/web", "condition=Even=false"), ("pod/web", "condition=None"), ("cm/a", "jsonpath={.data.phase}=up"),
        ("cm/a", "jsonpath={.data.phase}=down"), ("cm/a", "jsonpath={.data.phase}"), ("cm/a", "jsonpath={.data.none}"),
        ("cm/a", "jsonpath=.data.phase=up"), ("cm/none", "delete"), ("cm/a", "delete"),
        ("cm/a", "create"),
        ("pod/web", 'jsonpath={.status.conditions[?(@.type=="Odd")].status}=True'),
    ]  # fmt: skip
    for what, until in cases:
        hers, *_ = kubectl("wait", what, f"--for={until}", "--timeout=1s", check=False)
        ours, _, err = real_run("wait", what, f"--for={until}", "--timeout=0")
        assert (ours == 0) == (hers == 0), (what, until, err)


def test_times():
    known = {"90": 90, "90s": 90, "5m": 300, "1h30m": 5400, "1.5h": 5400, "250ms": 0.25, "2d": 172800, 300.0: 300, "0": 0}
    assert {text: Decimal(str(seconds(text))) for text in known} == {text: Decimal(str(float(n))) for text, n in known.items()}
    for wrong in ("", "-1", "5x", "m", "1m 5s", "soon", "1:30"):
        with pytest.raises(typer.BadParameter):
            seconds(wrong)


def test_words():
    assert wanted("").word == wanted("ready").word == "ready"
    assert wanted("Delete").word == "delete"
    path = wanted("jsonpath={.items[?(@.a==1)].b}=c")
    assert path.holds({"items": [{"a": 1, "b": "c"}, {"a": 2, "b": "d"}]})
    with pytest.raises(UsageError):
        wanted("delete=now")
