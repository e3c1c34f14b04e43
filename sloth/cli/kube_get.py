"""`sloth kube get`: objects as tables or whole, of one cluster or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sloth.cli.kube_output import TABLES, exactly, renderer
from sloth.cli.kube_where import Where
from sloth.errors import UsageError
from sloth.kube import show
from sloth.kube.api import EVERY, PAGE, Api, Select
from sloth.kube.client import Client
from sloth.kube.decode import document, ok
from sloth.kube.resource import EVERYWHERE, Resource
from sloth.kube.wire import JSON, Call, Object, Request, ask_all
from sloth.model.options import Outcome


@dataclass(frozen=True)
class Question:
    """What is asked, and the form of the answer. `namespace` is empty for the context's own, `*` for all.

    `columns`: labels that have a column each; `sort`: a JSONPath; `size`: objects a page, 0 for all at once; `managers`: whole
    objects with `managedFields`; `kinds`: the kind before each name, even if there is just one.
    """

    what: Sequence[str]
    namespace: str = ""
    select: Select = EVERY
    form: str = "text"
    head: bool = True
    files: Sequence[str] = ()
    columns: Sequence[str] = ()
    all_labels: bool = False
    sort: str = ""
    size: int = PAGE
    missing_ok: bool = False
    subresource: str = ""
    managers: bool = False
    kinds: bool = False

    @property
    def tables(self) -> bool:
        """Whether the server's own tables are wanted."""
        return self.form in TABLES

    @property
    def included(self) -> str:
        """What of the objects has to come with the rows of tables: without them a table is half as long."""
        if self.sort:
            return "Object"
        return "Metadata" if self.namespace or self.columns or self.all_labels else "None"


@dataclass
class Part:
    """What there is of one kind: pages of its table, or whole objects. `place`: the namespace of the names."""

    resource: Resource
    named: Sequence[str]
    place: str = ""
    pages: list[Object] = field(default_factory=list)
    items: list[Object] = field(default_factory=list)

    def rows(self, question: Question, *, several: bool) -> list[list[str]]:
        """The table, titles first."""
        kind = word(self.resource) if several or question.kinds else ""
        spaces = bool(question.namespace) and self.resource.namespaced
        return show.table_rows(
            self.pages, wide=question.form == "wide", namespaces=spaces, kind=kind, labels=question.columns,
            all_labels=question.all_labels,
        )  # fmt: skip


@dataclass
class Answer:
    """What one cluster answered. `namespace` is the one that was looked in."""

    parts: list[Part]
    namespace: str

    @property
    def single(self) -> bool:
        """Whether it is about one object that was named."""
        return len(self.parts) == 1 and len(self.parts[0].named) == 1

    def items(self, question: Question) -> list[Object]:
        """All objects, without what no person asked for. Raises UsageError (none has the field to sort by)."""
        found = [item for part in self.parts for item in part.items]
        if question.sort:
            from sloth.kube.workloads.ordering import ordered

            found = ordered(found, question.sort, lambda item: item)
        return found if question.managers else [show.without_managers(item) for item in found]

    def names(self, question: Question) -> list[str]:
        """`pod/web` and so on."""
        if question.sort and len(self.parts) == 1:
            return show.names(self.parts[0].resource, self.items(question)).splitlines()
        return [line for part in self.parts if part.items for line in show.names(part.resource, part.items).splitlines()]


def word(resource: Resource) -> str:
    """`pod`, `deployment.apps`: what stands before a name."""
    return f"{resource.singular or resource.kind.lower()}.{resource.group}".rstrip(".")


def get_objects(where: Where, question: Question, clusters: str = "", *, every_cluster: bool = False) -> Outcome:
    """The verb without its command line. Raises SlothError."""
    if not question.tables:
        renderer(question.form)  # a form that is none is said before anything is asked
    if clusters or every_cluster:
        from sloth.cli.kube_clusters import get_everywhere, names_of

        return get_everywhere(where, names_of(where, clusters, every_cluster), question)
    with where.client() as client:
        answer = ask(client, question, where)
    if question.tables:
        return _tables(answer, question)
    if question.form == "name":
        return Outcome("KubeGet", text="\n".join(answer.names(question)))
    return rendered(question, answer.items(question), single=answer.single)


def rendered(question: Question, items: Sequence[Object], *, single: bool) -> Outcome:
    """Whole objects in the form that was asked for."""
    if single and not items:
        return Outcome("KubeGet")  # the one that was named is not there, and that is no failure
    render = renderer(question.form)
    text = render(items, single, question.head) if render else ""
    return exactly("KubeGet", text) if question.form.startswith("jsonpath") else Outcome("KubeGet", text=text)


def print_raw(where: Where, path: str, beside: Sequence[str] = ()) -> Outcome:
    """What the server answers at a path, byte by byte. `beside`: what else was named. Raises SlothError."""
    import sys
    from urllib.parse import parse_qsl

    if beside or not path.startswith("/"):
        raise UsageError("kube/raw-path", f"{path} is no path, or does not stand alone", hint="--raw /readyz?verbose")
    address, _, query = path.partition("?")
    request = Request("GET", address, tuple(parse_qsl(query, keep_blank_values=True)), what=f"get {address}")
    with where.client() as client, client.open(request) as chunks:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    return Outcome("")


