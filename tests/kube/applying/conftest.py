"""Fixtures: planning and applying in a namespace of the test's own, and `sloth kube` on the command line."""

import pytest
import yaml
from typer.testing import CliRunner

from sloth.cli.main import app
from sloth.kube.applying.compare import make_plan
from sloth.kube.applying.manifests import read
from sloth.kube.applying.run import carry_out
from tests.kube.real import mirror


@pytest.fixture
def plan(client, space):
    """`plan(*items)`: what applying these in the test's namespace would do. Items may be YAML text."""
    client.api.namespace = space

    def made(*items, chosen=None, force=False, recreate=False):
        text = "---\n".join(item if isinstance(item, str) else yaml.safe_dump(item) for item in items)
        found = read([("test.yaml", text.encode())])
        return client.run(make_plan(client.api, found, chosen, force=force, recreate=recreate))

    return made


@pytest.fixture
def apply(client, plan):
    """`apply(*items)`: plan, and carry it out."""

    def done(*items, chosen=None, force=False, recreate=False):
        made = plan(*items, chosen=chosen, force=force, recreate=recreate)
        client.run(carry_out(client.api, made, chosen, force=force))
        return made

    return done


@pytest.fixture(scope="session")
def kubectl_path():
    """The newest kubectl of the mirror."""
    found = sorted(mirror().glob("kubectl/*/linux-*/kubectl"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.skip("the mirror has no kubectl: sloth mirror create")
    return found[-1]


@pytest.fixture
def run(server, space, tmp_path, monkeypatch):
    """`run("get", "cm")` in the test's own namespace: exit code, stdout, stderr."""
    connection = server.connection
    cluster = {"server": connection.server}
    if connection.ca:
        (tmp_path / "ca.crt").write_bytes(connection.ca)
        cluster |= {"certificate-authority": "ca.crt", "tls-server-name": connection.tls_server_name}
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": connection.token.reveal()}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": space}}],
    }  # fmt: skip
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    for name, value in (("KUBECONFIG", "config"), ("SLOTH_CACHE_DIR", "cache"), ("SLOTH_STATE_DIR", "state")):
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.chdir(tmp_path)

    def words(*words, stdin=""):
        done = CliRunner().invoke(app, ["kube", *words], input=stdin)
        assert not done.exception or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return words
