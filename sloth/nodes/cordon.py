"""No new pods for a node, and pods again."""

from __future__ import annotations

import json

from sloth.model.step import Do

HELD = "sloth.dev/cordoned"  # annotation: sloth has cordoned the node for a while; the value says for what


def cordon(name: str, kubectl: str) -> Do:
    """Have no new pods put there."""
    return Do(
        title=f"cordon {name}",
        unless=f'[ "$({_unschedulable(name, kubectl)})" = true ]',
        run=f"{kubectl} cordon {name} >/dev/null",
        hint="sloth status",
    )


def uncordon(name: str, kubectl: str) -> Do:
    """Have pods put there again, whoever cordoned it."""
    return Do(
        title=f"uncordon {name}",
        unless=f'now=$({_unschedulable(name, kubectl)}) && [ "$now" != true ]',
        run=_patch(name, kubectl, held=None, unschedulable=None),
        hint="sloth status",
    )


def hold(name: str, kubectl: str, why: str) -> Do:
    """Cordon for a while, in one request with a note that it was sloth: a node that was cordoned before gets no note."""
    return Do(
        title=f"cordon {name}",
        unless=f'[ "$({_unschedulable(name, kubectl)})" = true ]',
        run=_patch(name, kubectl, held=why, unschedulable=True),
        hint="sloth status",
    )


def release(name: str, kubectl: str) -> Do:
    """The end of `hold`: a node without its note stays as it is, somebody else has cordoned it."""
    note = HELD.replace(".", "\\.")
    # Looked at once more right before: a question that failed must not end in an uncordoned node.
    ask = f"held=$({kubectl} get node {name} -o jsonpath='{{.metadata.annotations.{note}}}')"
    return Do(
        title=f"uncordon {name}",
        unless=f'{ask} && [ -z "$held" ]',
        run=f'{ask} && {{ [ -z "$held" ] || {_patch(name, kubectl, held=None, unschedulable=None)}; }}',
        hint=f"sloth nodes uncordon {name}",
    )


def _unschedulable(name: str, kubectl: str) -> str:
    return f"{kubectl} get node {name} -o jsonpath='{{.spec.unschedulable}}'"


def _patch(name: str, kubectl: str, *, held: str | None, unschedulable: bool | None) -> str:
    """`null` takes a field away (RFC 7386)."""
    body = json.dumps({"metadata": {"annotations": {HELD: held}}, "spec": {"unschedulable": unschedulable}})
    return f"{kubectl} patch node {name} --type merge -p '{body}' >/dev/null"
