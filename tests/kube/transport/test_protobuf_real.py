"""Protobuf of a real kube-apiserver beside its JSON: for every built-in kind, the same dict."""

import base64
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from sloth.kube import ApiError, AsyncClient, Client, Informer
from sloth.kube.protobuf.descriptions import descriptions
from sloth.kube.wire import Request, ask
from tests.kube.conftest import QUICK
from tests.kube.test_contract import CRD, config, remove_widgets, wait_for

HERE = Path(__file__).parent
pytestmark = pytest.mark.kube
UNSTORED = {"componentstatuses"}


@pytest.fixture(scope="module")
def plain(real_server):
    with Client(real_server.connection, policy=QUICK) as made:
        yield made


@pytest.fixture
def packed(real_server):
    with Client(real_server.connection, policy=QUICK, protobuf=True) as made:
        yield made


def signing_request():
    """As a CertificateSigningRequest wants it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def documents(name, **words):
    """The objects of a file, with these words in place of their names in capitals."""
    text = (HERE / f"{name}.yaml").read_text()
    for word, value in words.items():
        text = text.replace(word, value)
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def corpus(plain):
    """All of them, made. What is protected from deletion is let go in the end."""
    plain.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rich"}})
    wanted = [("rich", each) for each in documents("objects-in-a-namespace")]
    wanted += [(None, each) for each in documents("objects-of-the-cluster", REQUEST=signing_request())]
    made = []
    try:
        for space, each in wanted:
            plain.create(each, space)
            made.append((space, each))
            if "status" in each:
                name = f"{each['apiVersion']}/{each['kind']}"
                plain.patch(name, each["metadata"]["name"], {"status": each["status"]}, space, subresource="status")
        yield
    finally:  # whatever happened: the tests of other modules share the server
        for space, each in reversed(made):
            kind, name = f"{each['apiVersion']}/{each['kind']}", each["metadata"]["name"]
            plain.delete(kind, name, space)
            with suppress(ApiError):  # gone already; what has finalizers would stay: no controller takes them away
                plain.patch(kind, name, {"metadata": {"finalizers": None}}, space)


def test_every_kind_in_both_forms(plain, packed, corpus):
    """Lists and single objects; and it was protobuf that was compared."""
    kinds = 0
    for resource in plain.resources():
        if "list" not in resource.verbs or resource.plural in UNSTORED or resource.api_version not in descriptions().groups:
            continue
        form = packed.run(ask(Request("GET", resource.path(), headers={"Accept": "application/json"}))).headers["content-type"]
        assert form == "application/vnd.kubernetes.protobuf", resource
        before, after = plain.list(resource, "*"), packed.list(resource, "*")
        versions = [
            {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found} for found in (before, after)
        ]
        if versions[0] != versions[1]:  # the server's own leases
            before, after = plain.list(resource, "*"), packed.list(resource, "*")
        assert after == before, resource
        assert before, f"nothing of {resource.full_name} was compared"
        kinds += 1
        one = before[-1]["metadata"]
        assert packed.get(resource, one["name"], one.get("namespace")) == plain.get(resource, one["name"], one.get("namespace"))
    assert kinds >= 55


def test_subresources(plain, packed, corpus):
    for kind, name, part in (("deploy", "rich", "scale"), ("deploy", "rich", "status"), ("sts", "rich", "scale")):
        assert packed.get(kind, name, "rich", subresource=part) == plain.get(kind, name, "rich", subresource=part)


def test_failures_are_the_same(plain, packed):
    found = []
    for client in (plain, packed):
        with pytest.raises(ApiError) as caught:
            client.get("pods", "nobody", "default")
        found.append((caught.value.code, caught.value.status, caught.value.reason, caught.value.detail))
        with (
            pytest.raises(ApiError) as caught,
            client.open(Request("GET", "/api/v1/nodes/nobody", headers={"Accept": "application/json"})),
        ):
            pass
        found.append((caught.value.code, caught.value.detail))
    assert found[:2] == found[2:]


def test_a_watch_of_both_forms(plain, packed, corpus):
    """Additions, changes, deletions and bookmarks, of a kind with times, bytes and JSON within."""
    seen = {}
    stop = threading.Event()

    def follow(name, client):
        seen[name] = []
        for event in client.watch("leases", "rich", stop=stop):
            seen[name].append((event.type, event.object))
            if event.type == "DELETED":
                return

    threads = [threading.Thread(target=follow, args=pair) for pair in (("plain", plain), ("packed", packed))]
    for thread in threads:
        thread.start()
    wait_for(lambda: all(seen.get(name) for name in ("plain", "packed")))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "new"}}
    plain.create(lease, "rich")
    plain.patch("leases", "new", {"spec": {"renewTime": "2026-01-02T03:04:05.678900Z"}}, "rich")
    plain.delete("leases", "new", "rich")
    for thread in threads:
        thread.join()
    assert seen["packed"] == seen["plain"]
    assert [kind for kind, _ in seen["packed"]] == ["ADDED", "ADDED", "MODIFIED", "DELETED"]


def test_a_version_that_is_gone_ends_a_watch_in_both_forms(packed):
    """The server says so in the form that was asked for: within an answer of 200."""
    with packed.open(
        Request(
            "GET",
            "/api/v1/pods",
            (("watch", "1"), ("resourceVersion", "1"), ("timeoutSeconds", "1")),
            {"Accept": "application/json"},
        )
    ) as chunks:
        first = next(iter(chunks), b"\0")
    assert first[:1] == b"\0"


def test_an_informer(real_server, packed, plain):
    with Informer(packed, "cm", "default") as informer:
        informer.synced(30)
        plain.create(config("watched", n="1"), "default")
        wait_for(lambda: informer.store.get("default/watched"))
        assert informer.store.get("default/watched") == plain.get("cm", "watched", "default")
        plain.delete("cm", "watched", "default")


def test_async(real_server, plain, corpus):
    import asyncio

    async def work():
        async with AsyncClient(real_server.connection, policy=QUICK, protobuf=True, http2=True) as client:
            async for event in client.watch("pods", "rich"):
                return await client.list("pods", "rich"), event.object

    listed, watched = asyncio.run(work())
    assert listed == [watched] == plain.list("pods", "rich")


def test_custom_kinds_stay_json(plain, packed):
    plain.apply(CRD, force=True)
    wait_for(lambda: any(each.plural == "widgets" for each in plain.resources()))
    thing = {"apiVersion": "sloth.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    try:
        plain.create(thing, "default")
        assert packed.get("widgets.sloth.test", "w", "default") == plain.get("widgets", "w", "default")
        assert packed.list("widgets.sloth.test", "*") == plain.list("widgets", "*")
    finally:
        remove_widgets(plain)


def test_http2_was_spoken_with_the_real_server(real_server):
    with Client(real_server.connection, http2=True) as client:
        client.list("namespaces")
        assert client.wire._carrier._links
        assert not client.wire._carrier._older
