"""The examples of docs/guide/kube.md run as they are printed."""

import re
from pathlib import Path

import pytest

from sloth.testing.kube import FakeKube
from tests.bench.kube import pod

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "kube.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(text, tmp_path, monkeypatch, capsys):
    with FakeKube() as server:
        token = next(iter(server.tokens))
        (tmp_path / "config").write_text(
            f"current-context: x\nclusters: [{{name: x, cluster: {{server: '{server.url}'}}}}]\n"
            f"users: [{{name: x, user: {{token: {token}}}}}]\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n"
        )
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        state = server.state
        item = pod(1)
        item["spec"]["nodeName"] = "work-1"
        state.create(state.resource("", "v1", "pods"), "default", item, "test")
        # The last example goes on for ever; here it ends with the first event.
        text = text.replace(
            'print(event.type, event.object["metadata"]["name"])', 'print(event.type, event.object["metadata"]["name"]); break'
        )
        exec(compile(text, "guide", "exec"), {})
    assert "pod-000001" in capsys.readouterr().out


def test_there_are_examples():
    assert len(EXAMPLES) >= 2
