"""flake.nix is Nix, its outputs evaluate, and it has the dependencies of pyproject.toml. Nothing is built or fetched."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAKE = ROOT / "flake.nix"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# The flake's outputs over a nixpkgs that consists of names: what it takes from there comes back as text.
OUTPUTS = """
let
  named = words: builtins.listToAttrs (map (word: { name = word; value = word; }) words);
  lib.genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  python = {
    pkgs = named (builtins.fromJSON python-words) // { buildPythonApplication = given: given; };
    withPackages = choose: choose python.pkgs;
  };
  pkgs = named (builtins.fromJSON tool-words) // { python312 = python; mkShell = given: given; };
  legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ] (system: pkgs);
in (import flake).outputs { self = "checkout"; nixpkgs = { inherit lib legacyPackages; }; }
"""


@pytest.fixture(scope="session")
def nix():
    """`nix-instantiate`: there, or installed from Debian where that is possible."""
    if shutil.which("nix-instantiate") is None:
        if os.geteuid() or not shutil.which("apt-get"):
            pytest.skip("no nix-instantiate here, and it cannot be installed: that takes root and apt-get")
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "text": True}
        apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
        subprocess.run([*apt, "update"], check=False, **quiet)
        done = subprocess.run([*apt, "install", "--yes", "--no-install-recommends", "nix-bin"], check=False, **quiet)
        if done.returncode:
            pytest.skip(f"nix-bin cannot be installed: {done.stderr.strip()[-300:]}")
    return "nix-instantiate"


@pytest.fixture
def run_nix(nix, tmp_path):
    """Run it with a store of its own, so that nothing outside of the test's folder is read or made."""
    places = {"NIX_STORE_DIR": "store", "NIX_STATE_DIR": "state", "NIX_LOG_DIR": "log", "NIX_CONF_DIR": "conf", "HOME": "home"}
    (tmp_path / "home").mkdir()
    env = {"PATH": os.environ["PATH"], **{key: str(tmp_path / name) for key, name in places.items()}}

    def run(*words):
        return subprocess.run([nix, *words], env=env, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def outputs(run_nix, tmp_path):
    text = FLAKE.read_text()
    words = {
        "python-words": sorted({*re.findall(r"\bps\.([A-Za-z0-9_-]+)", text), *re.findall(r"\.pkgs\.([a-z0-9-]+)", text)}),
        "tool-words": sorted(set(re.findall(r"\bpkgs\.([A-Za-z0-9_-]+)", text)) - {"python312", "mkShell"}),
    }
    expression = tmp_path / "outputs.nix"
    expression.write_text("{ flake, python-words, tool-words }:" + OUTPUTS)
    given = [word for key, value in words.items() for word in ("--argstr", key, json.dumps(value))]
    done = run_nix("--eval", "--strict", "--json", str(expression), "--arg", "flake", str(FLAKE), *given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def name_of(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower()


def test_the_flake_is_parsed(run_nix):
    done = run_nix("--parse", str(FLAKE))
    assert done.returncode == 0, done.stderr
    assert "outputs" in done.stdout


def test_a_broken_flake_is_not(run_nix, tmp_path):
    broken = tmp_path / "flake.nix"
    broken.write_text(FLAKE.read_text().replace("let", "lett", 1))
    assert run_nix("--parse", str(broken)).returncode != 0


def test_the_package_has_the_dependencies_of_pyproject(outputs):
    wanted = sorted(map(name_of, PROJECT["project"]["dependencies"]))
    assert {system: sorted(found["default"]["dependencies"]) for system, found in outputs["packages"].items()} == {
        system: wanted for system in ("x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin")
    }


def test_the_package_is_this_one(outputs):
    package = outputs["packages"]["x86_64-linux"]["default"]
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "sloth/__init__.py").read_text())[1]
    assert (package["pname"], package["version"]) == (PROJECT["project"]["name"], version)
    assert package["build-system"] == [name_of(each) for each in PROJECT["build-system"]["requires"]]


def test_the_shell_has_the_dependencies_and_test_tools(outputs):
    python = outputs["devShells"]["x86_64-linux"]["default"]["packages"][0]
    extra = {name_of(each) for each in PROJECT["dependency-groups"]["dev"]}
    runtime = {name_of(each) for each in PROJECT["project"]["dependencies"]}
    assert runtime <= set(python) <= runtime | extra
