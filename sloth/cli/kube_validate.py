"""`sloth kube validate`: manifests against the schemas of the cluster, and against the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_sources import with_sources
from sloth.cli.kube_where import Where
from sloth.errors import KubernetesError
from sloth.model.options import Outcome

if TYPE_CHECKING:
    from sloth.adapters.manifests.sources import Sources

Local = Annotated[bool, typer.Option("--local", help="Against the schemas only: the server sees none of it.")]


def register(group: typer.Typer) -> None:
    """Add the verb."""

    @kube_verb(group, "validate", many=True)
    @with_sources
    def validate(where: Where, *, sources: Sources, local: Local = False) -> Outcome:
        """Say what is wrong with manifests, with file, line and column; nothing is changed."""
        return check_manifests(where, sources, local=local)


def check_manifests(where: Where, sources: Sources, *, local: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.adapters.paths import cache_dir
    from sloth.cli.kube_sources import manifests
    from sloth.kube.applying.checking import check_all
    from sloth.kube.applying.compare import make_plan
    from sloth.kube.applying.schemas_file import SchemasFile

    found = manifests(where, sources)
    with where.client() as client:
        checked = client.run(check_all(client.api, found, SchemasFile(cache_dir() / "kube" / "openapi")))
        if checked.findings:
            count = len(checked.findings)
            raise KubernetesError(
                "kube/invalid", f"{count} {'thing is' if count == 1 else 'things are'} wrong with these manifests",
                detail="\n".join(checked.findings), where=checked.findings[0].partition(": ")[0],
                hint="correct the fields that are named",
            )  # fmt: skip
        if not local:
            # Who owns a field now says nothing of whether the manifest is good.
            client.run(make_plan(client.api, found, force=True))
    lines = [f"{each}: the cluster has no schema for this kind" for each in checked.unknown]
    words = "its schemas" if local else "its schemas and a dry run of the server"
    return Outcome("KubeValidate", text="\n".join([*lines, f"{len(found)} objects are valid by {words}"]))
