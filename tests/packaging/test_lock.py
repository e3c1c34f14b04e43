"""requirements/*.txt pin everything that pyproject.toml asks for, each with hashes, and say nothing of where to get it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PROJECT["project"]["dependencies"]
EXTRAS = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
DEV = PROJECT["dependency-groups"]["dev"]
SDIST = PROJECT["dependency-groups"]["dev-sdist"]  # what has no wheel, and is installed by a step of its own
FILES = {
    "runtime.txt": RUNTIME,
    "dev.txt": [*RUNTIME, *(each for each in EXTRAS if each not in SDIST), *DEV],
    "dev-sdist.txt": SDIST,
}


def normal(name):
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(file):
    """Pinned name -> the whole logical line (continuations joined, comments dropped)."""
    text = (ROOT / "requirements" / file).read_text()
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    return {normal(re.split(r"[\s=<>!~;\[]", line, maxsplit=1)[0]): line for line in lines}


def versions(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


def test_every_file_is_known_here():
    assert sorted(path.name for path in (ROOT / "requirements").glob("*.txt")) == sorted(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_dependency_is_pinned(file):
    wanted = {normal(re.match(r"[A-Za-z0-9._-]+", each)[0]) for each in FILES[file]}
    assert wanted - set(entries(file)) == set()


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_a_pin_with_hashes(file):
    good = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+( ; [a-z_<>=!'0-9. A-Z]+)?(\s+--hash=sha256:[0-9a-f]{64})+$")
    assert len(entries(file)) >= len(FILES[file])
    assert [line[:80] for line in entries(file).values() if not good.match(line)] == []


@pytest.mark.parametrize("file", FILES)
def test_pins_are_within_the_bounds_of_pyproject(file):
    pins = {name: versions(re.search(r"==([^\s;]+)", line)[1]) for name, line in entries(file).items()}
    wrong = []
    for requirement in FILES[file]:
        name = normal(re.match(r"[A-Za-z0-9._-]+", requirement)[0])
        for sign, bound in re.findall(r"(==|>=|<)([\d.]+)", requirement):
            want = versions(bound)
            have = pins[name][: len(want)] if sign == "==" else pins[name]
            if not {"==": have == want, ">=": have >= want, "<": have < want}[sign]:
                wrong.append(f"{requirement}: pinned {pins[name]}")
    assert wrong == []


@pytest.mark.parametrize("file", FILES)
def test_no_address_is_named(file):
    text = (ROOT / "requirements" / file).read_text()
    assert re.findall(r"--(?:extra-)?index-url.*|--find-links.*|--trusted-host.*|\w+://\S+|@ \S+", text) == []


def test_what_is_built_with_is_what_is_locked():
    """The build backend of `pip install .` is the one that `make setup` installs."""
    for requirement in PROJECT["build-system"]["requires"]:
        name, _, lowest = requirement.partition(",")[0].partition(">=")
        assert f"=={lowest}." in entries("dev.txt")[normal(name)]


def test_both_files_pin_the_same_versions():
    dev, runtime = entries("dev.txt"), entries("runtime.txt")
    assert {name: line for name, line in runtime.items() if dev[name].split()[0] != line.split()[0]} == {}


def test_extras_that_pinned_packages_ask_for_are_pinned_with_them():
    """pip up to 23.2 (Python 3.11's own) takes `coverage==…` for no pin of a wanted `coverage[toml]`."""
    pins, asked = entries("dev.txt"), {}
    for name in pins:
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:  # of another system
            continue
        for each in (line for line in wanted if "extra ==" not in line):
            if match := re.match(r"([A-Za-z0-9._-]+)\[([a-z,]+)\]", each):
                asked[normal(match[1])] = match[2]
    assert asked, "nobody asks for an extra any more: drop this test"
    assert {name: extra for name, extra in asked.items() if not pins[name].startswith(f"{name}[{extra}]")} == {}
