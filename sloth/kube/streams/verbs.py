"""Streams as methods of the sync client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sloth.errors import SlothError

if TYPE_CHECKING:
    from sloth.kube.api import Api
    from sloth.kube.streams.asking import Talk
    from sloth.kube.streams.copying import Copied, Progress
    from sloth.kube.streams.forwarder import Forwarder
    from sloth.kube.streams.process import Done, Process, Source
    from sloth.kube.streams.tunnel import Tunnel
    from sloth.kube.sync_wire import SyncWire


class Streams:
    """What `Client` has of streams. A pod is named by its name, or by what owns it: `deploy/web`, `svc/web`."""

    api: Api
    wire: SyncWire

    def exec(
        self, pod: str, command: Sequence[str], namespace: str | None = None, *, container: str = "", stdin: Source | None = None
    ) -> Done:
        r"""Run a command to its end: exit code and output. `stdin`: bytes, a file or blocks of bytes.

        Raises ApiError, KubernetesError (it could not be started), ConnectError (nobody knows how it ended).

        >>> client.exec("web-0", ["sh", "-c", "wc -c; exit 3"], stdin=b"hello")
        Done(code=3, stdout=b'5\n', stderr=b'')
        """
        with self.start(pod, command, namespace, container=container, stdin=stdin is not None) as process:
            return process.done(process if stdin is None else process.feed(stdin))

    def start(
        self, pod: str, command: Sequence[str], namespace: str | None = None, *, container: str = "", stdin: bool = False,
        tty: bool = False,
    ) -> Process:  # fmt: skip
        """Begin a command, to talk with while it runs; close it, best by `with`. Raises ApiError, KubernetesError.

        >>> with client.start("web-0", ["cat"], stdin=True) as process:
        ...     process.write(b"hello")
        ...     process.take().data
        ...     process.close_stdin()
        ...     process.wait()
        b'hello'
        0
        """
        from sloth.kube.streams.asking import Talk

        return self._talk(pod, namespace, Talk(tuple(command), container, stdin, tty))

    def attach(
        self, pod: str, namespace: str | None = None, *, container: str = "", stdin: bool = False, tty: bool = False
    ) -> Process:
        """Join a container's main process: see what it writes from now on. `stdin` and `tty` as its spec has them.

        >>> process = client.attach("web-0")
        >>> process.close()
        """
        from sloth.kube.streams.asking import Talk

        return self._talk(pod, namespace, Talk((), container, stdin, tty))

    def _talk(self, pod: str, namespace: str | None, wanted: Talk) -> Process:
        from sloth.kube.streams import asking
        from sloth.kube.streams.process import Process
        from sloth.kube.streams.remote import Remote
        from sloth.kube.streams.session import opened

        request = self.wire.run(asking.talk(self.api, pod, namespace, wanted))
        session, remote = opened(self.wire, request, lambda protocol: Remote(protocol, request.what))
        return Process(session, remote)

    def copy_from(
        self, pod: str, source: str, target: str | Path, namespace: str | None = None, *, container: str = "",
        follow: bool = False, progress: Progress | None = None,
    ) -> Copied:  # fmt: skip
        """A file or folder of a container to this machine: into `target` if that is a folder, else as `target`.

        `follow`: what links lead to, instead of links. The container must have `tar`. Names and links that would lead out of the
        target are not taken: names end the copy, links are left out. Raises KubernetesError, UsageError, ConnectError.

        >>> client.copy_from("web-0", f"{folder}/page.html", "copy.html").files
        1
        """
        from sloth.kube.streams.copying import Fetch, explained

        fetch = Fetch(source, Path(target), follow=follow, progress=progress)
        try:
            with self.start(pod, fetch.command, namespace, container=container) as process:
                for piece in process:
                    fetch.take(piece)
                return fetch.finish(process.wait())
        except SlothError as error:
            raise explained(error, pod) from error
        finally:
            fetch.landing.close()

    def copy_to(
        self, pod: str, source: str | Path, target: str, namespace: str | None = None, *, container: str = "",
        follow: bool = False, progress: Progress | None = None,
    ) -> Copied:  # fmt: skip
        """A file or folder of this machine to a container: into `target` if that is a folder or ends with `/`, else as `target`.

        The container must have `tar`. Raises KubernetesError, UsageError, ConnectError.

        >>> client.copy_to("web-0", "page.html", f"{folder}/copy.html").files
        1
        """
        from sloth.kube.streams.copying import Send, explained

        send = None
        try:
            send = Send(Path(source), target, follow=follow)
            with self.start(pod, send.command, namespace, container=container, stdin=True) as process:
                folder = not send.ask or self._is_folder(pod, send.ask, namespace, container)
                for piece in process.feed(send.blocks(progress, folder=folder), send.idle):
                    send.take(piece)
                return send.finish(process.wait())
        except SlothError as error:
            raise explained(error, pod, send) from error

    def _is_folder(self, pod: str, ask: Sequence[str], namespace: str | None, container: str) -> bool:
        """An image without `test` may have `tar` all the same: then the target is taken for the name of the copy."""
        try:
            return self.exec(pod, ask, namespace, container=container).code == 0
        except SlothError as error:
            if error.code != "kube/no-program":
                raise
            return False

    def dial(self, pod: str, number: int, namespace: str | None = None) -> Tunnel:
        r"""One connection to a port of a pod, without a port of this machine; close it, best by `with`.

        Raises ApiError, KubernetesError, ConnectError.

        >>> with client.dial("web-0", port) as tunnel:
        ...     tunnel.send(b"GET /readyz HTTP/1.0\r\n\r\n")
        ...     tunnel.receive()[:12]
        b'HTTP/1.1 401'
        """
        from sloth.kube.streams import asking
        from sloth.kube.streams.ports import Port
        from sloth.kube.streams.session import opened
        from sloth.kube.streams.tunnel import Tunnel

        found = self.wire.run(asking.find_pod(self.api, pod, namespace))
        request = self.wire.run(asking.port(self.api, found["metadata"]["name"], number, namespace))
        session, port = opened(self.wire, request, lambda protocol: Port(request.what))
        return Tunnel(session, port)

    def forward(
        self, pod: str, *ports: str | int, namespace: str | None = None, address: str = "127.0.0.1",
        failed: Callable[[SlothError], None] | None = None,
    ) -> Forwarder:  # fmt: skip
        """Ports of this machine that lead to a pod's, until it is closed: `8080`, `"8080:80"`, `"0:http"`.

        `failed` is told, in another thread, what single connections met. Raises ApiError, KubernetesError, UsageError.

        >>> with client.forward("web-0", f"0:{port}") as forwarder:
        ...     len(forwarder.ports)
        1
        """
        from sloth.kube.streams.forwarder import Forwarder

        return Forwarder(self.wire, pod, ports, namespace=namespace, address=address, failed=failed)
