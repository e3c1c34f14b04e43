"""The async front: the same calls and the same state machines, so here only that it carries them out."""

import asyncio

import pytest

from sloth.errors import ConnectError
from sloth.kube import ApiError, AsyncClient, Client
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config


def with_client(server, work):
    """Run `work(client)` in a loop of its own."""

    async def whole():
        async with AsyncClient(server.connection, policy=QUICK) as client:
            return await work(client)

    return asyncio.run(whole())


def test_verbs(server, space):
    async def work(client):
        await client.create(config("a", n="1"), space)
        await client.apply(config("a", m="1"), space)
        await client.patch("cm", "a", {"data": {"n": "2"}}, space)
        put = await client.get("cm", "a", space)
        await client.replace({**put, "data": {**put["data"], "p": "1"}}, space)
        await client.create(config("b"), space)
        many = await client.get_many("cm", ["b", "a"], space)
        listed = await client.list("cm", space, limit=1, fields="metadata.name!=kube-root-ca.crt")
        assert [item async for item in client.each("cm", space, limit=1, fields="metadata.name!=kube-root-ca.crt")] == listed
        assert await client.may("get", "pods", space)
        assert any(each.plural == "pods" for each in await client.resources())
        await client.delete("cm", "b", space)
        with pytest.raises(ApiError):
            await client.get("cm", "b", space)
        return many, listed

    many, listed = with_client(server, work)
    assert many[1]["data"] == {"n": "2", "m": "1", "p": "1"}
    assert [item["metadata"]["name"] for item in listed] == ["a", "b"]


def test_a_watch_outlives_cuts(fake):
    async def work(client):
        await client.create(config("a"))
        fake.faults += [Fault(when=lambda method, target: "watch=true" in target, cut=cut) for cut in (0, 5, 60)]
        seen = []
        async for event in client.watch("cm"):
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 1:
                await client.create(config("b"))
            elif len(seen) == 2:
                fake.state.compact()
                await client.delete("cm", "a")
            else:
                break
        return seen

    assert with_client(fake, work) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_failures_are_those_of_the_sync_front(fake):
    fake.faults += [Fault(cut=0)] * 5
    with pytest.raises(ConnectError) as caught:
        with_client(fake, lambda client: client.list("namespaces"))
    assert caught.value.code == "kube/unreachable"
    fake.faults.append(Fault(status=429, headers={"Retry-After": "0"}))
    assert with_client(fake, lambda client: client.get("namespaces", "default"))["kind"] == "Namespace"


def test_a_body_as_it_comes(fake):
    from sloth.kube.wire import Request

    async def work(client):
        async with client.open(Request("GET", "/version")) as chunks:
            return b"".join([chunk async for chunk in chunks])

    assert b"v1.36" in with_client(fake, work)
    with Client(fake.connection, policy=QUICK) as client, client.open(Request("GET", "/version")) as chunks:
        assert b"v1.36" in b"".join(chunks)


def test_both_fronts_have_the_same_methods():
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert {name for name in dir(AsyncClient) if not name.startswith("_")} == public
