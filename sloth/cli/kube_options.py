"""What the verbs below `sloth kube` share: which cluster, as whom, and how their failures become exit codes.

Only Typer is imported at the top: `sloth --help` must not pay for an HTTP library.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from sloth.cli.executing import execute
from sloth.cli.kube_where import Where
from sloth.cli.options import Debug, NoColor, StateDir, StateUrl
from sloth.model.options import Options, Outcome

T = TypeVar("T")
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace. Default: the context's own.", show_default=False)]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig.", show_default=False)]
ConfigFile = Annotated[
    Path | None, typer.Option("--kubeconfig", help="This kubeconfig. Default: $KUBECONFIG, ~/.kube/config.", show_default=False)
]
# Without the short `-c` that it has elsewhere: below `kube`, as at kubectl, that is the container.
ClusterName = Annotated[str, typer.Option("--cluster", help="A cluster that sloth knows.", show_default=False)]
As = Annotated[str, typer.Option("--as", help="Act as this user (you need the right to).", show_default=False)]
AsGroup = Annotated[list[str] | None, typer.Option("--as-group", help="And in this group; repeat for more.", show_default=False)]

AsUid = Annotated[str, typer.Option("--as-uid", help="And with this uid.", show_default=False)]
AsExtra = Annotated[
    list[str] | None, typer.Option("--as-user-extra", help="And with KEY=VALUE of extra; repeat for more.", show_default=False)
]
Numbers = Annotated[
    Path | None,
    typer.Option("--metrics", help="Then write the numbers of all requests here: Prometheus text.", show_default=False),
]
ViaSsh = Annotated[bool, typer.Option("--via-ssh", help="Reach the API of a cluster of sloth through SSH to its nodes.")]
Clusters = Annotated[str, typer.Option("--clusters", help="In these clusters, side by side: a,b.", show_default=False)]
EveryCluster = Annotated[bool, typer.Option("--all-clusters", help="In all clusters that are known, side by side.")]


def kube_verb(
    group: typer.Typer, name: str, *, many: bool = False
) -> Callable[[Callable[..., Outcome]], Callable[..., None]]:  # fmt: skip
    """Register `function(where, **own)` as a command with the shared options added to its own.

    `many`: also with --clusters and --all-clusters, which run it once for each cluster.
    """

    def register(function: Callable[..., Outcome]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        @functools.wraps(function)
        def command(**values: Any) -> None:
            clusters = (values.pop("clusters"), values.pop("all_clusters")) if many else ("", False)
            metrics = values.pop("metrics")
            where = _where(values)
            work = functools.partial(_carried_out, function, where, values, *clusters)
            code = execute(where.options, functools.partial(_counted, where, metrics, work) if metrics else work)
            if code:
                raise typer.Exit(code)

        parameters = [*own, *_shared(many=many)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__  # Typer would look through it to the original signature
        group.command(name)(command)
        return command

    return register


def _carried_out(
    function: Callable[..., Outcome], where: Where, values: dict[str, Any], clusters: str, every: bool
) -> Outcome:  # fmt: skip
    if not (clusters or every):
        return function(where, **values)
    from sloth.cli.kube_clusters import names_of
    from sloth.cli.kube_many import everywhere

    return everywhere(where, names_of(where, clusters, every), lambda each: function(each, **values))


def _counted(where: Where, path: Path, work: Callable[[], Outcome]) -> Outcome:
    """Do it, and write what its requests were, whatever became of them. Raises what it raises, and StateError."""
    from sloth.adapters.durable import explained, replace_file
    from sloth.kube.telemetry.metrics import Metrics

    where.once.metrics = Metrics()
    try:
        return work()
    finally:
        with explained(path.absolute().parent):
            replace_file(path.absolute(), where.once.metrics.text().encode())


def _where(values: dict[str, Any]) -> Where:
    shared = {key: values.pop(key) for key in ("cluster", "no_color", "debug", "state_dir", "state")}
    return Where(
        Options(**shared),
        **{key: values.pop(key) for key in ("namespace", "context", "kubeconfig", "user", "as_uid", "via_ssh")},
        groups=tuple(values.pop("groups") or ()),
        as_extra=tuple(values.pop("as_extra") or ()),
    )


def _shared(*, many: bool) -> list[inspect.Parameter]:
    several: dict[str, tuple[Any, Any]] = {"clusters": (Clusters, ""), "all_clusters": (EveryCluster, False)} if many else {}
    hints: dict[str, tuple[Any, Any]] = {
        **several,
        "namespace": (Namespace, ""),
        "context": (Context, ""),
        "kubeconfig": (ConfigFile, None),
        "cluster": (ClusterName, ""),
        "via_ssh": (ViaSsh, False),
        "user": (As, ""),
        "groups": (AsGroup, None),
        "as_uid": (AsUid, ""),
        "as_extra": (AsExtra, None),
        "metrics": (Numbers, None),
        "no_color": (NoColor, False),
        "debug": (Debug, False),
        "state_dir": (StateDir, None),
        "state": (StateUrl, ""),
    }
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=default, annotation=hint) for name, (hint, default) in hints.items()]
