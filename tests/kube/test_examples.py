"""Every public method of the clients has an example in its docstring, and it does what it shows."""

import asyncio

import pytest

from sloth.kube import AsyncClient, AsyncInformer, Client, Informer
from sloth.kube.fronts.manifests import AsyncManifests, Manifests
from sloth.kube.fronts.rollout import AsyncRollout, Rollout
from tests.kube import examples
from tests.kube.conftest import QUICK
from tests.kube.world import PlainSeal, world

SYNC, ASYNC = (Client, Rollout, Manifests, Informer), (AsyncClient, AsyncRollout, AsyncManifests, AsyncInformer)
WHOLE = (Client, AsyncClient, Informer, AsyncInformer)  # of the others their methods say all
CASES = [
    pytest.param(kind, name, text, id=f"{kind.__name__}.{name}")
    for kind in (*SYNC, *ASYNC)
    for name, text in (*((("", kind.__doc__),) if kind in WHOLE else ()), *examples.public(kind))
]


@pytest.fixture
def server(tmp_path, monkeypatch):
    with world(tmp_path, monkeypatch) as made:
        yield made


def names(server, folder):
    return {"folder": folder, "port": int(server.url.rpartition(":")[2]), "seal": PlainSeal(), "Client": Client,
            "AsyncClient": AsyncClient, "Informer": Informer, "AsyncInformer": AsyncInformer}  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "text"), CASES)
def test_example(kind, name, text, server, tmp_path):
    assert ">>> " in text, f"{kind.__name__}.{name} has no example"
    known = names(server, tmp_path)
    if kind in SYNC:
        with Client(server.connection, policy=QUICK) as client:
            examples.run(text, {**known, "client": client})
        return

    async def whole():
        async with AsyncClient(server.connection, policy=QUICK) as client:
            await examples.carry_out(text, {**known, "client": client})

    asyncio.run(whole())


def test_an_example_that_shows_something_else_is_noticed():
    examples.run(">>> 1 + 1\n2\n", {})
    for wrong in (">>> 1 + 1\n3\n", ">>> 1 / 0\n1\n", ">>> 1\nTraceback (most recent call last):\nValueError: x\n"):
        with pytest.raises(AssertionError):
            examples.run(wrong, {})


def test_groups_have_the_same_methods_in_both_clients():
    for one, other in zip(SYNC, ASYNC, strict=True):
        mine, theirs = ({name for name, _ in examples.public(kind)} for kind in (one, other))
        assert mine == theirs
