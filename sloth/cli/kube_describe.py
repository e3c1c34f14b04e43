"""`sloth kube describe`: objects in words, with their events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.model.options import Outcome

What = Annotated[list[str] | None, typer.Argument(help="KIND, KIND NAME…, KIND/NAME…; a name may end with *: all that begin so.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Files = Annotated[
    list[str] | None, typer.Option("--filename", "-f", help="What these manifests name; - for stdin.", show_default=False)
]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Label selector: app=web,tier!=db.", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "describe", many=True)
    def describe(
        where: Where, what: What = None, *, files: Files = None, everywhere: Everywhere = False, labels: Labels = ""
    ) -> Outcome:  # fmt: skip
        """Say how objects do: state, parts, what belongs to them, events. Values of Secrets are never shown."""
        if bool(what) == bool(files) or (files and (everywhere or labels)):
            raise UsageError("kube/target", "name kinds or objects, or files that name them", hint="sloth kube describe pod/web")
        return describe_objects(where, what or (), "*" if everywhere else "", labels, files or ())


def describe_objects(
    where: Where, what: Sequence[str], namespace: str, labels: str, files: Sequence[str] = ()
) -> Outcome:  # fmt: skip
    """The verb without its command line. Raises SlothError."""
    from datetime import UTC, datetime

    from sloth.cli.kube_get import targets
    from sloth.cli.kube_sources import named_in
    from sloth.kube.workloads.describing import describe

    now, texts = datetime.now(UTC), []
    with where.client() as client:
        for kind, place, name in named_in(where, client, files) if files else ():
            texts.append(client.run(describe(client.api, kind, name, place, now=now)))
        for kind, names in client.run(targets(client.api, what)) if what else ():
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
        where.say("nothing found")
    return Outcome("KubeDescribe", text="\n\n\n".join(texts))
