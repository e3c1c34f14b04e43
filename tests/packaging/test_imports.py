"""The import contracts of pyproject.toml hold, and would notice if they did not: violations are planted in a copy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("sloth/", "providers/", "distributions/", "addons/", "templates/", "pyproject.toml")
DOWN, DOOR = "imports go down only", "plugins use the one door"
PLANTED = [  # file, line, contract that it breaks
    ("providers/local/docker.py", "from sloth.engine import drive", DOOR),
    ("distributions/kubeadm/text.py", "from sloth.adapters import ssh", DOOR),
    ("sloth/phases/mesh.py", "from sloth.adapters import ssh", DOWN),
    ("sloth/flows/up.py", "from sloth.adapters import ssh", DOWN),
    ("sloth/adapters/paths.py", "from sloth.ui import streams", DOWN),
    ("sloth/model/node.py", "from sloth import registry", DOWN),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code: what git tracks and what is new but not ignored."""
    copy = tmp_path_factory.mktemp("imports")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name.startswith(CODE) and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


def lint(tree):
    """`lint-imports` over that copy: (exit code, output)."""
    tool = Path(sys.executable).with_name("lint-imports")
    env = {**os.environ, "PYTHONPATH": str(tree), "SLOTH_CHECKOUT": str(tree), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run([str(tool), "--no-cache"], cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(tree):
    code, output = lint(tree)
    assert code == 0, output
    for contract in ("imports go down only", "plugins use the one door", "providers do not know each other"):
        assert f"{contract} KEPT" in output


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED, ids=[file for file, _, _ in PLANTED])
def test_a_planted_violation_is_caught(tree, file, line, contract):
    path = tree / file
    before = path.read_text()
    path.write_text(f"{before}\n\n{line}\n")
    try:
        code, output = lint(tree)
    finally:
        path.write_text(before)
    assert code == 1, output
    _, package, _, name = line.split()
    assert f"{contract} BROKEN" in output
    assert f"{file.removesuffix('.py').replace('/', '.')} -> {package}.{name}" in output
