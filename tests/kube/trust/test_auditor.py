"""The audit log as the transport writes it: which calls, what of them, and when."""

import asyncio
import base64
import json
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError, StateError
from sloth.kube import ApiError, AsyncClient, Client
from sloth.kube.audit.auditor import Auditor, person
from sloth.kube.audit.identity import identity
from sloth.kube.audit.journal import Journal
from sloth.kube.audit.reading import entries, verify
from sloth.kube.connection import Connection, ExecPlugin, Impersonation
from sloth.kube.telemetry.subject import Subject, is_dry, subject_of
from sloth.kube.wire import APPLY_PATCH, Request
from sloth.model.secret import Secret
from sloth.testing.kube import Fault
from tests.kube.conftest import QUICK
from tests.kube.real import client_pair
from tests.kube.test_contract import config


@pytest.fixture
def auditor(tmp_path):
    return Auditor(Journal(tmp_path / "audit"))


def told(tmp_path, *fields):
    return [tuple(entry[field] for field in fields) for entry in entries(tmp_path / "audit")]


def test_every_verb_that_changes_is_written_and_no_other(fake, tmp_path, auditor):
    with Client(fake.connection, policy=QUICK, observers=[auditor]) as client:
        client.create(config("a", n="1"))
        client.get("cm", "a")
        client.list("cm")
        client.may("get", "pods")
        client.patch("cm", "a", {"data": {"n": "2"}})
        client.apply(config("b"))
        client.replace(client.get("cm", "b"))
        client.delete("cm", "b", dry_run=True)
        client.apply(config("c"), dry_run=True)
        client.delete("cm", "b")
    assert told(tmp_path, "verb", "kind", "namespace", "name", "dry_run") == [
        ("create", "configmaps", "default", "a", False),
        ("patch", "configmaps", "default", "a", False),
        ("apply", "configmaps", "default", "b", False),
        ("replace", "configmaps", "default", "b", False),
        ("delete", "configmaps", "default", "b", True),
        ("apply", "configmaps", "default", "c", True),
        ("delete", "configmaps", "default", "b", False),
    ]
    first = next(iter(entries(tmp_path / "audit")))
    assert first["result"] == {"ok": True, "word": "201"}
    assert (first["by"], first["cluster"], first["server"], first["as"]) == (person(), "fake", fake.url, None)
    assert first["ms"] > 0
    assert first["attempts"] == 1
    assert verify(tmp_path / "audit").finding is None


def test_no_secret_is_in_it(fake, tmp_path, auditor):
    token = next(iter(fake.tokens))
    with Client(fake.connection, policy=QUICK, observers=[auditor]) as client:
        client.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "very-secret-text"}})
    text = (tmp_path / "audit" / "audit.jsonl").read_text()
    assert "very-secret-text" not in text
    assert token not in text


def test_whom_it_was_done_as_and_for_which_plan(fake, tmp_path, auditor):
    acting = Impersonation("jane", ("ops", "dev"), "7", (("reason", ("drill",)),))
    with Client(replace(fake.connection, acting_as=acting), policy=QUICK, observers=[auditor]) as client:
        client.run(client.api.create(config("a")), plan="d1gest")
    assert told(tmp_path, "as", "plan") == [
        ({"user": "jane", "groups": ["ops", "dev"], "uid": "7", "extra": {"reason": ["drill"]}}, "d1gest")
    ]


def test_it_is_on_the_disk_before_the_server_hears_of_it(fake, tmp_path, auditor):
    seen = []
    fake.faults.append(Fault(when=lambda method, target: method == "POST" and not seen.append(told(tmp_path, "name", "result"))))
    with Client(fake.connection, policy=QUICK, observers=[auditor]) as client:
        fake.faults[0].status = 201
        fake.faults[0].body = b"{}"
        client.create(config("a"))
    assert seen == [[("a", None)]]


def test_a_log_that_cannot_be_written_keeps_the_call_from_being_made(fake, tmp_path):
    (tmp_path / "audit").write_text("a file where the folder should be")
    with Client(fake.connection, policy=QUICK, observers=[Auditor(Journal(tmp_path / "audit"))]) as client:
        with pytest.raises(StateError) as caught:
            client.create(config("a"))
        assert caught.value.code == "kube/audit-not-written"
        assert not [method for method, _ in fake.requests if method == "POST"]
        assert client.list("namespaces")  # looking needs no log


