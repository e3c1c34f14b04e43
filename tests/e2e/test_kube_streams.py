"""Streams into pods against a real API server, kubelet and containerd: the cases that the fake is held to, and more."""

import asyncio
import os
import pty
import secrets
import socket
import subprocess
import time
from pathlib import Path

import pytest

from sloth import reach
from sloth.errors import ConnectError, KubernetesError
from sloth.kube import AsyncClient, Client
from sloth.kube.retry import Policy
from sloth.kube.streams import asking, process
from sloth.model.options import Options
from tests.e2e.cluster import SLOTH, eventually
from tests.kube.streams.cases import CASES, COPIES, grown, tree

POD = Path(__file__).with_name("streams_pod.yaml")


@pytest.fixture(scope="module")
def config(bed):
    """A kubeconfig of a cluster of one node; the pod `web` runs."""
    bed.write(control=1, workers=0)
    bed.up()
    start_pod(bed)
    return bed.folder / "kubeconfig"


def start_pod(bed):
    """The pod with the node's programs. Waits until it runs."""
    image = bed.inside("control-1", "ctr -n k8s.io images ls -q | grep /pause:").splitlines()[0]
    eventually(lambda: bed.kubectl("get", "serviceaccount", "default"))
    bed.kubectl("apply", "--filename", "-", stdin=POD.read_text().replace("IMAGE", image))
    bed.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=90s")


@pytest.fixture
def client(config):
    with Client.from_kubeconfig(config) as made:
        yield made


@pytest.fixture
def folder(client):
    """A folder of this test's own in the pod."""
    name = f"/work/{secrets.token_hex(4)}"
    assert client.exec("web", ["mkdir", name]).code == 0
    return name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_streams(case, client, folder):
    case(client, folder)


@pytest.mark.parametrize("case", COPIES, ids=lambda case: case.__name__)
def test_copies(case, client, folder, tmp_path):
    case(client, folder, tmp_path)


def test_version_4_of_the_protocol_where_5_is_not_offered(client, monkeypatch):
    monkeypatch.setattr(asking, "PROTOCOLS", ("v4.channel.k8s.io",))
    assert client.exec("web", ["sh", "-c", "exit 3"]).code == 3
    with pytest.raises(KubernetesError) as caught:
        client.exec("web", ["cat"], stdin=b"x")
    assert caught.value.code == "kube/no-end-of-input"


def test_a_container_without_tar(client, tmp_path):
    (tmp_path / "one").touch()
    for work in (
        lambda: client.copy_from("web", "/etc/hosts", tmp_path / "hosts", container="side"),
        lambda: client.copy_to("web", tmp_path / "one", "/work/", container="side"),
    ):
        with pytest.raises(KubernetesError) as caught:
            work()
        assert caught.value.code == "kube/no-tar"


def test_a_copy_that_fails_at_once_does_not_hang(client, tmp_path, monkeypatch):
    """kubelet and containerd often do not tell the end of a command that left its input unread."""
    monkeypatch.setattr(process, "IDLE", 2.0)
    (tmp_path / "big").write_bytes(bytes(30_000_000))
    with pytest.raises((KubernetesError, ConnectError)) as caught:
        client.copy_to("web", tmp_path / "big", "/no/such/folder/x")
    # They may also end the connection before tar's words have come.
    assert caught.value.code in ("kube/copy-failed", "kube/stream-cut")
    assert caught.value.code == "kube/stream-cut" or "No such file" in caught.value.detail


def test_attach_joins_the_main_process(client):
    with client.attach("web", container="shell", stdin=True, tty=True) as process:
        process.resize(91, 29)
        seen, until = b"", time.monotonic() + 30
        while b"29 91\r\n" not in seen and time.monotonic() < until:
            process.write(b"echo he''llo; stty size\n")  # again: the size goes another way than keys, and may come after them
            while piece := process.take(1):
                seen += piece.data
        assert b"hello\r\n29 91\r\n" in seen


def test_the_async_client_does_the_same(config, folder, tmp_path):
    source = grown(tmp_path / "source")

    async def work():
        async with AsyncClient.from_kubeconfig(config) as client:
            data = os.urandom(2_000_000)
            done = await asyncio.gather(*(client.exec("web", ["cat"], stdin=data) for _ in range(4)))
            assert {each.stdout for each in done} == {data}
            await client.copy_to("web", source, folder + "/")
            await client.copy_from("web", folder + "/source", tmp_path / "back")

    asyncio.run(work())
    assert tree(tmp_path / "back") == tree(source)


