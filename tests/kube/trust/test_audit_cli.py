"""`sloth kube` writes the audit log, and `sloth audit` reads it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sloth.cli.main import app
from sloth.kube.audit.journal import Journal

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guide"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: greeting}\ndata: {text: hello}\n"


@pytest.fixture
def run(fake, tmp_path, monkeypatch):
    token = next(iter(fake.tokens))
    (tmp_path / "config").write_text(
        f"current-context: x\nclusters: [{{name: x, cluster: {{server: '{fake.url}'}}}}]\n"
        f"users: [{{name: x, user: {{token: {token}}}}}]\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n"
    )
    for name, value in (("KUBECONFIG", "config"), ("SLOTH_CACHE_DIR", "cache"), ("SLOTH_DATA_DIR", "data")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.chdir(tmp_path)

    def words(*words, stdin=""):
        done = CliRunner().invoke(app, list(words), input=stdin)
        assert not done.exception or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return words


def test_what_apply_did_is_shown_and_verified(run, tmp_path):
    assert run("audit", "show") == (0, "nothing is in the audit log\n", "")
    assert run("audit", "verify")[:2] == (0, "nothing was written yet\n")
    assert run("kube", "apply", "-f", "-", stdin=MAP)[0] == 0
    assert run("kube", "get", "cm", "greeting")[0] == 0
    code, out, _ = run("audit", "show", "--no-dry-runs", "--output", "json")
    assert code == 0
    calls = [call for call in json.loads(out)["data"]["calls"] if call["kind"] == "configmaps"]
    assert [(call["verb"], call["name"], call["result"]["ok"]) for call in calls] == [("apply", "greeting", True)]
    assert "greeting" not in run("audit", "show", "--failed")[1]
    assert "greeting" in run("audit", "show", "--kind", "configmaps", "--of", "x", "--name", "greeting")[1]
    assert "greeting" not in run("audit", "show", "--of", "another")[1]
    code, out, _ = run("audit", "verify")
    assert code == 0
    noted = re.search(r"[0-9a-f]{64}", out)[0]
    assert run("audit", "verify", "--contains", noted)[0] == 0
    assert run("audit", "verify", "--contains", "0" * 63 + "1")[0] == 16


def test_the_first_broken_line_is_named(run, tmp_path):
    run("kube", "apply", "-f", "-", stdin=MAP)
    path = tmp_path / "data" / "audit" / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) >= 2
    path.write_bytes(b"".join([lines[0], lines[1].replace(b'"ok":true', b'"ok":TRUE'), *lines[2:]]))
    assert path.read_bytes() != b"".join(lines)
    code, _, err = run("audit", "verify")
    assert code == 16
    assert "kube/audit-broken" in err
    assert "audit.jsonl, line 2" in err.replace("\n", " ").replace("│", "")


def test_whom_to_act_as_is_said_on_the_command_line(run, fake):
    words = ("--as", "jane", "--as-group", "ops", "--as-uid", "7", "--as-user-extra", "why=drill")
    assert run("kube", "get", "cm", *words)[0] == 0
    sent = {key: value for key, value in fake.headers[-1].items() if key.startswith("impersonate")}
    assert sent == {
        "impersonate-user": "jane", "impersonate-group": "ops", "impersonate-uid": "7", "impersonate-extra-why": "drill",
    }  # fmt: skip
    assert run("kube", "get", "cm", "--as", "jane", "--as-user-extra", "why")[0] == 2


def test_no_escapes_of_the_terminal_are_shown(run, tmp_path):
    journal = Journal(tmp_path / "data" / "audit")
    journal.append(
        {"event": "call", "id": "1", "kind": "pods", "name": "\x1b[2Jx", "verb": "apply", "dry_run": True, "result": None},
        durable=True,
    )
    out = run("audit", "show")[1]
    assert "\x1b" not in out
    assert "not known" in out
    assert "apply (dry run)" in out
    assert "apply" not in run("audit", "show", "--no-dry-runs")[1]


@pytest.mark.parametrize("guide", ["audit.md", "kube-clients.md"])
def test_the_examples_of_the_guides_run(run, guide, tmp_path, capsys):
    texts = re.findall(r"^```python\n(.*?)^```$", (GUIDES / guide).read_text(), re.M | re.S)
    assert texts
    for text in texts:
        exec(compile(text, guide, "exec"), {})
    assert capsys.readouterr().out
