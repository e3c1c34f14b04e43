"""What the verbs below `sloth kube` share: which cluster, as whom, and how their failures become exit codes.

Only Typer is imported at the top: `sloth --help` must not pay for an HTTP library.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from sloth.cli.options import Debug, NoColor, StateDir, StateUrl, execute
from sloth.model.options import Options, Outcome

if TYPE_CHECKING:
    from sloth.kube.client import Client
    from sloth.kube.connection import Connection

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


@dataclass(frozen=True)
class Where:
    """The shared options of `sloth kube`, and the way to a client from them."""

    options: Options
    namespace: str = ""
    context: str = ""
    kubeconfig: Path | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    as_uid: str = ""
    as_extra: tuple[str, ...] = ()

    def connection(self) -> Connection:
        """The kubeconfig that is named, else the cluster of sloth that is meant, else the user's own. Raises SlothError."""
        from sloth.kube import kubeconfig
        from sloth.kube.connection import Impersonation

        ours = not (self.context or self.kubeconfig) and (self.options.cluster or Path("sloth.yaml").is_file())
        found = self._of_sloth() if ours else kubeconfig.load(self.kubeconfig)
        connection = found.connection(self.context, namespace=self.namespace)
        if self.user:
            connection = replace(connection, acting_as=Impersonation(self.user, self.groups, self.as_uid, _extra(self.as_extra)))
        return connection

    def _of_sloth(self) -> Any:
        from sloth.cli.kubeconfig import give_kubeconfig
        from sloth.kube.kubeconfig import merge, read

        text = give_kubeconfig(self.options, merge=False).text
        return merge([(read(text.encode(), "of sloth"), Path.cwd())])

    def client(self, **settings: Any) -> Client:
        """A client with these settings, its discoveries kept in the cache folder. Raises SlothError."""
        from sloth.adapters.paths import cache_dir
        from sloth.cli.audit import log_folder
        from sloth.kube.audit.log import AuditLog
        from sloth.kube.client import Client

        observers = [AuditLog(log_folder(self.options))]
        return Client(self.connection(), cache=cache_dir() / "kube", observers=observers, **settings)


def _extra(given: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    from sloth.errors import UsageError

    found: dict[str, list[str]] = {}
    for each in given:
        key, sign, value = each.partition("=")
        if not sign or not key:
            raise UsageError("kube/as-extra", f"`{each}` is no KEY=VALUE", hint="--as-user-extra example.org/reason=drill")
        found.setdefault(key, []).append(value)
    return tuple((key, tuple(values)) for key, values in found.items())


def kube_verb(group: typer.Typer, name: str) -> Callable[[Callable[..., Outcome]], Callable[..., None]]:
    """Register `function(where, **own)` as a command with the shared options added to its own."""

    def register(function: Callable[..., Outcome]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        @functools.wraps(function)
        def command(**values: Any) -> None:
            shared = {key: values.pop(key) for key in ("cluster", "no_color", "debug", "state_dir", "state")}
            where = Where(
                Options(**shared),
                **{key: values.pop(key) for key in ("namespace", "context", "kubeconfig", "user", "as_uid")},
                groups=tuple(values.pop("groups") or ()),
                as_extra=tuple(values.pop("as_extra") or ()),
            )
            code = execute(where.options, lambda: function(where, **values))
            if code:
                raise typer.Exit(code)

        parameters = [*own, *_shared()]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del command.__wrapped__  # Typer would look through it to the original signature
        group.command(name)(command)
        return command

    return register


def _shared() -> list[inspect.Parameter]:
    hints: dict[str, tuple[Any, Any]] = {
        "namespace": (Namespace, ""),
        "context": (Context, ""),
        "kubeconfig": (ConfigFile, None),
        "cluster": (ClusterName, ""),
        "user": (As, ""),
        "groups": (AsGroup, None),
        "as_uid": (AsUid, ""),
        "as_extra": (AsExtra, None),
        "no_color": (NoColor, False),
        "debug": (Debug, False),
        "state_dir": (StateDir, None),
        "state": (StateUrl, ""),
    }
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=default, annotation=hint) for name, (hint, default) in hints.items()]
