"""One wheel that holds everything and nothing else; `sloth --help` that loads nothing heavy."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("paramiko", "jsonschema", "cryptography", "pulumi", "yaml", "sloth.adapters", "sloth.engine")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from what git tracks and what is new but not ignored."""
    copy = tmp_path_factory.mktemp("tree")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "providers" / "planted.env").write_text("TOKEN=never-ship-me")
    (copy / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "*.env\n")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=copy, check=True, capture_output=True
    )
    return next(out.glob("*.whl"))


def test_only_sloth_at_the_top_level(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"sloth"}


def test_every_plugin_and_template_is_in_the_wheel(wheel):
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("providers", "distributions", "addons", "templates"):
        tracked = subprocess.run(["git", "ls-files", kind], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        assert [name for name in tracked if f"sloth/{name}" not in shipped] == []


def test_ignored_files_are_not_shipped(wheel):
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".env")] == []


def test_the_wheel_runs_without_the_checkout(wheel, tmp_path):
    """Installed files only, in an isolated interpreter with a path of the wheel and the dependencies."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r});"
        "from sloth import registry; print(registry.names('providers'), registry.provider('local').name)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "local" in done.stdout
    assert str(ROOT) not in done.stdout


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "sys.argv = ['sloth', '--help']\n"
        "from sloth.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        f"print([m for m in sys.modules if m.startswith({HEAVY!r})])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_plugin_folder_refuses_its_bare_name():
    done = subprocess.run([sys.executable, "-c", "import providers"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "sloth.registry" in done.stderr
