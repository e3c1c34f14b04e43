"""A real API server that is restarted after an etcd compaction, under fifty informers."""

import base64
import json
import subprocess
import urllib.request

import pytest

from sloth.kube import Client, Informer
from sloth.kube.retry import Policy
from tests.kube.real import RealKube, archive
from tests.kube.test_contract import config

pytestmark = pytest.mark.kube
PATIENT = Policy(attempts=100, first=0.05, longest=0.5)


@pytest.fixture
def own(tmp_path):
    """A server of this test's own, since it is killed."""
    if not (archive("kube-apiserver") and archive("etcd")):
        pytest.skip("the mirror has no kube-apiserver and etcd: sloth mirror create")
    server = RealKube(tmp_path)
    yield server
    server.stop()


def etcd(server, path, body):
    """One call of etcd's JSON gateway (etcd.io, "gRPC gateway")."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.etcd_port}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def coded(text):
    return base64.b64encode(text.encode()).decode()


def restarted(server, meanwhile):
    """Kill the API server, have something done to etcd, and start it as it was."""
    old = server.processes.pop()
    old.kill()
    old.wait()
    meanwhile()
    with (server.folder / "again.log").open("wb") as log:
        server.processes.append(subprocess.Popen(old.args, stdout=log, stderr=subprocess.STDOUT))
    server._wait()


def until(subscription, name):
    seen = []
    while not seen or seen[-1][1] != name:
        event = subscription.take(120)
        assert event, seen
        seen.append((event.type, event.object["metadata"]["name"]))
    return seen


def begun(informers):
    """Subscriptions of all of them, after both objects were told."""
    for each in informers:
        each.__enter__()
    for each in informers:
        each.synced(120)
    subscriptions = [each.subscribe() for each in informers]
    for each in subscriptions:
        seen = set()
        while not seen >= {"stays", "goes"}:
            seen.add(each.take(60).object["metadata"]["name"])
    return subscriptions


def test_a_deletion_that_nobody_saw_is_told_after_a_compaction(own):
    with Client(own.connection, policy=PATIENT, rate=1e6, burst=10**6) as client:
        for name in ("stays", "goes"):
            client.create(config(name))
        informers = [Informer(client, "cm", "default", labels="!none") for _ in range(50)]
        try:
            subscriptions = begun(informers)

            def meanwhile():
                etcd(own, "/v3/kv/deleterange", {"key": coded("/registry/configmaps/default/goes")})
                last = ""
                for number in range(50):
                    last = etcd(own, "/v3/kv/put", {"key": coded("/other"), "value": coded(str(number))})["header"]["revision"]
                etcd(own, "/v3/kv/compaction", {"revision": last, "physical": True})

            restarted(own, meanwhile)
            client.create(config("last"))
            for each in subscriptions:
                seen = until(each, "last")
                assert ("DELETED", "goes") in seen
                assert not [event for event in seen if event[1] == "stays"]
            for each in informers:
                names = {item["metadata"]["name"] for item in each.store.all()}
                assert "goes" not in names
                assert names >= {"stays", "last"}
        finally:
            for each in informers:
                each.stop()
