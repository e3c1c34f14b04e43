"""The size budgets and habits of CONTRIBUTING.md, as a check on every file of the product."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("sloth", "providers", "distributions", "addons", "templates")
    for path in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in path.parts
)
TREES = {path: ast.parse(path.read_text()) for path in FILES}
FUNCTIONS = [
    (path, node, (node.end_lineno or 0) - node.lineno + 1)
    for path, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
]


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def test_no_file_is_over_450_lines():
    assert [(str(path.relative_to(ROOT)), lines(path)) for path in FILES if lines(path) > 450] == []


def test_the_median_file_has_at_most_100_lines():
    assert statistics.median(lines(path) for path in FILES) <= 100


def test_no_function_is_over_60_lines():
    assert [(str(path.relative_to(ROOT)), node.name, size) for path, node, size in FUNCTIONS if size > 60] == []


def test_the_median_function_has_at_most_10_lines():
    assert statistics.median(size for _, _, size in FUNCTIONS) <= 10


@pytest.mark.parametrize("flow", sorted((ROOT / "sloth" / "flows").glob("*.py")), ids=lambda path: path.name)
def test_a_flow_has_at_most_120_lines(flow):
    assert lines(flow) <= 120


def test_every_module_and_public_name_has_a_docstring():
    missing = [str(path.relative_to(ROOT)) for path, tree in TREES.items() if not ast.get_docstring(tree)]
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            if not ast.get_docstring(node) and not _inner(node, tree):
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert missing == []


def _inner(node: ast.AST, tree: ast.Module) -> bool:
    """Functions inside functions, and members of private classes, are nobody's public names."""
    for parent in ast.walk(tree):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) and parent is not node and node in ast.walk(parent):
            return True
        if isinstance(parent, ast.ClassDef) and parent.name.startswith("_") and node in parent.body:
            return True
    return False


def test_no_provider_is_named_in_core_code():
    """Nothing cloud-specific outside providers/: core reaches plugins through the registry."""
    allowed = {ROOT / "sloth" / "config" / "assemble.py"}
    names = {path.name for path in (ROOT / "providers").iterdir() if (path / "__init__.py").is_file()} - {"ssh"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for path, tree in TREES.items()
        if path.is_relative_to(ROOT / "sloth") and path not in allowed
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []
