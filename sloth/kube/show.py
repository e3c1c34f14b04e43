"""Answers as text: the server's own tables, names, JSON and YAML. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sloth.kube.resource import Resource
from sloth.kube.wire import Object

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def table_rows(
    pages: Sequence[Mapping[str, Any]], *, wide: bool = False, namespaces: bool = False, kind: str = "",
    labels: Sequence[str] = (), all_labels: bool = False,
) -> list[list[str]]:  # fmt: skip
    """Tables of one kind as rows, titles first. `namespaces` adds that column; `kind` goes before each name (`pod/web`).

    `labels` adds a column for each of these labels, `all_labels` one with all of them.
    """
    columns = next((page["columnDefinitions"] for page in pages if page.get("columnDefinitions")), ())
    shown = [at for at, column in enumerate(columns) if wide or not column.get("priority")]
    ends = [each.rpartition("/")[2].upper() for each in labels] + (["LABELS"] if all_labels else [])
    rows = [(["NAMESPACE"] if namespaces else []) + [str(columns[at]["name"]).upper() for at in shown] + ends]
    for page in pages:
        for row in page.get("rows") or ():
            cells = [cell(row["cells"][at]) for at in shown]
            if kind and cells:
                cells[0] = f"{kind}/{cells[0]}"
            meta = (row.get("object") or {}).get("metadata") or {}
            if ends:
                cells += label_cells(meta.get("labels") or {}, labels, all_labels=all_labels)
            rows.append(([str(meta.get("namespace", ""))] if namespaces else []) + cells)
    return rows


def label_cells(there: Mapping[str, str], labels: Sequence[str], *, all_labels: bool) -> list[str]:
    """Cells for some labels of an object, and one for all of them."""
    whole = ",".join(f"{key}={value}" for key, value in sorted(there.items())) or "<none>"
    return [cell(there.get(each, "")) for each in labels] + ([cell(whole)] if all_labels else [])


def cell(value: object) -> str:
    """One line, without what a terminal would act on: names come from whoever may create objects."""
    text = "<none>" if value is None else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, three spaces apart, nothing after the last one."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def names(resource: Resource, items: Iterable[Object]) -> str:
    """`pod/web`, one a line."""
    word = (resource.singular or resource.kind.lower()) + (f".{resource.group}" if resource.group else "")
    return "\n".join(f"{word}/{cell(item['metadata']['name'])}" for item in items)


def documents(items: Sequence[Object], form: str, *, single: bool) -> str:
    """One object, or a List of several, as `json` or `yaml`."""
    whole: Object = items[0] if single and len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(items)}
    if form == "json":
        return json.dumps(whole, indent=2, ensure_ascii=False)
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(whole, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000))


def without_managers(item: Object) -> Object:
    """The object without `managedFields`, which no person asked for."""
    meta = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return {**item, "metadata": meta}
