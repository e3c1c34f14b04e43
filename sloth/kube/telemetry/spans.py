"""Spans of requests for OpenTelemetry, where its SDK is installed and set up (extra `otel`).

Names and attributes follow OpenTelemetry's semantic conventions for HTTP client spans (1.23 and later). The context goes with
the request (W3C Trace Context), so that an API server with tracing on continues it.
"""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sloth.kube.telemetry.observer import About, Begun, Outcome


def installed() -> bool:
    """Whether spans can be made, found out without importing anything of it."""
    try:
        return importlib.util.find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:
        return False


class Spans:
    """An observer that makes one span of each request, below the span that is current where it is made.

    `provider` is a TracerProvider; without one, the program's own (`opentelemetry.trace.set_tracer_provider`).
    Raises ModuleNotFoundError where OpenTelemetry is missing: ask `installed`.
    """

    def __init__(self, provider: Any = None) -> None:
        from opentelemetry import propagate, trace

        from sloth import __version__

        self._trace, self._inject = trace, propagate.inject
        self._tracer = trace.get_tracer("sloth.kube", __version__, tracer_provider=provider)

    def waits(self, about: About) -> bool:
        """Never: exporters have threads of their own."""
        return False

    def begin(self, about: About) -> Begun:
        """Begin the span."""
        subject, request = about.subject, about.request
        parts = urlsplit(about.connection.server)
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            "url.path": request.path,
            "k8s.cluster.name": about.connection.name,
            "k8s.namespace.name": subject.namespace,
            "sloth.kube.verb": subject.verb,
            "sloth.kube.kind": subject.kind,
            "sloth.kube.name": subject.name,
            "sloth.plan": about.plan,
        }
        name = f"{subject.verb} {subject.kind}".rstrip()
        kept = {key: value for key, value in attributes.items() if value != ""}
        span = self._tracer.start_span(name, kind=self._trace.SpanKind.CLIENT, attributes=kept)
        headers: dict[str, str] = {}
        self._inject(headers, context=self._trace.set_span_in_context(span))
        return Begun(partial(self._end, span), headers)

    def _end(self, span: Any, outcome: Outcome) -> None:
        if outcome.status:
            span.set_attribute("http.response.status_code", outcome.status)
        if outcome.attempts > 1:
            span.set_attribute("http.request.resend_count", outcome.attempts - 1)
        if not 0 < outcome.status < 400:
            span.set_attribute("error.type", outcome.word)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end()

    def flush(self) -> None:
        """Exporters are the program's own affair."""
