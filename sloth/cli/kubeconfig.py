"""`sloth kubeconfig`: print the kubeconfig, or merge it into the user's."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

Merge = Annotated[bool, typer.Option("--merge", help="Merge into $KUBECONFIG or ~/.kube/config; other contexts stay.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @verb(app, "kubeconfig")
    def kubeconfig(options: Options, merge: Merge = False) -> Outcome:
        """Print the administrator's kubeconfig, or merge it into yours."""
        return give_kubeconfig(options, merge=merge)


def give_kubeconfig(options: Options, *, merge: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.adapters.kubeconfig_file import merge_into, target
    from sloth.app import say
    from sloth.reach import administrator, closed

    record, text = administrator(options)
    name = record.cluster
    if closed(record):
        say(f"nobody reaches the API of {name} from outside: this file works on its nodes; here: sloth kube --cluster {name} …")
    if not merge:
        return Outcome("Kubeconfig", data={"cluster": name, "kubeconfig": text}, text=text)
    path = target()
    merge_into(path, text)
    return Outcome(
        "Kubeconfig",
        data={"cluster": name, "merged": str(path)},
        text=f"context {name} is now current in {path}\nnext: kubectl get nodes",
    )
