import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sloth.adapters import ssh_connect, ssh_wire, ssh_words
from sloth.adapters.ssh_connect import Connector, Patience
from sloth.adapters.ssh_keys import KeyPair, fingerprint, new_pair
from sloth.errors import ConnectError
from sloth.model.node import Login
from sloth.model.secret import Secret
from tests.unit.adapters.ssh_server import Server, host_key, line

SHORT = Patience(total=1.5, auth=1.5, dial=1.0, banner=1.0)


@pytest.fixture
def server(tmp_path):
    with contextlib.closing(Server(tmp_path)) as server:
        yield server


@pytest.fixture
def serve(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(contextlib.closing(Server(tmp_path, **options)))


def connected(login: Login, patience: Patience = SHORT) -> str:
    """Connects; the host key that was accepted."""
    connector = Connector(patience)
    wire = connector.connect(login)
    try:
        assert wire.is_authenticated()
        return wire.host_key_line
    finally:
        wire.end()
        connector.release(login)
        wire.join(5)
        assert not wire.is_alive()


def refusal(login: Login, patience: Patience = SHORT) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        Connector(patience).connect(login)
    assert caught.value.where == login.node
    assert login.node in caught.value.summary
    assert caught.value.hint
    return caught.value


def test_the_right_key_is_accepted(server) -> None:
    assert connected(server.login()) == line(server.keys[0])


def test_a_fingerprint_is_enough(server) -> None:
    assert connected(server.login(host_keys=(fingerprint(line(server.keys[0])),)))


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_any_recorded_type_is_accepted_whatever_else_the_host_prefers(serve, kind) -> None:
    known = host_key(kind)
    server = serve(keys=(host_key("ed25519"), known))
    assert connected(server.login(host_keys=(line(known),))) == line(known)
    assert server.connections == 1


def test_the_fingerprint_of_a_less_preferred_key_is_found(serve) -> None:
    known = host_key("ecdsa")
    server = serve(keys=(host_key("ed25519"), known))
    assert connected(server.login(host_keys=(fingerprint(line(known)),))) == line(known)


def test_another_key_is_refused_before_anybody_logs_in(server) -> None:
    other = line(host_key())
    error = refusal(server.login(host_keys=(other,)))
    assert error.code == "connect/host-key-mismatch"
    assert fingerprint(other) in error.detail
    assert fingerprint(line(server.keys[0])) in error.detail
    assert server.logins == []


def test_no_recorded_key_means_no(server) -> None:
    error = refusal(server.login(host_keys=()))
    assert error.code == "connect/host-key-mismatch"
    assert "none is known" in error.detail
    assert fingerprint(line(server.keys[0])) in error.detail
    assert server.logins == []


def test_a_host_without_the_recorded_type_is_refused_and_what_it_shows_is_told(serve) -> None:
    server = serve(keys=(host_key("ecdsa"),))
    error = refusal(server.login(host_keys=(line(host_key("ed25519")),)))
    assert error.code == "connect/host-key-mismatch"
    assert fingerprint(line(server.keys[0])) in error.detail


def test_a_key_that_changes_between_two_connections_is_refused(serve) -> None:
    server = serve()
    login = server.login()
    connected(login)
    server.keys = (host_key(),)
    assert refusal(login).code == "connect/host-key-mismatch"


def test_a_user_key_that_the_host_does_not_know_is_refused(server) -> None:
    error = refusal(server.login(key=new_pair().private))
    assert error.code == "connect/auth-refused"
    assert "tester" in error.summary
    assert len(server.logins) > 1, "it must be tried again, as cloud-init may still be at work"
    assert "tried" in error.detail


def test_refused_at_first_then_let_in(serve) -> None:
    server = serve(refuse_first=1)
    connected(server.login(), Patience(total=10, auth=10))
    assert len(server.logins) == 2


def test_a_late_banner_is_waited_for(serve) -> None:
    server = serve(banner_delay=1.2)
    connected(server.login(), Patience(total=10, banner=10))
    assert server.connections == 1


def test_no_banner_at_all_has_its_own_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        login = Login(node="mute", address="127.0.0.1", port=mute.getsockname()[1], host_keys=("ssh-ed25519 AAAA",))
        assert refusal(login).code == "connect/no-banner"


def test_nobody_listens(server) -> None:
    login = server.login()
    server.close()
    assert refusal(login).code == "connect/refused"


def test_a_host_that_starts_to_listen_a_little_later_is_reached(server, tmp_path, monkeypatch) -> None:
    login = server.login()
    real = socket.create_connection
    tries = []

    def late(*args, **kwargs):
        tries.append(args)
        if len(tries) < 4:
            raise ConnectionRefusedError(111, "Connection refused")
        return real(*args, **kwargs)

    monkeypatch.setattr(ssh_connect.socket, "create_connection", late)
    begun = time.monotonic()
    connected(login, Patience(total=10))
    assert len(tries) == 4
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (TimeoutError("timed out"), "connect/unreachable"),
        (OSError(113, "No route to host"), "connect/unreachable"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "connect/unknown-name"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "connect/unknown-name"),
        (ConnectionResetError(104, "reset"), "connect/no-banner"),
    ],
)
def test_the_network_s_failures_have_their_own_errors(server, monkeypatch, cause, code) -> None:
    def fail(*_: object, **__: object) -> socket.socket:
        raise cause

    monkeypatch.setattr(ssh_connect.socket, "create_connection", fail)
    assert refusal(server.login(), Patience(total=0.2)).code == code


