"""Metrics and spans, taken at the one place in the transport."""

import asyncio
import re
import subprocess
import sys

import pytest

from sloth.errors import ConnectError
from sloth.kube import ApiError, AsyncClient, Client
from sloth.kube.connection import Connection
from sloth.kube.telemetry import metrics as module
from sloth.kube.telemetry.metrics import BUCKETS, Metrics
from sloth.kube.telemetry.observer import About, Outcome
from sloth.kube.telemetry.spans import Spans, installed
from sloth.kube.telemetry.subject import Subject
from sloth.kube.wire import Request
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.test_contract import config

SAMPLE = re.compile(r'(?P<name>[a-z_]+)\{(?P<labels>(?:[a-z]+="(?:[^"\\]|\\.)*",?)*)\} (?P<value>[0-9.e+-]+)')


def samples(text):
    """By name and labels; fails on a line that is no sample and no comment."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            each = SAMPLE.fullmatch(line)
            assert each, line
            key = each["name"], each["labels"]
            assert key not in found
            found[key] = float(each["value"])
    return found


def work(client, fake):
    client.create(config("a"))
    with pytest.raises(ApiError):
        client.create(config("a"))
    fake.faults += [Fault(status=429, headers={"Retry-After": "0"})] * 2
    client.get("cm", "a")
    fake.faults += [Fault(cut=0)]
    with pytest.raises(ConnectError):
        client.patch("cm", "a", {"data": {"b": "c"}})


def test_requests_are_counted_by_verb_and_kind(fake):
    metrics = Metrics()
    with Client(fake.connection, policy=QUICK, observers=[metrics]) as client:
        work(client, fake)
    found = samples(metrics.text())
    mine = 'cluster="fake",verb="{}",kind="configmaps"'

    def counted(verb, code):
        return found["sloth_kube_requests_total", f'{mine.format(verb)},code="{code}"']

    assert (counted("create", 201), counted("create", 409), counted("get", 200)) == (1, 1, 1)
    assert counted("patch", "kube/unreachable") == 1
    assert found["sloth_kube_request_repeats_total", mine.format("get")] == 2
    assert found["sloth_kube_request_seconds_count", mine.format("create")] == 2
    buckets = [found["sloth_kube_request_seconds_bucket", f'{mine.format("create")},le="{bound:g}"'] for bound in BUCKETS]
    assert buckets == sorted(buckets)
    assert found["sloth_kube_request_seconds_bucket", f'{mine.format("create")},le="+Inf"'] == 2
    assert all(value == 0 for (name, _), value in found.items() if name == "sloth_kube_requests_open")


def about(kind="pods", cluster="c"):
    return About(Request("GET", "/x"), Subject("get", kind), Connection("https://h", name=cluster))


def test_a_latency_is_in_every_bucket_from_its_own_on():
    metrics = Metrics()
    for seconds in (0.001, 0.005, 0.2, 1000):
        metrics.begin(about()).end(Outcome(200, seconds, 1))
    found = samples(metrics.text())
    labels = 'cluster="c",verb="get",kind="pods"'
    at = {
        bound: found["sloth_kube_request_seconds_bucket", f'{labels},le="{bound}"']
        for bound in ("0.005", "0.1", "0.25", "60", "+Inf")
    }
    assert at == {"0.005": 2, "0.1": 2, "0.25": 3, "60": 3, "+Inf": 4}
    assert found["sloth_kube_request_seconds_sum", labels] == pytest.approx(1000.206)


def test_names_cannot_break_the_text():
    metrics = Metrics()
    metrics.begin(about(cluster='a"b\\c\nd')).end(Outcome(200, 0.1, 1, waited=0.05))
    assert (
        samples(metrics.text())["sloth_kube_request_waited_seconds_total", r'cluster="a\"b\\c\nd",verb="get",kind="pods"'] == 0.05
    )


def test_there_is_a_bound_to_the_series(monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    metrics = Metrics()
    for number in range(10):
        metrics.begin(about(kind=f"k{number}")).end(Outcome(200, 0.1, 1))
    found = samples(metrics.text())
    assert sum(value for (name, _), value in found.items() if name == "sloth_kube_request_seconds_count") == 10
    assert len([1 for name, _ in found if name == "sloth_kube_request_seconds_count"]) == 4


def test_both_fronts_tell_the_same(fake):
    metrics = Metrics()

    async def whole():
        async with AsyncClient(fake.connection, policy=QUICK, observers=[metrics]) as client:
            await client.create(config("a"))
            await client.list("cm")

    asyncio.run(whole())
    found = samples(metrics.text())
    assert found["sloth_kube_requests_total", 'cluster="fake",verb="list",kind="configmaps",code="200"'] == 1


def exported():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, provider


def test_each_request_is_a_span_and_its_context_goes_along(fake):
    pytest.importorskip("opentelemetry.sdk")
    exporter, provider = exported()
    with (
        Client(fake.connection, policy=QUICK, observers=[Spans(provider)]) as client,
        provider.get_tracer("test").start_as_current_span("outer") as outer,
    ):
        work(client, fake)
    spans = {(span.name, span.attributes.get("http.response.status_code")): span for span in exporter.get_finished_spans()}
    assert set(spans) == {
        ("create configmaps", 201),
        ("create configmaps", 409),
        ("get configmaps", 200),
        ("patch configmaps", None),
        ("outer", None),
    }
    made = spans["create configmaps", 201]
    assert made.parent.span_id == outer.get_span_context().span_id
    assert made.attributes["sloth.kube.name"] == "a"
    assert made.status.is_unset
    assert spans["get configmaps", 200].attributes["http.request.resend_count"] == 2
    assert spans["patch configmaps", None].attributes["error.type"] == "kube/unreachable"
    assert not spans["create configmaps", 409].status.is_ok
    sent = fake.headers[0]["traceparent"]
    assert sent.split("-")[1:3] == [f"{made.context.trace_id:032x}", f"{made.context.span_id:016x}"]


def test_without_being_asked_for_nothing_of_opentelemetry_is_imported():
    code = (
        "import sys; from sloth.kube import Client, AsyncClient, Connection; from sloth.kube.telemetry import spans, metrics;"
        "spans.installed(); Client(Connection('http://127.0.0.1:1'), observers=[metrics.Metrics()]);"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry') and name != 'opentelemetry'], sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_found_out_whether_it_is_installed(monkeypatch):
    assert isinstance(installed(), bool)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not installed()
