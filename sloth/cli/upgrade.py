"""`sloth upgrade`: bring the cluster to a newer Kubernetes version, node after node."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sloth.cli.options import verb
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.config.load import Loaded
    from sloth.desk import Desk
    from sloth.flows.upgrade import Pace
    from sloth.model.cluster import Cluster
    from sloth.model.record import Record

BLOCKED = 15  # exit code of `plan` when something stands in the way
CHANGES = 3  # exit code of `plan --exit-code` when there is an upgrade to be made and nothing stands in the way
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="VERSION", help="A minor (1.36) or an exact version. Default: what the spec asks.", show_default=False
    ),
]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with 3 if there is an upgrade to be made, 0 if not.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an upgrade under way; an error if there is none.")]
Canary = Annotated[
    bool | None,
    typer.Option(
        "--canary/--no-canary", help="Upgrade one worker alone first. Default: spec.upgrade.canary.", show_default=False
    ),
]
Batch = Annotated[
    str,
    typer.Option("--batch", metavar="SIZE", help="Workers at a time: 25% or 3. Default: spec.upgrade.batch.", show_default=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")]


def register(group: typer.Typer) -> None:
    """Add the verbs of the group."""

    @verb(group, "plan")
    def plan(options: Options, *, to: To = "", exit_code: ExitCode = False) -> Outcome:
        """Show where the cluster can go, what stands in the way, and in which order nodes would come. Changes nothing."""
        return show_plan(options, to=to, exit_code=exit_code)

    @verb(group, "apply")
    def apply(
        options: Options,
        *,
        to: To = "",
        resume: Resume = False,
        canary: Canary = None,
        batch: Batch = "",
        yes: Yes = False,
    ) -> Outcome:
        """Upgrade: etcd's snapshot, control planes one by one, then workers. Halts at the first thing that is not well."""
        return bring(options, to=to, resume=resume, canary=canary, batch=batch, yes=yes)


def show_plan(options: Options, *, to: str = "", exit_code: bool = False) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.flows.upgrade import look

    loaded = known_spec(options)
    with desk(options, loaded, "upgrade-plan", lock=False) as here:
        data = _plan(here.run(look(here.tools), _towards(here, _target(here, to) or _proposed(here))), pace(loaded))
    blocked = any(each["level"] == "blocks" for each in data["findings"])
    code = BLOCKED if blocked else CHANGES if exit_code and data["to"] != data["from"] else 0
    return Outcome("UpgradePlan", data=data, show=lambda chosen: _show(data, chosen), exit=code)


def bring(options: Options, *, to: str, resume: bool, canary: bool | None, batch: str, yes: bool) -> Outcome:
    """The verb without its command line. Raises SlothError, among them every halt."""
    from sloth.app import known_spec
    from sloth.desk import desk
    from sloth.flows.upgrade import apply
    from sloth.upgrade.batches import size

    loaded = known_spec(options)
    how = pace(loaded, canary=canary, batch=batch)
    size(how.batch, 1)
    with desk(options, loaded, "upgrade") as here:
        wanted, running = _target(here, to, resume=resume), here.record.kubernetes_version
        if wanted in ("", running):
            return _nothing_to_do(here)
        if not yes:
            _agree(here, wanted, how)
        _supply(here, wanted)
        cluster = here.run(apply(here.tools, how), _towards(here, wanted))
        here.remember_document()
        data = {
            "cluster": loaded.spec.name,
            "from": running,
            "to": wanted,
            "changed": sorted(cluster.changed),
            "nodes": [node.name for node in cluster.nodes],
            "round_trips": here.transport.round_trips,
            "seconds": round(here.elapsed, 1),
        }
    text = f"{loaded.spec.name}: {len(cluster.nodes)} nodes run {wanted} ({data['seconds']} s)"
    return Outcome("Upgrade", data=data, text="\n".join([text, *_advice(loaded, wanted)]))


def pace(loaded: Loaded, *, canary: bool | None = None, batch: str = "") -> Pace:
    """`spec.upgrade`, with what the command line says in its place."""
    from sloth.flows.upgrade import Pace
    from sloth.upgrade.batches import seconds

    spec = loaded.spec.upgrade
    return Pace(batch=batch or spec.batch, canary=spec.canary if canary is None else canary, pause=seconds(spec.pause))


def _known(here: Desk) -> list[str]:
    return list(here.tools.distribution.versions())


def _target(here: Desk, to: str, *, resume: bool = False) -> str:
    """Raises UsageError, also for a cluster that was never founded or a distribution that cannot."""
    from sloth.errors import UsageError
    from sloth.phases.upgrade_look import kubectl, upgrades
    from sloth.upgrade.target import target

    record, spec = here.record, here.loaded.spec
    upgrades(here.tools.distribution)
    kubectl(here.tools.distribution)
    if not record.founded:
        raise UsageError("upgrade/no-cluster", f"{spec.name} is no cluster yet: there is nothing to upgrade", hint="sloth up")
    under_way = str(record.upgrade.get("to", ""))
    running = record.kubernetes_version
    return target(running=running, spec=spec.kubernetes.version, to=to, under_way=under_way, known=_known(here), resume=resume)


