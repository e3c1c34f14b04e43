"""Which logs are meant, the requests for them, and lines out of bytes. Nothing here does I/O.

Query parameters: kubernetes.io, API reference, PodLogOptions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sloth.errors import KubernetesError, UsageError
from sloth.kube.api import Api
from sloth.kube.resource import EVERYWHERE
from sloth.kube.streams.asking import default_container, selector
from sloth.kube.wire import Call, Object, Request
from sloth.kube.workloads.listing import listed

MOST = 50  # logs that are followed at once: each has a connection of the client's pool
LONGEST = 1 << 20  # bytes of a line; one that is longer comes in parts
ALL = "*"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a container, without its end. `raw` is what was written, byte for byte."""

    pod: str
    container: str
    raw: bytes

    @property
    def text(self) -> str:
        """As text; what is no UTF-8 becomes U+FFFD."""
        return self.raw.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is wanted of each log. `since`: seconds back, or a time; `tail`: lines of the end; `limit`: bytes.

    `container`: a name, `*` for all of them, or nothing for the pod's default one.
    """

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    since: float | datetime | None = None
    limit: int | None = None

    def query(self, container: str) -> tuple[tuple[str, str], ...]:
        """As query parameters. Raises UsageError for a time without a zone."""
        words = [("container", container)]
        words += [(name, "true") for name in ("follow", "previous", "timestamps") if getattr(self, name)]
        words += [] if self.tail is None else [("tailLines", str(self.tail))]
        words += [] if self.limit is None else [("limitBytes", str(self.limit))]
        if isinstance(self.since, datetime):
            if self.since.tzinfo is None:
                raise UsageError("kube/no-zone", "a time needs its zone", hint="datetime.now(UTC)")
            words.append(("sinceTime", self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
        elif self.since is not None:
            words.append(("sinceSeconds", str(max(1, round(self.since)))))
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Source:
    """One log: whose it is, and the request for it."""

    pod: str
    container: str
    request: Request


def sources(api: Api, what: str, namespace: str | None, labels: str, options: LogOptions) -> Call[list[Source]]:
    """The logs of a pod (`web-0`), of all pods of a workload or service (`deploy/web`), or of those with these labels.

    Raises UsageError, KubernetesError (it has no pods), ApiError.
    """
    if bool(what) == bool(labels):
        raise UsageError(
            "kube/which-logs", "logs are those of a name, or of labels", hint='logs("deploy/web"), logs(labels="app=web")'
        )
    kind, _, name = what.rpartition("/")
    resource = yield from api.kinds.find(kind or "pods")
    if what and resource.kind == "Pod":
        place = api.place(resource, namespace)
        if options.container not in ("", ALL) and place != EVERYWHERE:
            pods: list[Object] = [{"metadata": {"name": name, "namespace": place}}]  # nothing more has to be known of it
        else:
            pods = [(yield from api.get("pods", name, namespace))]
    else:
        pods = yield from _pods(api, resource.plural, name, namespace, labels)
    found: list[Source] = []
    for pod in pods:
        meta = pod["metadata"]
        for container in _containers(pod, options.container):
            request = yield from api.log_request(meta["name"], meta.get("namespace"), options.query(container))
            found.append(Source(meta["name"], container, request))
    if options.follow and len(found) > MOST:
        raise UsageError(
            "kube/many-logs", f"{len(found)} logs are too many to be followed", hint=f"select at most {MOST} containers"
        )
    return found


def _pods(api: Api, kind: str, name: str, namespace: str | None, labels: str) -> Call[list[Object]]:
    what = labels
    if not labels:
        what = f"{kind}/{name}"
        labels = selector((yield from api.get(kind, name, namespace)))
    found = (yield from listed(api, "pods", namespace, labels=labels)) if labels else []
    if not found:
        raise KubernetesError("kube/no-pods", f"{what} has no pods", hint="name a pod: sloth kube get pods")
    return found


def _containers(pod: Object, wanted: str) -> list[str]:
    if wanted == ALL:
        spec = pod["spec"]
        kinds = ("initContainers", "containers", "ephemeralContainers")
        return [str(each["name"]) for kind in kinds for each in spec.get(kind) or ()]
    return [wanted or default_container(pod)]


class Lines:
    """Bytes in any pieces to lines of one log."""

    def __init__(self, source: Source) -> None:
        self._source, self._rest = source, b""

    def take(self, data: bytes) -> Iterator[LogLine]:
        """The lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield self._made(line)
        while len(self._rest) > LONGEST:
            yield self._made(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]

    def end(self) -> Iterator[LogLine]:
        """What came after the last end of a line."""
        if self._rest:
            yield self._made(self._rest)
            self._rest = b""

    def _made(self, raw: bytes) -> LogLine:
        return LogLine(self._source.pod, self._source.container, raw)
