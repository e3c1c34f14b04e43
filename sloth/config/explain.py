"""What the JSON Schema validator found, in words: one problem per finding, with place, value, rule and a suggestion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sloth.config.problem import Finding, advice, nearest, one_of, shown
from sloth.config.rules.secrets import secretish
from sloth.config.tree import Path, Places, show_path
from sloth.errors import ConfigError
from sloth.model.secret import learn

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map (`key: value` lines)",
    "array": "a list (`- item` lines)",
    "null": "nothing",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One error of the validator, cut down to what the explanations need."""

    path: Path
    keyword: str
    limit: Any  # the keyword's value in the schema
    value: Any
    schema: Mapping[str, Any]
    message: str
    in_names: bool = False  # it is about a key, not about the value at `path`

    @property
    def rule(self) -> str:
        """The rule in words, "" if the schema has none."""
        return str(self.schema.get("x-rule", ""))


_NAME_OF_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*\Z")  # `token: CLOUD_TOKEN`: a name that was meant for {env: …}
Explanation: TypeAlias = Callable[[Fault, Places], Iterator[Finding]]


def explain_all(faults: Iterable[Fault], places: Places) -> list[Finding]:
    """All findings, without those that only follow from another: a misspelt key is not also missing under its right name."""
    faults = list(faults)
    mistyped = {fault.path for fault in faults if fault.keyword == "type"}
    telling = [fault for fault in faults if fault.keyword == "type" or fault.in_names or fault.path not in mistyped]
    findings = [finding for fault in telling for finding in explain(fault, places)]
    meant = {path for finding in findings if finding.problem.code == "config/unknown-key" for path in finding.depends}
    return [found for found in findings if found.problem.code != "config/missing" or found.path not in meant]


def explain(fault: Fault, places: Places) -> Iterator[Finding]:
    """The finding (or findings, one per key) that a fault stands for."""
    if fault.in_names:
        yield from _bad_name(fault, places)
    elif fault.schema.get("x-secret") or _wants_secret(fault):
        yield from _not_a_reference(fault, places)
    else:
        yield from _EXPLANATIONS.get(fault.keyword, _other)(fault, places)


def _wants_secret(fault: Fault) -> bool:
    return fault.keyword in ("oneOf", "anyOf") and any("$defs/secret" in str(choice) for choice in fault.limit)


def _bad_name(fault: Fault, places: Places) -> Iterator[Finding]:
    path = (*fault.path, str(fault.value))
    mark = places.of_key(path)
    problem = ConfigError(
        "config/bad-key",
        f"`{shown(fault.value)}` cannot be a key of `{show_path(fault.path)}`",
        where=str(mark),
        detail=f"rule: {fault.rule or fault.message}",
        hint=f"write {fault.rule}" if fault.rule else "rename the key",
    )
    yield Finding(path=path, problem=problem, mark=mark)


def _not_a_reference(fault: Fault, places: Places) -> Iterator[Finding]:
    mark = places.of(fault.path)
    literal = isinstance(fault.value, str)
    problem = ConfigError(
        "config/secret-literal" if literal else "config/secret-reference",
        f"`{show_path(fault.path)}` must refer to a secret" + (", not hold it" if literal else ""),
        where=str(mark),
        detail="value: ***\nrule: a reference: {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
        hint=f"write {{env: {_variable(fault.path)}}} and set that environment variable",
    )
    if literal and not _NAME_OF_VARIABLE.match(fault.value):
        learn(fault.value)
    yield Finding(path=fault.path, problem=problem, mark=mark)


def _variable(path: Path) -> str:
    words = [str(part) for part in path if isinstance(part, str)][-2:]
    return (
        "_".join("".join(char if char.isalnum() and char.isascii() else "_" for char in word).upper() for word in words)
        or "SECRET"
    )


def _unknown_keys(fault: Fault, places: Places) -> Iterator[Finding]:
    known = list(fault.schema.get("properties", {}))
    for name in fault.value:
        if name in known:
            continue
        path = (*fault.path, name)
        mark = places.of_key(path)
        meant = nearest(name, [key for key in known if key not in fault.value])
        problem = ConfigError(
            "config/unknown-key",
            f"`{shown(name)}` is not a field of {_owner(fault.path)}",
            where=str(mark),
            detail=f"value: {_value(path, fault.value[name])}\nrule: known fields are {one_of(sorted(known))}",
            hint=f"did you mean `{meant}`?" if meant else f"remove `{shown(name)}`; `sloth config schema` lists all fields",
        )
        yield Finding(path=path, problem=problem, mark=mark, depends=((*fault.path, meant),) if meant else ())


def _named(path: Path) -> str:
    return f"`{show_path(path)}`" if path else "the document"


def _owner(path: Path) -> str:
    return f"`{show_path(path)}`" if path else "the spec"


def _value(path: Path, value: Any) -> str:
    return "***" if isinstance(value, str) and secretish(path) else shown(value)


