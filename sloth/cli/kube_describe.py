"""`sloth kube describe`: objects in words, with their events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sloth.cli.kube_options import Where, kube_verb
from sloth.errors import UsageError
from sloth.model.options import Outcome

What = Annotated[list[str], typer.Argument(help="KIND, KIND NAME…, KIND/NAME…; a name may end with * for all that begin so.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Label selector: app=web,tier!=db.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "describe")
    def describe(where: Where, what: What, *, everywhere: Everywhere = False, labels: Labels = "") -> Outcome:
        """Say how objects do: state, parts, what belongs to them, events. Values of Secrets are never shown."""
        return describe_objects(where, what, "*" if everywhere else "", labels)


def describe_objects(where: Where, what: Sequence[str], namespace: str, labels: str) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from datetime import UTC, datetime

    from sloth.app import say
    from sloth.cli.kube_get import targets
    from sloth.kube.workloads.describing import describe

    now, texts = datetime.now(UTC), []
    with where.client() as client:
        for kind, names in client.run(targets(client.api, what)):
            if names and (namespace or labels):
                raise UsageError("kube/target", "names and selectors exclude each other", hint="leave one of them out")
            found = [(name, None) for name in names if not name.endswith("*")]
            begins = tuple(name[:-1] for name in names if name.endswith("*"))
            if begins or not names:
                items = client.list(kind, namespace or None, labels=labels)
                metas = [item["metadata"] for item in items if not begins or item["metadata"]["name"].startswith(begins)]
                found += [(meta["name"], meta.get("namespace")) for meta in metas]
            texts += [client.run(describe(client.api, kind, name, place, now=now)) for name, place in found]
    if not texts:
        say("nothing found")
    return Outcome("KubeDescribe", text="\n\n\n".join(texts))
