"""A plan of the apply engine as text, for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sloth.kube.applying.refusals import meaning

if TYPE_CHECKING:
    from sloth.kube.applying.plan import Change, Plan

_SIGNS = {"create": "+", "change": "~", "recreate": "±", "delete": "-", "keep": "!"}
_WORDS = {
    "create": "to create",
    "change": "to change",
    "recreate": "to make anew",
    "same": "unchanged",
    "delete": "to delete",
    "keep": "kept though not in the set",
}


def render(plan: Plan) -> str:
    """One line an object, indented ones for fields, and the numbers."""
    lines: list[str] = []
    for change in plan.changes:
        if change.action == "same":
            continue
        lines.append(f"{_SIGNS[change.action]} {named(change)}{'  (predicted)' if change.predicted else ''}")
        lines += [f"    {why}" for why in change.why]
        lines += [f"    made anew: {meaning(change.entry.kind)}"] if change.why else []
        lines += [f"    {each.path}: {each.before or '-'} → {each.after or '-'}" for each in change.fields]
    counts: Counter[str] = Counter(change.action for change in plan.changes)
    words = [f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]]
    return "\n".join([*lines, ", ".join(words) or "nothing to apply"])


def named(change: Change) -> str:
    """`deployment.apps shop/web`."""
    entry = change.entry
    kind = f"{entry.kind.lower()}.{entry.group}".rstrip(".")
    return f"{kind} {entry.namespace}/{entry.name}" if entry.namespace else f"{kind} {entry.name}"
