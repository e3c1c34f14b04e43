"""The quick way to `sloth kube get` says the same as Typer, or leaves it to it."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sloth.cli import kube_get, quick
from sloth.cli.main import app
from sloth.model.options import Outcome

PLAIN = [
    ["pods"],
    ["pods", "web", "db"],
    ["pod/web", "svc/web"],
    ["-A", "deploy,svc", "--no-headers"],
    ["pods", "-n", "shop", "-o", "wide", "-l", "app=web,tier!=db"],
    ["pods", "--namespace=shop", "--output=json", "--selector=app=web", "--field-selector", "status.phase=Running"],
    ["nodes", "--context", "test", "--kubeconfig", "/no/config", "--no-color", "--all-namespaces"],
    ["pods", "-o", "jsonpath={.items[*].metadata.name}"],
]
LEFT = [
    [],
    ["--help"],
    ["pods", "--help"],
    ["pods", "-h"],
    ["pods", "-nshop"],
    ["pods", "-n=shop"],
    ["pods", "-n"],
    ["pods", "-n", "-o"],
    ["pods", "-n", "one", "--namespace", "two"],
    ["pods", "-w"],
    ["pods", "--watch"],
    ["pods", "--", "web"],
    ["pods", "--no-headers=true"],
    ["pods", "--clusters", "a,b"],
    ["pods", "--as", "somebody"],
    ["pods", "--namespac", "shop"],
    ["pods", "--namespace="],
    ["", "pods"],
]


def by_typer(words, env=None):
    """What Typer hands to the verb, and the exit code."""
    found = []

    def keep(where, question, clusters="", *, every_cluster=False):
        assert (clusters, every_cluster) == ("", False)
        found.append((where, question))
        return Outcome("")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kube_get, "get_objects", keep)
        done = CliRunner().invoke(app, ["kube", "get", *words], env=env)
    return found[0] if found else None, done


def equal(one, other):
    """Both pairs, empty lists and tuples alike."""

    def plain(question):
        return replace(question, what=tuple(question.what), files=tuple(question.files), columns=tuple(question.columns))

    return one[0] == other[0] and plain(one[1]) == plain(other[1])


@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_usual_command_lines_are_read_as_typer_reads_them(words):
    mine = quick.read(["kube", "get", *words], {})
    whole, done = by_typer(words, {"SLOTH_DATA_DIR": None, "SLOTH_STATE": None})
    assert done.exit_code == 0, done.output
    assert mine
    assert equal(mine, whole)


@pytest.mark.parametrize("words", LEFT, ids=" ".join)
def test_the_rest_is_left_to_typer(words):
    assert quick.read(["kube", "get", *words], {}) is None


@pytest.mark.parametrize("words", [["kube"], ["get", "pods"], ["kube", "apply", "pods"], ["--debug", "kube", "get", "pods"]])
def test_other_verbs_are_left_to_typer(words):
    assert quick.read(words, {}) is None


WORDS = st.sampled_from(
    [*quick._SWITCHES, *quick._VALUES, "--namespace=x", "--output=name", "-lapp", "--watch", "-w", "pods", "web", "a/b", "=", "-"]
)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(WORDS, max_size=6))
def test_any_command_line_is_read_as_typer_reads_it_or_left_to_it(words):
    mine = quick.read(["kube", "get", *words], {})
    if mine:
        whole, done = by_typer(words, {"SLOTH_DATA_DIR": None, "SLOTH_STATE": None})
        assert done.exit_code == 0, done.output
        assert equal(mine, whole)


def test_the_variables_of_the_environment_count():
    env = {"SLOTH_DATA_DIR": "/no/where", "SLOTH_STATE": "file:///no/where"}
    mine = quick.read(["kube", "get", "pods"], env)
    whole, _ = by_typer(["pods"], env)
    assert equal(mine, whole)
    assert str(mine[0].options.state_dir) == "/no/where"


def test_completion_is_typers():
    assert quick.read(["kube", "get", "pods"], {"_SLOTH_COMPLETE": "complete_bash"}) is None


def test_it_loads_no_typer_and_no_http_library():
    code = (
        "import sys\nfrom sloth.cli import quick\n"
        "assert quick.read(['kube', 'get', 'pods'])\nimport sloth.kube.client, sloth.cli.executing\n"
        "heavy = {'typer', 'pydantic', 'rich', 'httpx2', 'anyio', 'asyncio', 'jsonschema', 'subprocess', 'tempfile'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
