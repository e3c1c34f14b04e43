"""The quick way to verbs of `sloth kube` says the same as Typer, or leaves it to it."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sloth.cli import kube_copy, kube_cp, kube_get, quick
from sloth.cli.main import app
from sloth.model.options import Outcome

PLAIN = {
    "get": [
        ["pods"],
        ["pods", "web", "db"],
        ["pod/web", "svc/web"],
        ["-A", "deploy,svc", "--no-headers"],
        ["pods", "-n", "shop", "-o", "wide", "-l", "app=web,tier!=db"],
        ["pods", "--namespace=shop", "--output=json", "--selector=app=web", "--field-selector", "status.phase=Running"],
        ["nodes", "--context", "test", "--kubeconfig", "/no/config", "--no-color", "--all-namespaces"],
        ["pods", "-o", "jsonpath={.items[*].metadata.name}"],
    ],
    "cp": [
        ["file", "web:/tmp/file"],
        ["shop/web:/tmp", "./here", "-c", "app"],
        ["-L", "folder", "web:", "-n", "shop", "--container=app"],
        ["--dereference", "web:a b", ".", "--no-color", "--kubeconfig", "/no/config", "--context=test"],
    ],
}
LEFT = {
    "get": [
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
    ],
    "cp": [
        [],
        ["file"],
        ["file", "web:/tmp", "more"],
        ["-", "web:/tmp/file"],
        ["--", "-file", "web:/tmp"],
        ["file", "web:/tmp", "-o", "json"],
        ["file", "web:/tmp", "--help"],
        ["file", "web:/tmp", "-capp"],
        ["file", "", "web:/tmp"],
    ],
}


def cases(of):
    return [pytest.param(verb, words, id=" ".join([verb, *words])) for verb, each in of.items() for words in each]


def by_typer(verb, words, env=None):
    """What Typer hands to the verb, and the exit code."""
    found = []

    def get(where, question, clusters="", *, every_cluster=False):
        assert (clusters, every_cluster) == ("", False)
        found.append((where, question))
        return Outcome("")

    def cp(where, *words, **options):
        found.append((where, words, options))
        return Outcome("")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kube_get, "get_objects", get)
        patch.setattr(kube_cp, "copy", cp)
        done = CliRunner().invoke(app, ["kube", verb, *words], env=env)
    return found[0] if found else None, done


def given_by(call):
    """The same of a call that the quick way made."""
    if call.func is kube_get.get_objects:
        return call.args
    assert call.func is kube_copy.copy
    return call.args[0], call.args[1:], call.keywords


def equal(one, other):
    """Both the same, empty lists and tuples alike."""

    def plain(given):
        where, asked, *rest = given
        if isinstance(asked, kube_get.Question):
            asked = replace(asked, what=tuple(asked.what), files=tuple(asked.files), columns=tuple(asked.columns))
        return where, asked, *rest

    return plain(one) == plain(other)


def alike(verb, words):
    mine = quick.read(["kube", verb, *words], {})
    if mine:
        whole, done = by_typer(verb, words, {"SLOTH_DATA_DIR": None, "SLOTH_STATE": None})
        assert done.exit_code == 0, done.output
        assert equal(given_by(mine), whole)
    return mine


@pytest.mark.parametrize(("verb", "words"), cases(PLAIN))
def test_usual_command_lines_are_read_as_typer_reads_them(verb, words):
    assert alike(verb, words)


@pytest.mark.parametrize(("verb", "words"), cases(LEFT))
def test_the_rest_is_left_to_typer(verb, words):
    assert quick.read(["kube", verb, *words], {}) is None


@pytest.mark.parametrize(
    "words",
    [[], ["kube"], ["get", "pods"], ["kube", "apply", "pods"], ["--debug", "kube", "get", "pods"], ["x", "cp"]],
)
def test_other_verbs_are_left_to_typer(words):
    assert quick.read(words, {}) is None


OPTIONS = sorted({word for form in quick.FORMS.values() for word in (*form.switches, *form.values)})
WORDS = st.sampled_from(
    [*OPTIONS, "--namespace=x", "--output=name", "-lapp", "--watch", "-w", "pods", "web", "a/b", "=", "-", "web:/tmp"]
)


@settings(max_examples=200, deadline=None)
@given(verb=st.sampled_from(sorted(quick.FORMS)), words=st.lists(WORDS, max_size=6))
def test_any_command_line_is_read_as_typer_reads_it_or_left_to_it(verb, words):
    alike(verb, words)


def test_the_variables_of_the_environment_count():
    env = {"SLOTH_DATA_DIR": "/no/where", "SLOTH_STATE": "file:///no/where"}
    mine = given_by(quick.read(["kube", "get", "pods"], env))
    whole, _ = by_typer("get", ["pods"], env)
    assert equal(mine, whole)
    assert str(mine[0].options.state_dir) == "/no/where"


def test_completion_is_typers():
    assert quick.read(["kube", "get", "pods"], {"_SLOTH_COMPLETE": "complete_bash"}) is None


@pytest.mark.parametrize("words", [["get", "pods"], ["cp", "file", "web:/tmp"]], ids=" ".join)
def test_it_loads_no_typer_and_no_http_library(words):
    code = (
        "import sys\nfrom sloth.cli import quick\n"
        f"assert quick.read(['kube', *{words!r}])\nimport sloth.kube.client, sloth.cli.executing\n"
        "heavy = {'typer', 'pydantic', 'rich', 'httpx2', 'anyio', 'asyncio', 'jsonschema', 'subprocess', 'tempfile'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
