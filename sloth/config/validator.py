"""jsonschema's Draft 2020-12 validator, made a little stricter, behind one function. Imports jsonschema when first used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from sloth.config.assemble import Schema
from sloth.config.explain import Fault

_MOST_COMPARED = 1000  # items; comparing unlike items with each other is quadratic


def faults(document: Schema, given: Any) -> list[Fault]:
    """Everything in `given` that the schema does not allow."""
    return [_fault(error) for error in _class()(document).iter_errors(given)]


@cache
def _class() -> Any:
    from jsonschema.validators import Draft202012Validator, extend

    own = {"pattern": _pattern, "uniqueItems": _unique(Draft202012Validator.VALIDATORS["uniqueItems"])}
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    return extend(Draft202012Validator, own, type_checker=types)  # type: ignore[no-untyped-call]


def _is_integer(_: Any, value: Any) -> bool:
    """JSON Schema takes 3.0 for an integer; a user who writes it meant something else."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[Any]:
    """`$` of Python also matches before a final newline; no field of a spec ends with one."""
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and (value.endswith("\n") or not re.search(pattern, value)):
        yield ValidationError("does not match")


def _unique(original: Any) -> Any:
    def limited(validator: Any, wanted: bool, value: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(value, list) or len(value) <= _MOST_COMPARED:
            yield from original(validator, wanted, value, schema)

    return limited


def _fault(error: Any) -> Fault:
    keywords = list(error.absolute_schema_path)
    return Fault(
        path=tuple(error.absolute_path),
        keyword=str(error.validator),
        limit=error.validator_value,
        value=error.instance,
        schema=error.schema if isinstance(error.schema, dict) else {},
        message=error.message,
        in_names="propertyNames" in keywords[-2:-1],
    )
