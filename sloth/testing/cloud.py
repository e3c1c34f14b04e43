"""What every cloud plugin must hold besides what every provider must."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from sloth.contracts.cloud import Cloud

CLOUD_LINES = 250  # of code, in a cloud's folder
CLOUD_PARTS: Mapping[str, Mapping[str, list[str]]] = {  # module -> function -> its arguments
    "program": {
        "network": ["plan"],
        "server": ["plan", "server", "shared"],
        "balancer": ["plan", "shared", "servers"],
    },
    "dns": {"records": ["plan"]},
    "questions": {"survey": ["cloud", "spec"], "catalogue": ["cloud", "spec", "wanted"]},
}
_FAULTS = {"credentials", "quota", "capacity", "not-found", "rate-limit", "in-use", "conflict"}


def check_cloud(plugin: Cloud) -> list[str]:
    """What every cloud holds besides check_provider's: size, parts, no SDK in the class's module, credentials, sane data."""
    folder, name = Path(inspect.getfile(type(plugin))).parent, plugin.name
    complaints = [*check_size(name, folder), *_check_parts(plugin, folder)]
    if plugin.sdk.module in _top_imports(Path(inspect.getfile(type(plugin))).read_text(encoding="utf-8")):
        complaints.append(
            f"{name}: the class's module imports {plugin.sdk.module}: that belongs into program.py and questions.py"
        )
    known = plugin.options_schema()["provider"]["properties"]
    for each in plugin.credentials:
        field = known.get(each.option) if each.option else {"$ref": each.secret}
        if field is None or bool(field.get("$ref")) is not each.secret:
            complaints.append(
                f"{name}: the option `{each.option}` of {each.variable} is not there, or not a secret where it shall be"
            )
        if not each.what:
            complaints.append(f"{name}: the credential {each.variable} has no description")
    if not plugin.credentials:
        complaints.append(f"{name}: it names no credentials")
    return [*complaints, *_check_data(plugin)]


def check_size(name: str, folder: Path) -> list[str]:
    """The folder's Python has at most CLOUD_LINES lines of code."""
    lines = {path.name: code_lines(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    total, each = sum(lines.values()), ", ".join(f"{file} {count}" for file, count in lines.items())
    return [f"{name}: {total} lines of code are more than {CLOUD_LINES}: {each}"] if total > CLOUD_LINES else []


def _check_parts(plugin: Cloud, folder: Path) -> list[str]:
    """Every part is a function of its module, or a method of the plugin's own class."""
    complaints = []
    for module, functions in CLOUD_PARTS.items():
        file = folder / f"{module}.py"
        tree = ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")
        given = {node.name: [arg.arg for arg in node.args.args] for node in tree.body if isinstance(node, ast.FunctionDef)}
        for function, arguments in functions.items():
            needless = {"balancer": not plugin.abilities.balancer, "records": not plugin.abilities.dns}.get(function, False)
            own = getattr(type(plugin), function) is not getattr(Cloud, function)
            if given.get(function) != arguments and not own and not needless:
                complaints.append(f"{plugin.name}: {module}.py has no {function}({', '.join(arguments)})")
    return complaints


def _check_data(plugin: Cloud) -> list[str]:
    """Example, network and faults."""
    complaints = [f"{plugin.name}: the example has no {field}" for field in ("size", "location") if not plugin.example.get(field)]
    for pattern, kind, _hint in plugin.faults:
        if kind not in _FAULTS:
            complaints.append(f"{plugin.name}: fault {pattern!r} is of the unknown kind {kind}")
        try:
            re.compile(pattern)
        except re.error as error:
            complaints.append(f"{plugin.name}: fault {pattern!r} is no regular expression: {error}")
    shortest, longest = plugin.prefixes
    if not shortest <= ip_network(plugin.default_network).prefixlen <= longest:
        complaints.append(f"{plugin.name}: its own default network {plugin.default_network} has a prefix that it refuses")
    return complaints


def code_lines(text: str) -> int:
    """Lines of Python that hold code: no blank lines, no comments, no docstrings."""
    layout = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
    }  # fmt: skip
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and ast.get_docstring(node) is not None
        ):
            docstring = node.body[0]
            lines.difference_update(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return len(lines)


def _top_imports(text: str) -> set[str]:
    """Top-level packages that a module imports when it is loaded."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found
