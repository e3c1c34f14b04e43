"""`sloth kube` on a cluster that sloth made, of an existing host whose SSH server is in this process."""

import json
from dataclasses import replace

import pytest
import yaml
from typer.testing import CliRunner

from sloth import reach
from sloth.app import state_of
from sloth.cli.main import app
from sloth.contracts import api
from sloth.model.node import Lease
from sloth.model.options import Options
from sloth.model.record import NodeRecord, Record
from sloth.model.secret import Secret
from tests.ports import free_port
from tests.unit.adapters.ssh_server import USER_KEY, line


class Shop:
    """The cluster `shop`: its spec, its record, and `sloth kube` on it."""

    def __init__(self, folder, node, kube, monkeypatch):
        self.options = Options(state_dir=folder / "data")
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(USER_KEY.private.reveal())
        host = {"name": "a", "address": "127.0.0.1", "port": node.port, "user": "tester", "hostKey": line(node.keys[0])}
        pool = {"name": "control", "role": "control-plane", "provider": "ssh", "hosts": [host]}
        self.document = {
            "apiVersion": "sloth.dev/v1", "kind": "Cluster", "metadata": {"name": "shop"},
            "spec": {"providers": {"ssh": {"key": {"file": str(key)}}}, "pools": [pool]},
        }  # fmt: skip
        (folder / "sloth.yaml").write_text(yaml.safe_dump(self.document))
        self.token = kube.connection.token.reveal()
        self.closed_port = free_port()
        monkeypatch.setattr(api, "API_PORT", int(kube.connection.server.rpartition(":")[2]))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "KUBECONFIG"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SLOTH_DATA_DIR", str(folder / "data"))
        monkeypatch.setenv("SLOTH_CACHE_DIR", str(folder / "cache"))
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.chdir(folder)

    def remember(self, server="", *, joined=True, spec=None):
        """The record, with a kubeconfig that leads there; by default to a port that nobody listens on."""
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "shop",
            "clusters": [{"name": "shop", "cluster": {"server": server or f"http://127.0.0.1:{self.closed_port}"}}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "shop", "context": {"cluster": "shop", "user": "admin"}}],
        }  # fmt: skip
        lease = Lease(
            name="control-a", pool="control", role="control-plane", provider="ssh", mesh_address="127.0.0.1",
            pod_cidr="10.42.0.0/24",
        )  # fmt: skip
        document = {**self.document, "spec": {**self.document["spec"], **(spec or {})}}
        record = Record(
            cluster="shop", leases=(lease,), nodes={"control-a": NodeRecord(joined=joined)}, document=document,
            kubeconfig=Secret(yaml.safe_dump(config)),
        )  # fmt: skip
        state = state_of(self.options, "shop")
        state.lock("test")
        known = state.load()
        state.save(replace(record, revision=known.revision if known else 0))
        state.unlock()

    def __call__(self, *words):
        done = CliRunner().invoke(app, ["kube", *words])
        assert not done.exception or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def node(nodes):
    return nodes()[0]


@pytest.fixture
def shop(tmp_path, node, pods, monkeypatch):
    return Shop(tmp_path, node, pods, monkeypatch)


def test_an_api_that_cannot_be_reached_is_reached_through_ssh_and_that_is_said(shop, node):
    shop.remember()
    code, out, err = shop("get", "pods", "-o", "name")
    assert (code, out) == (0, "pod/web\n"), err
    assert f"127.0.0.1 port {shop.closed_port} cannot be reached from here" in err
    assert "--via-ssh" in err
    assert node.connections == 1
    code, out, _ = shop("exec", "web", "--", "echo", "hello")
    assert (code, out) == (0, "hello\n")


def test_on_demand_nothing_else_is_tried(shop, node, pods):
    shop.remember(pods.connection.server)
    assert shop("get", "pods", "-o", "name")[:2] == (0, "pod/web\n")
    assert node.connections == 0
    code, out, err = shop("get", "pods", "-o", "name", "--via-ssh", "--cluster", "shop")
    assert (code, out, err) == (0, "pod/web\n", "")
    assert node.connections == 1


def test_a_host_with_another_key_is_refused(shop, node, tmp_path):
    document = json.loads(json.dumps(shop.document))
    document["spec"]["pools"][0]["hosts"][0]["hostKey"] = "SHA256:" + "A" * 43
    (tmp_path / "sloth.yaml").write_text(yaml.safe_dump(document))
    shop.remember()
    code, _, err = shop("get", "pods", "--via-ssh")
    assert code == 13
    assert "connect/host-key-mismatch" in err
    assert node.logins == []


def test_before_there_is_a_member_nothing_leads_there(shop, node):
    shop.remember(joined=False)
    code, _, err = shop("get", "pods", "--via-ssh")
    assert code == 2
    assert "kube/no-way" in err
    assert node.connections == 0


def test_a_kubeconfig_names_no_nodes(shop, tmp_path):
    shop.remember()
    code, _, err = shop("get", "pods", "--via-ssh", "--kubeconfig", str(tmp_path / "any"))
    assert code == 2
    assert "kube/via-ssh" in err


def test_where_the_environment_names_a_proxy_that_is_the_way(shop, node, monkeypatch):
    shop.remember()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    assert reach.connection(Options(cluster="shop", state_dir=shop.options.state_dir)).route is None
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert reach.connection(Options(cluster="shop", state_dir=shop.options.state_dir)).route is not None
