"""The async client: the same streams, many of them on one loop."""

import asyncio
import os
import threading
import urllib.request

import pytest

from sloth.errors import ConnectError, KubernetesError, UsageError
from sloth.kube.streams.remote import STDOUT
from sloth.testing.kube import Fault
from tests.kube.streams.cases import SERVER, grown, tree


def test_commands_side_by_side(run):
    data = os.urandom(2_000_000)

    async def work(client):
        return await asyncio.gather(*(client.exec("web", ["sh", "-c", f"cat; exit {number}"], stdin=data) for number in range(8)))

    done = run(work)
    assert [each.code for each in done] == [*range(8)]
    assert {each.stdout for each in done} == {data}


def test_a_talk_and_a_terminal(run):
    async def work(client):
        async with await client.start("web", ["sh", "-c", "read a; stty size; echo got $a"], stdin=True, tty=True) as process:
            await process.resize(77, 33)
            await process.write(b"go\n")
            done = await process.done(process.__aiter__())
        async with await client.start("web", ["cat"], stdin=True) as process:
            await process.write(b"word")
            assert await process.take() == (STDOUT, b"word")
            await process.close_stdin()
            assert await process.take() is None
            assert await process.wait() == 0
        return done.stdout

    assert run(work).split() == [b"go", b"33", b"77", b"got", b"go"]


def test_what_goes_wrong_is_the_same(run, pods):
    async def work(client):
        with pytest.raises(KubernetesError) as caught:
            await client.exec("web", ["no-such-program"])
        assert caught.value.code == "kube/no-program"
        pods.faults.append(Fault(when=lambda method, target: "/exec" in target, cut=3))
        with pytest.raises(ConnectError) as cut:
            await client.exec("web", ["echo", "hello"], container="app")
        assert cut.value.code == "kube/stream-cut"

    run(work)


def test_input_that_cannot_be_read_ends_it(run):
    def broken():
        yield b"some"
        raise OSError("disk")

    async def work(client):
        with pytest.raises(OSError, match="disk"):
            await client.exec("web", ["cat"], stdin=broken())

    run(work)


def test_copies(run, tmp_path):
    source = grown(tmp_path / "source")
    (tmp_path / "pod").mkdir()

    async def work(client):
        await client.copy_to("web", source, str(tmp_path / "pod"))
        await client.copy_from("web", str(tmp_path / "pod" / "source"), tmp_path / "back")

    run(work)
    assert tree(tmp_path / "back") == tree(source)


def test_ports(run, tmp_path):
    failures = []

    def fetch(port, size):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{size}", timeout=60) as answer:
            return len(answer.read())

    async def work(client):
        async with await client.start("web", ["python3", "-c", SERVER], stdin=True) as server:
            there = int((await server.take()).data)
            async with await client.forward("web", f"0:{there}", "0:1", failed=failures.append) as listener:
                got = await asyncio.gather(*(asyncio.to_thread(fetch, listener.ports[0], at) for at in range(30)))
                assert got == [*range(30)]
                with pytest.raises(OSError):
                    await asyncio.to_thread(fetch, listener.ports[1], 1)
            with pytest.raises(OSError):
                await asyncio.to_thread(fetch, listener.ports[0], 1)
            with pytest.raises(UsageError) as caught:
                await client.forward("web")
            assert caught.value.code == "kube/bad-port"

    run(work)
    assert [error.code for error in failures] == ["kube/port-refused"]


def test_one_connection_without_a_local_port(run):
    async def work(client):
        async with await client.start("web", ["python3", "-c", SERVER], stdin=True) as server:
            there = int((await server.take()).data)
            async with await client.dial("web", there) as tunnel:
                await tunnel.send(b"GET /5 HTTP/1.0\r\n\r\n")
                assert b"".join([data async for data in tunnel]).endswith(b"\r\n\r\nxxxxx")
            with pytest.raises(ConnectError) as caught:
                async with await client.dial("web", 1) as tunnel:
                    await tunnel.receive()
            assert caught.value.code == "kube/port-refused"

    run(work)


def test_a_port_that_is_taken(client):
    with client.forward("web", "0:80") as first:
        with pytest.raises(UsageError) as caught:
            client.forward("web", f"{first.ports[0]}:80")
        assert caught.value.code == "kube/port-taken"
    assert not [thread for thread in threading.enumerate() if thread.name == "kube-forward"]


def test_closing_cuts_connections_that_are_open(client):
    import socket

    with client.start("web", ["python3", "-c", SERVER], stdin=True) as server:
        there = int(server.take(60).data)
        with client.forward("web", f"0:{there}") as forwarder:
            waiting = socket.create_connection(("127.0.0.1", forwarder.ports[0]))
            waiting.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
            assert waiting.recv(4096)
        assert waiting.recv(4096) in (b"", b"x")
        waiting.close()
        server.close_stdin()
        server.wait()
