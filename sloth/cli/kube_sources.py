"""The options that say where manifests come from, shared by `apply`, `diff` and `validate`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from sloth.adapters.manifests.sources import Sources
    from sloth.cli.kube_where import Where
    from sloth.kube.applying.manifests import Manifest
    from sloth.kube.client import Client
    from sloth.kube.resource import Resource
    from sloth.model.options import Outcome

_OPTIONS: dict[str, Any] = {
    "files": Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "-f",
            help="File, folder, https:// address, - for stdin; repeat for more.",
            show_default=False,
        ),
    ],
    "kustomize": Annotated[
        list[str] | None,
        typer.Option("--kustomize", "-k", help="kustomize folder; needs kustomize or kubectl.", show_default=False),
    ],
    "chart": Annotated[
        str, typer.Option("--helm", help="Helm chart: folder, archive, oci:// or REPO/NAME; needs helm.", show_default=False)
    ],
    "release": Annotated[str, typer.Option("--helm-name", help="Name of the release. Default: the set's.", show_default=False)],
    "version": Annotated[str, typer.Option("--helm-version", help="Version of the chart.", show_default=False)],
    "values": Annotated[
        list[str] | None, typer.Option("--helm-values", help="File of values for the chart; repeat for more.", show_default=False)
    ],
    "settings": Annotated[
        list[str] | None, typer.Option("--helm-set", help="KEY=VALUE for the chart; no secrets.", show_default=False)
    ],
    "digests": Annotated[
        list[str] | None, typer.Option("--sha256", help="Checksum of each web address, in their order.", show_default=False)
    ],
    "plain_http": Annotated[bool, typer.Option("--allow-http", help="Take manifests over http:// without a checksum.")],
}
_PLAIN = {"chart": "", "release": "", "version": "", "plain_http": False}


def with_sources(function: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Give a verb that takes `sources` (a `Sources`, made of `where` and the set's name) the options for it."""
    hints = get_type_hints(function, include_extras=True, localns={"Sources": object})
    own = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "sources"
    ]

    @functools.wraps(function)
    def verb(where: Where, **values: Any) -> Outcome:
        taken = {name: values.pop(name) for name in _OPTIONS}
        sources = where.shared("sources", lambda: _sources(where, values.get("set_name", ""), **taken))
        return function(where, sources=sources, **values)

    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, kind, default=_PLAIN.get(name), annotation=hint) for name, hint in _OPTIONS.items()]
    words = [each for each in own if each.kind is not kind]
    parameters = [*words, *added, *own[len(words) :]]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del verb.__wrapped__
    return verb


def _sources(where: Where, set_name: str, **taken: Any) -> Sources:
    """As the adapter wants them. Raises UsageError."""
    from sloth.adapters.manifests.rendered import Chart
    from sloth.adapters.manifests.sources import Sources

    charts = []
    if taken["chart"]:
        name = taken["release"] or set_name or "release"
        lists = (tuple(taken["values"] or ()), tuple(taken["settings"] or ()))
        charts = [Chart(taken["chart"], name, where.namespace, taken["version"], *lists)]
    return Sources(
        tuple(taken["files"] or ()), tuple(taken["kustomize"] or ()), charts, tuple(taken["digests"] or ()), taken["plain_http"]
    )


def manifests(where: Where, sources: Sources) -> list[Manifest]:
    """All objects of the sources, which are read once for all clusters. Raises UsageError, KubernetesError."""
    from sloth.kube.applying.manifests import read

    return read(where.shared("texts", sources.read))


def named_in(where: Where, client: Client, files: Sequence[str]) -> list[tuple[Resource, str, str]]:
    """Kind, namespace and name of each object in files, folders, stdin and addresses. Raises UsageError, KubernetesError."""
    from sloth.adapters.manifests.sources import Sources

    found = []
    for each in manifests(where, Sources(files)):
        resource = client.run(client.kinds.find(each.kind))
        found.append((resource, client.api.place(resource, each.namespace or None), each.name))
    return found