def sloth(config, *words, stdin=b""):
    done = subprocess.run(
        [SLOTH, "kube", *words, "--kubeconfig", str(config)] if "--" not in words else
        [SLOTH, "kube", words[0], "--kubeconfig", str(config), *words[1:]],
        input=stdin, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_passes_input_output_and_exit_code_on(config, folder, tmp_path):
    assert sloth(config, "exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 42") == (42, b"out\n", b"err\n")
    data = os.urandom(500_000)
    assert sloth(config, "exec", "-i", "web", "--", "cat", stdin=data) == (0, data, b"")
    (tmp_path / "file").write_bytes(data)
    code, out, _ = sloth(config, "cp", str(tmp_path / "file"), f"web:{folder}/copy")
    assert (code, out) == (0, b"1 file, 500.0 kB\n")
    assert sloth(config, "cp", f"default/web:{folder}/copy", str(tmp_path / "back"))[0] == 0
    assert (tmp_path / "back").read_bytes() == data


def test_a_terminal_of_the_command_line(config):
    """`exec -it` on a terminal: keys go there one by one, Ctrl-C too, and in the end this terminal is as it was."""
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    words = [SLOTH, "kube", "exec", "--kubeconfig", str(config), "-it", "web", "-c", "app", "--", "sh"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    try:
        until(ours, b"#")
        assert termios.tcgetattr(theirs)[3] & termios.ICANON == 0
        os.write(ours, b"echo b''egin; sleep 1000\n")
        until(ours, b"begin\r\n")
        os.write(ours, b"\x03")
        until(ours, b"#")
        os.write(ours, b"echo a''live; exit 5\n")
        until(ours, b"alive")
        assert process.wait(30) == 5
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)


def until(handle, text):
    """Read from a terminal until this text comes."""
    import select

    seen, end = b"", time.monotonic() + 60
    while text not in seen:
        assert time.monotonic() < end, seen
        if select.select([handle], [], [], 1)[0]:
            seen += os.read(handle, 4096)


def test_port_forward_of_the_command_line_ends_with_ctrl_c(config):
    import signal

    words = [SLOTH, "kube", "port-forward", "--kubeconfig", str(config), "pod/web", ":http"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("127.0.0.1:")
    assert line.endswith(" -> web:http\n")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "\n")
    assert process.returncode == 0


@pytest.fixture
def walled(bed, config):
    """The node's firewall refuses the API to everybody outside; the mesh and the node itself are not concerned."""
    rule = "INPUT -i eth0 -p tcp --dport 6443 -j REJECT --reject-with tcp-reset"
    bed.inside("control-1", f"iptables -I {rule}")
    with Client.from_kubeconfig(config, policy=Policy(attempts=2)) as client, pytest.raises(ConnectError):
        client.get("namespaces", "default")
    yield bed
    bed.inside("control-1", f"iptables -D {rule}")


def test_an_api_behind_a_firewall_is_reached_through_ssh(walled, tmp_path):
    done = walled.sloth("kube", "get", "nodes", "-o", "name")
    assert done.stdout == "node/control-1\n"
    assert "cannot be reached from here" in done.stderr
    assert walled.sloth("kube", "get", "nodes", "-o", "name", "--via-ssh").stderr == ""
    assert walled.sloth("kube", "exec", "--via-ssh", "web", "--", "echo", "hello").stdout == "hello\n"
    write = "echo told > /proc/1/fd/1"
    walled.sloth("kube", "exec", "--via-ssh", "web", "--", "sh", "-c", write)
    assert "told" in walled.sloth("kube", "logs", "web", "--via-ssh", "--container", "app").stdout
    (tmp_path / "file").write_bytes(os.urandom(500_000))
    walled.sloth("kube", "cp", str(tmp_path / "file"), "web:/work/through", "--via-ssh")
    walled.sloth("kube", "cp", "web:/work/through", str(tmp_path / "back"), "--via-ssh")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()


def test_nodes_are_cordoned_and_released_through_ssh(walled):
    for verb, wanted in (("cordon", "true"), ("cordon", "true"), ("uncordon", "")):
        walled.sloth("nodes", verb, "control-1")
        read = ("kube", "get", "node", "control-1", "-o", "jsonpath={.spec.unschedulable}", "--via-ssh")
        assert walled.sloth(*read).stdout.strip() == wanted


def test_a_port_behind_a_firewall_is_forwarded_through_ssh(walled):
    serve = "socat TCP-LISTEN:8080,fork,reuseaddr EXEC:cat </dev/null >/dev/null 2>&1 &"
    walled.sloth("kube", "exec", "--via-ssh", "web", "--", "sh", "-c", serve)
    words = [SLOTH, "kube", "port-forward", "--via-ssh", "pod/web", ":8080"]
    process = subprocess.Popen(words, cwd=walled.folder, env=walled.env, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline().split()[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
            line.sendall(b"there and back")
            assert line.recv(100) == b"there and back"
    finally:
        process.terminate()
        process.communicate()


def test_a_watch_outlives_its_ssh_connection(walled):
    options = Options(cluster=walled.name, state_dir=walled.folder / "data")
    connection = reach.connection(options, via_ssh=True)
    with Client(connection) as client:
        watch = client.watch("configmaps", fields="metadata.name!=kube-root-ca.crt")
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before"}}
        client.create(item)
        assert next(watch).object["metadata"]["name"] == "before"
        walled.inside("control-1", "pkill -9 -f '^sshd: root'")
        walled.inside("control-1", "kubectl --kubeconfig /etc/kubernetes/admin.conf create configmap in-the-gap")
        assert next(watch).object["metadata"]["name"] == "in-the-gap"
        watch.close()
    connection.route.close()
