"""Fetching a file from a node over a real SSH connection: whole and right, or not at all."""

import contextlib
import hashlib
import os

import pytest

from sloth.adapters.ssh_connect import Patience
from sloth.adapters.ssh_fetch import fetch
from sloth.errors import ConnectError, StepError
from tests.unit.adapters.ssh_server import Server

SHORT = Patience(total=2.0, auth=1.0, dial=1.0, banner=2.0)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "home").mkdir()
    with contextlib.closing(Server(tmp_path / "home")) as made:
        yield made


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 5_000_001])
def test_it_comes_as_it_is_and_only_for_this_user(server, tmp_path, size):
    data = os.urandom(size)
    there, here = tmp_path / "a file", tmp_path / "here"
    there.write_bytes(data)
    fetch(server.login(), str(there), here, digest(data), SHORT)
    assert here.read_bytes() == data
    assert here.stat().st_mode & 0o777 == 0o600


def test_another_content_is_refused_and_leaves_nothing(server, tmp_path):
    (tmp_path / "there").write_bytes(b"changed")
    with pytest.raises(StepError) as caught:
        fetch(server.login(), str(tmp_path / "there"), tmp_path / "here", digest(b"promised"), SHORT)
    assert caught.value.code == "backup/fetch"
    assert not (tmp_path / "here").exists()


def test_a_file_that_is_not_there_is_said_in_the_nodes_words(server, tmp_path):
    with pytest.raises(StepError) as caught:
        fetch(server.login(), str(tmp_path / "no"), tmp_path / "here", digest(b""), SHORT)
    assert "No such file" in caught.value.detail
    assert not (tmp_path / "here").exists()


def test_a_connection_that_breaks_leaves_nothing(server, tmp_path):
    """A pipe that nobody closes stands for a transfer under way."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    import threading

    def cut():
        with pipe.open("wb") as writing:
            writing.write(b"the first half")
            writing.flush()
            server.drop()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(ConnectError):
        fetch(server.login(), str(pipe), tmp_path / "here", digest(b"x"), SHORT)
    thread.join(10)
    assert not (tmp_path / "here").exists()
