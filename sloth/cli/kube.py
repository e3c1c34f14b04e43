"""`sloth kube`: what is in a cluster, with sloth's own client."""

from __future__ import annotations

from typing import Annotated

import typer

from sloth.cli import (
    kube_apply,
    kube_can,
    kube_cp,
    kube_delete,
    kube_describe,
    kube_drain,
    kube_events,
    kube_exec,
    kube_forward,
    kube_history,
    kube_kinds,
    kube_logs,
    kube_rollout,
    kube_scale,
    kube_stored,
    kube_top,
    kube_validate,
    kube_wait,
)
from sloth.cli.kube_options import Clusters, EveryCluster, kube_verb
from sloth.cli.kube_where import Where
from sloth.model.options import Outcome

What = Annotated[list[str] | None, typer.Argument(help="KIND, KIND NAME…, KIND/NAME…, KIND,KIND or a category such as all.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In every namespace.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Label selector: app=web,tier!=db.", show_default=False)]
Fields = Annotated[str, typer.Option("--field-selector", help="Field selector: status.phase=Running.", show_default=False)]
FORMS = "text, wide, name, json, yaml, jsonpath=TEMPLATE, jsonpath-as-json=…, jsonpath-file=FILE, custom-columns=TITLE:PATH,…"
Form = Annotated[str, typer.Option("--output", "-o", help=f"Form of the result: {FORMS}.")]
NoHead = Annotated[bool, typer.Option("--no-headers", help="Tables without their first line.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on with every change, until Ctrl-C.")]
WatchOnly = Annotated[bool, typer.Option("--watch-only", help="Only changes from now on, until Ctrl-C.")]
Words = Annotated[bool, typer.Option("--output-watch-events", help="Say of each change what it is: ADDED, MODIFIED, DELETED.")]
Sort = Annotated[str, typer.Option("--sort-by", help="Order by this field: .metadata.creationTimestamp", show_default=False)]
Columns = Annotated[
    list[str] | None, typer.Option("--label-columns", "-L", help="A column for this label: a,b, or repeat.", show_default=False)
]
AllLabels = Annotated[bool, typer.Option("--show-labels", help="A column with all labels.")]
Chunk = Annotated[int, typer.Option("--chunk-size", min=0, help="Objects a page; 0: all at once.")]
MissingOk = Annotated[bool, typer.Option("--ignore-not-found", help="What is not there is no failure.")]
Files = Annotated[
    list[str] | None, typer.Option("--filename", "-f", help="What these manifests name; - for stdin.", show_default=False)
]
Part = Annotated[str, typer.Option("--subresource", help="Of the object: status, scale …", show_default=False)]
Managers = Annotated[bool, typer.Option("--show-managed-fields", help="Whole objects with who owns which field.")]
Kinds = Annotated[bool, typer.Option("--show-kind", help="The kind before each name.")]
Raw = Annotated[str, typer.Option("--raw", help="What the server answers at this path: /readyz?verbose", show_default=False)]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @kube_verb(group, "get")
    def get(
        where: Where,
        what: What = None,
        *,
        files: Files = None,
        everywhere: Everywhere = False,
        labels: Labels = "",
        fields: Fields = "",
        output: Form = "text",
        watch: Watch = False,
        watch_only: WatchOnly = False,
        watch_words: Words = False,
        sort: Sort = "",
        columns: Columns = None,
        all_labels: AllLabels = False,
        kinds: Kinds = False,
        no_headers: NoHead = False,
        missing_ok: MissingOk = False,
        part: Part = "",
        managers: Managers = False,
        chunk: Chunk = 500,
        raw: Raw = "",
        clusters: Clusters = "",
        all_clusters: EveryCluster = False,
    ) -> Outcome:
        """Show objects: as the server's table, or whole, of one cluster or of several."""
        from sloth.cli.kube_get import Question, get_objects, print_raw
        from sloth.kube.api import Select

        if raw:
            return print_raw(where, raw, what or files or ())
        question = Question(
            what or (), "*" if everywhere else "", Select(labels, fields), output, not no_headers, files or (),
            [name for each in columns or () for name in each.split(",") if name], all_labels, sort, chunk, missing_ok, part,
            managers, kinds,
        )  # fmt: skip
        if watch or watch_only or watch_words:
            from sloth.cli.kube_watch import watch_objects

            return watch_objects(where, question, clusters, every=all_clusters, only=watch_only, words=watch_words)
        return get_objects(where, question, clusters, every_cluster=all_clusters)

    for each in (
        kube_apply, kube_logs, kube_exec, kube_forward, kube_cp, kube_delete, kube_scale, kube_rollout, kube_drain,
        kube_events, kube_describe, kube_top, kube_history, kube_validate, kube_kinds, kube_can, kube_wait,
        kube_stored,
    ):  # fmt: skip
        each.register(group)
