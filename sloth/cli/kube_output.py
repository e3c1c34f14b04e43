"""The forms of `sloth kube get --output` beyond tables: json, yaml, name, JSONPath, columns of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.errors import UsageError
from sloth.kube import show
from sloth.kube.wire import Object
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.kube.workloads.jsonpath import Part

TABLES = ("text", "wide")
PLAIN = (*TABLES, "name", "json", "yaml")
TEMPLATES = ("jsonpath", "jsonpath-as-json", "jsonpath-file", "custom-columns", "custom-columns-file")
Render = Callable[[Sequence[Object], bool, bool], str]
"""Objects, whether there is just the one that was named, whether a table has a first line: the text."""


def renderer(form: str) -> Render | None:
    """What renders whole objects in this form; None for the tables of the server. Raises UsageError, before anything is asked."""
    name, sign, text = form.partition("=")
    if form in TABLES or form == "name":
        return None
    if form in ("json", "yaml"):
        return lambda items, single, head: show.documents(items, form, single=single)
    if name not in TEMPLATES or not sign or not text:
        raise UsageError(
            "kube/output",
            f"there is no output form `{form}`",
            detail=f"{', '.join(PLAIN)}, {', '.join(f'{each}=…' for each in TEMPLATES)}",
            hint="-o json",
        )
    chosen = custom(form)
    if chosen is not None:
        from sloth.kube.workloads import columns

        return lambda items, single, head: columns.table(chosen, items, head=head)
    from sloth.kube.workloads.jsonpath import parse

    template = parse(_read(text) if name == "jsonpath-file" else text)
    return lambda items, single, head: _filled(template, items, single, as_json=name == "jsonpath-as-json")


def custom(form: str) -> list[tuple[str, tuple[Part, ...]]] | None:
    """The columns of `custom-columns=…` and `custom-columns-file=…`; None for any other form. Raises UsageError."""
    name, _, text = form.partition("=")
    if name not in ("custom-columns", "custom-columns-file"):
        return None
    from sloth.kube.workloads import columns

    return columns.of_file(_read(text)) if name.endswith("-file") else columns.columns(text)


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("kube/no-file", f"{name} cannot be read", detail=str(error), hint=f"ls {name}") from error


def _filled(template: Sequence[Part], items: Sequence[Object], single: bool, *, as_json: bool) -> str:
    from sloth.kube.workloads.jsonpath import render

    whole = items[0] if single and len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(items)}
    return render(template, whole, as_json=as_json)


def exactly(kind: str, text: str) -> Outcome:
    """An outcome that is printed as it is: what a template gives ends as the template ends."""

    def write(options: Options) -> None:
        sys.stdout.write(text)

    return Outcome(kind, show=write)
