"""What a real etcd says when its data is damaged, and when something else stops it: sloth takes the first for damage only."""

import os
import shutil
import socket
import subprocess
import time

import pytest

from sloth.health.damage import damage
from tests.kube.real import archive, binary, mirror
from tests.ports import free_port

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    """The program, and a data directory with a thousand keys of a member that was stopped."""
    if not archive("etcd"):
        pytest.skip("the mirror has no etcd: sloth mirror create")
    folder = tmp_path_factory.mktemp("etcd")
    program = binary("etcd", folder)
    data = folder / "data"
    with Member(program, data) as member:
        member.fill()
    return program, data


class Member:
    """One member on the loopback."""

    def __init__(self, program, data, *more):
        self.words = data.with_suffix(".log")
        self.client, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        flags = [f"--data-dir={data}", f"--listen-client-urls={self.client}", f"--advertise-client-urls={self.client}",
                 f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
                 "--snapshot-count=200", *more]  # fmt: skip
        with self.words.open("wb") as sink:
            self.process = subprocess.Popen([program, *flags], stdout=sink, stderr=subprocess.STDOUT)

    def fill(self):
        etcdctl = max(mirror().glob("etcdctl/*/linux-*/etcdctl"), key=lambda path: path.stat().st_mtime)
        call = [etcdctl, f"--endpoints={self.client}"]
        lines = "\n" + "".join(f"put key-{number} {'x' * 300}\n" for number in range(20)) + "\n\n"
        deadline = time.monotonic() + 60
        while subprocess.run([*call, "put", "first", "x"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, self.words.read_text()
            time.sleep(0.1)
        for _ in range(30):
            subprocess.run([*call, "txn"], input=lines, text=True, capture_output=True, check=True)

    def said(self):
        """All that it said, when it has ended by itself."""
        self.process.wait(timeout=60)
        return self.words.read_text(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def overwritten(data):
    file = data / "member/snap/db"
    with file.open("r+b") as stream:
        stream.write(os.urandom(min(file.stat().st_size, 1 << 20)))


def cut_off(data):
    os.truncate(data / "member/snap/db", 6000)


def wal_overwritten(data):
    newest = max((data / "member/wal").glob("*.wal"))
    with newest.open("r+b") as stream:
        stream.seek(400)
        stream.write(b"\xa5" * 4096)


@pytest.mark.parametrize("spoil", [overwritten, cut_off, wal_overwritten])
def test_damaged_data_is_told_from_what_etcd_says(etcd, tmp_path, spoil):
    program, whole = etcd
    data = tmp_path / "data"
    shutil.copytree(whole, data)
    spoil(data)
    with Member(program, data) as member:
        words = member.said()
    assert damage(words), words[-3000:]


def test_a_port_that_is_taken_and_an_address_that_is_not_here_are_no_damage(etcd):
    program, whole = etcd
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Member(program, whole, f"--listen-client-urls={address}") as member:
            assert damage(member.said()) == ""
    with Member(program, whole, "--listen-client-urls=http://192.0.2.1:2379") as member:
        assert damage(member.said()) == ""
