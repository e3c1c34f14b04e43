"""The examples of docs/guide/kube-streams.md run as they are printed."""

import re
from pathlib import Path

import pytest
import yaml

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "kube-streams.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
SAY = ["3 b'5\\n'", "b'hello'", "1 5 ()", "b'three\\n'"]  # a part of what each prints


@pytest.mark.parametrize(("text", "says"), [*zip(EXAMPLES, SAY, strict=True)], ids=range(len(EXAMPLES)))
def test_example(text, says, pods, tmp_path, monkeypatch, capsys):
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": pods.url}}],
        "users": [{"name": "x", "user": {"token": pods.connection.token.reveal()}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "pod").mkdir()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    exec(compile(text.replace("/tmp/", f"{tmp_path}/pod/"), "guide", "exec"), {})
    assert says in capsys.readouterr().out