def test_a_defect_is_not_dressed_up_as_a_network_failure(server, monkeypatch) -> None:
    monkeypatch.setattr(ssh_connect.socket, "create_connection", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Connector(SHORT).connect(server.login())


def test_no_algorithm_in_common(serve, monkeypatch) -> None:
    from sloth.adapters.ssh_wire import Wire

    monkeypatch.setattr(Wire, "_preferred_ciphers", ("3des-cbc",))
    monkeypatch.setattr(Server, "_serve", no_old_ciphers(Server._serve))
    assert refusal(serve().login()).code == "connect/incompatible"


def no_old_ciphers(real):
    import paramiko

    class Modern(paramiko.Transport):
        _preferred_ciphers = ("aes128-gcm@openssh.com",)

    def serve_(self, sock):
        before, paramiko.Transport = paramiko.Transport, Modern
        try:
            real(self, sock)
        finally:
            paramiko.Transport = before

    return serve_


def test_the_key_may_come_from_a_file(server, tmp_path) -> None:
    file = tmp_path / "id"
    file.touch(0o600)
    file.write_text(server.user_key.private.reveal())
    connected(server.login(key=None, key_file=str(file)))


def test_a_missing_key_file_is_told_at_once(server) -> None:
    error = refusal(server.login(key=None, key_file="/nowhere/id"))
    assert error.code == "connect/no-key"
    assert "/nowhere/id" in error.detail


def test_without_any_key_nothing_is_tried(server, monkeypatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert refusal(server.login(key=None)).code == "connect/no-key"
    assert server.logins == []


def test_text_that_is_no_key(server) -> None:
    assert refusal(server.login(key=Secret("this is not a private key"))).code == "connect/key-unreadable"


def through(bastion: Server, login: Login, **changes: object) -> Login:
    from dataclasses import replace

    return replace(login, bastion=bastion.login(node="bastion", **changes))


def test_through_a_bastion(serve, tmp_path) -> None:
    server, bastion = serve(), serve()
    connector = Connector(SHORT)
    logins = [through(bastion, server.login(node=f"node-{n}")) for n in range(3)]
    wires = [connector.connect(login) for login in logins]
    assert all(wire.is_authenticated() for wire in wires)
    assert bastion.connections == 1, "one connection to the bastion is enough for all"
    shared = connector._bastions[logins[0].bastion].wire
    for wire, login in zip(wires, logins, strict=True):
        assert shared.is_active()
        wire.end()
        connector.release(login)
    shared.join(5)
    assert not shared.is_alive(), "the last one out closes the bastion's connection"


def test_a_bastion_that_was_lost_is_connected_again(serve) -> None:
    server, bastion = serve(), serve()
    connector = Connector(SHORT)
    login = through(bastion, server.login())
    first = connector.connect(login)
    bastion.drop()
    first.join(5)
    connector.release(login)
    second = connector.connect(login)
    assert second.is_authenticated()
    assert bastion.connections == 2
    second.end()
    connector.release(login)


def test_the_bastion_s_key_is_verified_too(serve) -> None:
    server, bastion = serve(), serve()
    with pytest.raises(ConnectError) as caught:
        Connector(SHORT).connect(through(bastion, server.login(), host_keys=(line(host_key()),)))
    assert caught.value.code == "connect/host-key-mismatch"
    assert caught.value.where == "bastion"
    assert server.connections == 0


def test_the_host_behind_a_bastion_is_verified(serve) -> None:
    server, bastion = serve(), serve()
    login = through(bastion, server.login(host_keys=(line(host_key()),)))
    assert refusal(login).code == "connect/host-key-mismatch"
    assert server.logins == []


def test_a_bastion_that_does_not_forward(serve) -> None:
    error = refusal(through(serve(forward=False), serve().login()))
    assert error.code == "connect/bastion-forbids"


def test_a_host_that_the_bastion_cannot_reach(serve) -> None:
    server, bastion = serve(), serve()
    login = server.login()
    server.close()
    error = refusal(through(bastion, login))
    assert error.code == "connect/unreachable"
    assert "through bastion" in error.summary


def test_hosts_that_queue_for_a_dead_bastion_do_not_wait_one_after_the_other(serve) -> None:
    server, bastion = serve(), serve()
    logins = [through(bastion, server.login(node=f"node-{n}")) for n in range(4)]
    bastion.close()
    connector = Connector(SHORT)
    codes = []

    def work(login: Login) -> None:
        try:
            connector.connect(login)
        except ConnectError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=work, args=(login,)) for login in logins]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["connect/refused"] * 4
    assert time.monotonic() - begun < 2 * SHORT.total


