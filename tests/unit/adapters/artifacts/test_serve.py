import http.client
import os
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth.adapters.artifacts.serve import serve
from sloth.errors import MachinesError, UsageError

BODY = bytes(range(256)) * 3000


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("srv")
    root = folder / "mirror"
    (root / "kubelet/v1").mkdir(parents=True)
    (root / "kubelet/v1/kubelet").write_bytes(BODY)
    (root / "index.json").write_text("{}")
    (root / ".lock").write_text("hidden")
    (folder / "secret").write_text("secret")
    (root / "leak").symlink_to(folder / "secret")
    (root / "inside").symlink_to(root / "index.json")
    return root


@pytest.fixture(scope="module")
def server(root):
    with serve(root) as running:
        yield running


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_files_of_the_mirror(server):
    status, body, headers = ask(server, "/kubelet/v1/kubelet")
    assert (status, body) == (200, BODY)
    assert headers["Accept-Ranges"] == "bytes"
    assert ask(server, "/index.json")[1] == b"{}"
    assert ask(server, "/inside")[0] == 200
    assert ask(server, "/kubelet%2Fv1/kubelet?x=1")[0] == 200


def test_head_says_the_size_and_sends_nothing(server):
    status, body, headers = ask(server, "/kubelet/v1/kubelet", "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(BODY)))


@pytest.mark.parametrize(
    "path",
    ["/", "/kubelet", "/kubelet/v1/", "/absent", "/.lock", "/../secret", "/%2e%2e/secret", "/kubelet/../../secret", "/leak",
     "/..%2fsecret", "//etc/passwd", "/kubelet/%00", "/%5c..%5csecret", "/" + "x" * 5000],
)  # fmt: skip
def test_nothing_else(server, path):
    status, body, _ = ask(server, path)
    assert status == 404
    assert b"secret" not in body


def test_read_only(server):
    for method in ("PUT", "POST", "DELETE"):
        assert ask(server, "/index.json", method)[0] == 501


@given(st.integers(0, len(BODY) + 5), st.none() | st.integers(0, len(BODY) + 5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges_are_slices(server, first, last):
    status, body, headers = ask(server, "/kubelet/v1/kubelet", Range=f"bytes={first}-{'' if last is None else last}")
    wanted = BODY[first : None if last is None else last + 1]
    if not wanted:
        assert (status, body, headers["Content-Range"]) == (416, b"", f"bytes */{len(BODY)}")
    else:
        assert body == wanted
        assert status == (200 if wanted == BODY else 206)


def test_the_end_of_a_file_and_strange_ranges(server):
    assert ask(server, "/kubelet/v1/kubelet", Range="bytes=-5")[:2] == (206, BODY[-5:])
    assert ask(server, "/kubelet/v1/kubelet", Range="bytes=-999999999")[:2] == (200, BODY)
    for strange in ("bytes=-", "bytes=1-2,5-6", "lines=1-2", "bytes=x-"):
        assert ask(server, "/kubelet/v1/kubelet", Range=strange)[:2] == (200, BODY)
    assert ask(server, "/index.json", Range="bytes=-0")[0] == 416


def test_the_tag_changes_with_the_file(root):
    with serve(root) as server:
        tag = ask(server, "/index.json", "HEAD")[2]["ETag"]
        assert ask(server, "/index.json", "HEAD")[2]["ETag"] == tag
        os.utime(root / "index.json", (1, 1))
        assert ask(server, "/index.json", "HEAD")[2]["ETag"] != tag


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "", "*", "localhost", "::ffff:0.0.0.0", "224.0.0.1"])
def test_never_on_all_addresses(root, bind):
    with pytest.raises(UsageError) as caught:
        serve(root, bind)
    assert caught.value.code == "artifacts/bind-all"


def test_only_a_mirror(tmp_path):
    with pytest.raises(UsageError) as caught:
        serve(tmp_path)
    assert caught.value.code == "artifacts/no-index"


def test_a_taken_port(root, server):
    with pytest.raises(MachinesError) as caught:
        serve(root, port=int(server.url.rpartition(":")[2]))
    assert caught.value.code == "artifacts/bind-failed"


def test_ipv6(root):
    try:
        server = serve(root, "::1")
    except MachinesError:
        pytest.skip("no IPv6 on loopback here")
    with server:
        assert server.url.startswith("http://[::1]:")
        assert ask(server, "/index.json")[0] == 200


def test_closed_means_closed(root):
    server = serve(root)
    server.close()
    server.wait()
    with pytest.raises(ConnectionRefusedError):
        ask(server, "/index.json")


def test_a_client_that_goes_away_does_no_harm(server, capfd):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    connection.request("GET", "/kubelet/v1/kubelet")
    connection.close()
    assert ask(server, "/index.json")[0] == 200
    assert capfd.readouterr().err == ""
