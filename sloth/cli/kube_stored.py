"""`sloth kube clusters`: clusters that sloth did not make, with their credentials kept encrypted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sloth.cli.kube_options import kube_verb
from sloth.cli.kube_where import Where
from sloth.errors import SlothError, UsageError
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.kube.connection import Connection
    from sloth.kube.vault import Vault

Name = Annotated[str, typer.Argument(help="What --cluster and --clusters shall call it.")]
Replace = Annotated[bool, typer.Option("--replace", help="In place of the one that has this name.")]
Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the cluster whether it takes the credentials.")]


def register(group: typer.Typer) -> None:
    """Add the verbs."""
    clusters = typer.Typer(no_args_is_help=True, help="Clusters that sloth did not make, their credentials kept encrypted.")
    group.add_typer(clusters, name="clusters")

    @kube_verb(clusters, "add")
    def add(where: Where, name: Name, *, again: Replace = False, offline: Offline = False) -> Outcome:
        """Keep a context of the kubeconfig, sealed with sloth's key: the kubeconfig is not needed any more."""
        return keep(where, name, again=again, offline=offline)

    @kube_verb(clusters, "list")
    def listed(where: Where) -> Outcome:
        """List the clusters that --clusters and --all-clusters find."""
        return list_clusters(where)

    @kube_verb(clusters, "remove")
    def remove(where: Where, name: Name) -> Outcome:
        """Forget a kept cluster. Its credentials stay good until the cluster takes them back."""
        found = vault(where.options)
        if name not in found.names():
            found.get(name)  # says that there is none
        found.remove(name)
        return Outcome("KubeClusterRemoved", text=f"{name} is forgotten")


def vault(options: Options) -> Vault:
    """The vault of this user."""
    from sloth.adapters.connections import vault_in
    from sloth.app import data_root

    return vault_in(data_root(options))


def kept(where: Where) -> Connection | None:
    """What is kept under the name that `--cluster` gives, unless sloth has a cluster of its own of that name.

    Raises StateError.
    """
    from sloth.app import known_clusters

    name, found = where.options.cluster, vault(where.options)
    if name not in found.names() or name in where.shared("known clusters", lambda: known_clusters(where.options)):
        return None
    return replace(found.get(name), name=name)


def keep(where: Where, name: str, *, again: bool, offline: bool) -> Outcome:
    """The verb `add` without its command line. Raises SlothError."""
    from sloth.app import known_clusters
    from sloth.kube import kubeconfig
    from sloth.kube.workloads.identity import who_am_i

    found = vault(where.options)
    if name in known_clusters(where.options):
        raise UsageError("kube/cluster-taken", f"sloth has a cluster {name} of its own", hint="choose another name")
    if name in found.names() and not again:
        raise UsageError("kube/cluster-taken", f"a cluster {name} is kept already", hint="--replace, or choose another name")
    # A context of the kubeconfig, even in the folder of a sloth.yaml.
    context = where.context or kubeconfig.load(where.kubeconfig).current
    if not context:
        raise UsageError("kube/unknown-context", "the kubeconfig has no current context", hint="--context NAME")
    where = replace(where, context=context, options=replace(where.options, cluster=""))
    connection = where.connection()
    text = f"{name} is kept: {connection.server}"
    if not offline:
        with where.client() as client:
            text += f" as {client.run(who_am_i()).name}"
    found.put(name, connection)
    for each in _left_outside(connection):
        where.say(f"not in the vault, and needed still: {each}")
    return Outcome("KubeClusterKept", text=text)


def _left_outside(connection: Connection) -> list[str]:
    """What credentials need beside what is kept."""
    found = [f"the program {connection.plugin.command}"] if connection.plugin else []
    found += [f"the token file {connection.token_file}"] if connection.token_file else []
    renewed = connection.oidc.file if connection.oidc and connection.oidc.refresh_token else None
    return found + ([f"{renewed}, where renewed tokens are written"] if renewed else [])


def list_clusters(where: Where) -> Outcome:
    """The verb `list` without its command line. Raises SlothError."""
    from sloth.app import known_clusters
    from sloth.kube.show import aligned, cell

    found = vault(where.options)
    rows = [["NAME", "FROM", "SERVER", "NAMESPACE"]]
    rows += [[name, "sloth", "", ""] for name in known_clusters(where.options)]
    for name in found.names():
        try:
            connection = found.get(name)
            rows.append([name, "kept", cell(connection.server), cell(connection.namespace)])
        except SlothError as error:
            rows.append([name, "kept", f"cannot be opened ({error.code})", ""])
    return Outcome("KubeClusters", text=aligned(rows) if len(rows) > 1 else "no cluster is known")
