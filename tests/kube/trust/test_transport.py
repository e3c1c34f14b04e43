"""Proxies, names of TLS servers and impersonation, with real sockets on the loopback."""

import threading
from dataclasses import replace

import pytest

from sloth.errors import ConnectError
from sloth.kube import Client
from sloth.kube.connection import Impersonation
from sloth.kube.kubeconfig import load
from sloth.kube.retry import Policy
from sloth.model.secret import Secret
from tests.kube.conftest import QUICK
from tests.kube.trust.loopback import Proxy, TlsKube, authority, server_context, serving

ONCE = Policy(attempts=1)


@pytest.fixture
def names():
    """What clients asked for by SNI."""
    return []


@pytest.fixture
def kube(tmp_path, names):
    """A server whose certificate is for one name and no address."""
    with TlsKube(server_context(tmp_path, "kubernetes.default.svc", seen=names)) as server:
        yield server


@pytest.fixture
def proxy():
    handler = type("Mine", (Proxy,), {"asked": [], "auth": []})
    with serving(handler) as handler.url:
        yield handler


@pytest.fixture
def connection(kube):
    return replace(kube.connection, ca=authority(), tls_server_name="kubernetes.default.svc")


def test_the_name_of_the_server_is_asked_for_and_checked(kube, connection, names):
    with Client(connection, policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert names == ["kubernetes.default.svc"]
    with Client(replace(connection, tls_server_name=""), policy=ONCE) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"
    with Client(replace(connection, tls_server_name="other"), policy=ONCE) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"
    assert names[-1] == "other"
    assert len([method for method, _ in kube.requests]) == 1  # nothing was sent to a server that is not the one


def test_a_server_of_another_authority_gets_nothing(kube, connection):
    with Client(replace(connection, ca=b""), policy=ONCE) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/certificate"
    assert kube.requests == []


def test_through_the_proxy_of_the_kubeconfig(kube, connection, proxy, names, tmp_path):
    (tmp_path / "ca").write_bytes(authority())
    token = connection.token.reveal()
    (tmp_path / "config").write_text(
        f"current-context: x\nclusters: [{{name: x, cluster: {{server: '{kube.url}', certificate-authority: ca, "
        f"tls-server-name: kubernetes.default.svc, proxy-url: '{proxy.url}'}}}}]\n"
        f"users: [{{name: x, user: {{token: {token}}}}}]\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n"
    )
    with Client(load(tmp_path / "config").connection(), policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert proxy.asked == [kube.url.removeprefix("https://")]
    assert names == ["kubernetes.default.svc"]  # through the tunnel too


def test_a_watch_goes_through_the_proxy_and_can_be_stopped(kube, connection, proxy):
    from sloth.kube import Informer

    with Client(replace(connection, proxy=proxy.url), policy=QUICK) as client, Informer(client, "namespaces") as informer:
        informer.synced(60)
        assert {item["metadata"]["name"] for item in informer.store.all()} >= {"default"}
    assert proxy.asked


def test_the_password_of_a_proxy_goes_to_the_proxy_alone(kube, connection, proxy):
    url = proxy.url.replace("http://", "http://jo:pass-word@")
    with Client(replace(connection, proxy=url), policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert proxy.auth == ["Basic am86cGFzcy13b3Jk"]
    assert "proxy-authorization" not in kube.headers[0]


def test_a_proxy_that_is_away_is_told(connection):
    with Client(replace(connection, proxy="http://127.0.0.1:9"), policy=ONCE) as client, pytest.raises(ConnectError) as caught:
        client.get("namespaces", "default")
    assert caught.value.code == "kube/unreachable"


def test_the_environment_names_the_proxy_and_the_exceptions(kube, connection, proxy, monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with Client(connection, policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert len(proxy.asked) == 1
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Client(connection, policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert len(proxy.asked) == 1
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # the kubeconfig's own comes first
    monkeypatch.delenv("NO_PROXY")
    with Client(replace(connection, proxy=proxy.url), policy=ONCE) as client:
        assert client.get("namespaces", "default")
    assert len(proxy.asked) == 2


def test_whom_to_act_as_is_said_with_every_request(fake, tmp_path):
    token = next(iter(fake.tokens))
    (tmp_path / "config").write_text(
        f"current-context: x\nclusters: [{{name: x, cluster: {{server: '{fake.url}'}}}}]\n"
        f"users: [{{name: x, user: {{token: {token}, as: jane, as-uid: '7', as-groups: [ops], "
        "as-user-extra: {example.org/why: [drill]}}}]\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n"
    )
    with Client(load(tmp_path / "config").connection(), policy=ONCE) as client:
        client.list("namespaces")
        client.get("namespaces", "default")
    for headers in fake.headers:
        assert headers["impersonate-user"] == "jane"
        assert headers["impersonate-group"] == "ops"
        assert headers["impersonate-uid"] == "7"
        assert headers["impersonate-extra-example.org%2fwhy"] == "drill"


@pytest.mark.kube
def test_a_real_server_takes_us_for_whom_we_act_as(real_server):
    acting = Impersonation("jane", ("ops", "system:masters"), "7", (("example.org/why", ("drill", "again")),))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}

    def who(client):
        from sloth.kube.decode import asked, dumps
        from sloth.kube.wire import Request

        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        return client.run(asked(Request("POST", path, (), {"Content-Type": "application/json"}, dumps(review))))["status"]

    with Client(replace(real_server.connection, acting_as=acting), policy=QUICK) as client:
        said = who(client)["userInfo"]
    assert (said["username"], said["uid"]) == ("jane", "7")
    assert set(said["groups"]) == {"ops", "system:masters", "system:authenticated"}
    assert said["extra"] == {"example.org/why": ["drill", "again"]}


def test_a_service_accounts_token_is_read_again_when_it_was_rotated(fake, tmp_path):
    """A kubelet replaces a link to a folder; requests that are under way at that moment go on."""
    first, second, link = tmp_path / "1", tmp_path / "2", tmp_path / "data"
    for folder, text in ((first, "token-number-1"), (second, "token-number-2")):
        folder.mkdir()
        (folder / "token").write_text(text)
    link.symlink_to(first)
    fake.tokens = {"token-number-1": "pod"}
    connection = replace(fake.connection, token=None, token_file=link / "token")
    with Client(connection, policy=QUICK) as client:
        client.list("namespaces")
        other = tmp_path / "new"
        other.symlink_to(second)
        other.replace(link)
        fake.tokens = {"token-number-2": "pod"}
        got = []
        threads = [threading.Thread(target=lambda: got.append(len(client.list("namespaces")))) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert len(got) == 8
    assert Secret("token-number-2").reveal() in fake.headers[-1]["authorization"]
