"""Every error code in the code has an entry in docs/troubleshooting.md, and every entry a code; every failure has a hint."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLUG = re.compile(r"^[a-z]+/[a-z0-9]+(-[a-z0-9]+)*$")
ENTRY = re.compile(r"^### `([^`]+)`$", re.M)
FAMILIES = {
    "access", "artifacts", "backup", "certs", "cloud", "config", "connect", "credentials", "doctor", "down",
    "encryption", "engine", "etcd", "health", "internal", "kube", "kubeadm", "kubeconfig", "kubernetes", "local", "machines",
    "mesh", "node", "plan", "plugin", "recover", "run", "ssh", "state", "step", "upgrade", "usage",
}  # fmt: skip
ERRORS = {
    "UsageError", "ConfigError", "CredentialsError", "MachinesError", "ConnectError", "StepError", "KubernetesError",
    "StateError", "Interrupted", "InternalError", "SlothError",
}  # fmt: skip
# Texts that look like a code and are none, with the file that has them.
NO_CODES = {
    "state/status": "sloth/adapters/artifacts/debian.py",  # a path below apt's private folder
    "run/killed": "sloth/engine/runner.py",  # what the journal says of a run that never came to its end
}


@cache
def sources():
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for folder in ("sloth", "providers", "distributions", "addons")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def nodes():
    return ((file, node) for file, tree in sources().items() for node in ast.walk(tree))


@cache
def literals():
    """Texts of the form of a code, of a family of codes, with the places where they stand."""
    found = {}
    for file, node in nodes():
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if SLUG.match(text) and text.split("/")[0] in FAMILIES:
            found.setdefault(text, []).append(f"{file}:{node.lineno}")
    return found


def codes():
    return {code: where for code, where in literals().items() if code not in NO_CODES}


def raised():
    """Calls of the error classes: where, and the call."""
    for file, node in nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            yield f"{file}:{node.lineno}", node


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "troubleshooting.md").read_text()


def test_every_code_has_an_entry(page):
    entries = ENTRY.findall(page)
    assert {code: where for code, where in codes().items() if code not in entries} == {}


def test_every_entry_is_a_code(page):
    assert sorted(set(ENTRY.findall(page)) - set(codes())) == []


def test_every_entry_is_there_once_and_says_something(page):
    assert [code for code, count in Counter(ENTRY.findall(page)).items() if count > 1] == []
    texts = dict(zip(ENTRY.findall(page), ENTRY.split(page)[2::2], strict=True))
    assert [code for code, text in texts.items() if len(text.split("\n## ")[0].split()) < 10] == []


def test_entries_stand_with_their_family(page):
    """`### `config/tab`` stands below `## Config`."""
    wrong = []
    for section in re.split(r"^## ", page, flags=re.M)[1:]:
        family = section.split("\n", 1)[0].strip().lower()
        wrong += [code for code in ENTRY.findall(section) if code.split("/")[0] != family]
    assert wrong == []


def test_the_panel_leads_to_the_entries(page):
    """A heading's anchor, as renderers make it, is what the error panel prints."""
    from sloth.ui.error_panel import anchor

    made = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.M)]
    assert [code for code in codes() if made.count(anchor(code).partition("#")[2]) != 1] == []


def test_codes_are_written_out(page):
    """The first argument of an error class is a code of a known family, or comes from somewhere that has it as a literal."""
    odd = []
    for where, call in raised():
        code = call.args[0] if call.args else None
        if isinstance(code, ast.JoinedStr) or (isinstance(code, ast.Constant) and code.value not in codes()):
            odd.append(where)
    assert odd == []


def test_what_is_no_code_is_where_it_is_said_to_be():
    assert {text: {place.split(":")[0] for place in literals().get(text, [])} for text in NO_CODES} == {
        text: {file} for text, file in NO_CODES.items()
    }


def test_every_failure_has_a_hint():
    """Calls of the error classes name `hint=`, and not an empty one."""
    bare = []
    for where, call in raised():
        hints = [keyword.value for keyword in call.keywords if keyword.arg in ("hint", None)]
        if not hints or any(isinstance(hint, ast.Constant) and not hint.value for hint in hints):
            bare.append(where)
    assert bare == []
