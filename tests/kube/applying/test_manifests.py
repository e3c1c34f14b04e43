"""Manifests are read as kubectl reads them."""

import json
import subprocess

import pytest

from sloth.kube.applying.manifests import read

WORDS = [
    "22:22", "1:30:00", "2026-01-31", "2026-01-31T10:00:00Z", "=", "12", "-7", "+3", "1_000", "0x1F", "1.5", "1e3", "1.5e3", ".5",
    "yes", "no", "on", "off", "true", "null", "~", "abc", "'12'", "1.2.3", "0644", "010", "1e", "e1", "0b11",
]  # fmt: skip


def values(text):
    (found,) = read([("f", text.encode())])
    return found.object["spec"]


def manifest():
    lines = "\n".join(f"  w{at}: {word}" for at, word in enumerate(WORDS))
    return f"apiVersion: sloth.test/v1\nkind: Words\nmetadata: {{name: w}}\nspec:\n{lines}\n"


def test_words_that_yaml_has_other_ideas_of():
    found = dict(zip(WORDS, values(manifest()).values(), strict=True))
    assert found["22:22"] == "22:22"
    assert found["2026-01-31"] == "2026-01-31"
    assert found["="] == "="
    assert (found["yes"], found["off"], found["~"]) == (True, False, None)
    assert (found["0644"], found["1_000"], found["1e3"]) == (0o644, 1000, 1000.0)


@pytest.mark.kube
def test_kubectl_reads_the_same(tmp_path, kubectl_path):
    (tmp_path / "m.yaml").write_text(manifest())
    # `--local` decodes and prints, and asks no server.
    command = [kubectl_path, "annotate", "--local", "-f", tmp_path / "m.yaml", "x=y", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env={"HOME": str(tmp_path)})
    theirs, ours = json.loads(done.stdout)["spec"], values(manifest())
    assert {WORDS[int(key[1:])]: value for key, value in ours.items()} == {
        WORDS[int(key[1:])]: value for key, value in theirs.items()
    }
