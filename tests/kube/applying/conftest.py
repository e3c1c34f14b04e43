"""Fixtures: planning and applying in a namespace of the test's own, and `sloth kube` on the command line."""

import pytest
import yaml

from sloth.kube.applying.compare import make_plan
from sloth.kube.applying.manifests import read
from sloth.kube.applying.run import carry_out
from tests.kube.command import command
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
    return command(server.connection, space, tmp_path, monkeypatch)
