"""`sloth kube api-resources`: the kinds that a cluster has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.kube.resource import Resource

Namespaced = Annotated[
    bool | None, typer.Option("--namespaced/--no-namespaced", help="Only those in namespaces, or the others.", show_default=False)
]
Group = Annotated[
    str | None, typer.Option("--api-group", help='Only of this API group; "" for the core one.', show_default=False)
]
Verbs = Annotated[str, typer.Option("--verbs", help="Only those that can be: list,watch.", show_default=False)]
Categories = Annotated[str, typer.Option("--categories", help="Only of these categories: all.", show_default=False)]
Form = Annotated[Literal["text", "wide", "name"], typer.Option("--output", "-o", help="Form of the result.")]
Sort = Annotated[Literal["", "name", "kind"], typer.Option("--sort-by", help="Order.", show_default=False)]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Without the first line.")]


@dataclass(frozen=True)
class Only:
    """Which kinds are meant."""

    namespaced: bool | None = None
    group: str | None = None
    verbs: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    def takes(self, each: Resource) -> bool:
        """Whether this is one of them."""
        return (
            self.namespaced in (None, each.namespaced)
            and self.group in (None, each.group)
            and self.verbs <= set(each.verbs)
            and self.categories <= set(each.categories)
        )


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "api-resources", many=True)
    def api_resources(
        where: Where,
        *,
        namespaced: Namespaced = None,
        api_group: Group = None,
        verbs: Verbs = "",
        categories: Categories = "",
        output: Form = "text",
        sort: Sort = "",
        no_headers: NoHead = False,
    ) -> Outcome:
        """List the kinds that the cluster has."""
        only = Only(namespaced, api_group, _words(verbs), _words(categories))
        return list_kinds(where, only, output, sort, head=not no_headers)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


def list_kinds(where: Where, only: Only, form: str = "text", sort: str = "", *, head: bool = True) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.cli.kube_many import tabled
    from sloth.kube.kinds import preferred

    with where.client() as client:
        kinds = [each for each in preferred(client.resources()) if only.takes(each)]
    if sort:
        kinds.sort(key=lambda each: each.kind if sort == "kind" else each.plural)
    if form == "name":
        return Outcome("KubeKinds", text="\n".join(each.full_name for each in kinds))
    return tabled("KubeKinds", _rows(kinds, wide=form == "wide"), head=head)


def _rows(kinds: Iterable[Resource], *, wide: bool) -> list[list[str]]:
    rows = [["NAME", "SHORT", "API", "NAMESPACED", "KIND", *(["VERBS", "CATEGORIES"] if wide else [])]]
    for each in kinds:
        words = [each.plural, ",".join(each.short), each.api_version, str(each.namespaced).lower(), each.kind]
        rows.append([*words, *([",".join(each.verbs), ",".join(each.categories)] if wide else [])])
    return rows
