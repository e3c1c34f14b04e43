"""The same corpus by our client, under the same names."""

from __future__ import annotations

from sloth.errors import CredentialsError
from sloth.kube import ApiError, Client, Resource
from sloth.kube.workloads.scaling import scale
from sloth.model.secret import Secret

WIDGETS = Resource("sloth.test", "v1", "widgets", "Widget")


def things(space):
    """The bodies that both clients send."""

    def config(name, number, **more):
        meta = {"name": name, "labels": {"mine": "1", "n": number, "of": space}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": number}, **more}

    def bare(name, **data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}

    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    old = config("c1", "5")
    old["metadata"]["resourceVersion"] = "1"
    return {
        "c1": config("c1", "1"), "c2": config("c2", "2"), "c3": config("c3", "3"), "dry": config("dry", "4"), "old": old,
        "c4": bare("c4", ours="1"), "c4 of others": bare("c4", ours="2", theirs="1"),
        "web": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec},
        "side": {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}}},
        "widget": {"apiVersion": "sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}},
    }  # fmt: skip


def whole(page):
    """A list as the server gave it."""
    return page.document


def texts(lines):
    """A whole log."""
    return "".join(f"{line.text}\n" for line in lines)


def whose_token(client):
    """A refusal is a failure of ours, and an answer of theirs."""
    try:
        return client.token_review(Secret("no-token"))
    except CredentialsError:
        return {"authenticated": False}


def corpus(client: Client, other: Client, space: str):
    """(name, call); `other` is a client with the field manager `other`."""
    given = things(space)
    token = []

    def first_page():
        page = next(client.pages("configmaps", space, limit=2, labels="mine=1"))
        token.append(page.token)
        return whole(page)

    def second_page():
        from sloth.kube.api import Select

        return whole(client.run(client.api.page("configmaps", space, select=Select("mine=1"), limit=2, token=token[0])))

    def listed(space, **selection):
        return whole(next(client.pages("configmaps", space, **selection)))

    def watched():
        """All that there is is told first."""
        for number, event in enumerate(client.watch("configmaps", space, labels="mine=1"), 1):
            if number == 3:
                client.patch("configmaps", "c1", {"data": {"n": "9"}}, space)
            elif number == 4:
                return [event.type, event.object["metadata"]["name"]]

    return [
        ("create", lambda: client.create(given["c1"], space)),
        ("create another", lambda: client.create(given["c2"], space)),
        ("create a third", lambda: client.create(given["c3"], space)),
        ("create, tried only", lambda: client.create(given["dry"], space, dry_run=True)),
        ("create what is there", lambda: client.create(given["c1"], space)),
        ("create in no namespace", lambda: client.create(given["c1"], "no-such-namespace")),
        ("get", lambda: client.get("configmaps", "c1", space)),
        ("get what is not there", lambda: client.get("configmaps", "nothing", space)),
        ("get of the whole cluster", lambda: client.get("namespaces", space)),
        ("list", lambda: listed(space, labels="mine=1")),
        ("list by fields", lambda: listed(space, fields="metadata.name=c2")),
        ("list by a set of labels", lambda: listed(space, labels="n in (1,2),mine")),
        ("list everywhere", lambda: listed("*", labels=f"of={space}")),
        ("list a wrong selector", lambda: listed(space, labels="a in")),
        ("first page", first_page),
        ("second page", second_page),
        ("merge patch", lambda: client.patch("configmaps", "c1", {"data": {"n": "2"}}, space)),
        (
            "JSON patch",
            lambda: client.patch("configmaps", "c1", [{"op": "add", "path": "/data/m", "value": "é"}], space, how="json"),
        ),
        (
            "JSON patch that does not fit",
            lambda: client.patch("configmaps", "c1", [{"op": "test", "path": "/data/m", "value": "x"}], space, how="json"),
        ),
        ("create a Deployment", lambda: client.create(given["web"], space)),
        ("strategic patch", lambda: client.patch("deployments", "web", given["side"], space, how="strategic")),
        ("read a scale", lambda: client.get("deployments", "web", space, subresource="scale")),
        ("scale", lambda: client.scale("deployments", "web", 3, space)),
        ("scale, tried only", lambda: client.run(scale(client.api, "deployments", "web", 7, space, dry_run=True))),
        (
            "patch a status",
            lambda: client.patch("deployments", "web", {"status": {"observedGeneration": 1}}, space, subresource="status"),
        ),
        ("apply", lambda: client.apply(given["c4"], space)),
        ("apply what others own", lambda: other.apply(given["c4 of others"], space)),
        ("apply by force", lambda: other.apply(given["c4 of others"], space, force=True)),
        ("replace an old version", lambda: client.replace(given["old"], space)),
        ("replace", lambda: client.replace(given["c1"], space)),
        ("create a custom object", lambda: client.run(client.api.create(given["widget"], space, kind=WIDGETS))),
        ("list custom objects", lambda: whole(next(client.pages(WIDGETS, space)))),
        ("delete a custom object", lambda: client.delete(WIDGETS, "w", space)),
        ("may I", lambda: client.can_i("delete", "deployments", space)),
        ("may I read a path", lambda: client.can_i("get", "/metrics")),
        ("whose token", lambda: whose_token(client)),
        ("log", lambda: texts(client.logs("web-0", space, container="app", tail=2, since=3600))),
        ("log of the run before", lambda: texts(client.logs("web-0", space, container="app", previous=True))),
        ("watch", watched),
        ("delete, tried only", lambda: client.delete("configmaps", "c3", space, dry_run=True)),
        ("delete another one", lambda: client.delete("configmaps", "c3", space, uid="another")),
        ("delete", lambda: client.delete("configmaps", "c3", space, propagation="Foreground", grace=0)),
        ("delete what is not there", lambda: client.delete("configmaps", "c3", space)),
    ]


def carried_out(call):
    """The result, or the failure in the same words as theirs."""
    try:
        return {"result": call()}
    except ApiError as error:
        return {"status": error.status, "reason": error.reason, "message": error.detail}
