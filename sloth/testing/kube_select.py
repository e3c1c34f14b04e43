"""Selectors and tables of the fake API server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sloth.kube.resource import Resource

_TERM = re.compile(r"^(!?)([\w./-]+)\s*(?:(=|==|!=|\s+in\s+|\s+notin\s+)\s*(?:\(([^)]*)\)|([\w.-]*)))?$")


def selected(item: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether the selectors of a query take this object."""
    labels = item["metadata"].get("labels") or {}
    return all(_takes(term, labels) for term in _terms(query.get("labelSelector", ""))) and all(
        _has(item, term) for term in _terms(query.get("fieldSelector", ""))
    )


def _terms(text: str) -> list[str]:
    return [term.strip() for term in re.split(r",(?![^(]*\))", text) if term.strip()]


def _takes(term: str, labels: Mapping[str, str]) -> bool:
    found = _TERM.match(term)
    if not found:
        return False
    absent, key, operator, several, value = found.groups()
    if not operator:
        return (key in labels) != bool(absent)
    values = {each.strip() for each in (several if several is not None else value).split(",")}
    inside = labels.get(key) in values
    return not inside if operator.strip() in ("!=", "notin") else inside


def _has(item: Mapping[str, Any], term: str) -> bool:
    key, operator, value = re.split(r"(!=|==?)", term, maxsplit=1)
    found: Any = item
    for part in key.split("."):
        found = found.get(part, "") if isinstance(found, Mapping) else ""
    return (str(found) == value) == (operator != "!=")


def table(
    resource: Resource, items: Sequence[Mapping[str, Any]], include: str = "Metadata", *, head: bool = True
) -> dict[str, Any]:
    """The Table form, with the two columns that every kind has. `include`: what of the objects comes with the rows."""
    columns = [
        {"name": "Name", "type": "string", "format": "name", "priority": 0},
        {"name": "Created At", "type": "date", "priority": 0},
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns if head else None,
        "rows": [
            {"cells": [item["metadata"]["name"], item["metadata"]["creationTimestamp"]], **_included(item, include)}
            for item in items
        ],
    }


def _included(item: Mapping[str, Any], include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    return {"object": item if include == "Object" else {"metadata": item["metadata"]}}
