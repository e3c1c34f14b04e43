"""What holds of streams into pods, whoever serves them: the fake API server here, a real kubelet in tests/e2e.

Every case gets a client and a folder of the container, in which it may write. The pod `web` has the containers `app`, with a
shell, GNU tar and Python, and `side`.
"""

import os
import threading
import urllib.request
from pathlib import Path

import pytest

from sloth.errors import ConnectError, KubernetesError
from sloth.kube import ApiError
from sloth.kube.streams.remote import STDOUT

# Answers one byte at a time is too slow for no machine: any pod's server would do. It says its port first.
SERVER = """
import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"x" * int(self.path[1:])
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer.request_queue_size = 128
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(server.server_address[1], flush=True)
import threading; threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""


def both_outputs_and_the_exit_code(client, folder):
    done = client.exec("web", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert client.exec("web", ["true"]).code == 0
    assert client.exec("web", ["sh", "-c", "kill -9 $$"]).code == 137


def arguments_are_words_not_a_line(client, folder):
    words = ["a b", "$HOME", "'", "&c=d", "ü", ""]
    done = client.exec("web", ["printf", "%s|", *words])
    assert done.stdout.decode() == "".join(f"{word}|" for word in words)


def input_and_its_end(client, folder):
    data = os.urandom(3_000_000)
    done = client.exec("web", ["cat"], stdin=data)
    assert (done.code, done.stdout) == (0, data)
    assert client.exec("web", ["cat"], stdin=b"").stdout == b""
    assert client.exec("web", ["cat"], stdin=[b"a", b"", b"b"]).stdout == b"ab"


def a_talk_with_a_program(client, folder):
    with client.start("web", ["sh", "-c", "while read a; do echo got $a; done"], stdin=True) as process:
        for word in (b"one", b"two"):
            process.write(word + b"\n")
            assert process.take(30) == (STDOUT, b"got " + word + b"\n")
        process.close_stdin()
        assert process.wait() == 0


# A size and the keys after it go there by different ways, so it may come after them: a program asks until it is told.
ASKING = """
read a
for i in $(seq 300); do [ "$(stty size)" = "33 77" ] && break; sleep 0.1; done
stty size
test -t 0 && echo terminal >&2
"""


def a_terminal_and_its_size(client, folder):
    with client.start("web", ["sh", "-c", ASKING], stdin=True, tty=True) as process:
        process.resize(77, 33)
        process.write(b"go\n")
        done = process.done(process)
    assert done.stdout.split() == [b"go", b"33", b"77", b"terminal"]
    assert done.stderr == b""


def a_program_that_is_not_there(client, folder):
    with pytest.raises(KubernetesError) as caught:
        client.exec("web", ["no-such-program"])
    assert caught.value.code == "kube/no-program"


def a_pod_or_container_that_is_not_there(client, folder):
    with pytest.raises(ApiError) as caught:
        client.exec("nobody", ["true"])
    assert caught.value.code == "kube/not-found"
    with pytest.raises(ApiError) as caught:
        client.exec("nobody", ["true"], container="app")
    assert caught.value.code == "kube/not-found"
    with pytest.raises(ApiError) as caught:
        client.exec("web", ["true"], container="nothing")
    assert caught.value.code == "kube/bad-request"


def many_commands_at_once(client, folder):
    codes = {}

    def one(number):
        codes[number] = client.exec("web", ["sh", "-c", f"exit {number}"]).code

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == {number: number for number in range(8)}


def fetched(url, size):
    with urllib.request.urlopen(f"{url}/{size}", timeout=60) as answer:
        return answer.read()


def ports_lead_to_the_pod(client, folder):
    failures = []
    with client.start("web", ["python3", "-c", SERVER], stdin=True) as server:
        there = int(server.take(60).data)
        with client.forward("web", f"0:{there}", "0:1", failed=failures.append) as forwarder:
            url = f"http://127.0.0.1:{forwarder.ports[0]}"
            assert forwarder.pod == "web"
            assert fetched(url, 3_000_000) == b"x" * 3_000_000
            got = []
            threads = [threading.Thread(target=lambda at=at: got.append(len(fetched(url, at)))) for at in range(1000, 1040)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            assert sorted(got) == [*range(1000, 1040)]
            assert failures == []
            with pytest.raises(OSError):
                fetched(f"http://127.0.0.1:{forwarder.ports[1]}", 1)
            assert [error.code for error in failures] == ["kube/port-refused"]
        server.close_stdin()
        server.wait()


def one_connection_without_a_local_port(client, folder):
    with client.start("web", ["python3", "-c", SERVER], stdin=True) as server:
        there = int(server.take(60).data)
        with client.dial("web", there) as tunnel:
            tunnel.send(b"GET /5 HTTP/1.0\r\n\r\n")
            answer = b"".join(tunnel)
        assert answer.endswith(b"\r\n\r\nxxxxx")
        with pytest.raises(ConnectError) as caught, client.dial("web", 1) as tunnel:
            list(tunnel)
        assert caught.value.code == "kube/port-refused"
        server.close_stdin()
        server.wait()


def grown(folder: Path):
    """A folder to copy: a file of some MB, an empty one, a long and a strange name, links, a program."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "big").write_bytes(os.urandom(3_000_000) + b"end")
    (folder / "deep" / "empty").touch()
    (folder / ("n" * 200)).write_text("long")
    (folder / "-rf *").write_text("strange")
    (folder / "größe\nzwei").write_text("stranger")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    os.utime(folder / "run", (1_000_000_000, 1_000_000_000))
    (folder / "link").symlink_to("deep/big")
    (folder / "deep" / "up").symlink_to("../run")
    (folder / "deep" / "folder").symlink_to("er")
    os.link(folder / "deep" / "big", folder / "second-name")
    return folder


