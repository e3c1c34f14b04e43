"""`sloth kube … --metrics FILE`: the numbers of a command's requests, whatever became of it."""

import re

import pytest

from tests.kube.command import command
from tests.kube.test_contract import config


@pytest.fixture
def run(server, space, tmp_path, monkeypatch):
    """The command line."""
    return command(server.connection, space, tmp_path, monkeypatch)


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
            found[name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels)))] = float(value)
    return found


def total(path, **labels):
    wanted = set(labels.items())
    return sum(
        value
        for (name, pairs), value in samples(path.read_text()).items()
        if name.endswith("requests_total") and wanted <= set(pairs)
    )


def test_what_was_asked(run, client, space, tmp_path):
    client.create(config("a"), space)
    path = tmp_path / "numbers.prom"
    assert run("get", "cm", "a", "--metrics", "numbers.prom")[0] == 0
    assert total(path, verb="get", kind="configmaps", code="200") == 1
    assert run("get", "cm", "a", "none", "--metrics", str(path))[0] == 15
    assert total(path, verb="get", kind="configmaps", code="404") == 1  # of this command alone
    assert total(path, verb="get", kind="configmaps", code="200") == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_it_cannot_be_written(run, client, space):
    client.create(config("a"), space)
    code, _, err = run("get", "cm", "a", "--metrics", "nowhere/numbers.prom")
    assert (code, "state/not-writable" in err) == (16, True)


def test_of_several_clusters(run, tmp_path):
    assert run("get", "ns", "--clusters", "here", "--metrics", "n.prom")[0] == 0
    assert run("can-i", "get", "pods", "--clusters", "here", "--metrics", "n.prom")[0] == 0
    assert total(tmp_path / "n.prom", cluster="here", verb="create") == 1
