"""A command that runs in a container, for the sync front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import BinaryIO, TypeAlias

from sloth.kube.streams.channels import FRAME, Piece
from sloth.kube.streams.remote import STDERR, STDOUT, Remote
from sloth.kube.streams.session import Session

Source: TypeAlias = bytes | BinaryIO | Iterable[bytes]
LOW = 512 * 1024  # bytes under way; at fewer, more input is read
IDLE = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended: its exit code, and all that it wrote."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""


class Process:
    """A command under way. Iterating gives pieces of its output (channel 1 is stdout, 2 is stderr) until it ends.

    All methods may be called from any thread. Leaving it early does not end the command: containers know no hang-up.
    """

    def __init__(self, session: Session, remote: Remote) -> None:
        self._session, self._remote = session, remote

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._session)

    def take(self, seconds: float | None = None) -> Piece | None:
        """The next piece of output; None when there is no more, or none within that time."""
        return self._session.take(seconds)

    @property
    def over(self) -> bool:
        """Whether the command or the connection has ended."""
        return self._session.over

    @property
    def bell(self) -> int:
        """A file descriptor for `signal.set_wakeup_fd`: a byte written to it wakes the thread that waits for output."""
        return self._session.line.bell

    def write(self, data: bytes) -> None:
        """Give it input; waits while more than 1 MiB of it is not sent yet."""
        self._session.order(partial(self._remote.stdin, data), len(data))

    def close_stdin(self) -> None:
        """Tell it that the input has ended. Raises KubernetesError with servers before 1.30."""
        self._remote.may_end_input()
        self._session.order(self._remote.close_stdin)

    def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal a new size."""
        self._session.order(partial(self._remote.resize, columns, rows))

    def feed(self, source: Source, idle: Callable[[], None] | None = None) -> Iterator[Piece]:
        """Its output, while it gets this input and then the end of it. Raises KubernetesError.

        `idle` is called whenever nothing has moved in either direction for IDLE seconds; what it raises ends the feeding.
        """
        self._remote.may_end_input()
        blocks: Iterator[bytes] | None = chunks(source)
        while True:
            while blocks is not None and not self.over and self._session.waiting <= LOW:
                block = next(blocks, None)
                if block is None:
                    blocks = None
                    self._session.order(self._remote.close_stdin)
                else:
                    self._session.order(partial(self._remote.stdin, block), len(block))
            waiting = self._session.waiting
            piece = self._session.take(IDLE if idle else None, low=-1 if blocks is None else LOW)
            if piece is not None:
                yield piece
            elif self.over:
                return
            elif idle and waiting == self._session.waiting:
                idle()

    def wait(self) -> int:
        """Its exit code, when it has ended; output that was not taken is dropped. Raises KubernetesError, ConnectError."""
        for _ in self:
            pass
        return self._remote.code()

    def done(self, pieces: Iterable[Piece]) -> Done:
        """All its output and its exit code. Raises KubernetesError, ConnectError."""
        kept = {STDOUT: bytearray(), STDERR: bytearray()}
        for piece in pieces:
            kept[piece.channel] += piece.data
        return Done(self.wait(), bytes(kept[STDOUT]), bytes(kept[STDERR]))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def chunks(source: Source) -> Iterator[bytes]:
    """Input in blocks."""
    if isinstance(source, (bytes, bytearray)):
        yield from (bytes(source[at : at + FRAME]) for at in range(0, len(source), FRAME))
    elif hasattr(source, "read"):
        while block := source.read(FRAME):
            yield block
    else:
        yield from (block for block in source if block)
