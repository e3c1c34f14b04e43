"""`sloth kube logs`: of one pod byte for byte, of many by lines; on the fake server, since the real one here has no kubelet."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from sloth.kube import Client
from sloth.testing import kube_logs
from tests.kube.command import command
from tests.kube.workloads.things import CONTAINER, deployment, pod


@pytest.fixture
def logs(fake, tmp_path, monkeypatch):
    """`logs("web", …)`: pods `web-1` and `web-2` of a Deployment, the second with a sidecar."""
    with Client(fake.connection) as client:
        client.create(deployment("web"))
        for name, boxes in (("web-1", ["app"]), ("web-2", ["app", "side"])):
            item = pod(name, labels={"app": "web"})
            item["spec"]["containers"] = [{**CONTAINER, "name": box} for box in boxes]
            client.create(item)
            for box in boxes:
                old = datetime.now(UTC) - timedelta(hours=2)
                kube_logs.write(fake.state, name, f"old {name} {box}", container=box, at=old)
                kube_logs.write(fake.state, name, f"new {name} {box}", container=box)
    run = command(fake.connection, "default", tmp_path, monkeypatch)
    return lambda *words: run("logs", *words)


def test_of_one(logs):
    assert logs("web-1") == (0, "old web-1 app\nnew web-1 app\n", "")
    assert logs("pod/web-2", "side", "--tail", "1")[1] == "new web-2 side\n"
    assert logs("web-2", "-c", "side", "--since", "1h")[1] == "new web-2 side\n"
    begin = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert logs("web-1", "--since-time", begin)[1] == "new web-1 app\n"
    assert logs("web-1", "--limit-bytes", "5")[1] == "old w"
    assert logs("web-1", "--previous")[0] == 15


def test_of_many(logs):
    assert logs("deploy/web", "--tail", "1")[1] == "new web-1 app\nnew web-2 app\n"
    assert logs("-l", "app=web", "--tail", "1", "--prefix")[1].splitlines() == [
        "[pod/web-1/app] new web-1 app", "[pod/web-2/app] new web-2 app",
    ]  # fmt: skip
    assert logs("web-2", "--all-containers", "--tail=1", "--prefix")[1].splitlines() == [
        "[pod/web-2/app] new web-2 app", "[pod/web-2/side] new web-2 side",
    ]  # fmt: skip


def test_bytes_that_are_no_text(logs, fake):
    kube_logs.write(fake.state, "web-1", b"\xff\x00caf\xc3\xa9")
    assert "caf" in logs("web-1", "--tail", "1")[1]
    assert "caf" in logs("deploy/web", "--since", "5m")[1]


@pytest.mark.parametrize(
    "words",
    [
        (), ("web-1", "-l", "app=web"), ("web-1", "app", "-c", "app"), ("web-1", "--all-containers", "-c", "app"),
        ("web-1", "--since", "1h", "--since-time", "2026-01-01T00:00:00Z"), ("web-1", "--since-time", "noon"),
        ("web-1", "--since", "soon"),
    ],
)  # fmt: skip
def test_what_says_nothing_or_two_things(logs, words):
    assert logs(*words)[0] == 2


def test_nothing_there(logs):
    assert logs("-l", "app=none")[0] == 15
    assert logs("nobody")[0] == 15
    assert logs("web-1", "-c", "none")[0] == 15


@pytest.mark.parametrize("words", [("web-1",), ("web-1", "--prefix")])
def test_a_reader_that_had_enough_is_no_defect(logs, fake, words):
    kube_logs.write(fake.state, "web-1", *["x" * 200] * 5000)
    program = [sys.executable, "-c", "from sloth.cli.main import app; app()", "kube", "logs", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (141, b"")
