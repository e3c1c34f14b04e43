"""Provider `local` on a real Docker engine: real containers, real systemd, cloud-init and sshd."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sloth import registry
from sloth.adapters.paths import cache_dir
from sloth.app import mirror_spec
from sloth.model.artifact import Artifact, Delivery
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec, PoolSpec
from sloth.supply import known

pytestmark = pytest.mark.lab


def docker(*args: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


def make_key() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(), public


class Lab:
    """One cluster of its own name."""

    def __init__(self, delivery: Delivery) -> None:
        self.name = f"lab-{uuid.uuid4().hex[:8]}"
        pool = PoolSpec(name="control", role="control-plane", provider="local", count=2)
        spec = ClusterSpec(name=self.name, pools=(pool,))
        self.machines: Any = registry.provider("local").machines(spec, lambda event: None, delivery)
        self.private, self.public = make_key()
        self.boot: dict[str, tuple[str, str]] = {}

    def request(self, name: str) -> MachineRequest:
        private, public = self.boot.setdefault(name, make_key())
        return MachineRequest(
            name=name, cluster=self.name, pool="control", role="control-plane", ssh_public_key=self.public,
            boot_key_private=Secret(private), boot_key_public=public,
        )  # fmt: skip

    def up(self, *names: str) -> list[Any]:
        return list(self.machines.apply([self.request(name) for name in names]))

    def ssh(self, machine: Any, command: str, seconds: float = 60) -> str:
        """Run a command as root; only the injected host key is accepted, from the first answer on."""
        kind, text = self.boot[machine.name][1].split()
        host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
        until = time.monotonic() + seconds
        while True:
            with paramiko.SSHClient() as client:
                client.get_host_keys().add(f"[{machine.address}]:{machine.port}", kind, host_key)
                client.set_missing_host_key_policy(paramiko.RejectPolicy())
                try:
                    self._connect(client, machine)
                except (OSError, EOFError, paramiko.ssh_exception.SSHException) as error:
                    assert not isinstance(error, paramiko.BadHostKeyException), "another host key was offered"
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.2)
                    continue
                _, out, _ = client.exec_command(command, timeout=60)
                return str(out.read().decode()).strip()

    def _connect(self, client: paramiko.SSHClient, machine: Any) -> None:
        import io

        key = paramiko.Ed25519Key.from_private_key(io.StringIO(self.private))
        client.connect(
            machine.address, machine.port, "root", pkey=key, allow_agent=False, look_for_keys=False, timeout=5, banner_timeout=5
        )


@pytest.fixture
def lab() -> Iterator[Lab]:
    yield from with_lab(Delivery())


def with_lab(delivery: Delivery) -> Iterator[Lab]:
    lab = Lab(delivery)
    try:
        yield lab
    finally:
        lab.machines.destroy()
        assert lab.machines.leftovers() == []


def test_nodes_boot_answer_ssh_survive_a_stop_and_go(lab: Lab) -> None:
    one, two = lab.up("control-1", "control-2")
    assert [lab.ssh(one, "hostname"), lab.ssh(two, "hostname")] == ["control-1", "control-2"]
    assert lab.ssh(one, f"ping -c1 -W2 {two.private_address} >/dev/null && echo there") == "there"
    assert lab.ssh(one, "systemctl is-system-running --wait") == "running"
    assert lab.ssh(one, "ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key"
    assert lab.ssh(one, "stat -c %a /var/lib/cloud/seed/nocloud/user-data") == "600"
    assert lab.ssh(one, "cat /etc/machine-id") != lab.ssh(two, "cat /etc/machine-id")
    cgroup = "(mkdir /sys/fs/cgroup/memory/lab || mkdir /sys/fs/cgroup/lab) 2>/dev/null"
    writable = f"{cgroup} && sysctl -q -w net.ipv4.ip_forward=1 && echo w"
    assert lab.ssh(one, writable) == "w"

    docker("stop", "--time", "10", one.id)
    docker("kill", two.id)
    assert [machine.running for machine in lab.machines.survey()] == [False, False]
    assert lab.up("control-1", "control-2") == [one, two]
    assert lab.ssh(one, "echo again") == "again"

    volumes = docker("volume", "ls", "--quiet", "--filter", f"label=sloth.cluster={lab.name}").split()
    assert len(volumes) == 4  # two nodes, a volume each for containerd and for what K3s and RKE2 keep
    lab.machines.delete(["control-2"])
    assert [machine.name for machine in lab.machines.survey()] == ["control-1"]
    assert len(docker("volume", "ls", "--quiet", "--filter", f"label=sloth.cluster={lab.name}").split()) == 2


def test_no_secret_is_visible_to_docker_inspect(lab: Lab) -> None:
    (one,) = lab.up("control-1")
    secret = lab.boot["control-1"][0].splitlines()[2]
    assert secret not in docker("inspect", one.id)
    assert lab.ssh(one, "true") == ""


def test_pods_can_ask_dockers_resolver(lab: Lab) -> None:
    one, two = lab.up("control-1", "control-2")
    question = (
        "import socket,struct;"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(5);"
        "s.sendto(struct.pack('>6H',7,256,1,0,0,0)+b'\\x09control-2\\0'+struct.pack('>2H',1,1),('169.254.53.53',53));"
        "print(socket.inet_ntoa(s.recv(512)[-4:]))"
    )
    pod = (
        "ip netns add pod && ip link add p0 type veth peer name p1 netns pod && ip addr add 10.99.0.1/24 dev p0 && "
        "ip link set p0 up && ip -n pod addr add 10.99.0.2/24 dev p1 && ip -n pod link set p1 up && "
        f'ip -n pod route add default via 10.99.0.1 && ip netns exec pod python3 -c "{question}"'
    )
    assert lab.ssh(one, pod) == two.private_address


def test_the_balancer_outlives_a_node(lab: Lab) -> None:
    nodes = lab.up("control-1", "control-2")
    server = (
        "cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x "
        "-keyout k -out c 2>/dev/null"
        " && systemd-run -q -p WorkingDirectory=/tmp openssl s_server -accept 6443 -www -cert c -key k && echo ok"
    )
    assert [lab.ssh(node, server) for node in nodes] == ["ok", "ok"]
    where = lab.machines.balance(["control-1", "control-2"])
    eventually(lambda: answers(where), 15)
    assert lab.machines.balance(["control-1", "control-2"]) == where
    docker("kill", nodes[0].id)
    since = time.monotonic()
    eventually(lambda: all(answers(where) for _ in range(4)), 15)
    assert time.monotonic() - since < 15
    single = lab.machines.balance(["control-2"])
    assert single != where and answers(single)
    assert [left for left in lab.machines.leftovers() if left.endswith("-api")] == []


def answers(where: str) -> bool:
    done = subprocess.run(
        ["curl", "--silent", "--insecure", "--max-time", "3", "--output", os.devnull, "--write-out",
         "%{http_code}", f"https://{where}/"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout == "200"


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not true within {seconds} s"
        time.sleep(0.2)


@pytest.fixture
def unique(tmp_path: Path) -> Iterator[Delivery]:
    """A delivery that no node image exists for; its image is removed afterwards."""
    data = f"#!/bin/sh\necho {uuid.uuid4()}\n".encode()
    (tmp_path / "tool").write_bytes(data)
    tool = Artifact(
        name="tool", version="v1", kind="binary", sha256=hashlib.sha256(data).hexdigest(), size=len(data), file="tool",
        path="/usr/local/bin/lab-tool",
    )  # fmt: skip
    delivery = Delivery(artifacts=(tool,), store=str(tmp_path))
    ref = Lab(delivery).machines.image.ref
    yield delivery
    docker("image", "rm", "--force", ref, check=False)


BAKE = """
import sys
from sloth import registry
from sloth.model.artifact import Artifact, Delivery
from sloth.model.spec import ClusterSpec
path, digest, size = sys.argv[1:4]
where = "/usr/local/bin/lab-tool"
tool = Artifact(name="tool", version="v1", kind="binary", sha256=digest, size=int(size), file="tool", path=where)
machines = registry.provider("local").machines(ClusterSpec(name="x"), lambda event: None, Delivery(artifacts=(tool,), store=path))
machines.image.ensure()
"""


def test_a_killed_bake_leaves_nothing_and_two_at_once_make_one(unique: Delivery) -> None:
    tool = unique.artifacts[0]
    command = [sys.executable, "-c", BAKE, unique.store, tool.sha256, str(tool.size)]
    ref = Lab(unique).machines.image.ref
    Lab(Delivery()).machines.image.ensure()  # so that the packages are there, and only the bake is killed
    victim = subprocess.Popen(command)
    label = f"label=sloth.bake={os.uname().nodename}:{victim.pid}"
    eventually(lambda: bool(docker("ps", "--quiet", "--filter", label)), 60)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    eventually(lambda: not docker("ps", "--all", "--quiet", "--filter", label), 30)
    assert docker("images", "--quiet", ref) == ""

    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(240) for process in both] == [0, 0]
    assert (
        docker("run", "--rm", "--entrypoint", "sh", ref, "-c", "test -x /usr/local/bin/lab-tool && ls /etc/ssh").count("host")
        == 0
    )


def test_deleted_files_of_an_image_stay_deleted(tmp_path: Path) -> None:
    """Snapshots with whiteouts cannot lie in Docker's layers; they must come to a node as they were."""
    index = cache_dir() / "mirror" / "index.json"
    assert index.is_file(), "needs the local mirror: sloth mirror create"
    wanted = ("containerd", "containerd-shim-runc-v2", "ctr")
    tools = [artifact for artifact in known(mirror_spec()) if artifact.name in wanted]
    for tool in tools:
        (tmp_path / tool.file).parent.mkdir(parents=True)
        shutil.copyfile(index.parent / tool.file, tmp_path / tool.file)
    ref = f"lab.test/layers-{uuid.uuid4().hex[:8]}:1"
    archive = whiteout_image(tmp_path, ref)
    data = archive.read_bytes()
    image = Artifact(
        name="layers",
        version="1",
        kind="image",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        file=archive.name,
        ref=ref,
    )
    for lab in with_lab(Delivery(artifacts=(*tools, image), store=str(tmp_path))):
        try:
            (one,) = lab.up("control-1")
            lab.ssh(one, "mkdir -p /run/x && systemd-run -q containerd")
            mount = (
                "for i in 1 2 3 4 5 6 7 8 9; do ctr version >/dev/null 2>&1 && break; sleep 0.5; done; mkdir -p /mnt/i && "
                f"ctr -n k8s.io images mount {ref} /mnt/i >/dev/null && cd /mnt/i && find . -type f | sort | xargs"
            )
            assert lab.ssh(one, mount) == "./dir/new ./kept"
            snapshots = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots"
            assert lab.ssh(one, f"ctr -n k8s.io images unmount /mnt/i >/dev/null; ls {snapshots} | grep -c part") == "0"
        finally:
            lab.machines.destroy()
            docker("image", "rm", "--force", lab.machines.image.ref, check=False)


def whiteout_image(folder: Path, ref: str) -> Path:
    """An archive of an image whose second layer deletes a file and replaces a directory."""
    import io

    layers = [{"kept": "1", "gone": "1", "dir/old": "1"}, {".wh.gone": "", "dir/.wh..wh..opq": "", "dir/new": "1"}]
    blobs = []
    for files in layers:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
        blobs.append(buffer.getvalue())
    ids = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = json.dumps(
        {"architecture": machine, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [ref], "Layers": ["0.tar", "1.tar"]}]).encode()
    path = folder / "layers.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in (("0.tar", blobs[0]), ("1.tar", blobs[1]), ("config.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_many_nodes_start_side_by_side(lab: Lab) -> None:
    started = time.monotonic()
    machines = lab.up("control-1", "control-2", "control-3")
    threads = [threading.Thread(target=lab.ssh, args=(machine, "true")) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {machine.port for machine in machines} == {machine.port for machine in lab.machines.survey()}
    assert time.monotonic() - started < 90
