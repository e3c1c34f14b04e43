"""Logs of one pod and of many: both fronts, the fake server, and the real one with a stand-in for the kubelet behind it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.errors import ConnectError, KubernetesError, UsageError
from sloth.kube import ApiError
from sloth.kube.fronts import gather
from sloth.kube.fronts.logs import LONGEST, Lines, LogLine, LogOptions, Source
from sloth.kube.wire import Request
from sloth.testing import kube_logs
from sloth.testing.kube import Fault
from tests.kube.blocking import Fronts, Loop
from tests.kube.conftest import QUICK
from tests.kube.workloads.conftest import make_node, node
from tests.kube.workloads.kubelet import Kubelet

CONTAINERS = [{"name": "app", "image": "i"}, {"name": "side", "image": "i"}]


class Pods:
    """Pods of one test, and what their containers write."""

    def __init__(self, client, space, state, node="", kubelet=None):
        self.client, self.space, self._state, self._node, self._kubelet = client, space, state, node, kubelet

    def make(self, *names):
        for name in names:
            meta = {"name": name, "labels": {"app": "web", "hand": "none"}}
            spec = {"containers": CONTAINERS, **({"nodeName": self._node} if self._node else {})}
            made = self.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, self.space)
            if self._kubelet:
                self._kubelet.runs(made)

    def write(self, name, *texts, **settings):
        kube_logs.write(self._state, name, *texts, namespace=self.space, **settings)

    def end(self, name):
        """Its containers end, and with them what is followed."""
        made = self.client.get("pods", name, self.space)
        if self._kubelet:
            self._kubelet.ends(made)
        self.client.delete("pods", name, self.space, grace=0)


@pytest.fixture
def pods(request, server, client, space, tmp_path):
    if not hasattr(server, "processes"):
        yield Pods(client, space, server.state)
        return
    with Kubelet(tmp_path) as kubelet:
        name = f"log-{space}"
        make_node(client, name)
        status = {**node(name)["status"], "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}
        status["daemonEndpoints"] = {"kubeletEndpoint": {"Port": kubelet.port}}
        client.patch("nodes", name, {"status": status}, subresource="status")
        yield Pods(client, space, kubelet.state, name, kubelet)
        client.delete("nodes", name)


@pytest.fixture(params=["sync", "async"])
def either(request, server):
    with Loop() as loop, Fronts(request.param, loop).client(server.connection, policy=QUICK) as made:
        yield made


def texts(lines):
    return [(line.pod, line.container, line.text) for line in lines]


def test_one_log_with_everything_that_can_be_asked(either, pods, space):
    pods.make("web-0")
    old, new = datetime.now(UTC) - timedelta(hours=2), datetime.now(UTC)
    pods.write("web-0", "one", "zwei ü", at=old)
    pods.write("web-0", b"\xff last", at=new)
    pods.write("web-0", "of before", previous=True)
    lines = list(either.logs("web-0", space))
    assert lines[-1] == LogLine("web-0", "app", b"\xff last") and lines[-1].text == "\ufffd last"
    assert [line.text for line in lines[:2]] == ["one", "zwei ü"]
    assert [line.raw for line in either.logs("web-0", space, tail=1)] == [b"\xff last"]
    assert list(either.logs("web-0", space, tail=0)) == []
    assert [line.raw for line in either.logs("web-0", space, since=3600)] == [b"\xff last"]
    assert [line.raw for line in either.logs("web-0", space, since=new - timedelta(minutes=5))] == [b"\xff last"]
    assert [line.raw for line in either.logs("web-0", space, limit=5)] == [b"one", b"z"]
    assert [line.text for line in either.logs("web-0", space, previous=True)] == ["of before"]
    (stamped,) = either.logs("web-0", space, timestamps=True, tail=1)
    assert datetime.fromisoformat(stamped.raw.split()[0].decode()) == new
    assert list(either.logs("pod/web-0", space, container="side")) == []


def test_all_pods_and_containers_one_after_the_other(either, pods, space):
    pods.make("web-0", "web-1")
    pods.write("web-0", "a")
    pods.write("web-0", "b", container="side")
    pods.write("web-1", "c")
    both = [("web-0", "app", "a"), ("web-0", "side", "b"), ("web-1", "app", "c")]
    assert texts(either.logs(labels="app=web", namespace=space, container="*")) == both
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    either.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service}, space)
    assert texts(either.logs("svc/web", space)) == [both[0], both[2]]
    either.patch("svc", "web", {"spec": {"selector": {"app": "other"}}}, space)
    with pytest.raises(KubernetesError) as caught:
        list(either.logs("svc/web", space))
    assert caught.value.code == "kube/no-pods"


def test_refusals_are_the_servers(either, pods, space):
    pods.make("web-0")
    for settings, said in (({"container": "none"}, "container none is not valid"), ({"previous": True}, "previous terminated")):
        with pytest.raises(ApiError) as caught:
            list(either.logs("web-0", space, **settings))
        assert caught.value.status == 400 and said in caught.value.detail
    with pytest.raises(ApiError) as caught:
        list(either.logs("nothing", space))
    assert caught.value.status == 404
    for wrong in ({}, {"what": "web-0", "labels": "app=web"}):
        with pytest.raises(UsageError):
            list(either.logs(namespace=space, **wrong))


def test_many_logs_are_followed_at_once_until_they_end(either, pods, space):
    names = [f"web-{number}" for number in range(5)]
    pods.make(*names)
    for name in names:
        pods.write(name, "first")
    seen = []
    lines = either.logs(labels="app=web", namespace=space, follow=True)
    for line in lines:
        seen.append((line.pod, line.text))
        if len(seen) == 5:
            assert set(seen) == {(name, "first") for name in names}
            for name in names:
                pods.write(name, "second")
        elif len(seen) == 10:
            assert set(seen[5:]) == {(name, "second") for name in names}
            for name in names:
                pods.end(name)
    assert len(seen) == 10


def test_who_leaves_leaves_nothing_behind(either, pods, space):
    pods.make("web-0", "web-1")
    for name in ("web-0", "web-1"):
        pods.write(name, *(f"line {number}" for number in range(5000)))
    lines = either.logs(labels="app=web", namespace=space, follow=True)
    assert next(lines).text == "line 0"
    lines.close()
    for each in threading.enumerate():
        if each.name.startswith("log web"):
            each.join(30)
            assert not each.is_alive()
    assert either.get("pods", "web-0", space)["kind"] == "Pod"  # and the client goes on


@pytest.mark.parametrize("front", ["sync", "async"])
def test_a_log_that_breaks_off_is_told(front, fake):
    """Only the fake cuts on demand; the other log goes on until the reader is told."""
    kind = fake.state.resource("", "v1", "pods")
    for name in ("a", "b"):
        meta = {"name": name, "labels": {"app": "web"}}
        fake.state.create(
            kind, "default", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": CONTAINERS}}, "t"
        )
        kube_logs.write(fake.state, name, "text")
    with Loop() as loop, Fronts(front, loop).client(fake.connection, policy=QUICK) as client:
        fake.faults.append(Fault(when=lambda method, target: "/pods/b/log" in target, cut=2))
        with pytest.raises(ConnectError):
            list(client.logs(labels="app=web"))
        fake.faults.append(Fault(when=lambda method, target: "/log" in target, cut=2))
        with pytest.raises(ConnectError):
            list(client.logs(labels="app=web", follow=True))


def test_too_many_logs_are_not_followed(fake, fake_client):
    kind = fake.state.resource("", "v1", "pods")
    for number in range(51):
        meta = {"name": f"p{number}", "labels": {"app": "web"}}
        fake.state.create(
            kind, "default", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": CONTAINERS}}, "t"
        )
    with pytest.raises(UsageError) as caught:
        fake_client.logs(labels="app=web", follow=True)
    assert caught.value.code == "kube/many-logs"
    assert list(fake_client.logs(labels="app=web")) == []


SOURCE = Source("p", "c", Request("GET", "/"))


@given(st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"")), max_size=8), st.booleans(), st.data())
def test_lines_are_the_same_however_the_bytes_come(lines, ended, data):
    whole = b"\n".join(lines) + (b"\n" if ended else b"")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    machine, got = Lines(SOURCE), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += machine.take(whole[start:end])
    got += machine.end()
    wanted = whole.split(b"\n")
    assert [line.raw for line in got] == (wanted[:-1] if not wanted[-1] else wanted)


def test_a_line_without_an_end_is_not_held_for_ever():
    machine = Lines(SOURCE)
    got = [line for _ in range(5) for line in machine.take(b"x" * (LONGEST // 2 + 1))]
    assert [len(line.raw) for line in got] == [LONGEST] * 2
    assert sum(len(line.raw) for line in [*got, *machine.end()]) == 5 * (LONGEST // 2 + 1)


def test_a_reader_that_is_slow_slows_the_log_down(fake, fake_client):
    """No more than `ROOM` lines, and what came with them, wait for it."""
    kind = fake.state.resource("", "v1", "pods")
    for name in ("a", "b"):
        meta = {"name": name, "labels": {"app": "web"}}
        fake.state.create(
            kind, "default", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": CONTAINERS}}, "t"
        )
    from sloth.kube.fronts.logs import sources

    found = fake_client.run(sources(fake_client.api, "", None, "app=web", LogOptions(follow=True)))
    funnel = gather._Funnel(fake_client.wire, found)
    funnel._waiting.extend([LogLine("a", "app", b"x")] * gather.ROOM)
    putting = threading.Thread(target=lambda: funnel._put([LogLine("a", "app", b"late")]), daemon=True)
    putting.start()
    putting.join(0.05)
    assert putting.is_alive() and len(funnel._waiting) == gather.ROOM
    funnel._close()
    putting.join(30)
    assert not putting.is_alive()
