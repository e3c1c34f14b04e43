"""`sloth kube get`: objects as tables or whole."""

from __future__ import annotations

from collections.abc import Sequence

from sloth.cli.kube_options import Where
from sloth.errors import UsageError
from sloth.kube import show
from sloth.kube.api import EVERY, Api, Select
from sloth.kube.client import Client
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object
from sloth.model.options import Outcome


def get_objects(where: Where, what: Sequence[str], namespace: str, *, labels: str, fields: str, form: str, head: bool) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    select = Select(labels, fields)
    with where.client() as client:
        wanted = client.run(targets(client.api, what))
        if namespace and any(names for _, names in wanted):
            raise UsageError("kube/no-namespace", "a name is looked up in one namespace, not in all", hint="--namespace NAME")
        if select != EVERY and any(names for _, names in wanted):
            raise UsageError("kube/target", "names and selectors exclude each other", hint="leave one of them out")
        if form in ("text", "wide"):
            return _tables(client, wanted, namespace, select, wide=form == "wide", head=head)
        found = [(resource, _whole(client, resource, names, namespace, select)) for resource, names in wanted]
    if form == "name":
        return Outcome("KubeGet", text="\n".join(filter(None, (show.names(resource, items) for resource, items in found))))
    single = len(wanted) == 1 and len(wanted[0][1]) == 1
    items = [show.without_managers(item) for _, items in found for item in items]
    return Outcome("KubeGet", text=show.documents(items, form, single=single))


def targets(api: Api, what: Sequence[str]) -> Call[list[tuple[Resource, list[str]]]]:
    """Kinds with names: `pods`, `pods a b`, `pod/a svc/b`, `pods,svc`, `all`. Raises UsageError."""
    if any("/" in word for word in what):
        if not all(word.count("/") == 1 for word in what):
            raise UsageError(
                "kube/target", "KIND/NAME stands alone or beside others of its form", hint="sloth kube get pod/web svc/web"
            )
        pairs = [(kind, [name]) for kind, _, name in (word.partition("/") for word in what)]
    else:
        pairs = [(kind, list(what[1:])) for kind in what[0].split(",") if kind]
    found: list[tuple[Resource, list[str]]] = []
    for kind, names in pairs:
        try:
            found.append(((yield from api.kinds.find(kind)), names))
        except UsageError:
            category = yield from api.kinds.category(kind)
            if not category:
                raise
            found += [(each, names) for each in category]
    return found


def _whole(client: Client, resource: Resource, names: Sequence[str], namespace: str, select: Select) -> list[Object]:
    if names:
        return client.get_many(resource, names)
    return client.list(resource, namespace or None, labels=select.labels, fields=select.fields)


def _tables(
    client: Client, wanted: Sequence[tuple[Resource, list[str]]], namespace: str, select: Select, *, wide: bool, head: bool
) -> Outcome:
    texts = []
    several = len(wanted) > 1
    for resource, names in wanted:
        pages = _pages(client, resource, names, namespace, select)
        if any(page.get("rows") for page in pages):
            kind = resource.singular or resource.kind.lower() if several else ""
            spaces = bool(namespace) and resource.namespaced
            texts.append(show.table(pages, wide=wide, namespaces=spaces, kind=kind, head=head))
    if texts:
        return Outcome("KubeGet", text="\n\n".join(texts))
    where = "anywhere" if namespace else f"in namespace {client.api.namespace}"
    from sloth.app import say

    say(f"nothing found {where}" if any(resource.namespaced for resource, _ in wanted) else "nothing found")
    return Outcome("KubeGet")


def _pages(client: Client, resource: Resource, names: Sequence[str], namespace: str, select: Select) -> list[Object]:
    if names:
        return [client.run(client.api.get(resource, name, accept=show.TABLE)) for name in names]
    # Without the objects a table is half as long; the namespace of each row is in them.
    query = () if namespace else (("includeObject", "None"),)
    pages: list[Object] = []
    token = ""
    while True:
        page = client.run(
            client.api.page(resource, namespace or None, select=select, token=token, accept=show.TABLE, query=query)
        )
        pages.append(page.document)
        token = page.token
        if not token:
            return pages
