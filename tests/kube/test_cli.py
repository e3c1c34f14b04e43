"""`sloth kube`: against the fake and the real API server, through a kubeconfig file."""

import json
import subprocess
import sys

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from sloth.cli.main import app
from sloth.testing.kube import Fault
from tests.kube.command import command
from tests.kube.test_contract import config


@pytest.fixture
def run(server, space, tmp_path, monkeypatch):
    """`run("get", "cm")` in the test's own namespace: exit code, stdout, stderr."""
    return command(server.connection, space, tmp_path, monkeypatch)


def test_tables(run, client, space):
    client.create(config("a"), space)
    code, out, _ = run("get", "cm", "--field-selector", "metadata.name=a")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "a"]
    assert run("get", "cm", "a", "--no-headers")[1].split()[0] == "a"
    code, out, _ = run("get", "cm", "-A", "--field-selector", "metadata.name=a")
    assert out.splitlines()[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert [space, "a"] in [line.split()[:2] for line in out.splitlines()]


def test_whole_objects(run, client, space):
    client.create(config("a", n="1"), space)
    client.create(config("b", n="2"), space)
    one = json.loads(run("get", "cm", "a", "-o", "json")[1])
    assert (one["kind"], one["data"]) == ("ConfigMap", {"n": "1"})
    assert "managedFields" not in one["metadata"]
    two = yaml.safe_load(run("get", "cm/a", "cm/b", "-o", "yaml")[1])
    assert two["kind"] == "List"
    assert [item["data"]["n"] for item in two["items"]] == ["1", "2"]
    assert run("get", "cm", "a", "b", "-o", "name")[1].split() == ["configmap/a", "configmap/b"]


def test_failures_are_sloths(run):
    code, out, err = run("get", "cm", "nothing")
    assert (code, out) == (15, "")
    assert "kube/not-found" in err
    assert run("get", "wombats")[0] == 2
    assert run("get", "cm/a", "b")[0] == 2
    code, out, err = run("get", "pods")
    assert (code, out) == (0, "")
    assert "nothing found in namespace" in err


def test_what_there_is_and_what_i_may(run):
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in [
        line.split() for line in run("api-resources")[1].splitlines()
    ]
    assert run("can-i", "create", "pods")[:2] == (0, "yes\n")


def test_another_context_that_is_not_there(run):
    code, _, err = run("get", "pods", "--context", "elsewhere")
    assert code == 2
    assert "kube/unknown-context" in err


def test_the_kinds_of_a_category(run, client, space):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    client.create(service, space)
    code, out, _ = run("get", "all")
    assert code == 0
    assert "service/s" in out


def test_apply_and_diff(run, client, space, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.yaml").write_text(yaml.safe_dump(config("a", n="1")))
    (tmp_path / "m" / "b.yml").write_text(yaml.safe_dump(config("b", n="1")))
    code, out, _ = run("diff", "-f", "m")
    assert (code, out.splitlines()) == (0, [f"+ configmap {space}/a", f"+ configmap {space}/b", "2 to create"])
    assert run("apply", "-f", "m", "--set", "app")[0] == 0
    (tmp_path / "m" / "b.yml").unlink()
    code, out, _ = run("apply", "-f", "-", "--set", "app", stdin=yaml.safe_dump(config("a", n="2")))
    assert out.splitlines() == [f"~ configmap {space}/a", "    data.n: 1 → 2", "1 to change"]
    assert client.get("cm", "a", space)["data"] == {"n": "2"}


def test_pruning_is_asked_for(run, client, space, tmp_path):
    (tmp_path / "two.yaml").write_text(yaml.safe_dump_all([config("a"), config("b")]))
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(config("a")))
    run("apply", "-f", "two.yaml", "--set", "app")
    assert run("apply", "-f", "one.yaml", "--prune")[0] == 2
    code, _, err = run("apply", "-f", "one.yaml", "--set", "app", "--prune")
    assert code == 2
    assert "usage/no-terminal" in err
    assert client.get("cm", "b", space)
    code, out, _ = run("apply", "-f", "one.yaml", "--set", "app", "--prune", "--yes")
    assert f"- configmap {space}/b" in out
    assert run("get", "cm", "b")[0] == 15
    assert run("apply", "-f", "nowhere")[0] == 2


def test_waiting(run, client, space):
    client.create(config("a"), space)
    assert run("wait", "cm/a")[:2] == (0, "configmap/a is ready\n")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    item = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"}, "spec": claim}
    client.create(item, space)
    code, _, err = run("wait", "pvc", "p", "--timeout", "0")
    assert code == 15
    assert "kube/not-healthy" in err
    assert run("wait", "cm")[0] == 2


def test_another_user(run, server):
    code, _, _ = run("get", "namespaces", "--as", "nobody", "--as-group", "none")
    assert code == (0 if server.connection.name == "fake" else 15)  # the fake knows no rights


def test_logs_are_passed_on_as_they_are(fake, tmp_path, monkeypatch):
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": fake.url}}],
        "users": [{"name": "x", "user": {"token": fake.connection.token.reveal()}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    body = b"caf\xc3\xa9 \xff\x00\x1b[31m\n" * 1000
    fake.faults.append(Fault(when=lambda method, target: "/pods/web/log" in target, status=200, body=body))
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
    words = ["kube", "logs", "web", "-c", "app", "--tail", "5", "--kubeconfig", str(tmp_path / "config")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert done.stdout_bytes == body
    assert fake.requests[-1][1] == "/api/v1/namespaces/default/pods/web/log?container=app&tailLines=5"


def test_the_cluster_of_the_spec_in_this_folder_comes_before_the_users_kubeconfig(fake, tmp_path, monkeypatch):
    from sloth import reach
    from sloth.model.record import Record

    entry = {
        "clusters": [{"name": "s", "cluster": {"server": fake.url}}],
        "users": [{"name": "s", "user": {"token": "fake-token-0123456789"}}],
    }
    text = yaml.safe_dump(
        {**entry, "current-context": "s", "contexts": [{"name": "s", "context": {"cluster": "s", "user": "s"}}]}
    )
    monkeypatch.setattr(reach, "administrator", lambda options: (Record(cluster="s"), text))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["kube", "get", "namespaces"]).exit_code == 2  # no sloth.yaml here
    (tmp_path / "sloth.yaml").write_text("")
    done = CliRunner().invoke(app, ["kube", "get", "namespaces"])
    assert (done.exit_code, "kube-system" in done.stdout) == (0, True)


def flat(group, before=""):
    """Verbs by their words, those of groups such as `rollout status` too."""
    found = {}
    for name, each in group.commands.items():
        found |= flat(each, f"{before}{name} ") if hasattr(each, "commands") else {f"{before}{name}": each}
    return found


KUBE = flat(get_command(app).commands["kube"])
SHARED = {
    "--namespace",
    "--context",
    "--kubeconfig",
    "--cluster",
    "--as",
    "--as-group",
    "--no-color",
    "--debug",
    "--state-dir",
    "--state",
}


def test_all_verbs_are_there():
    rollout = {f"rollout {verb}" for verb in ("status", "history", "undo", "restart", "pause", "resume")}
    assert set(KUBE) >= {"get", "apply", "diff", "wait", "logs", "api-resources", "can-i", *rollout}
    assert set(KUBE) >= {"history", "rollback", "validate"}
    assert set(KUBE) >= {"delete", "scale", "cordon", "uncordon", "drain", "events", "describe", "top", "whoami"}


@pytest.mark.parametrize("verb", KUBE)
def test_every_verb_has_help_and_the_shared_options(verb):
    names = [name for parameter in KUBE[verb].params for name in parameter.opts]
    assert set(names) >= SHARED
    assert len(names) == len(set(names))  # two options of one name: the later one would win silently
    done = CliRunner().invoke(app, ["kube", *verb.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == 0
    assert (KUBE[verb].help or "").splitlines()[0][:30] in done.stdout


def test_other_verbs_do_not_load_the_client(tmp_path):
    text = (
        "import sys\nfrom sloth.cli.main import app\n"
        "for words in (['init', 'demo'], ['validate', '-f', 'sloth.yaml']):\n"
        "    try:\n        app(words, prog_name='sloth')\n    except SystemExit as left:\n        assert not left.code\n"
        "    sys.stdout.flush()\n"
        "assert not {'httpx2', 'httpcore2', 'msgspec', 'sloth.kube'} & set(sys.modules)\n"
    )
    spec = CliRunner().invoke(app, ["init", "demo"]).stdout
    (tmp_path / "sloth.yaml").write_text(spec)
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
