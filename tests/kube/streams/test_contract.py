"""The cases against the fake API server, and what only a fake can do: old servers, cut connections, strange answers."""

import pytest

from sloth.errors import ConnectError, KubernetesError
from sloth.kube import ApiError, Client
from sloth.kube.streams import copying, process
from sloth.kube.streams.channels import Piece
from sloth.kube.streams.remote import STDERR
from sloth.testing.kube import FakeKube, Fault
from tests.kube.streams.cases import CASES, COPIES
from tests.kube.streams.conftest import POD, QUICK


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams(case, client, tmp_path):
    case(client, tmp_path)


@pytest.mark.parametrize("case", COPIES, ids=lambda case: case.__name__)
def test_copies(case, client, tmp_path):
    (tmp_path / "pod").mkdir()
    (tmp_path / "here").mkdir()
    case(client, tmp_path / "pod", tmp_path / "here")


@pytest.fixture
def old():
    """A client of a server that speaks version 4 only."""
    with FakeKube(execute=True, protocols=("v4.channel.k8s.io",)) as server:
        server.state.create(server.state.resource("", "v1", "pods"), "default", POD, "test")
        with Client(server.connection, policy=QUICK) as made:
            yield made


def test_a_server_that_speaks_version_4_runs_commands(old):
    assert old.exec("web", ["sh", "-c", "echo out; exit 3"]).code == 3
    with old.start("web", ["head", "-c", "3"], stdin=True) as process:
        process.write(b"abc")
        assert process.done(process).stdout == b"abc"


def test_but_cannot_hear_the_end_of_input(old):
    with pytest.raises(KubernetesError) as caught:
        old.exec("web", ["cat"], stdin=b"abc")
    assert caught.value.code == "kube/no-end-of-input"


def test_a_command_is_never_sent_twice(client, pods):
    """A broken connection may mean that the command has run; a read is repeated then."""
    pods.faults.append(Fault(when=lambda method, target: "/exec" in target, status=502))
    with pytest.raises(ApiError):
        client.exec("web", ["true"], container="app")
    assert len([target for _, target in pods.requests if "/exec" in target]) == 1


def test_a_server_that_is_busy_and_says_so_is_asked_again(client, pods):
    busy = Fault(when=lambda method, target: "/exec" in target, status=429, headers={"Retry-After": "0"})
    pods.faults.append(busy)
    assert client.exec("web", ["true"], container="app").code == 0


def test_a_proxy_that_knows_no_websockets_is_named(client, pods):
    pods.faults.append(Fault(when=lambda method, target: "/exec" in target, status=200, body=b"welcome"))
    with pytest.raises(ConnectError) as caught:
        client.exec("web", ["true"], container="app")
    assert caught.value.code == "kube/no-websocket"


def test_rights_are_asked_for(client, pods):
    pods.tokens.clear()
    with pytest.raises(ApiError) as caught:
        client.exec("web", ["true"], container="app")
    assert caught.value.exit == 11


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 8, 40])
def test_a_connection_that_is_cut_is_no_success(client, pods, cut):
    pods.faults.append(Fault(when=lambda method, target: "/exec" in target, cut=cut))
    with pytest.raises(ConnectError) as caught:
        client.exec("web", ["echo", "hello"], container="app")
    assert caught.value.code == "kube/stream-cut"


def test_a_copy_that_is_cut_leaves_no_half_file(client, pods, tmp_path):
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "big").write_bytes(bytes(2_000_000))
    pods.faults.append(Fault(when=lambda method, target: "/exec" in target, cut=700_000))
    with pytest.raises(ConnectError) as caught:
        client.copy_from("web", str(tmp_path / "pod"), tmp_path / "here", container="app")
    assert caught.value.code == "kube/stream-cut"
    assert [*(tmp_path / "here").iterdir()] == []


def test_a_pod_without_tar_is_explained(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "one").touch()
    for work in (
        lambda: client.copy_from("web", "/etc/hosts", tmp_path / "hosts"),
        lambda: client.copy_to("web", tmp_path / "one", "/tmp/x"),
    ):
        with pytest.raises(KubernetesError) as caught:
            work()
        assert caught.value.code == "kube/no-tar"


def test_a_pod_that_sends_files_for_elsewhere_is_not_obeyed(client, tmp_path, monkeypatch):
    """Its `tar` is a program of the container: it can send whatever it likes."""
    import tarfile

    bad = tmp_path / "bad.tar"
    with tarfile.open(bad, "w") as archive:
        for name in ("./logs", "./logs/../../evil"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if name == "./logs" else tarfile.REGTYPE
            archive.addfile(info)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tar").write_text(f"#!/bin/sh\nexec /bin/cat {bad}\n")
    (tmp_path / "bin" / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "here").mkdir()
    with pytest.raises(KubernetesError) as caught:
        client.copy_from("web", "/var/logs", tmp_path / "here")
    assert caught.value.code == "kube/hostile-archive"
    assert not (tmp_path / "evil").exists()


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """A `tar` that complains and then neither reads nor ends, as a real kubelet makes it look when tar has failed."""
    monkeypatch.setattr(process, "IDLE", 0.1)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tar").write_text("#!/bin/sh\necho 'tar: no space left' >&2\nexec sleep 60\n")
    (tmp_path / "bin" / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "big").write_bytes(bytes(20_000_000))
    return tmp_path


def test_a_copy_that_does_not_go_on_ends_with_what_tar_said(client, stuck):
    with pytest.raises(KubernetesError) as caught:
        client.copy_to("web", stuck / "big", "/tmp/nowhere/")
    assert (caught.value.code, caught.value.detail) == ("kube/copy-failed", "tar: no space left")


def test_so_it_does_for_the_async_client(run, stuck):
    async def work(client):
        with pytest.raises(KubernetesError) as caught:
            await client.copy_to("web", stuck / "big", "/tmp/nowhere/")
        assert caught.value.detail == "tar: no space left"

    run(work)


def test_a_slow_copy_that_says_nothing_is_waited_for(client, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "IDLE", 0.05)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tar").write_text("#!/bin/sh\nsleep 0.5\nexec cat >/dev/null\n")
    (tmp_path / "bin" / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "big").write_bytes(bytes(20_000_000))
    assert client.copy_to("web", tmp_path / "big", "/tmp/nowhere/").bytes == 20_000_000


def test_input_that_nobody_reads_holds_nothing_up(client):
    assert client.exec("web", ["sh", "-c", "echo done"], stdin=bytes(8_000_000)).stdout == b"done\n"


def test_many_streams_do_not_use_up_the_pool_of_requests(client):
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(70):  # requests may use 64 connections
            stack.enter_context(client.start("web", ["cat"], container="app", stdin=True))
        assert client.get("pods", "web")["metadata"]["name"] == "web"


@pytest.mark.parametrize(("words", "code"), [(b"tar: no such folder\n", "kube/copy-failed"), (b"", "kube/stream-cut")])
def test_a_cut_copy_is_explained_by_what_tar_said_before(tmp_path, words, code):
    (tmp_path / "x").touch()
    send = copying.Send(tmp_path / "x", "/there", follow=False)
    send.take(Piece(STDERR, words))
    error = copying.explained(ConnectError("kube/stream-cut", "cut", hint="again"), "web", send)
    assert error.code == code
    assert words.decode().strip() in error.detail
