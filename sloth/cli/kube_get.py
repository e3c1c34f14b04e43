"""`sloth kube get`: objects as tables or whole, of one cluster or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sloth.cli.kube_options import Where
from sloth.cli.kube_output import TABLES, exactly, renderer
from sloth.errors import UsageError
from sloth.kube import show
from sloth.kube.api import EVERY, Api, Select
from sloth.kube.client import Client
from sloth.kube.resource import Resource
from sloth.kube.wire import Call, Object
from sloth.model.options import Outcome


@dataclass(frozen=True)
class Question:
    """What is asked, and the form of the answer. `namespace` is empty for the context's own, `*` for all."""

    what: Sequence[str]
    namespace: str = ""
    select: Select = EVERY
    form: str = "text"
    head: bool = True

    @property
    def tables(self) -> bool:
        """Whether the server's own tables are wanted."""
        return self.form in TABLES


@dataclass
class Part:
    """What there is of one kind: pages of its table, or whole objects."""

    resource: Resource
    named: Sequence[str]
    pages: list[Object] = field(default_factory=list)
    items: list[Object] = field(default_factory=list)

    def rows(self, question: Question, *, several: bool) -> list[list[str]]:
        """The table, titles first."""
        kind = self.resource.singular or self.resource.kind.lower() if several else ""
        spaces = bool(question.namespace) and self.resource.namespaced
        return show.table_rows(self.pages, wide=question.form == "wide", namespaces=spaces, kind=kind)


@dataclass
class Answer:
    """What one cluster answered. `namespace` is the one that was looked in."""

    parts: list[Part]
    namespace: str

    @property
    def single(self) -> bool:
        """Whether it is about one object that was named."""
        return len(self.parts) == 1 and len(self.parts[0].named) == 1

    def items(self) -> list[Object]:
        """All objects, without what no person asked for."""
        return [show.without_managers(item) for part in self.parts for item in part.items]

    def names(self) -> list[str]:
        """`pod/web` and so on."""
        return [line for part in self.parts if part.items for line in show.names(part.resource, part.items).splitlines()]


def get_objects(where: Where, question: Question, clusters: str = "", *, every_cluster: bool = False) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    if not question.tables:
        renderer(question.form)  # a form that is none is said before anything is asked
    if clusters or every_cluster:
        from sloth.cli.kube_clusters import get_everywhere, names_of

        return get_everywhere(where, names_of(where, clusters, every_cluster), question)
    with where.client() as client:
        answer = ask(client, question)
    if question.tables:
        return _tables(answer, question)
    if question.form == "name":
        return Outcome("KubeGet", text="\n".join(answer.names()))
    return rendered(question, answer.items(), single=answer.single)


def rendered(question: Question, items: Sequence[Object], *, single: bool) -> Outcome:
    """Whole objects in the form that was asked for."""
    render = renderer(question.form)
    text = render(items, single, question.head) if render else ""
    return exactly("KubeGet", text) if question.form.startswith("jsonpath") else Outcome("KubeGet", text=text)


def ask(client: Client, question: Question) -> Answer:
    """Ask one cluster. Raises SlothError."""
    wanted = client.run(targets(client.api, question.what))
    named = any(names for _, names in wanted)
    if question.namespace and named:
        raise UsageError("kube/no-namespace", "a name is looked up in one namespace, not in all", hint="--namespace NAME")
    if question.select != EVERY and named:
        raise UsageError("kube/target", "names and selectors exclude each other", hint="leave one of them out")
    parts = [Part(resource, names) for resource, names in wanted]
    for part in parts:
        if question.tables:
            part.pages = _pages(client, part.resource, part.named, question.namespace, question.select)
        else:
            part.items = _whole(client, part.resource, part.named, question.namespace, question.select)
    return Answer(parts, client.api.namespace)


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


def _tables(answer: Answer, question: Question) -> Outcome:
    texts = []
    for part in answer.parts:
        rows = part.rows(question, several=len(answer.parts) > 1)
        if len(rows) > 1:
            texts.append(show.aligned(rows if question.head else rows[1:]))
    if texts:
        return Outcome("KubeGet", text="\n\n".join(texts))
    where = "anywhere" if question.namespace else f"in namespace {answer.namespace}"
    from sloth.app import say

    spaced = any(part.resource.namespaced for part in answer.parts)
    say(f"nothing found {where}" if spaced else "nothing found")
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