def ask(client: Client, question: Question, where: Where) -> Answer:
    """Ask one cluster. Raises SlothError."""
    parts = parts_of(client, question, where)
    for part in parts:
        if part.named:
            found = client.run(_named(client.api, part, question))
        elif question.tables:
            found = _pages(client, part.resource, question)
        else:
            select = question.select
            found = client.list(
                part.resource, question.namespace or None, labels=select.labels, fields=select.fields, limit=question.size
            )
        if question.tables:
            part.pages = sorted_pages(found, question.sort)
        else:
            part.items = found
    return Answer(parts, client.api.namespace)


def parts_of(client: Client, question: Question, where: Where) -> list[Part]:
    """What is asked of one cluster, nothing of it answered yet. Raises UsageError, KubernetesError."""
    if bool(question.what) == bool(question.files):
        raise UsageError("kube/target", "name kinds, or files that name objects", hint="sloth kube get pods")
    if question.files:
        from sloth.cli.kube_sources import named_in

        parts = [Part(kind, [name], place) for kind, place, name in named_in(where, client, question.files)]
    else:
        parts = [Part(kind, names) for kind, names in client.run(targets(client.api, question.what))]
    named = any(part.named for part in parts)
    if question.namespace and named:
        raise UsageError("kube/no-namespace", "a name is looked up in one namespace, not in all", hint="--namespace NAME")
    if question.select != EVERY and named:
        raise UsageError("kube/target", "names and selectors exclude each other", hint="leave one of them out")
    if question.subresource and not named:
        raise UsageError("kube/target", "only an object with a name has a subresource", hint="sloth kube get KIND NAME")
    return parts


def sorted_pages(pages: list[Object], path: str) -> list[Object]:
    """One page of all rows by that field of their objects; as they are without a path. Raises UsageError."""
    if not path:
        return pages
    from sloth.kube.workloads.ordering import ordered

    rows = ordered([row for page in pages for row in page.get("rows") or ()], path, lambda row: row["object"])
    return [{**page, "rows": rows} for page in pages[:1]]


def targets(api: Api, what: Sequence[str]) -> Call[list[tuple[Resource, list[str]]]]:
    """Kinds with names: `pods`, `pods a b`, `pod/a svc/b`, `pods,svc`, `all`. Raises UsageError."""
    if any("/" in word for word in what):
        if not all(word.count("/") == 1 for word in what):
            raise UsageError(
                "kube/target", "KIND/NAME stands alone or beside others of its form", hint="sloth kube get pod/web svc/web"
            )
        pairs: list[tuple[str, list[str]]] = []
        for kind, _, name in (word.partition("/") for word in what):
            if pairs and pairs[-1][0] == kind:
                pairs[-1][1].append(name)
            else:
                pairs.append((kind, [name]))
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


def _tables(answer: Answer, question: Question) -> Outcome:
    texts = []
    for part in answer.parts:
        rows = part.rows(question, several=len(answer.parts) > 1)
        if len(rows) > 1:
            texts.append(show.aligned(rows if question.head else rows[1:]))
    if texts or question.missing_ok:
        return Outcome("KubeGet", text="\n\n".join(texts))
    where = "anywhere" if question.namespace else f"in namespace {answer.namespace}"
    from sloth.app import say

    spaced = any(part.resource.namespaced for part in answer.parts)
    say(f"nothing found {where}" if spaced else "nothing found")
    return Outcome("KubeGet")


def _named(api: Api, part: Part, question: Question) -> Call[list[Object]]:
    """Objects by their names, side by side: each as a table or whole. Raises ApiError of the first that cannot be had."""
    resource, place = part.resource, api.place(part.resource, part.place or None)
    if place == EVERYWHERE:
        raise UsageError("kube/no-namespace", f"one {resource.kind} is in one namespace: which?", hint="--namespace NAME")
    table = question.tables
    query = (("includeObject", question.included),) if table and question.included != "Metadata" else ()
    accept = {"Accept": show.TABLE if table else JSON}
    requests = [
        Request("GET", resource.path(place, name, question.subresource), query, accept, what=resource.words("get", place, name))
        for name in part.named
    ]
    answers = yield from ask_all(requests)
    return [
        document(ok(answer, request))
        for answer, request in zip(answers, requests, strict=True)
        if not (question.missing_ok and answer.status == 404)
    ]


def _pages(client: Client, resource: Resource, question: Question) -> list[Object]:
    query = () if question.included == "Metadata" else (("includeObject", question.included),)
    pages: list[Object] = []
    token = ""
    while True:
        page = client.run(
            client.api.page(
                resource, question.namespace or None, select=question.select, limit=question.size, token=token,
                accept=show.TABLE, query=query,
            )
        )  # fmt: skip
        pages.append(page.document)
        token = page.token
        if not token:
            return pages
