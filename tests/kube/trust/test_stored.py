"""Clusters whose credentials are kept: taken from a kubeconfig, found by their name, forgotten."""

import pytest
import yaml

from sloth.adapters.connections import vault_in
from sloth.errors import StateError
from sloth.kube.connection import Connection, ExecPlugin
from sloth.model.secret import Secret
from tests.kube.command import command
from tests.kube.test_contract import config


@pytest.fixture
def run(server, space, tmp_path, monkeypatch):
    """The command line, with a folder of sloth's own."""
    monkeypatch.setenv("SLOTH_DATA_DIR", str(tmp_path / "data"))
    return command(server.connection, space, tmp_path, monkeypatch)


def test_a_kept_cluster_needs_no_kubeconfig(run, client, space, server, tmp_path):
    client.create(config("a"), space)
    code, out, _ = run("clusters", "add", "shop")
    user = "tester" if server.connection.name == "fake" else "admin"
    assert (code, out) == (0, f"shop is kept: {server.connection.server} as {user}\n")
    (tmp_path / "config").unlink()
    (tmp_path / "ca.crt").unlink(missing_ok=True)
    assert run("get", "cm", "a", "-o", "name")[0] == 2
    assert run("get", "cm", "a", "-o", "name", "--cluster", "shop")[:2] == (0, "configmap/a\n")
    assert run("get", "cm", "a", "-o", "name", "--clusters", "shop")[:2] == (0, "shop   configmap/a\n")
    assert run("get", "cm", "a", "-o", "name", "--all-clusters")[:2] == (0, "shop   configmap/a\n")
    assert run("get", "cm", "-n", "kube-public", "-o", "name", "--cluster", "shop")[0] == 0
    assert run("describe", "cm/a", "--all-clusters")[1].startswith("==> shop <==\n")
    lines = [line.split() for line in run("clusters", "list")[1].splitlines()]
    assert lines == [["NAME", "FROM", "SERVER", "NAMESPACE"], ["shop", "kept", server.connection.server, space]]


def test_nothing_of_it_is_in_plain(run, server, tmp_path):
    run("clusters", "add", "shop")
    token = server.connection.token.reveal().encode()
    (path,) = (tmp_path / "data" / "connections").iterdir()
    assert (path.name, path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == ("shop.sealed", 0o600, 0o700)
    for each in (tmp_path / "data").rglob("*"):
        if each.is_file():
            assert token not in each.read_bytes()
            assert server.connection.server.encode() not in each.read_bytes() or "audit" in str(each)


def test_forgotten(run):
    run("clusters", "add", "shop")
    assert run("clusters", "remove", "shop")[:2] == (0, "shop is forgotten\n")
    code, _, err = run("clusters", "remove", "shop")
    assert (code, "kube/vault-unknown" in err) == (2, True)
    assert run("get", "cm", "--cluster", "shop")[0] == 2
    assert run("clusters", "list")[1] == "no cluster is known\n"


def test_names_are_taken_once(run, monkeypatch):
    from sloth import app

    run("clusters", "add", "shop")
    code, _, err = run("clusters", "add", "shop")
    assert (code, "kube/cluster-taken" in err) == (2, True)
    assert run("clusters", "add", "shop", "--replace")[0] == 0
    monkeypatch.setattr(app, "known_clusters", lambda options: ["mine"])
    assert run("clusters", "add", "mine")[0] == 2
    assert [line.split()[:2] for line in run("clusters", "list")[1].splitlines()[1:]] == [["mine", "sloth"], ["shop", "kept"]]
    assert run("clusters", "add", "../x")[0] == 2
    assert run("clusters", "add", "other", "--context", "none")[0] == 2


def test_credentials_that_the_cluster_does_not_take(run, tmp_path):
    document = yaml.safe_load((tmp_path / "config").read_text())
    document["users"][0]["user"]["token"] = "of-nobody"
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    assert run("clusters", "add", "shop")[0] == 11
    assert run("clusters", "list")[1] == "no cluster is known\n"
    code, out, _ = run("clusters", "add", "shop", "--offline")
    assert (code, out.startswith("shop is kept: "), " as " in out) == (0, True, False)
    assert run("get", "cm", "--cluster", "shop")[0] == 11


def test_another_key_does_not_open_it(run, monkeypatch):
    run("clusters", "add", "shop")
    monkeypatch.setenv("SLOTH_PASSPHRASE", "not the key of the file")
    code, _, err = run("get", "cm", "--cluster", "shop")
    assert (code, "kube/vault-sealed" in err) == (16, True)
    assert "cannot be opened (kube/vault-sealed)" in run("clusters", "list")[1]


def test_a_spec_in_the_folder_is_not_what_is_kept(run, tmp_path, server):
    (tmp_path / "sloth.yaml").write_text("")
    assert run("clusters", "add", "shop")[0] == 0


def test_what_stays_outside_is_said(run, tmp_path):
    document = yaml.safe_load((tmp_path / "config").read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cloud-login", "interactiveMode": "Never"}
    document["users"] = [{"name": "u", "user": {"exec": plugin}}]
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    code, _, err = run("clusters", "add", "shop", "--offline")
    assert (code, "the program cloud-login" in err) == (0, True)


def test_a_write_that_fails_leaves_what_was(tmp_path, monkeypatch):
    """By the one durable writer: written aside, synced, renamed."""
    import os

    vault = vault_in(tmp_path)
    vault.put("one", Connection("https://h", token=Secret("token-of-a-user")))
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda *words: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StateError) as caught:
        vault.put("one", Connection("https://other", plugin=ExecPlugin("x")))
    assert caught.value.code == "kube/vault-not-written"
    monkeypatch.setattr(os, "replace", real)
    assert vault.get("one").server == "https://h"
    assert [path.name for path in (tmp_path / "connections").iterdir()] == ["one.sealed"]
