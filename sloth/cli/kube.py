"""`sloth kube`: what is in a cluster, with sloth's own client."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli import (
    kube_apply,
    kube_cp,
    kube_delete,
    kube_describe,
    kube_drain,
    kube_events,
    kube_exec,
    kube_forward,
    kube_history,
    kube_logs,
    kube_rollout,
    kube_scale,
    kube_top,
    kube_validate,
)
from sloth.cli.kube_options import Where, kube_verb
from sloth.model.options import Outcome

What = Annotated[list[str], typer.Argument(help="KIND, KIND NAME…, KIND/NAME…, KIND,KIND or a category such as all.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Label selector: app=web,tier!=db.", show_default=False)]
Fields = Annotated[str, typer.Option("--field-selector", help="Field selector: status.phase=Running.", show_default=False)]
FORMS = "text, wide, name, json, yaml, jsonpath=TEMPLATE, jsonpath-as-json=…, jsonpath-file=FILE, custom-columns=TITLE:PATH,…"
Form = Annotated[str, typer.Option("--output", "-o", help=f"Form of the result: {FORMS}.")]
Clusters = Annotated[str, typer.Option("--clusters", help="Of these clusters, side by side: a,b.", show_default=False)]
EveryCluster = Annotated[bool, typer.Option("--all-clusters", help="Of all clusters that are known, side by side.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Tables without their first line.")]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @kube_verb(group, "get")
    def get(
        where: Where,
        what: What,
        *,
        everywhere: Everywhere = False,
        labels: Labels = "",
        fields: Fields = "",
        output: Form = "text",
        no_headers: NoHead = False,
        clusters: Clusters = "",
        all_clusters: EveryCluster = False,
    ) -> Outcome:
        """Show objects: as the server's table, or whole, of one cluster or of several."""
        from sloth.cli.kube_get import Question, get_objects
        from sloth.kube.api import Select

        question = Question(what, "*" if everywhere else "", Select(labels, fields), output, not no_headers)
        return get_objects(where, question, clusters, every_cluster=all_clusters)

    @kube_verb(group, "api-resources")
    def api_resources(where: Where) -> Outcome:
        """List the kinds that the cluster has."""
        return list_kinds(where)

    @kube_verb(group, "can-i")
    def can_i(
        where: Where,
        action: Annotated[str, typer.Argument(metavar="VERB", help="get, list, create, delete …")],
        kind: Annotated[str, typer.Argument(help="Kind, or KIND/SUBRESOURCE.")],
        name: Annotated[str, typer.Argument(help="Name of an object.")] = "",
        everywhere: Everywhere = False,
    ) -> Outcome:
        """Say whether you may do that. Exit code 1 means no."""
        return may(where, action, kind, name, "*" if everywhere else "")

    kube_apply.register(group)
    kube_logs.register(group)
    kube_exec.register(group)
    kube_forward.register(group)
    kube_cp.register(group)
    kube_delete.register(group)
    kube_scale.register(group)
    kube_rollout.register(group)
    kube_drain.register(group)
    kube_events.register(group)
    kube_describe.register(group)
    kube_top.register(group)
    kube_history.register(group)
    kube_validate.register(group)


def list_kinds(where: Where) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.kube.kinds import preferred
    from sloth.kube.show import aligned

    with where.client() as client:
        kinds = preferred(client.resources())
    rows = [["NAME", "SHORT", "API", "NAMESPACED", "KIND"]]
    rows += [[each.plural, ",".join(each.short), each.api_version, str(each.namespaced).lower(), each.kind] for each in kinds]
    return Outcome("KubeKinds", text=aligned(rows))


def may(where: Where, action: str, kind: str, name: str, namespace: str) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    plural, _, subresource = kind.partition("/")
    with where.client() as client:
        yes = client.may(action, plural, namespace or None, name=name, subresource=subresource)
    return Outcome("KubeCanI", text="yes" if yes else "no", exit=0 if yes else 1)
