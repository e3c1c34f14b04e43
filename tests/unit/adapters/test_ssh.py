import contextlib
import hashlib
import os
import pwd
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sloth.adapters import ssh, ssh_exchange
from sloth.adapters.ssh import SshTransport
from sloth.adapters.ssh_connect import Patience
from sloth.errors import ConnectError, StepError
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Upload, Wait
from tests.unit.adapters.ssh_server import Server

SHORT = Patience(total=2.0, auth=1.0, dial=1.0, banner=2.0)


@pytest.fixture
def serve(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(Server(home, **options)))


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def session(server):
    session = SshTransport(SHORT).open(server.login())
    yield session
    session.close()
    session._wire.join(5)
    assert not session._wire.is_alive()


def mine() -> str:
    user = pwd.getpwuid(os.getuid()).pw_name
    return f"{user}:{subprocess.run(['id', '-gn'], capture_output=True, text=True, check=True).stdout.strip()}"


def in_background(work):
    """Start it; returns what waits for it and gives what it returned or raised."""
    answer: list[object] = []

    def run() -> None:
        try:
            answer.append(work())
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def finish() -> object:
        thread.join(30)
        assert answer, "still running"
        return answer[0]

    return finish


def wait_for(condition, seconds=10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_a_list_of_steps_is_one_round_trip(server, session, tmp_path) -> None:
    results = session.run(
        [
            Ask(title="who", run="echo me"),
            Put(path=f"{tmp_path}/new/file", content="text\n", mode=0o640, owner=mine()),
            Do(title="copy", run=f"cp {tmp_path}/new/file {tmp_path}/copy", unless=f"test -e {tmp_path}/copy"),
            Wait(title="copied", until=f"test -e {tmp_path}/copy", timeout=5, every=0.1),
        ]
    )
    assert [result.ok for result in results] == [True] * 4
    assert [result.changed for result in results] == [False, True, True, False]
    assert results[0].out == "me"
    assert (tmp_path / "copy").read_text() == "text\n"
    assert (tmp_path / "new/file").stat().st_mode & 0o777 == 0o640
    assert session.round_trips == 1 == len(server.commands)
    assert server.commands == ["sh"]


def test_the_connection_is_kept(server, session) -> None:
    for number in range(3):
        assert session.run([Ask(title="count", run=f"echo {number}")])[0].out == str(number)
    assert session.round_trips == 3
    assert server.connections == 1


def test_a_failure_ends_the_batch_and_comes_last(session, tmp_path) -> None:
    results = session.run(
        [
            Do(title="good", run="true"),
            Do(title="bad", run="echo out; echo why >&2; exit 3"),
            Do(title="never", run=f"touch {tmp_path}/never"),
        ]
    )
    assert [result.exit for result in results] == [0, 3]
    assert (results[1].out, results[1].err) == ("out", "why")
    assert not (tmp_path / "never").exists()


def test_big_output_on_both_streams_at_once(session) -> None:
    """More than SSH's window of 2 MiB on one channel: who reads only one stream waits for ever here."""
    noise = "head -c 900000 /dev/zero | tr '\\0' x; head -c 900000 /dev/zero | tr '\\0' y >&2"
    results = session.run([Ask(title=f"noise {n}", run=noise) for n in range(4)])
    assert [(len(result.out), len(result.err)) for result in results] == [(900000, 900000)] * 4
    assert set(results[3].err) == {"y"}


def test_a_big_program_is_sent_whole_while_output_comes_back(session, tmp_path) -> None:
    content = "0123456789abcdef\n" * 100_000
    steps = [Ask(title="talk", run="head -c 1000000 /dev/zero | tr '\\0' x")]
    steps += [Put(path=f"{tmp_path}/big{n}", content=content, owner=mine()) for n in range(2)]
    results = session.run(steps)
    assert [result.ok for result in results] == [True] * 3
    assert (tmp_path / "big1").read_text() == content


def test_binary_content_and_output_survive(session, tmp_path) -> None:
    content = bytes(range(256)) * 40
    path = tmp_path / "binary"
    put, shown = session.run([Put(path=str(path), content=content, owner=mine()), Ask(title="show", run=f"base64 -w0 {path}")])
    assert put.changed
    assert path.read_bytes() == content
    assert hashlib.sha256(content).hexdigest() == hashlib.sha256(__import__("base64").b64decode(shown.out)).hexdigest()
    assert session.run([Ask(title="raw", run=f"cat {path}")])[0].ok


def test_no_secret_is_ever_an_argument_of_a_process(session, tmp_path) -> None:
    token, content = Secret("env-token-0c1d9e"), Secret("file-content-77aa13")
    steps = [
        Put(path=f"{tmp_path}/secret", content=content, mode=0o600, owner=mine(), then=f"touch {tmp_path}/written; sleep 1"),
        Do(title="use", run=f'printf %s "$TOKEN" >{tmp_path}/used; sleep 1', env={"TOKEN": token}),
    ]
    finish = in_background(lambda: session.run(steps))
    seen = b""
    while not (tmp_path / "used").exists() or time.time() - (tmp_path / "used").stat().st_mtime < 0.5:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen += process.read_bytes()
        time.sleep(0.05)
    results = finish()
    assert [result.ok for result in results] == [True, True]
    assert (tmp_path / "used").read_text() == token.reveal()
    assert (tmp_path / "secret").read_text() == content.reveal()
    assert b"sleep" in seen, "nothing was looked at"
    assert token.reveal().encode() not in seen
    assert content.reveal().encode() not in seen


def test_a_connection_that_dies_is_an_error_that_says_during_what(server, session, tmp_path) -> None:
    steps = [Do(title="first", run="true"), Do(title="long work", run=f"touch {tmp_path}/begun; sleep 4")]
    finish = in_background(lambda: session.run(steps))
    wait_for((tmp_path / "begun").exists)
    server.drop()
    error = finish()
    assert isinstance(error, ConnectError)
    assert error.code == "connect/lost"
    assert "long work" in error.summary
    assert "node-1" in error.summary
    assert error.hint


def test_a_dead_connection_is_told_before_anything_is_sent(server, session) -> None:
    session.run([Ask(title="ask", run="true")])
    server.drop()
    with pytest.raises(ConnectError) as caught:
        for _ in range(50):
            session.run([Ask(title="ask", run="true")])
            time.sleep(0.1)
    assert caught.value.code == "connect/lost"


def test_a_shell_that_is_killed_is_a_lost_connection_naming_the_step(session, monkeypatch) -> None:
    real = ssh.shell.render
    monkeypatch.setattr(ssh.shell, "render", lambda steps, lock="": b"kill -KILL $$\n" + real(steps, lock=lock))
    with pytest.raises(ConnectError) as caught:
        session.run([Do(title="deadly", run="true"), Do(title="never", run="true")])
    assert caught.value.code == "connect/lost"
    assert "deadly" in caught.value.summary


def test_a_peer_that_goes_deaf_is_noticed(server, session, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ssh_exchange, "_PROBE_AFTER", 0.2)
    monkeypatch.setattr(ssh_exchange, "_DEAF_AFTER", 1.0)
    monkeypatch.setattr(ssh_exchange, "_TICK", 0.1)
    # Alive and silent for longer than that: the probes are answered, so it goes on.
    assert session.run([Ask(title="quiet", run="sleep 2; echo done")])[0].out == "done"
    finish = in_background(lambda: session.run([Do(title="silence", run=f"touch {tmp_path}/begun; sleep 4")]))
    wait_for((tmp_path / "begun").exists)
    for transport in server._transports:  # its network takes everything and gives nothing
        transport.packetizer.send_message = lambda data: None
    error = finish()
    assert isinstance(error, ConnectError)
    assert error.code == "connect/lost"
    assert "nothing was heard" in error.detail


def test_a_node_that_does_not_end_its_steps_is_given_up(session, monkeypatch) -> None:
    monkeypatch.setattr(ssh, "_GRACE", -4.0)
    with pytest.raises(StepError) as caught:
        session.run([Ask(title="hang", run="sleep 3", timeout=5)])
    assert caught.value.code == "step/overdue"
    assert "hang" in caught.value.summary


def test_more_output_than_a_batch_can_have_is_refused(session, monkeypatch) -> None:
    monkeypatch.setattr(ssh.shell, "LIMIT", 1000)
    monkeypatch.setattr(ssh.shell, "render", lambda steps, lock="": b"head -c 5000000 /dev/zero")
    with pytest.raises(StepError) as caught:
        session.run([Ask(title="flood", run="true")])
    assert caught.value.code == "step/too-much-output"


def test_close_may_be_called_twice(session) -> None:
    session.close()
    session.close()


# Uploads


@pytest.fixture
def upload(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return Upload(path=f"{tmp_path}/deep/er/it's here", source=str(source), sha256=digest, mode=0o750)


def test_a_file_is_sent_once(session, upload, tmp_path) -> None:
    steps = [Ask(title="before", run="echo 1"), upload, Ask(title="after", run="echo 2")]
    first = session.run(steps)
    assert [(result.ok, result.changed) for result in first] == [(True, False), (True, True), (True, False)]
    assert [first[0].out, first[2].out] == ["1", "2"]
    assert Path(upload.path).read_bytes() == Path(upload.source).read_bytes()
    assert Path(upload.path).stat().st_mode & 0o777 == 0o750
    assert session.round_trips == 3
    second = session.run(steps)
    assert [result.changed for result in second] == [False] * 3
    assert session.round_trips == 4, "the second time, one round trip for everything"
    assert [file.name for file in Path(upload.path).parent.iterdir()] == ["it's here"]


def test_a_changed_file_is_sent_again(session, upload) -> None:
    session.run([upload])
    Path(upload.path).write_bytes(b"tampered")
    assert session.run([upload])[0].changed
    assert Path(upload.path).read_bytes() == Path(upload.source).read_bytes()


def test_a_file_with_another_digest_than_promised_never_appears(session, upload) -> None:
    Path(upload.path).parent.mkdir(parents=True)
    Path(upload.path).write_bytes(b"the old one")
    with open(upload.source, "ab") as file:
        file.write(b"!")
    results = session.run([upload, Do(title="never", run=f"touch '{upload.source}.never'")])
    assert len(results) == 1
    assert results[0].exit == 65
    assert upload.sha256 in results[0].err
    assert Path(upload.path).read_bytes() == b"the old one"
    assert [file.name for file in Path(upload.path).parent.iterdir()] == ["it's here"]


def test_an_upload_that_is_cut_off_leaves_nothing(server, session, upload) -> None:
    finish = in_background(lambda: session.run([upload]))
    folder = Path(upload.path).parent
    wait_for(lambda: folder.exists() and any(folder.iterdir()))
    server.drop()
    answer = finish()
    wait_for(lambda: not any(file.name != "it's here" for file in folder.iterdir()))
    # It may have been quicker than the cut, and its answer may have been cut all the same: whole or not there, never half.
    cut = isinstance(answer, ConnectError)
    assert answer.code == "connect/lost" if cut else answer[0].ok
    if not cut or Path(upload.path).exists():
        assert Path(upload.path).read_bytes() == Path(upload.source).read_bytes()


def test_a_source_that_is_missing_here_is_told(session, upload) -> None:
    os.unlink(upload.source)
    (result,) = session.run([upload])
    assert not result.ok
    assert upload.source in result.err


def test_an_upload_into_a_place_that_cannot_be_made_fails_with_the_reason(session, upload, tmp_path) -> None:
    (tmp_path / "deep").write_text("a file, not a directory")
    (result,) = session.run([upload])
    assert not result.ok
    assert "deep" in result.err


# sudo


def script(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(folder)


def test_a_user_that_is_not_root_uses_sudo(serve, tmp_path, upload) -> None:
    path = script(tmp_path / "bin", "sudo", f'[ "$1" = -n ] || exit 9; shift; echo ran >>{tmp_path}/log; exec "$@"')
    server = serve(path=path)
    session = SshTransport(SHORT).open(server.login(sudo=True))
    with contextlib.closing(session):
        assert [result.ok for result in session.run([Ask(title="ask", run="echo x"), upload])] == [True, True]
    assert server.commands[0] == "sudo -n sh"
    assert (tmp_path / "log").read_text().splitlines() == ["ran"] * 2


def test_sudo_that_wants_a_password_has_its_own_error(serve, tmp_path) -> None:
    path = script(tmp_path / "bin", "sudo", "echo 'sudo: a password is required' >&2; exit 1")
    session = SshTransport(SHORT).open(serve(path=path).login(sudo=True))
    with contextlib.closing(session), pytest.raises(ConnectError) as caught:
        session.run([Ask(title="ask", run="true")])
    assert caught.value.code == "connect/sudo-refused"
    assert "password is required" in caught.value.detail
    assert "tester" in caught.value.summary