def test_failures_are_results_too(fake, tmp_path, auditor):
    with Client(fake.connection, policy=QUICK, observers=[auditor]) as client:
        client.create(config("a"))
        with pytest.raises(ApiError):
            client.create(config("a"))
        fake.faults += [Fault(cut=0)]
        with pytest.raises(ConnectError):
            client.patch("cm", "a", {"data": {"n": "2"}})
        fake.faults += [Fault(status=429, headers={"Retry-After": "0"})] * 2
        client.delete("cm", "a")
    words = told(tmp_path, "verb", "result", "attempts")
    assert words == [
        ("create", {"ok": True, "word": "201"}, 1),
        ("create", {"ok": False, "word": "409"}, 1),
        ("patch", {"ok": False, "word": "kube/unreachable"}, 1),
        ("delete", {"ok": True, "word": "200"}, 3),
    ]


def test_many_at_once_are_all_there(fake, tmp_path, auditor):
    with Client(fake.connection, policy=QUICK, observers=[auditor], rate=1e6, burst=10**6) as client:

        def call():
            requests = []
            for number in range(60):
                requests.append((yield from client.api.apply_request(config(f"c{number}"))))
            return (yield tuple(requests))

        assert {answer.status for answer in client.run(call(), plan="p")} == {201}
    assert sorted(told(tmp_path, "name", "plan")) == sorted((f"c{number}", "p") for number in range(60))
    assert verify(tmp_path / "audit").finding is None


def test_the_async_front_writes_the_same(fake, tmp_path, auditor):
    async def work():
        async with AsyncClient(fake.connection, policy=QUICK, observers=[auditor]) as client:
            await client.create(config("a"))
            await client.delete("cm", "a")

    asyncio.run(work())
    assert told(tmp_path, "verb", "name", "result") == [
        ("create", "a", {"ok": True, "word": "201"}),
        ("delete", "a", {"ok": True, "word": "200"}),
    ]