def test_pauses_begin_short_and_log_ins_are_repeated_slowly() -> None:
    boot = ssh_words.explain(ConnectionRefusedError(), Login(node="n", address="a"))
    assert [round(ssh_connect._pause(n, boot), 2) for n in (0, 1, 20)] == [0.1, 0.15, 3.0]
    import paramiko

    auth = ssh_words.explain(paramiko.AuthenticationException(), Login(node="n", address="a"))
    assert [ssh_connect._pause(n, auth) for n in range(5)] == [1, 2, 4, 8, 8]


# Keys from files and agents: real ssh-keygen and ssh-agent


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """A new ssh-agent; gives what adds a key to it."""
    where = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", where], stdout=subprocess.DEVNULL)
    while not where.exists():
        time.sleep(0.02)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(where))

    def add(pair: KeyPair) -> None:
        command = ["ssh-add", "-q", "-"]
        subprocess.run(command, input=pair.private.reveal(), text=True, check=True)

    yield add
    process.terminate()
    process.wait()


def encrypted(folder, pair: KeyPair) -> str:
    file = folder / "encrypted"
    file.touch(0o600)
    file.write_text(pair.private.reveal())
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "a passphrase", "-f", file], check=True, stdout=subprocess.DEVNULL)
    return str(file)


def test_the_agent_s_keys_are_tried_in_turn(server, agent) -> None:
    agent(new_pair())
    agent(server.user_key)
    connected(server.login(key=None))
    assert len(server.logins) == 2


def test_an_agent_without_the_right_key_is_refused(server, agent) -> None:
    agent(new_pair())
    assert refusal(server.login(key=None)).code == "connect/auth-refused"


def test_a_file_with_a_passphrase_is_used_through_the_agent(server, agent, tmp_path) -> None:
    agent(server.user_key)
    connected(server.login(key=None, key_file=encrypted(tmp_path, server.user_key)))


def test_a_file_with_a_passphrase_and_no_agent(server, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    file = encrypted(tmp_path, server.user_key)
    error = refusal(server.login(key=None, key_file=file))
    assert error.code == "connect/no-key"
    assert error.hint == f"ssh-add {file}"


def test_a_given_key_with_a_passphrase_is_refused_with_the_reason(server, tmp_path) -> None:
    text = Path(encrypted(tmp_path, server.user_key)).read_text()
    error = refusal(server.login(key=Secret(text)))
    assert error.code == "connect/no-key"
    assert "passphrase" in error.detail


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_other_kinds_of_user_keys_log_in_too(serve, tmp_path, kind) -> None:
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], check=True)
    pair = KeyPair(private=Secret(file.read_text()), public=file.with_suffix(".pub").read_text())
    connected(serve(user_key=pair).login())


def test_a_host_that_hangs_up_after_a_refused_key_is_an_auth_error(server, agent, monkeypatch) -> None:
    from tests.unit.adapters.ssh_server import Interface

    def hang_up(self, username, key):
        self.server.drop()
        return 2

    monkeypatch.setattr(Interface, "check_auth_publickey", hang_up)
    agent(new_pair())
    agent(new_pair())
    assert refusal(server.login(key=None)).code in {"connect/auth-refused", "connect/no-banner"}


def test_a_key_exchange_that_never_ends_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(ssh_wire, "_HANDSHAKE_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        login = Login(node="slow", address="127.0.0.1", port=listener.getsockname()[1], host_keys=("ssh-ed25519 AAAA",))

        def speak_once() -> None:
            sock, _ = listener.accept()
            sock.sendall(b"SSH-2.0-half\r\n")
            time.sleep(4)
            sock.close()

        thread = threading.Thread(target=speak_once)
        thread.start()
        error = refusal(login, Patience(total=0.1, banner=0.5))
        thread.join()
    assert error.code == "connect/no-banner"


def test_an_idle_connection_is_kept_alive(server, monkeypatch) -> None:
    monkeypatch.setattr(ssh_connect, "_KEEPALIVE", 1)
    connector = Connector(SHORT)
    wire = connector.connect(server.login())
    time.sleep(1.2)
    heard = wire.silence
    time.sleep(2.5)
    assert wire.is_active()
    assert wire.silence < heard + 2.5, "nobody spoke"
    wire.in_kex = True
    before = wire.silence
    wire.probe()
    assert wire.silence >= before
    wire.in_kex = False
    wire.end()
    wire.join(5)
