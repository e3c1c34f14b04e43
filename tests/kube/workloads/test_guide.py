"""The examples of the guides run as they are printed, and every verb and option that they name is there."""

import re
from pathlib import Path

import pytest
import yaml

from sloth.kube import Client
from sloth.testing.kube import FakeKube
from tests.kube.test_cli import KUBE
from tests.kube.workloads.things import deployment, pod

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide"
PAGES = {name: (GUIDE / f"{name}.md").read_text() for name in ("kube-workloads", "coming-from-kubectl")}
SAID = {"kube-workloads": "web 3 ['app:1']", "coming-from-kubectl": "kube/not-found 404"}


@pytest.mark.parametrize("name", PAGES)
def test_example(name, tmp_path, monkeypatch, capsys):
    (text,) = re.findall(r"^```python\n(.*?)^```$", PAGES[name], re.M | re.S)
    with FakeKube() as server:
        with Client(server.connection) as client:
            client.create(deployment("web"))
            client.create(pod("web-1", labels={"app": "web"}))
        entry = {"server": server.url}
        document = {
            "current-context": "x", "clusters": [{"name": "x", "cluster": entry}],
            "users": [{"name": "x", "user": {"token": server.connection.token.reveal()}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }  # fmt: skip
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        exec(compile(text, name, "exec"), {})
    assert SAID[name] in capsys.readouterr().out


LINES = [line for text in PAGES.values() for line in re.findall(r"^sloth kube (.+)$", text, re.M)]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_guide_is_a_verb_with_its_options(line):
    words = line.split()
    name = " ".join(words[:2]) if " ".join(words[:2]) in KUBE else words[0]
    known = {option for parameter in KUBE[name].params for option in parameter.opts}
    assert {word for word in words if re.match(r"--[a-z-]+$", word)} <= known


def test_there_are_lines():
    assert len(LINES) > 15