def tree(folder: Path):
    """What is in a folder, comparably."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = (path.read_bytes(), path.stat().st_mode & 0o111)
        else:
            found[name] = None
    return found


def copies_there_and_back(client, folder, tmp_path):
    source = grown(tmp_path / "source")
    seen = []
    done = client.copy_to("web", source, f"{folder}/", progress=seen.append)
    assert (done.left_out, seen[-1], done.bytes) == ((), done.bytes, done.bytes)
    back = client.copy_from("web", f"{folder}/source", tmp_path / "back")
    assert back.left_out == ()
    assert tree(tmp_path / "back") == tree(source)
    assert int((tmp_path / "back" / "run").stat().st_mtime) == 1_000_000_000
    # Into a folder that is there, under its own name; a second time over it.
    (tmp_path / "into").mkdir()
    for _ in range(2):
        client.copy_from("web", f"{folder}/source/", tmp_path / "into")
    assert tree(tmp_path / "into" / "source") == tree(source)


def copies_of_single_files_and_their_names(client, folder, tmp_path):
    (tmp_path / "one").write_text("1")
    client.copy_to("web", tmp_path / "one", f"{folder}/two")
    client.copy_to("web", tmp_path / "one", str(folder))
    assert client.exec("web", ["cat", f"{folder}/two", f"{folder}/one"]).stdout == b"11"
    client.copy_from("web", f"{folder}/two", tmp_path / "three")
    assert (tmp_path / "three").read_text() == "1"


def links_that_lead_out_are_left_out_and_followed_if_asked(client, folder, tmp_path):
    (tmp_path / "secret").write_text("of this machine")
    script = f"cd {folder}; mkdir l; echo x > x; ln -s {folder}/x l/out; ln -s ../x l/up"
    assert client.exec("web", ["sh", "-c", script]).code == 0
    done = client.copy_from("web", f"{folder}/l", tmp_path / "l")
    assert sorted(name for name, _ in done.left_out) == ["./l/out", "./l/up"]
    assert os.listdir(tmp_path / "l") == []
    done = client.copy_from("web", f"{folder}/l", tmp_path / "f", follow=True)
    assert (done.left_out, tree(tmp_path / "f")) == ((), {"out": (b"x\n", 0), "up": (b"x\n", 0)})


def copies_that_cannot_be(client, folder, tmp_path):
    with pytest.raises(KubernetesError) as caught:
        client.copy_from("web", f"{folder}/nothing", tmp_path / "n")
    assert caught.value.code == "kube/copy-failed"
    assert "No such file" in caught.value.detail
    (tmp_path / "one").write_text("1")
    with pytest.raises(KubernetesError) as caught:
        client.copy_to("web", tmp_path / "one", "/no/such/folder/x")
    assert caught.value.code == "kube/copy-failed"
    assert os.listdir(tmp_path) == ["one"]


CASES = [
    both_outputs_and_the_exit_code, arguments_are_words_not_a_line, input_and_its_end,
    a_talk_with_a_program, a_terminal_and_its_size, a_program_that_is_not_there, a_pod_or_container_that_is_not_there,
    many_commands_at_once, ports_lead_to_the_pod, one_connection_without_a_local_port,
]  # fmt: skip
COPIES = [
    copies_there_and_back, copies_of_single_files_and_their_names, links_that_lead_out_are_left_out_and_followed_if_asked,
    copies_that_cannot_be,
]  # fmt: skip