def test_a_call_that_was_cancelled_on_the_way_says_so(fake, tmp_path, auditor):
    arrived, going_on = threading.Event(), threading.Event()

    def hold(method, target):
        if method == "POST":
            arrived.set()
            going_on.wait(60)
        return False

    fake.faults.append(Fault(when=hold))

    async def work():
        async with AsyncClient(fake.connection, policy=QUICK, observers=[auditor]) as client:
            task = asyncio.create_task(client.create(config("a")))
            await asyncio.to_thread(arrived.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            going_on.set()

    asyncio.run(work())
    assert told(tmp_path, "name", "result") == [("a", {"ok": False, "word": "given-up"})]


def test_the_real_servers_own_audit_number_is_noted(server, space, tmp_path, auditor):
    with Client(server.connection, policy=QUICK, observers=[auditor]) as client:
        client.create(config("a"), space)
    (found,) = told(tmp_path, "result")[0]
    assert found["ok"]
    if server.connection.name == "real":
        assert len(found["audit_id"]) == 36


def jwt(**claims):
    return f"x.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.y"


def test_who_is_told_without_the_credentials(tmp_path):
    made = Connection("https://h")
    pem, _ = client_pair(tmp_path / "ca")
    assert identity(made) == "anonymous"
    assert identity(replace(made, token=Secret(jwt(sub="system:serviceaccount:a:b")))) == "token:system:serviceaccount:a:b"
    assert identity(replace(made, token=Secret("opaque-token"))).startswith("token:")
    assert "opaque" not in identity(replace(made, token=Secret("opaque-token")))
    assert identity(replace(made, token=Secret("a.%%%.c"))) == identity(replace(made, token=Secret("a.%%%.c")))
    assert identity(replace(made, client_certificate=pem)) == "cert:cert-user"
    assert identity(replace(made, client_certificate=b"none")) == "cert:?"
    assert identity(replace(made, username="jo", password=Secret("password"))) == "basic:jo"
    assert identity(replace(made, plugin=ExecPlugin("/opt/aws"))) == "exec:aws"
    assert identity(replace(made, token_file=tmp_path / "t")) == f"file:{tmp_path / 't'}"


@pytest.mark.parametrize(
    ("request_", "subject"),
    [
        (Request("GET", "/version"), Subject("get")),
        (Request("GET", "/api"), Subject("get")),
        (Request("GET", "/apis/apps/v1"), Subject("get")),
        (Request("GET", "/api/v1/pods"), Subject("list", "pods")),
        (Request("GET", "/api/v1/pods", (("watch", "true"),)), Subject("watch", "pods")),
        (Request("GET", "/api/v1/namespaces/x"), Subject("get", "namespaces", "", "x")),
        (
            Request("PUT", "/api/v1/namespaces/x/finalize"),
            Subject("replace", "namespaces", "", "x", "finalize", changes=True),
        ),
        (
            Request("PATCH", "/apis/apps/v1/namespaces/x/deployments/web/scale"),
            Subject("patch", "deployments.apps", "x", "web", "scale", changes=True),
        ),
        (
            Request("PATCH", "/apis/apps/v1/namespaces/x/deployments/web", headers={"Content-Type": APPLY_PATCH}),
            Subject("apply", "deployments.apps", "x", "web", changes=True),
        ),
        (
            Request("POST", "/api/v1/namespaces/x/pods", body=b'{"metadata":{"generateName":"w-"}}'),
            Subject("create", "pods", "x", "w-*", changes=True),
        ),
        (Request("POST", "/api/v1/namespaces/x/pods", body=b"\xff"), Subject("create", "pods", "x", changes=True)),
        (
            Request("POST", "/api/v1/namespaces/x/pods/a/eviction", body=b'{"metadata":{"name":"a"}}'),
            Subject("create", "pods", "x", "a", "eviction", changes=True),
        ),
        (Request("DELETE", "/api/v1/namespaces/x/pods"), Subject("deletecollection", "pods", "x", changes=True)),
        (Request("GET", "/api/v1/namespaces/x/pods/a/exec"), Subject("connect", "pods", "x", "a", "exec", changes=True)),
        (Request("GET", "/api/v1/namespaces/x/pods/a/log"), Subject("get", "pods", "x", "a", "log")),
        (
            Request("GET", "/api/v1/namespaces/x/services/a/proxy/deep/path"),
            Subject("connect", "services", "x", "a", "proxy/deep/path", changes=True),
        ),
        (
            Request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            Subject("create", "selfsubjectaccessreviews.authorization.k8s.io"),
        ),
        (Request("POST", "/some/where"), Subject("create", changes=True)),
    ],
)
def test_what_a_request_is_about(request_, subject):
    assert subject_of(request_) == subject


def test_what_is_a_dry_run():
    assert is_dry(Request("POST", "/x", (("dryRun", "All"),)))
    assert is_dry(Request("DELETE", "/x", body=b'{"dryRun":["All"]}'))
    assert not is_dry(Request("DELETE", "/x", body=b"{}"))
    assert not is_dry(Request("POST", "/x", body=b'{"dryRun":["All"]}'))


READER = """
import sys
from pathlib import Path
from sloth.kube import Client, Connection
from sloth.kube.audit.log import AuditLog
from sloth.model.secret import Secret
connection = Connection(sys.argv[1], token=Secret(sys.argv[2]))
with Client(connection, observers=[AuditLog(Path(sys.argv[3]))]) as client:
    client.list("namespaces")
    assert not {"sloth.kube.audit.auditor", "sloth.kube.audit.journal"} & set(sys.modules)
    client.delete("namespaces", "kube-public")
assert "sloth.kube.audit.journal" in sys.modules
"""


def test_the_log_costs_nothing_until_something_is_changed(fake, tmp_path):
    words = (fake.url, next(iter(fake.tokens)), str(tmp_path / "audit"))
    subprocess.run([sys.executable, "-c", READER, *words], check=True)
    assert told(tmp_path, "verb", "name") == [("delete", "kube-public")]
    assert verify(tmp_path / "audit").finding is None