def _nothing_to_do(here: Desk) -> Outcome:
    from sloth.upgrade.versions import reachable

    name, running = here.loaded.spec.name, here.record.kubernetes_version
    further = reachable(running, _known(here))
    more = f"; reachable with --to: {', '.join(further)}" if further else ""
    data = {"cluster": name, "from": running, "to": running, "changed": [], "reachable": further}
    return Outcome("Upgrade", data=data, text=f"{name} runs {running} already, as asked{more}")


def _proposed(here: Desk) -> str:
    from sloth.upgrade.target import proposed

    return proposed(here.record.kubernetes_version, _known(here))


def _towards(here: Desk, wanted: str) -> Cluster:
    """The cluster as recorded, with the target as its version."""
    return replace(here.cluster(as_recorded=True), version=wanted)


def _supply(here: Desk, wanted: str) -> None:
    from sloth.supply import deliver

    both = (here.record.kubernetes_version, wanted)
    here.supplied({wanted: deliver(here.loaded, wanted, here.rig.emit, fetching=True, beside=both)})


def _agree(here: Desk, wanted: str, how: Pace) -> None:
    """Look, show, ask. Raises UsageError for a no, and KubernetesError where something stands in the way."""
    from sloth.app import confirm, need_terminal, say
    from sloth.flows.upgrade import look
    from sloth.phases.upgrade_begin import check, refuse

    question = f"Upgrade {here.loaded.spec.name} from {here.record.kubernetes_version} to {wanted}?"
    need_terminal(question)
    cluster = here.run(look(here.tools), _towards(here, wanted))
    refuse([each for each in check(here.tools.distribution, cluster, time.time()) if each.level == "blocks"], wanted)
    order = _plan(cluster, how)["order"]
    say(
        "\n".join(["control planes one by one: " + ", ".join(order[0]), *(f"workers: {', '.join(group)}" for group in order[1:])])
    )
    confirm(question)


def _plan(cluster: Cluster, how: Pace) -> dict[str, Any]:
    """What `plan` reports; `cluster.version` is the target."""
    from sloth import registry
    from sloth.phases.upgrade_begin import check
    from sloth.phases.upgrade_look import pools, seen
    from sloth.upgrade.batches import batches
    from sloth.upgrade.removed import between
    from sloth.upgrade.versions import reachable

    view, record = seen(cluster), cluster.record
    running = record.kubernetes_version
    distribution = registry.distribution(cluster.spec.kubernetes.distribution)
    known = distribution.versions()
    workers = [lease.name for lease in record.leases if lease.role == "worker"]
    old = [name for name in workers if name not in view.nodes or view.nodes[name].version != cluster.version]
    same = cluster.version == running
    return {
        "cluster": cluster.spec.name,
        "from": running,
        "to": cluster.version,
        "reachable": reachable(running, known),
        "under_way": str(record.upgrade.get("to", "")),
        "findings": [] if same else [each.as_dict() for each in check(distribution, cluster, time.time())],
        "removed": [] if same else [f"{each.api} {each.resource}" for each in between(running, cluster.version)],
        "nodes": [_row(cluster, lease.name) for lease in record.leases],
        "workloads": {"failing": view.failing, "total": len(view.workloads)},
        "backup": _backup(record),
        "snapshot": {"seconds": round(time.time() - view.snapshot)} if view.snapshot else None,
        "order": []
        if same
        else [
            [lease.name for lease in record.leases if lease.role == "control-plane"],
            *map(list, batches(old, len(workers), how.batch, canary=how.canary, pools=pools(cluster))),
        ],
    }


def _backup(record: Record) -> dict[str, Any] | None:
    from sloth.backup.memory import summary

    known = summary(record, time.time())
    return {"name": known["name"], "seconds": known["age"]} if known and known["age"] is not None else None


def _row(cluster: Cluster, name: str) -> dict[str, Any]:
    from sloth.phases.upgrade_look import names, seen

    view, address = seen(cluster), names(cluster)[name]
    node = view.nodes.get(name)
    return {
        "name": name,
        "role": "control-plane" if address else "worker",
        "kubelet": node.version if node else "unknown",
        "server": (view.servers.get(address) or "unknown") if address else "",
        "ready": ("Ready" if node.ready else "NotReady") if node else "unknown",
        "cordoned": bool(node and node.cordoned),
    }


def _advice(loaded: Loaded, wanted: str) -> list[str]:
    """What is left for the user: sloth does not write into spec files."""
    from sloth.upgrade.versions import allows, minor_text

    if allows(loaded.spec.kubernetes.version, wanted):
        return []
    return [f'next: set spec.kubernetes.version to "{minor_text(wanted)}" in {loaded.files[0]}; until then sloth up refuses']


def _show(data: dict[str, Any], options: Options) -> None:
    from sloth.ui.upgrade_table import upgrade_plan

    upgrade_plan(data, options)
