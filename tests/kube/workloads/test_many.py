"""Verbs in several clusters: what comes of each under its name, failures beside it, and one exit code."""

import io
import sys
import threading

import pytest
import yaml

from sloth.cli import kube_many
from sloth.cli.kube_many import everywhere, tabled
from sloth.cli.kube_where import Where
from sloth.errors import KubernetesError
from sloth.kube import Client
from sloth.model.options import Options, Outcome
from sloth.testing.kube import FakeKube
from tests.kube.test_contract import config
from tests.kube.workloads.test_clusters import ask  # noqa: F401  the fixture: clusters a and b, and c that does not answer
from tests.kube.workloads.things import deployment, pod

BOTH = ("--clusters", "a,b")


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Clients of two clusters, and `run("scale", …)` for both."""
    from typer.testing import CliRunner

    from sloth.cli.main import app

    with FakeKube() as one, FakeKube() as other:
        servers = {"a": one, "b": other}
        document = {
            "current-context": "a",
            "clusters": [{"name": name, "cluster": {"server": server.url}} for name, server in servers.items()],
            "users": [{"name": "u", "user": {"token": one.connection.token.reveal()}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        for name, value in (("KUBECONFIG", "config"), ("SLOTH_CACHE_DIR", "cache"), ("SLOTH_DATA_DIR", "data")):
            monkeypatch.setenv(name, str(tmp_path / value))
        monkeypatch.chdir(tmp_path)

        def run(*words, stdin=""):
            done = CliRunner().invoke(app, ["kube", *words], input=stdin)
            assert not done.exception or isinstance(done.exception, SystemExit), done.exception
            return done.exit_code, done.stdout, done.stderr

        with Client(one.connection) as first, Client(other.connection) as second:
            yield run, first, second


def test_what_comes_of_each_is_under_its_name(two):
    run, one, other = two
    for client in (one, other):
        client.create(deployment("web"))
    assert run("scale", "deploy/web", "--replicas", "5", *BOTH)[:2] == (
        0,
        "==> a <==\ndeployment/web has 5 replicas now\n\n==> b <==\ndeployment/web has 5 replicas now\n",
    )
    assert [client.get("deploy", "web")["spec"]["replicas"] for client in (one, other)] == [5, 5]
    code, out, _ = run("describe", "deploy/web", *BOTH)
    assert (code, out.count("==> "), out.count("Name:")) == (0, 2, 2) or (code, out.count("==> ")) == (0, 2)
    code, out, _ = run("rollout", "restart", "deploy/web", *BOTH)
    assert (code, out.count("deployment/web restarts")) == (0, 2)


def test_one_that_fails_does_not_hide_the_others(two):
    run, one, _ = two
    one.create(deployment("web"))
    code, out, err = run("scale", "deploy/web", "--replicas", "3", *BOTH)
    assert (code, out) == (15, "==> a <==\ndeployment/web has 3 replicas now\n")
    assert "b: " in err and "kube/not-found" in err and "a: " not in err
    code, out, err = run("scale", "deploy/none", "--replicas", "3", *BOTH)
    assert (code, out, err.count("kube/not-found")) == (15, "", 2)


def test_standard_input_is_for_all(two):
    run, one, other = two
    code, out, _ = run("apply", "-f", "-", *BOTH, stdin=yaml.safe_dump(config("c", n="1")))
    assert (code, out.count("1 to create")) == (0, 2)
    assert [client.get("cm", "c")["data"] for client in (one, other)] == [{"n": "1"}, {"n": "1"}]
    other.patch("cm", "c", {"data": {"n": "2"}})
    code, out, _ = run("diff", "-f", "-", *BOTH, "--force-conflicts", stdin=yaml.safe_dump(config("c", n="1")))
    first, second = out.split("==> b <==")
    assert (code, "data.n" in first, "data.n: 2 → 1" in second) == (0, False, True)
    assert run("diff", "-f", "-", "--out", "plan", *BOTH, stdin=yaml.safe_dump(config("c")))[0] == 2
    assert run("delete", "-f", "-", *BOTH, stdin=yaml.safe_dump(config("c")))[0] == 0
    assert run("get", "cm", "c", *BOTH)[0] == 15


def test_questions_say_which_cluster(two, monkeypatch):
    run, one, other = two
    for client, names in ((one, "xy"), (other, "z")):
        for name in names:
            client.create(config(name))
    from sloth import app

    asked, lock = [], threading.Lock()

    def confirm(question):
        assert lock.acquire(blocking=False), "two ask at once"
        asked.append(question)
        lock.release()

    monkeypatch.setattr(app, "confirm", confirm)
    code, _, err = run("delete", "cm", "--all", *BOTH)
    assert (code, sorted(asked)) == (0, ["a: delete these 2 objects?", "b: delete these 1 objects?"])
    assert {"a: configmap default/x", "b: configmap default/z"} <= set(err.splitlines())


def test_tables_become_one(two):
    run, one, other = two
    for client in (one, other):
        for at in range(2):
            meta = {"name": f"e{at}", "namespace": "default"}
            client.create({
                "apiVersion": "v1", "kind": "Event", "metadata": meta, "type": "Normal", "reason": "Why", "message": "m",
                "involvedObject": {"kind": "Pod", "name": "p"}, "lastTimestamp": f"2026-01-01T00:00:0{at}Z",
            })  # fmt: skip
    lines = [line.split() for line in run("events", *BOTH)[1].splitlines()]
    assert (lines[0][0], [line[0] for line in lines[1:]]) == ("CLUSTER", ["a", "a", "b", "b"])
    assert len(run("events", *BOTH, "--no-headers")[1].splitlines()) == 4
    lines = [line.split() for line in run("can-i", "create", "pods", *BOTH)[1].splitlines()]
    assert lines == [["CLUSTER", "ANSWER"], ["a", "yes"], ["b", "yes"]]
    assert [line.split()[0] for line in run("can-i", "--list", *BOTH)[1].splitlines()] == ["CLUSTER", "a", "a", "b", "b"]


def test_waiting_in_all(two):
    run, one, other = two
    one.create(config("c", phase="up"))
    other.create(config("c", phase="down"))
    code, out, err = run("wait", "cm/c", "--for=jsonpath={.data.phase}=up", "--timeout=0", *BOTH)
    assert (code, out.count("==>"), "b: " in err, "kube/not-so" in err) == (15, 1, True, True)


def test_a_cluster_that_does_not_answer(ask):  # noqa: F811
    code, out, err = ask("describe", "cm/x", "--all-clusters")
    assert (code, "==> a <==" in out, "==> c <==" in out) == (15, True, False)
    assert "c: http://127.0.0.1:9 does not answer (kube/unreachable)" in err
    assert "b: " in err  # has no x; the exit code is the first one's in the order of their names
    assert ask("describe", "cm", "--clusters", "a", "--context", "b")[0] == 2


def test_logs_say_where_they_are_from(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from sloth.cli.main import app
    from sloth.testing import kube_logs

    with FakeKube() as one, FakeKube() as other:
        servers = {"a": one, "b": other}
        document = {
            "current-context": "a",
            "clusters": [{"name": name, "cluster": {"server": server.url}} for name, server in servers.items()],
            "users": [{"name": "u", "user": {"token": one.connection.token.reveal()}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        for name, value in (("KUBECONFIG", "config"), ("SLOTH_CACHE_DIR", "cache"), ("SLOTH_DATA_DIR", "data")):
            monkeypatch.setenv(name, str(tmp_path / value))
        monkeypatch.chdir(tmp_path)
        for name, server in servers.items():
            with Client(server.connection) as client:
                client.create(pod("web"))
            kube_logs.write(server.state, "web", f"from {name}")
        done = CliRunner().invoke(app, ["kube", "logs", "web", *BOTH])
        assert (done.exit_code, sorted(done.stdout.splitlines())) == (
            0, ["[a/pod/web/app] from a", "[b/pod/web/app] from b"],
        )  # fmt: skip


def out_of(outcome):
    """What an outcome writes."""
    if outcome.text or not outcome.show:
        return outcome.text
    before, sys.stdout = sys.stdout, io.StringIO()
    try:
        outcome.show(Options())
        return sys.stdout.getvalue()
    finally:
        sys.stdout = before


def test_the_order_is_that_of_the_names_and_the_code_the_first_failures(monkeypatch):
    monkeypatch.setattr(kube_many, "place", lambda where, name: where)
    turn = threading.Barrier(3)
    said = []
    monkeypatch.setattr(Where, "say", lambda self, text: said.append((self.label, text)))

    def verb(where):
        turn.wait(30)  # so they are side by side
        if where.label == "b":
            raise KubernetesError("kube/some", "no good", detail="one\ntwo", hint="do this")
        return Outcome("K", text=where.label, exit=1 if where.label == "c" else 0)

    found = everywhere(Where(Options()), ["a", "b", "c"], verb)
    assert (out_of(found), found.exit) == ("==> a <==\na\n\n==> c <==\nc\n", 15)
    assert said == [("b", "no good (kube/some)\n  one\n  two\n  try: do this")]


def test_a_defect_is_not_taken_for_an_answer(monkeypatch):
    monkeypatch.setattr(kube_many, "place", lambda where, name: where)

    def verb(where):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        everywhere(Where(Options()), ["a", "b"], verb)


def test_tables_of_different_versions(monkeypatch):
    monkeypatch.setattr(kube_many, "place", lambda where, name: where)
    tables = {"a": [["NAME", "AGE"], ["x", "1s"]], "b": [["AGE", "NEW", "NAME"], ["2s", "n", "y"]], "c": [["NAME", "AGE"]]}
    found = everywhere(Where(Options()), list(tables), lambda where: tabled("T", tables[where.label]))
    assert [line.split() for line in found.text.splitlines()] == [["CLUSTER", "NAME", "AGE"], ["a", "x", "1s"], ["b", "y", "2s"]]


def test_two_namespaces_of_a_server_as_two_clusters(run, client, space, tmp_path):
    """The same on the real server, which the two fakes stand for above."""
    other = f"{space}-2"
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    document = yaml.safe_load((tmp_path / "config").read_text())
    document["contexts"].append({"name": "there", "context": {"cluster": "c", "user": "u", "namespace": other}})
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    text = yaml.safe_dump_all([config("c", phase="up"), deployment("web", replicas=1)])
    several = ("--clusters", "here,there")
    code, out, _ = run("apply", "-f", "-", "--set", "shop", *several, stdin=text)
    assert (code, out.count("2 to create")) == (0, 2)
    assert [client.get("cm", "c", each)["data"] for each in (space, other)] == [{"phase": "up"}] * 2
    assert run("diff", "-f", "-", *several, stdin=text)[1].count("nothing to apply") in (0, 2)
    assert run("scale", "deploy/web", "--replicas", "2", *several)[1].count("has 2 replicas now") == 2
    code, out, _ = run("wait", "cm/c", "--for=jsonpath={.data.phase}=up", "--timeout", "0", *several)
    assert (code, out.count("has {.data.phase}=up")) == (0, 2)
    lines = [line.split() for line in run("history", "shop", *several)[1].splitlines()]
    assert (lines[0][:2], [line[0] for line in lines[1:]]) == (["CLUSTER", "APPLY"], ["here", "there"])
    client.delete("cm", "c", other)
    code, out, err = run("delete", "cm/c", *several)
    assert (code, out, "there: " in err) == (15, f"==> here <==\nconfigmap {space}/c deleted\n", True)


def test_changes_of_several_clusters(two, monkeypatch):
    """Rows of both as they come, under one first line; the one that cannot is said at once."""
    import time

    from sloth.cli.kube_get import Question
    from sloth.cli.kube_watch import watch_objects
    from tests.kube.workloads.test_get_watch import Screen

    _, one, other = two
    one.create(config("x"))
    screen, stop, said = Screen(), threading.Event(), []
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(Where, "say", lambda self, text: said.append((self.label, text)))
    question = Question(["cm"])
    thread = threading.Thread(
        target=watch_objects, args=(Where(Options()), question, "a,b,nowhere"), kwargs={"stop": stop}, daemon=True
    )
    thread.start()
    screen.until("x")
    other.create(config("y"))
    screen.until("y")
    one.delete("cm", "x")
    screen.until("\n", 4)
    rows = [line.split()[:2] for line in screen.text.splitlines()]
    assert rows == [["CLUSTER", "NAME"], ["a", "x"], ["b", "y"], ["a", "x"]]
    while not said:
        time.sleep(0.01)
    assert (said[0][0], "kube/unknown-context" in said[0][1]) == ("nowhere", True)
    stop.set()
    one.create(config("end"))
    other.create(config("end"))
    thread.join(60)
    assert not thread.is_alive()
