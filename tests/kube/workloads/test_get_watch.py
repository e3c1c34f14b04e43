"""`sloth kube get --watch`: what there is, then every change, on the fake and on the real server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sloth.cli.kube_get import Question
from sloth.cli.kube_watch import watch_objects
from sloth.cli.kube_where import Where
from sloth.kube.api import Select
from sloth.kube.watch import Watch
from sloth.kube.workloads.table_watch import TableWatch
from sloth.model.options import Options
from tests.kube.test_contract import config

MINE = Select(labels="of=test")


def mine(name, **data):
    return {**config(name, **data), "metadata": {"name": name, "labels": {"of": "test"}}}


class Screen:
    """A stdout whose lines can be waited for."""

    def __init__(self):
        self.text, self.turn = "", threading.Condition()

    def write(self, text):
        with self.turn:
            self.text += text
            self.turn.notify_all()

    def flush(self):
        pass

    def until(self, word, times=1):
        with self.turn:
            assert self.turn.wait_for(lambda: self.text.count(word) >= times, 60), self.text
            return self.text


@pytest.fixture
def begin(run, monkeypatch):
    """`begin(question)`: the watch in a thread, and its screen. `run` has set up the way to the server."""
    stop, threads, failures = threading.Event(), [], []
    screen = Screen()

    def work(question, settings):
        try:
            watch_objects(Where(Options()), question, stop=stop, **settings)
        except BaseException as error:
            failures.append(error)
            screen.write("it failed\n")

    def start(question, **settings):
        monkeypatch.setattr(sys, "stdout", screen)
        threads.append(threading.Thread(target=work, args=(question, settings), daemon=True))
        threads[-1].start()
        return screen

    yield start, stop, threads
    assert not failures


def finish(begun, client, space):
    """The watch ends with the next event."""
    _, stop, threads = begun
    stop.set()
    client.create(mine("last"), space)
    for each in threads:
        each.join(60)
        assert not each.is_alive()


def lines(text):
    return [line.split() for line in text.splitlines()]


def test_a_table_that_goes_on(begin, client, space):
    client.create(mine("a"), space)
    screen = begin[0](Question(["cm"], select=MINE))
    assert [line[:1] for line in lines(screen.until("\n", 2))] == [["NAME"], ["a"]]
    client.create(mine("a-long-name"), space)
    screen.until("a-long-name")
    client.patch("cm", "a", {"data": {"n": "1"}}, space)
    client.create(config("not-mine"), space)
    client.delete("cm", "a", space)
    text = screen.until("\n", 5)
    assert [line[0] for line in lines(text)] == ["NAME", "a", "a-long-name", "a", "a"]
    rows = text.splitlines()
    assert rows[3].index(rows[3].split()[1]) == rows[2].index(rows[2].split()[1])  # no narrower than what came before
    finish(begin, client, space)


def test_only_changes_and_what_they_are(begin, client, space):
    client.create(mine("before"), space)
    screen = begin[0](Question(["cm"], select=MINE, columns=["of"]), only=True, words=True)
    client.create(mine("probe"), space)
    while "probe" not in screen.text:  # from when on it watches is not seen from outside
        client.patch("cm", "probe", {"data": {"n": str(time.monotonic_ns())}}, space)
    client.delete("cm", "before", space)
    rows = lines(screen.until("DELETED"))
    assert rows[0] == ["EVENT", "NAME", rows[0][2], "AGE", "OF"] or rows[0][:2] == ["EVENT", "NAME"]
    assert {row[0] for row in rows[1:-1]} <= {"ADDED", "MODIFIED"} and {row[1] for row in rows[1:-1]} == {"probe"}
    assert (rows[-1][:2], rows[-1][-1]) == (["DELETED", "before"], "test")
    finish(begin, client, space)


@pytest.mark.parametrize(
    "form", ["name", "json", "yaml", "custom-columns=N:.metadata.name,V:.data.n", "jsonpath={.metadata.name}!"]
)
def test_whole_objects(begin, client, space, form):
    client.create(mine("a", n="1"), space)
    screen = begin[0](Question(["cm"], select=MINE, form=form))
    screen.until("a")
    client.create(mine("second", n="2"), space)
    text = screen.until("second")
    if form == "name":
        assert text.split() == ["configmap/a", "configmap/second"]
    elif form == "json":
        decoder, at, found = json.JSONDecoder(), 0, []
        while at < len(text.rstrip()):
            item, at = decoder.raw_decode(text, at)
            found.append(item["metadata"]["name"])
            at += 1
        assert found == ["a", "second"]
    elif form == "yaml":
        import yaml

        assert [each["metadata"]["name"] for each in yaml.safe_load_all(text)] == ["a", "second"]
        assert "managedFields" not in text
    elif form.startswith("jsonpath"):
        assert text == "a!second!"
    else:
        assert lines(text) == [["N", "V"], ["a", "1"], ["second", "2"]]
    finish(begin, client, space)


def test_one_object_and_its_order_of_columns(begin, client, space):
    client.create(mine("last"), space)
    client.create(mine("other"), space)
    screen = begin[0](Question(["cm/last"], namespace=""))
    screen.until("last")
    client.patch("cm", "other", {"data": {"n": "1"}}, space)
    client.patch("cm", "last", {"data": {"n": "1"}}, space)
    assert [line[0] for line in lines(screen.until("last", 2))] == ["NAME", "last", "last"]
    begin[1].set()
    client.patch("cm", "last", {"data": {"n": "2"}}, space)


def test_a_gap_does_not_show(begin, client, space, server):
    """The server forgets its history: what went meanwhile is told as deleted."""
    if server.connection.name != "fake":
        pytest.skip("a real server forgets when etcd is compacted: tests/kube/trust")
    client.create(mine("a"), space)
    client.create(mine("gone"), space)
    screen = begin[0](Question(["cm"], select=MINE), words=True)
    screen.until("gone")
    server.state.compact()
    client.delete("cm", "gone", space)
    client.create(mine("new"), space)
    rows = lines(screen.until("new"))
    assert ["DELETED", "gone"] in [row[:2] for row in rows]
    assert [row[:2] for row in rows].count(["ADDED", "a"]) == 1
    finish(begin, client, space)


def test_what_cannot_be_watched(run, client, space):
    assert run("get", "cm,pods", "-w")[0] == 2
    assert run("get", "cm", "a", "b", "-w")[0] == 2
    assert run("get", "cm", "-w", "-o", "nonsense")[0] == 2
    assert run("get", "cm", "a", "-w", "--subresource", "status")[0] == 2
    code, _, err = run("get", "wombats", "-w")
    assert (code, "kube/unknown-kind" in err) == (2, True)


def test_ctrl_c_ends_it(run, client, space):
    client.create(mine("a"), space)
    words = [sys.executable, "-c", "from sloth.cli.main import app; app()", "kube", "get", "cm", "-l", "of=test", "-w"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True)
    try:
        assert process.stdout.readline().split()[0] == "NAME"
        assert process.stdout.readline().split()[0] == "a"
        client.create(mine("b"), space)
        assert process.stdout.readline().split()[0] == "b"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.communicate()


def test_a_frame_in_pieces_is_a_frame(fake_client):
    """Wherever the bytes are cut; and an unfinished line is as if it had not come."""
    kind = fake_client.run(fake_client.kinds.find("cm"))
    row = {"cells": ["a", "now"], "object": {"metadata": {"name": "a", "resourceVersion": "7"}}}
    frame = {
        "type": "ADDED",
        "object": {"kind": "Table", "metadata": {"resourceVersion": "7"}, "columnDefinitions": [{"name": "Name"}], "rows": [row]},
    }
    mark = {"type": "BOOKMARK", "object": {"kind": "Table", "metadata": {"resourceVersion": "9"}, "rows": []}}
    text = json.dumps(frame).encode() + b"\n" + json.dumps(mark).encode() + b"\n"
    for cut in range(1, len(text)):
        machine = TableWatch(kind, "default")
        events = machine.feed(text[:cut]) + machine.feed(text[cut:])
        assert [(each.type, each.object["cells"]) for each in events] == [("ADDED", ["a", "now"])]
        assert (machine.version, machine.columns) == ("9", [{"name": "Name"}])
    machine = TableWatch(kind, "default")
    assert machine.feed(text[:40]) == []
    machine.ended()
    assert [each.object["cells"] for each in machine.feed(text)] == [["a", "now"]]


def test_what_is_no_row_is_judged_as_ever(fake_client):
    kind = fake_client.run(fake_client.kinds.find("cm"))
    plain = b'{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"3"}}}\n'
    assert [each.type for each in TableWatch(kind, "default").feed(plain)] == ["ADDED"]
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}}\n'
    for wrong in (gone, b"nonsense\n", b'{"type":"ADDED","object":7}\n', b"[]\n"):
        for machine in (TableWatch(kind, "default"), Watch(kind, "default")):
            with pytest.raises(Exception) as caught:
                machine.feed(wrong)
            assert caught.value.code in ("kube/expired", "kube/watch-broken", "kube/gone")
