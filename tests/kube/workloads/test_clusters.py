"""One question to several clusters."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from sloth.cli import kube_clusters
from sloth.cli.main import app
from sloth.kube import Client
from sloth.testing.kube import FakeKube
from tests.kube.test_contract import config


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Two clusters, `a` and `b`, and `c` that does not answer: `ask("get", "cm")` gives exit code, stdout, stderr."""
    with FakeKube() as one, FakeKube() as two:
        token = one.connection.token.reveal()
        servers = {"a": one.url, "b": two.url, "c": "http://127.0.0.1:9"}
        document = {
            "current-context": "a",
            "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setenv("SLOTH_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.chdir(tmp_path)
        for server, names in ((one, "xy"), (two, "y")):
            with Client(server.connection) as client:
                for name in names:
                    client.create(config(name))

        def words(*words):
            done = CliRunner().invoke(app, ["kube", *words, "--state-dir", str(tmp_path / "state")])
            assert not done.exception or isinstance(done.exception, SystemExit), done.exception
            return done.exit_code, done.stdout, done.stderr

        yield words


def table(text):
    return [line.split()[:2] for line in text.splitlines()]


def test_tables_have_a_column_for_the_cluster(ask):
    code, out, _ = ask("get", "cm", "--clusters", "a,b")
    assert (code, table(out)) == (0, [["CLUSTER", "NAME"], ["a", "x"], ["a", "y"], ["b", "y"]])
    assert table(ask("get", "cm", "--clusters", "b, a", "--no-headers")[1]) == [["b", "y"], ["a", "x"], ["a", "y"]]
    assert ask("get", "cm", "-A", "--clusters", "b")[1].splitlines()[0].split()[:3] == ["CLUSTER", "NAMESPACE", "NAME"]
    assert ask("get", "cm,ns", "--clusters", "a,b")[1].count("CLUSTER") == 2


def test_one_that_fails_does_not_hide_the_others(ask):
    code, out, err = ask("get", "cm", "--all-clusters")
    assert (code, table(out)) == (13, [["CLUSTER", "NAME"], ["a", "x"], ["a", "y"], ["b", "y"]])
    assert "c: http://127.0.0.1:9 does not answer (kube/unreachable)" in err
    code, out, err = ask("get", "cm", "x", "--clusters", "a,b")
    assert (code, table(out)[1:], "b: get configmaps" in err) == (15, [["a", "x"]], True)
    code, out, err = ask("get", "cm", "--clusters", "c,nowhere")
    assert (code, out) == (13, "")
    assert "kube/unknown-context" in err and "kube/unreachable" in err


def test_whole_objects_say_where_they_are_from(ask):
    items = json.loads(ask("get", "cm", "--clusters", "a,b", "-o", "json")[1])["items"]
    assert [(each["metadata"]["annotations"]["sloth.dev/cluster"], each["metadata"]["name"]) for each in items] == [
        ("a", "x"), ("a", "y"), ("b", "y"),
    ]  # fmt: skip
    assert table(ask("get", "cm", "--clusters", "a,b", "-o", "name")[1]) == [
        ["a", "configmap/x"], ["a", "configmap/y"], ["b", "configmap/y"],
    ]  # fmt: skip
    template = r"{range .items[*]}{.metadata.annotations.sloth\.dev/cluster}/{.metadata.name} {end}"
    assert ask("get", "cm", "--clusters", "a,b", "-o", f"jsonpath={template}")[1] == "a/x a/y b/y "


def test_the_clusters_of_sloth_come_before_contexts(ask, monkeypatch):
    from sloth import app as root

    seen = []
    monkeypatch.setattr(root, "known_clusters", lambda options: ["b"])
    monkeypatch.setattr(
        kube_clusters, "_one", lambda where, name, question: seen.append(kube_clusters.place(where, name)) or one(name)
    )

    def one(name):
        from sloth.cli.kube_get import Answer

        return kube_clusters.Result(name, Answer([], "default"))

    ask("get", "cm", "--clusters", "a,b")
    assert sorted((each.options.cluster, each.context) for each in seen) == [("", "a"), ("b", "")]
    seen.clear()
    ask("get", "cm", "--all-clusters")
    assert [each.options.cluster for each in seen] == ["b"]


@pytest.mark.parametrize(
    "words",
    [
        ("--clusters", "a", "--context", "b"),
        ("--all-clusters", "--cluster", "b"),
        ("--clusters", ","),
        ("--clusters", "a", "-o", "xml"),
    ],
)
def test_what_says_two_things_at_once_is_refused(ask, words):
    assert ask("get", "cm", *words)[0] == 2


@pytest.mark.parametrize(
    "form", ["jsonpath", "jsonpath=", "columns=x", "jsonpath={", "jsonpath-file=nowhere", "custom-columns=NAME"]
)
def test_forms_that_are_none(ask, form):
    assert ask("get", "cm", "-o", form)[0] == 2


def test_forms_from_files(ask, tmp_path):
    (tmp_path / "t").write_text("{.metadata.name}!")
    assert ask("get", "cm", "x", "-o", "jsonpath-file=t")[1] == "x!"
    (tmp_path / "c").write_text("N K\n.metadata.name .kind\n")
    assert ask("get", "cm", "x", "-o", "custom-columns-file=c")[1].splitlines() == ["N   K", "x   ConfigMap"]
    assert ask("get", "cm", "x", "-o", "custom-columns=N:.metadata.name", "--no-headers")[1] == "x\n"
