"""`sloth kube exec|attach|port-forward|cp` against the fake API server, those with a terminal as processes of their own."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sloth.cli.kube_copy import size
from sloth.cli.main import app
from tests.kube.streams.cases import grown, tree

SLOTH = str(Path(sys.executable).parent / "sloth")


@pytest.fixture
def config(pods, tmp_path, monkeypatch):
    """A kubeconfig of the fake server, which every `sloth` of this test goes by."""
    document = {
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": pods.url}}],
        "users": [{"name": "x", "user": {"token": pods.connection.token.reveal()}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("SLOTH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    done = CliRunner().invoke(app, ["kube", *words])
    assert not done.exception or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_exit_code_is_the_commands(config):
    script = "echo out; echo err >&2; exit 42"
    assert run("exec", "web", "-c", "app", "--", "sh", "-c", script) == (42, "out\n", "err\n")
    assert run("exec", "pod/web", "--", "true") == (0, "", "")


def test_options_behind_the_dashes_are_the_commands(config):
    assert run("exec", "web", "--", "printf", "%s", "-c", "--help")[:2] == (0, "-c--help")


def test_failures_have_codes(config):
    code, _, err = run("exec", "web", "--", "no-such-program")
    assert (code, "kube/no-program" in err) == (15, True)
    assert run("exec", "nobody", "--", "true")[0] == 15
    assert run("exec", "web")[0] == 2


def test_copies(config):
    source = grown(config / "source")
    (config / "pod").mkdir()
    code, out, err = run("cp", "source", f"web:{config}/pod/")
    assert (code, out, err) == (0, "10 files, 6.0 MB\n", "")
    code, out, err = run("cp", "-c", "app", f"default/web:{config}/pod/source", "back")
    assert code == 0
    assert tree(config / "back") == tree(source)


def test_what_was_left_out_is_said_and_is_no_success(config):
    (config / "pod").mkdir()
    (config / "pod" / "o\x1b[31m").symlink_to("/etc/passwd")
    code, out, err = run("cp", f"web:{config}/pod", "here")
    assert (code, out) == (15, "0 files, 0 B\n")
    assert err == "left out: ./pod/o\\x1b[31m: a link that leads out of the copy: /etc/passwd\n"


@pytest.mark.parametrize("paths", [("a", "b"), ("web:/a", "web:/b"), ("web:", "b"), ("none", "web:/tmp/x")])
def test_paths_that_cannot_be_copied(config, paths):
    code, _, err = run("cp", *paths)
    assert (code, "kube/copy-path" in err) == (2, True)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (10**8, "100.0 MB"), (10**16, "10000.0 TB")]
)
def test_sizes_for_people(count, text):
    assert size(count) == text


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "host.example"])
def test_never_on_all_addresses(config, address):
    code, _, err = run("port-forward", "web", "8080", "--address", address)
    assert (code, "kube/bind-all" in err) == (2, True)


def test_input_is_passed_on_as_it_is(config):
    data = os.urandom(1_500_000)
    done = subprocess.run(
        [SLOTH, "kube", "exec", "-i", "web", "--", "cat"], input=data, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_an_old_cluster_that_cannot_hear_the_end_of_input_is_no_hang(config, pods):
    pods.protocols = ("v4.channel.k8s.io",)
    words = [SLOTH, "kube", "exec", "-i", "web", "--", "cat"]
    done = subprocess.run(words, input=b"x", capture_output=True, timeout=60, check=False)
    assert done.returncode == 15
    assert b"kube/no-end-of-input" in done.stderr


def seen(handle, text):
    """Read from a terminal until this text comes."""
    got, end = b"", time.monotonic() + 60
    while text not in got:
        assert time.monotonic() < end, got
        if select.select([handle], [], [], 1)[0]:
            got += os.read(handle, 4096)
    return got


@pytest.fixture
def terminal():
    """A terminal's two ends."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 77))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def on(terminal, *words):
    theirs = terminal[1]
    return subprocess.Popen([SLOTH, "kube", *words], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)


def test_a_terminal_goes_raw_has_a_size_and_comes_back(config, terminal):
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    process = on(terminal, "exec", "-it", "web", "--", "sh", "-c", "echo ready; read a; stty size; read b; stty size; exit 5")
    try:
        seen(ours, b"ready")
        assert termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG) == 0
        os.write(ours, b"x\r")
        seen(ours, b"33 77")
        termios.tcsetwinsize(theirs, (20, 50))
        process.send_signal(signal.SIGWINCH)
        time.sleep(0.2)  # the new size goes on a way of its own; nothing tells that it has arrived
        os.write(ours, b"x\r")
        seen(ours, b"20 50")
        assert process.wait(60) == 5
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminal_comes_back_when_it_is_told_to_end(config, terminal, number):
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    process = on(terminal, "exec", "-ti", "web", "--", "sh", "-c", "echo ready; read a")
    try:
        seen(ours, b"ready")
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.communicate()


def test_attach(config, terminal):
    """The main process of the fake's pods is `cat`."""
    ours, theirs = terminal
    process = on(terminal, "attach", "-it", "web", "-c", "app")
    try:
        end = time.monotonic() + 60
        while termios.tcgetattr(theirs)[3] & termios.ICANON:  # what is typed before is this terminal's own
            assert time.monotonic() < end
            time.sleep(0.01)
        os.write(ours, b"hello\r\x04")
        seen(ours, b"hello\r\nhello\r\n")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_port_forward_says_where_and_ends_with_ctrl_c(config):
    words = [SLOTH, "kube", "port-forward", "web", ":http", "0:1"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert [line.rpartition(" -> ")[2] for line in lines] == ["web:http\n", "web:1\n"]
    assert all(line.startswith("127.0.0.1:") for line in lines)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "\n")
    assert process.returncode == 0
