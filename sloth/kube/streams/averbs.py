"""Streams as methods of the async client: those of `verbs`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.errors import SlothError

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.async_wire import AsyncWire
    from sloth.kube.streams.aprocess import AsyncProcess
    from sloth.kube.streams.asking import Talk
    from sloth.kube.streams.copying import Copied, Progress
    from sloth.kube.streams.listener import Listener
    from sloth.kube.streams.process import Done, Source
    from sloth.kube.streams.tunnel import AsyncTunnel


class AsyncStreams:
    """What `AsyncClient` has of streams. A pod is named by its name, or by what owns it: `deploy/web`, `svc/web`."""

    api: Api
    wire: AsyncWire

    async def exec(
        self, pod: str, command: Sequence[str], namespace: str | None = None, *, container: str = "", stdin: Source | None = None
    ) -> Done:
        r"""Run a command to its end: exit code and output. `stdin`: bytes, a file or blocks of bytes.

        Raises ApiError, KubernetesError (it could not be started), ConnectError (nobody knows how it ended).

        >>> await client.exec("web-0", ["sh", "-c", "wc -c; exit 3"], stdin=b"hello")
        Done(code=3, stdout=b'5\n', stderr=b'')
        """
        async with await self.start(pod, command, namespace, container=container, stdin=stdin is not None) as process:
            return await process.done(process.__aiter__() if stdin is None else process.feed(stdin))

    async def start(
        self, pod: str, command: Sequence[str], namespace: str | None = None, *, container: str = "", stdin: bool = False,
        tty: bool = False,
    ) -> AsyncProcess:  # fmt: skip
        """Begin a command, to talk with while it runs; close it, best by `async with`. Raises ApiError, KubernetesError.

        >>> async with await client.start("web-0", ["cat"], stdin=True) as process:
        ...     await process.write(b"hello")
        ...     (await process.take()).data
        ...     await process.close_stdin()
        ...     await process.wait()
        b'hello'
        0
        """
        from sloth.kube.streams.asking import Talk

        return await self._talk(pod, namespace, Talk(tuple(command), container, stdin, tty))

    async def attach(
        self, pod: str, namespace: str | None = None, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> AsyncProcess:
        """Join a container's main process: see what it writes from now on. `stdin` and `tty` as its spec has them.

        >>> process = await client.attach("web-0")
        >>> await process.close()
        """
        from sloth.kube.streams.asking import Talk

        return await self._talk(pod, namespace, Talk((), container, stdin, tty))

    async def _talk(self, pod: str, namespace: str | None, wanted: Talk) -> AsyncProcess:
        from sloth.kube.streams import asking
        from sloth.kube.streams.aprocess import AsyncProcess
        from sloth.kube.streams.asession import opened
        from sloth.kube.streams.remote import Remote

        request = await self.wire.run(asking.talk(self.api, pod, namespace, wanted))
        session, remote = await opened(self.wire, request, lambda protocol: Remote(protocol, request.what))
        return AsyncProcess(session, remote)

    async def copy_from(
        self, pod: str, source: str, target: str | Path, namespace: str | None = None, *, container: str = "",
        follow: bool = False, progress: Progress | None = None,
    ) -> Copied:  # fmt: skip
        """A file or folder of a container to this machine, as `Client.copy_from` does it.

        >>> (await client.copy_from("web-0", f"{folder}/page.html", "copy.html")).files
        1
        """
        from sloth.kube.streams.copying import Fetch, explained

        fetch = await asyncio.to_thread(Fetch, source, Path(target), follow=follow, progress=progress)
        try:
            async with await self.start(pod, fetch.command, namespace, container=container) as process:
                async for piece in process:
                    await asyncio.to_thread(fetch.take, piece)
                return fetch.finish(await process.wait())
        except SlothError as error:
            raise explained(error, pod) from error
        finally:
            fetch.landing.close()

    async def copy_to(
        self, pod: str, source: str | Path, target: str, namespace: str | None = None, *, container: str = "",
        follow: bool = False, progress: Progress | None = None,
    ) -> Copied:  # fmt: skip
        """A file or folder of this machine to a container, as `Client.copy_to` does it.

        >>> (await client.copy_to("web-0", "page.html", f"{folder}/copy.html")).files
        1
        """
        from sloth.kube.streams.copying import Send, explained

        send = None
        try:
            send = Send(Path(source), target, follow=follow)
            async with await self.start(pod, send.command, namespace, container=container, stdin=True) as process:
                folder = not send.ask or await self._is_folder(pod, send.ask, namespace, container)
                async for piece in process.feed(send.blocks(progress, folder=folder), send.idle):
                    send.take(piece)
                return send.finish(await process.wait())
        except SlothError as error:
            raise explained(error, pod, send) from error

    async def _is_folder(self, pod: str, ask: Sequence[str], namespace: str | None, container: str) -> bool:
        try:
            return (await self.exec(pod, ask, namespace, container=container)).code == 0
        except SlothError as error:
            if error.code != "kube/no-program":
                raise
            return False

    async def dial(self, pod: str, number: int, namespace: str | None = None) -> AsyncTunnel:
        r"""One connection to a port of a pod, without a port of this machine; close it, best by `async with`.

        Raises ApiError, KubernetesError, ConnectError.

        >>> async with await client.dial("web-0", port) as tunnel:
        ...     await tunnel.send(b"GET /readyz HTTP/1.0\r\n\r\n")
        ...     (await tunnel.receive())[:12]
        b'HTTP/1.1 401'
        """
        from sloth.kube.streams import asking
        from sloth.kube.streams.asession import opened
        from sloth.kube.streams.ports import Port
        from sloth.kube.streams.tunnel import AsyncTunnel

        found = await self.wire.run(asking.find_pod(self.api, pod, namespace))
        request = await self.wire.run(asking.port(self.api, found["metadata"]["name"], number, namespace))
        session, port = await opened(self.wire, request, lambda protocol: Port(request.what))
        return AsyncTunnel(session, port)

    async def forward(
        self, pod: str, *ports: str | int, namespace: str | None = None, address: str = "127.0.0.1",
        failed: Callable[[SlothError], None] | None = None,
    ) -> Listener:  # fmt: skip
        """Ports of this machine that lead to a pod's, until it is closed: `8080`, `"8080:80"`, `"0:http"`.

        `failed` is told what single connections met. Raises ApiError, KubernetesError, UsageError.

        >>> async with await client.forward("web-0", f"0:{port}") as listener:
        ...     len(listener.ports)
        1
        """
        from sloth.kube.streams.listener import Listener

        listener = Listener(self.wire, self.api, failed)
        await listener.listen(pod, ports, namespace, address)
        return listener
