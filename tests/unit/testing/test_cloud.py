"""The contract of clouds sees what it shall see."""

import sys
from importlib import import_module, invalidate_caches

import pytest

from sloth.contracts.cloud import Abilities, Cloud, Sdk
from sloth.testing.cloud import CLOUD_LINES, check_cloud, check_size, code_lines

PLUGIN = """
from sloth.api import Abilities, Cloud, Credential, Sdk

class Small(Cloud):
    name = "small"
    sdk = Sdk(module="pulumi_small", plugin="small", extra="small")
    abilities = Abilities(balancer=True)
    example = {"size": "s", "location": "l"}
    credentials = (Credential("SMALL_TOKEN", "token", "A token"),)
    faults = ((r"no more", "quota", ""),)

PLUGIN = Small()
"""
PROGRAM = """
def network(plan): ...
def server(plan, server, shared): ...
def balancer(plan, shared, servers): ...
"""
QUESTIONS = """
def survey(cloud, spec): ...
def catalogue(cloud, spec, wanted): ...
"""


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made(plugin, program, questions)`: complaints about a plugin of these texts."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # texts of one length follow each other within a second

    def make(plugin=PLUGIN, program=PROGRAM, questions=QUESTIONS):
        for name, text in (("__init__", plugin), ("program", program), ("questions", questions)):
            (tmp_path / "small").mkdir(exist_ok=True)
            (tmp_path / "small" / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, "small", raising=False)
        invalidate_caches()
        return check_cloud(import_module("small").PLUGIN)

    return make


def test_a_small_plugin_is_right(made):
    assert made() == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"quota", ""', '"quotas", ""', "small: fault 'no more' is of the unknown kind quotas"),
        ('r"no more"', 'r"no (more"', "is no regular expression"),
        ('"token", "A token"', '"token"', "the credential SMALL_TOKEN has no description"),
        ('"A token")', '"A token", secret=False)', "the option `token` of SMALL_TOKEN is not there"),
        ('(Credential("SMALL_TOKEN", "token", "A token"),)', "()", "it names no credentials"),
        ('"location": "l"', '"location": ""', "the example has no location"),
        ("    example", "    prefixes = (20, 24)\n    example", "has a prefix that it refuses"),
    ],
)
def test_wrong_data_is_seen(made, old, new, complaint):
    (found,) = made(plugin=PLUGIN.replace(old, new))
    assert complaint in found


def test_an_sdk_that_comes_with_the_class_is_seen(made, tmp_path):
    (tmp_path / "pulumi_small.py").write_text("")
    (found,) = made(plugin=f"import pulumi_small\n{PLUGIN}")
    assert "imports pulumi_small" in found


def test_a_missing_part_or_argument_is_seen(made):
    assert made(program="") == [
        "small: program.py has no network(plan)",
        "small: program.py has no server(plan, server, shared)",
        "small: program.py has no balancer(plan, shared, servers)",
    ]
    assert made(questions=QUESTIONS.replace(", wanted", "")) == ["small: questions.py has no catalogue(cloud, spec, wanted)"]


def test_a_part_may_be_a_method_and_a_balancer_is_only_asked_of_who_can(made):
    able = PLUGIN.replace("balancer=True", "balancer=False").replace("\nPLUGIN", "\n    def survey(self, spec): ...\n\nPLUGIN")
    program = PROGRAM.replace("def balancer", "def _balancer")
    assert made(plugin=able, program=program, questions=QUESTIONS.replace("def survey", "def _survey")) == []


def test_the_budget_counts_all_python_of_the_folder(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n" * (CLOUD_LINES - 1))
    (tmp_path / "b.py").write_text('"""Docs."""\n\n# words\ny = 2\n')
    assert check_size("small", tmp_path) == []
    (tmp_path / "b.py").write_text("y = 2\nz = 3\n")
    assert check_size("small", tmp_path) == [
        f"small: {CLOUD_LINES + 1} lines of code are more than {CLOUD_LINES}: a.py 249, b.py 2"
    ]


def test_lines_of_code_are_those_with_code():
    lines = ['"""A module.', "", 'Of words."""', "", "# a comment", 'x = """', "text", "", '"""  # is data', "", ""]
    lines += ["def f():", '    """Says."""', "    return (", "        1", "    )", ""]
    assert code_lines("\n".join(lines)) == 4 + 1 + 3


def test_the_parts_of_a_class_without_a_package_are_its_methods():
    class Odd(Cloud):
        name = "odd"
        sdk = Sdk(module="pulumi_odd", plugin="odd", extra="odd")
        abilities = Abilities()
        example = {"size": "s", "location": "l"}

    Odd.__module__ = "nowhere"
    assert Odd().own_fields() == {}
