"""`sloth kube can-i` and `whoami`: what one may do, and who one is to the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.model.secret import Secret

Action = Annotated[str, typer.Argument(metavar="[VERB]", help="get, list, create, delete …", show_default=False)]
Kind = Annotated[str, typer.Argument(help="Kind, KIND/NAME, or a path: /metrics.", show_default=False)]
Name = Annotated[str, typer.Argument(help="Name of an object.", show_default=False)]
Part = Annotated[str, typer.Option("--subresource", help="Of the object: log, exec, status …", show_default=False)]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
List = Annotated[bool, typer.Option("--list", help="List all that you may do in the namespace.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="The exit code alone.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="The list without its first line.")]
TokenFile = Annotated[
    str, typer.Option("--token-file", help="Whose is the token in this file (- for stdin)?", show_default=False)
]
Audience = Annotated[list[str] | None, typer.Option("--audience", help="The token must be good for this; repeat for more.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""

    @kube_verb(group, "can-i", many=True)
    def can_i(
        where: Where,
        action: Action = "",
        kind: Kind = "",
        name: Name = "",
        *,
        part: Part = "",
        everywhere: Everywhere = False,
        list_all: List = False,
        quiet: Quiet = False,
        no_headers: NoHead = False,
    ) -> Outcome:
        """Say whether you may do that. Exit code 1 means no."""
        if list_all == bool(action) or bool(action) != bool(kind):
            raise UsageError("kube/can-what", "name a verb and a kind, or --list", hint="sloth kube can-i create pods")
        if list_all:
            return list_rights(where, head=not no_headers)
        return may(where, action, _split(kind, name, part), "*" if everywhere else "", quiet=quiet)

    @kube_verb(group, "whoami", many=True)
    def whoami(where: Where, *, token_file: TokenFile = "", audiences: Audience = None) -> Outcome:
        """Say whom the cluster takes you for, or whose a token is."""
        from sloth.kube.show import aligned, cell
        from sloth.kube.workloads.identity import review, rows, who_am_i

        token = where.shared("token", lambda: _token(token_file)) if token_file else None
        with where.client() as client:
            user = client.run(review(token, audiences or ()) if token else who_am_i())
        return Outcome("KubeWhoami", text=aligned([[cell(word) for word in row] for row in rows(user)]))


def _split(kind: str, name: str, part: str) -> tuple[str, str, str]:
    """Kind, name, subresource. `pods/log` has always been a subresource here; `--subresource` makes room for KIND/NAME."""
    if kind.startswith("/"):
        return kind, "", ""
    kind, _, behind = kind.partition("/")
    return (kind, name or behind, part) if part else (kind, name, behind)


def may(where: Where, action: str, about: tuple[str, str, str], namespace: str, *, quiet: bool = False) -> Outcome:
    """The verb without its command line. `about`: kind or path, name, subresource. Raises SlothError."""
    from sloth.cli.kube_many import tabled
    from sloth.kube.fronts.looks import can_i

    kind, name, part = about
    with where.client() as client:
        yes = client.run(can_i(client.api, action, kind, namespace or None, name=name, subresource=part))
    word = "yes" if yes else "no"
    outcome = tabled("KubeCanI", [["ANSWER"], [word]]) if where.label else Outcome("KubeCanI", text=word)
    return Outcome("" if quiet else "KubeCanI", text=outcome.text, data=outcome.data, exit=0 if yes else 1)


def list_rights(where: Where, *, head: bool = True) -> Outcome:
    """All that one may do in the namespace, as a table. Raises SlothError."""
    from sloth.cli.kube_many import tabled
    from sloth.kube.show import cell
    from sloth.kube.workloads.rights import rights, rows

    with where.client() as client:
        found = client.run(rights(client.api.namespace))
    if found.incomplete:
        where.say(f"there may be more: {found.incomplete}")
    return tabled("KubeRights", [[cell(word) for word in row] for row in rows(found.rights)], head=head)


def _token(name: str) -> Secret:
    import sys
    from pathlib import Path

    from sloth.model.secret import Secret

    try:
        text = (sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("kube/no-file", f"{name} cannot be read", detail=type(error).__name__, hint=f"ls {name}") from error
    if not text:
        raise UsageError("kube/no-file", f"there is no token in {name}", hint=f"ls -l {name}")
    return Secret(text)
