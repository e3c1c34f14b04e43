"""The reference of the Python API as a page, made from signatures and docstrings: docs/reference/kube-api.md is this text."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import inspect
import re
import textwrap
from collections.abc import Iterator

from sloth import kube
from sloth.kube import AsyncClient, AsyncInformer, Client, Informer
from sloth.kube.api import Page, Select
from sloth.kube.connection import Connection, ExecPlugin, Impersonation, Oidc
from sloth.kube.faults import ApiError
from sloth.kube.fronts.applying import Proposal
from sloth.kube.fronts.logs import LogLine
from sloth.kube.fronts.manifests import AsyncManifests, Manifests
from sloth.kube.fronts.rollout import AsyncRollout, Rollout
from sloth.kube.informer_async import AsyncSubscription
from sloth.kube.pool import Clients
from sloth.kube.resource import Resource
from sloth.kube.retry import Policy
from sloth.kube.store import Store, Subscription
from sloth.kube.streams.aprocess import AsyncProcess
from sloth.kube.streams.process import Done, Process
from sloth.kube.streams.tunnel import AsyncTunnel, Tunnel
from sloth.kube.watch import Event
from sloth.kube.workloads.view import View
from sloth.kube.workloads.views import VIEWS
from tests.kube.examples import public

INTRODUCTION = f"""# The Python API of sloth.kube

<!-- Made from docstrings by `pytest tests/kube/test_reference.py --update-golden`: change those, not this page. -->

Every example here is run by the tests, with `client` a client of a small cluster: a Deployment `web` with the pod `web-0` on
the node `work-1`, a Service `web` and a ConfigMap `greeting`; `folder`, `port` and `seal` are the test's own. Those who come from
other clients begin with [the guide](../guide/coming-from-python-clients.md).

`from sloth.kube import …`: {", ".join(f"`{name}`" for name in kube.__all__)}. Nothing is imported before it is used.

Objects are plain dicts. A namespace of `None` is the context's own, `"*"` (`EVERYWHERE`) all of them. A kind is any name that
kubectl takes (`pods`, `po`, `Pod`, `deployments.apps`, `apps/v1/Deployment`) or a `Resource`. All failures are
`sloth.errors.SlothError`, with `code`, `summary`, `detail` and `hint`; those of the server are `ApiError`, with `status`.
"""
# Both fronts in one section: the async one has the same methods, to be awaited.
PAIRS = (
    (Client, AsyncClient),
    (Rollout, AsyncRollout),
    (Manifests, AsyncManifests),
    (Informer, AsyncInformer),
    (Subscription, AsyncSubscription),
    (Process, AsyncProcess),
    (Tunnel, AsyncTunnel),
)
TITLES = {Rollout: "client.rollout", Manifests: "client.manifests"}
DATA = (
    Connection, Impersonation, ExecPlugin, Oidc, Policy, ApiError, Resource, Select, Page, Event, LogLine, Proposal, Done, Store,
    Clients,
)  # fmt: skip


def markdown() -> str:
    """The whole page."""
    pieces = [INTRODUCTION]
    for kind, other in PAIRS:
        pieces += _pair(kind, other)
    pieces.append("## Values\n")
    for kind in DATA:
        pieces += [f"### {kind.__name__}\n", *_text(kind, kind.__doc__)]
        if names := _fields(kind):
            pieces.append(f"- fields: {', '.join(f'`{name}`' for name in names)}")
        pieces += [f"- {_line(kind, name)}" for name, _ in _members(kind)]
        pieces.append("")
    pieces += _views()
    return "\n".join(pieces).rstrip() + "\n"


def _fields(kind: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(each.name for each in dataclasses.fields(kind))
    return getattr(kind, "__struct_fields__", ())


def _pair(kind: type, other: type) -> Iterator[str]:
    yield f"## {TITLES.get(kind) or f'{kind.__name__}, {other.__name__}'}\n"
    yield from _text(kind, kind.__doc__)
    made = _node(kind, "__init__")
    if made and kind not in TITLES and kind not in (Process, Tunnel, Subscription):
        yield _signature(kind.__name__, made)
    for name, _ in _members(kind):
        yield f"### {TITLES.get(kind, kind.__name__)}.{name}\n"
        found = _node(kind, name)
        if found is not None and not _is_property(kind, name):
            yield _signature(name, found)
        yield from _text(kind, _doc(kind, name))
        theirs = _examples(_doc(other, name))
        if theirs and theirs != _examples(_doc(kind, name)):
            yield f"{other.__name__}:\n\n```pycon\n{theirs}\n```\n"


def _members(kind: type) -> list[tuple[str, str]]:
    return [(name, text) for name, text in public(kind) if text and not hasattr(Exception, name) and name not in ("as_dict",)]


def _doc(kind: type, name: str) -> str:
    return dict(public(kind)).get(name, "")


def _is_property(kind: type, name: str) -> bool:
    return isinstance(inspect.getattr_static(kind, name), property)


def _node(kind: type, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The definition, from the class of ours that has it."""
    for each in kind.__mro__:
        if name not in each.__dict__ or not each.__module__.startswith("sloth."):
            continue
        try:
            found = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        except OSError:
            return None
        wanted = getattr(inspect.unwrap(inspect.getattr_static(each, name)), "__name__", name)
        for inner in found.body if isinstance(found, ast.ClassDef) else ():
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name in (name, wanted):
                return inner
    found_by_name = inspect.getattr_static(kind, name, None)
    target = getattr(found_by_name, "__qualname__", "").partition(".")[0]
    owner = next((each for each in kind.__mro__ if each.__name__ == target), None)
    return _node(owner, found_by_name.__name__) if owner and found_by_name and found_by_name.__name__ != name else None


