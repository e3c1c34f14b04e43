"""Imports go down only, plugins use the one door, only the views print, and `sloth --help` loads nothing heavy."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = [
    "paramiko",
    "jsonschema",
    "cryptography",
    "yaml",
    "asyncssh",
    "keyring",
    "concurrent.futures.process",
    "urllib.request",
    "httpx2",
    "msgspec",
]
FORBIDDEN = {
    "sloth/model": ("sloth.",),
    "sloth/phases": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.desk", "sloth.flows", "sloth.engine"),
    "sloth/flows": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.desk", "sloth.engine"),
    "sloth/engine": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.desk", "sloth.flows", "sloth.phases"),
    "sloth/kube": (
        "sloth.adapters",
        "sloth.ui",
        "sloth.cli",
        "sloth.app",
        "sloth.engine",
        "sloth.phases",
        "sloth.flows",
        "sloth.mesh",
    ),
    "sloth/mesh": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.engine", "sloth.phases"),
    "sloth/adapters": ("sloth.ui", "sloth.cli", "sloth.app", "sloth.desk", "sloth.flows", "sloth.phases"),
    "sloth/ui": ("sloth.adapters", "sloth.cli", "sloth.app", "sloth.desk", "sloth.flows", "sloth.phases", "sloth.engine"),
    "sloth/contracts": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.engine", "sloth.phases", "sloth.flows"),
    "sloth/config": ("sloth.adapters", "sloth.ui", "sloth.cli", "sloth.app", "sloth.engine", "sloth.phases", "sloth.flows"),
    "sloth": ("sloth.providers", "sloth.distributions", "sloth.addons", "providers", "distributions", "addons", "tests"),
}
ALLOWED = {"sloth/model": ("sloth.model",)}


def imported(tree):
    """Names of modules that a module imports, wherever in it; siblings by relative import are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def within(name, modules):
    return any(name == module.rstrip(".") or name.startswith(f"{module.rstrip('.')}.") for module in modules)


def wrong_imports(folder, path, text):
    """Imports that a file of a folder must not have."""
    found = [(name, line) for name, line in imported(ast.parse(text)) if within(name, FORBIDDEN[folder])]
    return [f"{path}:{line} imports {name}" for name, line in found if not within(name, ALLOWED.get(folder, ()))]


def wrong_door(path, text):
    """Imports of sloth in a plugin that are not `sloth.api`."""
    return [
        f"{path}:{line} imports {name}"
        for name, line in imported(ast.parse(text))
        if within(name, ("sloth", "providers", "distributions")) and not within(name, ("sloth.api",))
    ]


def sources(folder):
    return [(path.relative_to(ROOT), path.read_text()) for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_down_only(folder):
    assert [wrong for path, text in sources(folder) for wrong in wrong_imports(folder, path, text)] == []


@pytest.mark.parametrize("folder", ["providers", "distributions", "addons"])
def test_plugins_use_the_one_door(folder):
    assert [wrong for path, text in sources(folder) for wrong in wrong_door(path, text)] == []


def test_a_planted_violation_is_seen():
    assert wrong_imports("sloth/phases", "x", "def f():\n    from sloth.adapters.ssh import SshTransport\n")
    assert wrong_imports("sloth/ui", "x", "import sloth.engine.bus")
    assert wrong_imports("sloth/model", "x", "from sloth.errors import SlothError")
    assert wrong_door("x", "from sloth.model.step import Do")
    assert not wrong_door("x", "from sloth.api import Do\nfrom .docker import Docker\nimport json")


def test_only_views_print():
    calls = [
        f"{path}:{node.lineno}"
        for path, text in sources("sloth")
        if not str(path).startswith("sloth/ui/")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == []


@pytest.mark.parametrize("words", [["--help"], ["up", "--help"], ["kube", "get", "--help"], ["--version"], ["nonsense"]])
def test_help_loads_nothing_heavy(words):
    text = (
        "import json, sys\nfrom sloth.cli.main import app\n"
        f"try:\n    app({words!r}, prog_name='sloth')\nexcept SystemExit:\n    pass\n"
        "sys.stderr = sys.__stderr__\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded & set(HEAVY) == set()
    assert not [name for name in loaded if name.startswith(("sloth.adapters", "sloth.ui.", "sloth.engine", "sloth.providers"))]