def _missing_keys(fault: Fault, places: Places) -> Iterator[Finding]:
    for name in fault.limit:
        if name in fault.value:
            continue
        path = (*fault.path, name)
        mark = places.of_key(path)
        rule = fault.schema.get("properties", {}).get(name, {}).get("description", "")
        problem = ConfigError(
            "config/missing",
            f"`{show_path(path)}` is missing",
            where=str(mark),
            detail=f"rule: {_owner(fault.path)} needs `{name}`" + (f": {rule}" if rule else ""),
            hint=f"add `{name}:` to {_owner(fault.path)}",
        )
        yield Finding(path=path, problem=problem, mark=mark)


def _wrong_type(fault: Fault, places: Places) -> Iterator[Finding]:
    kinds = [fault.limit] if isinstance(fault.limit, str) else list(fault.limit)
    wanted = " or ".join(_KINDS[kind] for kind in kinds)
    written = places.text(fault.path)
    yield _finding(
        fault,
        places,
        "config/type",
        f"{_named(fault.path)} must be {wanted}, but is {_kind_of(fault.value)}",
        _quote_hint(written, kinds) or f"write {fault.rule or wanted}",
        said=written,
    )


def _kind_of(value: Any) -> str:
    names = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number with a fraction"),
        (str, "text"),
        (list, "a list"),
        (dict, "a map"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")


def _quote_hint(written: str, kinds: list[str]) -> str:
    """Unquoted `yes`, `on`, `1.30`, `12` where text is wanted: what YAML made of it, and the cure."""
    return (
        f'YAML reads {written} as something else than text; write "{written}" in quotes' if written and "string" in kinds else ""
    )


def _wrong_choice(fault: Fault, places: Places) -> Iterator[Finding]:
    choices = [fault.limit] if fault.keyword == "const" else list(fault.limit)
    written = places.text(fault.path) or shown(fault.value)
    yield _finding(
        fault,
        places,
        "config/choice",
        f"`{shown(written)}` is not a value of `{show_path(fault.path)}`",
        advice(str(fault.value), choices),
        rule=f"one of {one_of(choices)}",
    )


def _bad_pattern(fault: Fault, places: Places) -> Iterator[Finding]:
    yield _finding(
        fault,
        places,
        "config/format",
        f"`{show_path(fault.path)}` is not written as it must be: `{_value(fault.path, fault.value)}`",
        f"write {fault.rule}" if fault.rule else f"write text that matches {fault.limit}",
    )


def _out_of_range(fault: Fault, places: Places) -> Iterator[Finding]:
    bound = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}.get(fault.keyword, "less than")
    yield _finding(
        fault,
        places,
        "config/range",
        f"`{show_path(fault.path)}` is {shown(fault.value)}, but must be {bound} {fault.limit}",
        f"write {fault.rule}" if fault.rule else f"write {bound} {fault.limit}",
    )


def _wrong_size(fault: Fault, places: Places) -> Iterator[Finding]:
    bound = "at least" if fault.keyword.startswith("min") else "at most"
    unit = {"L": "characters", "I": "items", "P": "fields"}[fault.keyword[3]]
    yield _finding(
        fault,
        places,
        "config/length",
        f"`{show_path(fault.path)}` has {len(fault.value)} {unit}, but must have {bound} {fault.limit}",
        f"write {fault.rule}" if fault.rule else f"{'add to' if bound == 'at least' else 'shorten'} `{show_path(fault.path)}`",
    )


def _repeated(fault: Fault, places: Places) -> Iterator[Finding]:
    twice = next(item for number, item in enumerate(fault.value) if item in fault.value[:number])
    yield _finding(
        fault,
        places,
        "config/duplicate",
        f"`{shown(twice)}` is twice in `{show_path(fault.path)}`",
        f"remove one `{shown(twice)}`",
        rule="no item twice",
    )


def _other(fault: Fault, places: Places) -> Iterator[Finding]:
    summary = f"`{show_path(fault.path)}` does not fit: `{_value(fault.path, fault.value)}`"
    rule = fault.rule or f"{fault.keyword}: {shown(fault.limit)}"
    yield _finding(
        fault,
        places,
        "config/value",
        summary,
        f"write {fault.rule}" if fault.rule else f"see `sloth config schema` for `{show_path(fault.path)}`",
        rule=rule,
    )


def _finding(fault: Fault, places: Places, code: str, summary: str, hint: str, *, rule: str = "", said: str = "") -> Finding:
    mark = places.of(fault.path)
    rule = rule or fault.rule or str(fault.schema.get("description", "")) or f"{fault.keyword}: {shown(fault.limit)}"
    value = "***" if "***" in _value(fault.path, fault.value) else said or shown(fault.value)
    problem = ConfigError(code, summary, where=str(mark), detail=f"value: {shown(value)}\nrule: {rule}", hint=hint)
    return Finding(path=fault.path, problem=problem, mark=mark)


_EXPLANATIONS: Mapping[str, Explanation] = {
    "additionalProperties": _unknown_keys,
    "required": _missing_keys,
    "type": _wrong_type,
    "enum": _wrong_choice,
    "const": _wrong_choice,
    "pattern": _bad_pattern,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _out_of_range),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _wrong_size),
    "uniqueItems": _repeated,
}