def _call(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef, width: int = 10_000) -> str:
    """As it is called, in lines that fit."""
    given = node.args
    plain = given.args[1:] if given.args and given.args[0].arg in ("self", "cls") else given.args
    defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
    words = [_argument(each, default) for each, default in zip(plain, defaults[-len(plain) :], strict=True)] if plain else []
    words += [f"*{_argument(given.vararg, None)}"] if given.vararg else ["*"] if given.kwonlyargs else []
    words += [_argument(each, default) for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    words += [f"**{_argument(given.kwarg, None)}"] if given.kwarg else []
    back = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    whole = f"{name}({', '.join(words)}){back}"
    if len(whole) <= width:
        return whole
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > width - 4:
            lines.append("")
        lines[-1] += f"{word}, "
    return "\n".join([f"{name}(", *(f"    {line.rstrip()}" for line in lines), f"){back}"])


def _argument(given: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(given.annotation)}" if given.annotation else ""
    return f"{given.arg}{kind}" + (f" = {ast.unparse(default)}" if default is not None else "")


def _signature(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"```python\n{_call(name, node, 110)}\n```\n"


def _text(kind: type, doc: str | None) -> Iterator[str]:
    """Prose as it is, examples in a block of their own."""
    words = inspect.cleandoc(doc or "")
    prose, shown = words.partition(">>> ")[0].strip(), _examples(words)
    yield prose.replace("<", "&lt;") + "\n"
    if shown:
        yield f"```pycon\n{shown}\n```\n"


def _examples(doc: str) -> str:
    if ">>> " not in doc:
        return ""
    parts = doctest.DocTestParser().parse(doc)
    shown = []
    for each in parts:
        if isinstance(each, doctest.Example):
            first, *more = each.source.rstrip("\n").split("\n")
            shown += [f">>> {first}", *(f"... {line}".rstrip() for line in more), *each.want.rstrip("\n").split("\n")]
    return "\n".join(line for line in shown if line)


def _line(kind: type, name: str) -> str:
    """One member in one line."""
    node = _node(kind, name)
    text = re.sub(r"\s+", " ", _doc(kind, name).partition("\n\n")[0])
    head = name if node is None or _is_property(kind, name) else _call(name, node)
    return f"`{head}`: {text}"


def _views() -> Iterator[str]:
    yield "## Typed views\n"
    names = ", ".join(f"`{name}`" for name, _ in public(View))
    yield "`view(item)` reads an object through properties of its kind; `sloth.kube.workloads.views` has the classes. A view"
    yield "changes nothing, and `raw` is the very dict: send that back."
    yield f"All views have {names}; objects of other kinds get these alone.\n"
    yield "| kind | and of its own |\n|---|---|"
    common = {name for name, _ in public(View)}
    for (api, kind), made in sorted(VIEWS.items()):
        own = ", ".join(f"`{name}`" for name, _ in public(made) if name not in common)
        yield f"| `{api}` {kind} | {own} |"
