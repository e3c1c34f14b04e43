"""The async front carries out the same calls."""

import asyncio

from sloth.kube import AsyncClient
from sloth.kube.workloads.deleting import Target, delete_all, wait_gone
from sloth.kube.workloads.identity import who_am_i
from sloth.kube.workloads.scaling import scale
from tests.kube.workloads.things import deployment


def test_calls_are_carried_out_by_the_async_client_too(server, space):
    async def work():
        async with AsyncClient(server.connection) as client:
            await client.create(deployment("web", 1), space)
            found = await client.run(scale(client.api, "deploy", "web", 3, space))
            kind = await client.run(client.kinds.find("deploy"))
            gone = await client.run(delete_all(client.api, [Target(kind, space, "web")]))
            await client.run(wait_gone(gone, 30))
            return found["spec"]["replicas"], (await client.run(who_am_i())).name

    replicas, user = asyncio.run(work())
    assert replicas == 3
    assert user in ("tester", "admin")
