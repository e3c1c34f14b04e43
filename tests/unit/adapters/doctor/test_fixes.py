"""What `--fix` runs, in which order, and that it asks first; the engine that it starts, and stops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sloth.adapters.doctor import Context, Finding, apply_fixes, engine, plan_fixes, start_engine, stop_engine
from sloth.adapters.doctor.fixes import run_command
from sloth.errors import MachinesError


def context(root: Path, *, uid: int = 0, system: str = "ID=debian\n", systemd: bool = False) -> Context:
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/os-release").write_text(system, "utf-8")
    if systemd:
        (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    return Context(providers=("local",), data_dir=root / "data", root=root, platform="linux", uid=uid)


def bad(id: str, **fields: Any) -> Finding:
    return Finding(**{"id": id, "title": id, "ok": False, "fix": f"fix {id}", "hint": "do it", **fields})


DOCKER = bad("docker-cli", packages=("docker.io",), engine=True)
ENGINE = bad("docker-engine", engine=True)
BASE = bad("base-image", packages=("mmdebstrap", "debian-archive-keyring"))
TUN = bad("tun", commands=(("modprobe", "tun"),))
WIREGUARD = bad("wireguard", commands=(("modprobe", "tun"),))


def lines(findings: Sequence[Finding], where: Context) -> list[str]:
    return [action.line for action in plan_fixes(findings, where)]


def test_packages_first_in_one_go_then_settings_then_the_engine(tmp_path: Path) -> None:
    apt = "env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120"
    assert lines([TUN, DOCKER, ENGINE, BASE, WIREGUARD], context(tmp_path)) == [
        f"{apt} update",
        f"{apt} install --yes --no-install-recommends debian-archive-keyring docker.io mmdebstrap",
        "modprobe tun",
        "dockerd (detached, log and pid in the data directory)",
    ]


def test_with_systemd_the_engine_is_its_unit(tmp_path: Path) -> None:
    assert lines([ENGINE], context(tmp_path, systemd=True)) == ["systemctl enable --now docker"]


def test_what_is_well_or_beyond_repair_is_left_alone(tmp_path: Path) -> None:
    fine = Finding(id="tun", title="tun", ok=True, fix="x", commands=(("modprobe", "tun"),))
    assert plan_fixes([fine, bad("go", fix="")], context(tmp_path)) == ()


def test_on_other_systems_only_own_files_are_touched(tmp_path: Path) -> None:
    chmod = bad("data-dir", commands=(("chmod", "0700", "/x"),))
    assert lines([DOCKER, TUN, chmod], context(tmp_path, system='ID="fedora"\n')) == ["chmod 0700 /x"]


def test_without_root_sudo_is_used_and_its_absence_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = context(tmp_path, uid=1000)
    monkeypatch.setattr(Context, "which", lambda self, name: "/usr/bin/sudo")
    chmod = bad("data-dir", commands=(("chmod", "0700", "/x"),))
    assert lines([TUN, ENGINE, chmod], where) == ["sudo modprobe tun", "chmod 0700 /x", "sudo service docker start"]
    monkeypatch.setattr(Context, "which", lambda self, name: "")
    with pytest.raises(MachinesError) as caught:
        plan_fixes([TUN], where)
    assert caught.value.code == "doctor/needs-root" and "modprobe tun" in caught.value.hint


def test_everything_is_said_before_anything_is_asked_or_done(tmp_path: Path) -> None:
    story: list[str] = []

    def ask(text: str) -> bool:
        story.append("ask")
        return True

    ran = apply_fixes(
        [TUN, bad("overlay", commands=(("modprobe", "overlay"),))], tmp_path, context=context(tmp_path),
        say=lambda text: story.append(f"say {text}"), ask=ask,
        run=lambda command: story.append(f"run {command[1]}"),
    )  # fmt: skip
    assert story == [
        "say fix tun: modprobe tun", "say fix overlay: modprobe overlay", "ask",
        "say running: modprobe tun", "run tun", "say running: modprobe overlay", "run overlay",
    ]  # fmt: skip
    assert len(ran) == 2


def test_no_means_nothing(tmp_path: Path) -> None:
    def run(command: Sequence[str]) -> None:
        raise AssertionError(command)

    assert apply_fixes([TUN], tmp_path, context=context(tmp_path), say=lambda _: None, ask=lambda _: False, run=run) == ()
    assert apply_fixes([], tmp_path, context=context(tmp_path), say=lambda _: None, ask=run, run=run) == ()  # type: ignore[arg-type]


def test_the_engine_is_started_by_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(engine, "start_engine", seen.append)
    apply_fixes([ENGINE], tmp_path, context=context(tmp_path), say=lambda _: None, ask=lambda _: True)
    assert seen == [tmp_path]


def test_a_failing_command_shows_its_output(tmp_path: Path) -> None:
    run_command(["true"])
    with pytest.raises(MachinesError) as caught:
        run_command(["sh", "-c", "echo E: no network; exit 100"])
    assert caught.value.code == "doctor/fix-failed" and "E: no network" in caught.value.detail
    with pytest.raises(MachinesError):
        run_command(["/no/such/command"])


@pytest.fixture
def fake(tmp_path: Path) -> list[str]:
    """A daemon that says so in a file once it is up, and ends at SIGTERM."""
    program = f"import time,pathlib; time.sleep(.2); pathlib.Path({str(tmp_path / 'up')!r}).touch(); time.sleep(60)"
    return [sys.executable, "-c", program]


def test_an_engine_is_started_once_detached_and_stopped_exactly(tmp_path: Path, fake: list[str]) -> None:
    def ready() -> bool:
        return (tmp_path / "up").exists()

    assert start_engine(tmp_path, command=fake, ready=ready)
    pid = json.loads((tmp_path / "engine/dockerd.json").read_text("utf-8"))["pid"]
    assert os.getsid(pid) == pid and (tmp_path / "engine/dockerd.log").exists()
    assert not start_engine(tmp_path, command=fake, ready=ready)
    assert stop_engine(tmp_path) and not stop_engine(tmp_path)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "engine").mkdir()
        (tmp_path / "engine/dockerd.json").write_text(json.dumps({"pid": stranger.pid, "born": "1"}), "utf-8")
        assert not stop_engine(tmp_path)
        assert stranger.poll() is None and not (tmp_path / "engine/dockerd.json").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_an_engine_that_ends_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no iptables here'); raise SystemExit(3)"]
    with pytest.raises(MachinesError) as caught:
        start_engine(tmp_path, command=command, ready=lambda: False)
    assert caught.value.code == "doctor/engine-start" and "no iptables here" in caught.value.detail
    assert "status 3" in caught.value.summary


def test_an_engine_that_never_answers_is_said(tmp_path: Path, fake: list[str]) -> None:
    try:
        with pytest.raises(MachinesError) as caught:
            start_engine(tmp_path, command=fake, ready=lambda: False, timeout=0.3)
        assert "did not answer" in caught.value.summary
    finally:
        assert stop_engine(tmp_path)


def test_an_engine_that_will_not_end_is_said(tmp_path: Path) -> None:
    up = tmp_path / "up"
    program = f"import signal,time,pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(up)!r}).touch(); time.sleep(60)"
    start_engine(tmp_path, command=[sys.executable, "-c", program], ready=up.exists)
    pid = json.loads((tmp_path / "engine/dockerd.json").read_text("utf-8"))["pid"]
    try:
        with pytest.raises(MachinesError) as caught:
            stop_engine(tmp_path, timeout=0.3)
        assert caught.value.code == "doctor/engine-stays"
    finally:
        os.kill(pid, 9)
        time.sleep(0.1)
        assert not stop_engine(tmp_path)


def test_no_dockerd(tmp_path: Path) -> None:
    with pytest.raises(MachinesError) as caught:
        start_engine(tmp_path, command=["/no/such/dockerd"], ready=lambda: False)
    assert caught.value.code == "doctor/engine-missing"


def test_answers_is_what_docker_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not engine.answers()
    for status, answer in ((0, True), (1, False)):
        (tmp_path / "docker").write_text(f"#!/bin/sh\nexit {status}\n", "utf-8")
        (tmp_path / "docker").chmod(0o755)
        assert engine.answers() is answer
