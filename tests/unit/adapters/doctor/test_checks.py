"""What each check says of machines that are well and machines that are not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sloth.adapters import doctor
from sloth.adapters.doctor import Context, Finding, host, kernel, tools

DEBIAN = 'ID=ubuntu\nID_LIKE="debian"\n'


class Machine(Context):
    """A context whose commands and network are given, not asked for."""

    commands: dict[str, tuple[int, str]]
    programs: tuple[str, ...]
    online: bool

    def ask(self, *command: str, timeout: float = 15.0) -> tuple[int, str]:
        return self.commands.get(" ".join(command[:2]), (127, "not found"))

    def which(self, name: str) -> str:
        return f"/usr/bin/{name}" if name in self.programs else ""

    def reaches(self, host: str, port: int = 443, timeout: float = 3.0) -> bool:
        return self.online


def machine(
    root: Path, *, commands: dict[str, tuple[int, str]] | None = None, programs: tuple[str, ...] = (), online: bool = False,
    **fields: Any,
) -> Machine:  # fmt: skip
    made = Machine(**{"providers": ("local",), "data_dir": root / "data", "root": root, "platform": "linux", **fields})
    for name, value in (("commands", commands or {}), ("programs", programs), ("online", online)):
        object.__setattr__(made, name, value)
    return made


def put(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def well(root: Path) -> Machine:
    put(root, "etc/os-release", DEBIAN)
    put(root, "proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 8388608 kB\n")
    put(root, "proc/filesystems", "nodev\tproc\nnodev\toverlay\n")
    put(root, "proc/sys/net/ipv4/ip_forward", "1\n")
    put(root, "dev/net/tun")
    (root / "sys/module/wireguard").mkdir(parents=True)
    commands = {
        "docker version": (0, "28.0.0"), "go env": (0, "go1.24.1"),
        "timedatectl show": (0, "yes"),
    }  # fmt: skip
    return machine(root, commands=commands, programs=("docker", "mmdebstrap", "go"))


def test_all_is_well(tmp_path: Path) -> None:
    findings = doctor.checks(well(tmp_path))
    disk = [finding for finding in findings if finding.id == "disk"]
    assert [finding.id for finding in findings if not finding.ok and finding not in disk] == []
    assert len({finding.id for finding in findings}) == len(findings) == 14


def test_nothing_is_well(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", "MemAvailable: 1000 kB\n")
    (tmp_path / "data").mkdir(mode=0o755)
    context = machine(tmp_path, commands={"timedatectl show": (0, "no")})
    findings = {finding.id: finding for finding in doctor.checks(context)}
    bad = {name for name, finding in findings.items() if not finding.ok}
    expected = {
        "data-dir", "memory", "clock", "docker-cli", "docker-engine", "overlay",
        "tun", "wireguard", "ip-forward", "base-image", "go",
    }  # fmt: skip
    assert bad - {"disk"} == expected
    assert all(findings[name].hint and findings[name].detail is not None for name in bad)
    assert {name for name in bad if not findings[name].required} == {"memory", "clock", "go"}
    assert findings["overlay"].as_dict()["ok"] is False


def test_without_local_nodes_docker_is_nobodys_business(tmp_path: Path) -> None:
    found = {finding.id for finding in doctor.checks(machine(tmp_path, providers=("ssh",)))}
    assert found == {"python", "data-dir", "disk", "memory", "clock", "go"}


def test_elsewhere_the_kernel_is_dockers_own(tmp_path: Path) -> None:
    context = machine(tmp_path, platform="darwin")
    for check in (kernel.tun, kernel.wireguard, kernel.forwarding, kernel.overlay):
        assert check(context).ok
    assert tools.docker_engine(context).hint == "start Docker Desktop"
    assert not context.debian


def test_a_refused_user_is_not_a_stopped_engine(tmp_path: Path) -> None:
    text = "Got\npermission denied while trying to connect to the Docker daemon socket"
    context = machine(tmp_path, commands={"docker version": (1, text)})
    assert tools.docker_engine(context).ok
    finding = tools.docker_socket(context)
    assert not finding.ok and finding.commands[0][:3] == ("usermod", "-aG", "docker")


@pytest.mark.parametrize(
    ("version", "online", "policy", "ok", "packages"),
    [
        ("go1.24.1", False, "", True, ()),
        ("go1.19.8", False, "  Candidate: 2:1.19~1", False, ()),
        ("go1.19.8", False, "  Candidate: 2:1.22~2build1", False, ("golang-go",)),
        ("", True, "", True, ()),
        ("", False, "", False, ()),
    ],
)
def test_go_is_wanted_where_releases_cannot_be_reached(
    tmp_path: Path, version: str, online: bool, policy: str, ok: bool, packages: tuple[str, ...]
) -> None:
    put(tmp_path, "etc/os-release", DEBIAN)
    commands = {"go env": (0, version), "apt-cache policy": (0, policy)}
    context = machine(tmp_path, commands=commands, programs=("go",) if version else (), online=online)
    finding = tools.go(context)
    assert (finding.ok, finding.packages) == (ok, packages)


def test_a_registry_or_mmdebstrap_is_enough(tmp_path: Path) -> None:
    assert tools.base_image(machine(tmp_path, online=True)).ok
    assert tools.base_image(machine(tmp_path, programs=("mmdebstrap",))).ok
    assert "uidmap" not in tools.base_image(machine(tmp_path, uid=0)).packages
    assert "uidmap" in tools.base_image(machine(tmp_path, uid=1000)).packages


@pytest.mark.parametrize(("mode", "ok"), [(0o700, True), (0o750, False), (0o600, False)])
def test_the_data_directory_is_private(tmp_path: Path, mode: int, ok: bool) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(mode)
    assert host.data_dir(machine(tmp_path)).ok is ok
    other = host.data_dir(machine(tmp_path, uid=os.geteuid() + 1))
    assert not other.ok and not other.fix and "SLOTH_DATA_DIR" in other.hint


def test_little_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=5 << 30))
    assert not host.disk(machine(tmp_path)).ok
    assert host.disk(machine(tmp_path, providers=("ssh",))).ok


def test_what_cannot_be_told_is_not_called_bad(tmp_path: Path) -> None:
    context = machine(tmp_path)
    assert host.memory(context).ok and host.clock(context).ok
    assert "cannot be told" in host.memory(context).detail


def test_the_real_machine_can_be_asked(tmp_path: Path) -> None:
    context = Context(providers=("local",), data_dir=tmp_path)
    assert context.ask("sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\nerr")
    assert context.ask("/no/such/command")[0] == 127
    assert context.ask("sleep", "30", timeout=0.1)[0] == 124
    assert context.which("sh") and not context.which("no-such-command")
    assert not context.reaches("127.0.0.1", 9, timeout=1)
    assert context.systemd == Path("/run/systemd/system").is_dir()
    findings = doctor.run_checks(tmp_path)
    assert all(isinstance(finding, Finding) and finding.title for finding in findings)


def test_an_open_port_is_reached(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        assert Context(providers=(), data_dir=tmp_path).reaches("127.0.0.1", server.getsockname()[1])


def test_a_docker_client_without_an_engine_gets_the_engine_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    put(tmp_path, "etc/os-release", DEBIAN)
    silent = {"docker version": (1, "Cannot connect to the Docker daemon")}
    alone = tools.docker_engine(machine(tmp_path, commands=silent, programs=("docker",)))
    assert (alone.ok, alone.packages, alone.engine) == (False, ("docker.io",), True)
    assert alone.hint == "apt-get install docker.io"
    both = tools.docker_engine(machine(tmp_path, commands=silent, programs=("docker", "dockerd")))
    assert (both.packages, both.hint) == ((), "dockerd")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2376")  # another machine's engine: one of our own would not help
    assert tools.docker_engine(machine(tmp_path, commands=silent, programs=("docker",))).packages == ()
