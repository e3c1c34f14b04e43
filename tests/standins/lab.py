"""Servers of a stand-in without agents, each in a network namespace of its own: a control plane in seconds, with no container."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.standins.build import build


def ip(*words: str) -> str:
    """One `ip` command's output."""
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True, timeout=20).stdout


def eventually(work: Callable[[], Any], timeout: float = 60) -> Any:
    """The first result of `work` that raises no AssertionError."""
    end = time.monotonic() + timeout
    while True:
        try:
            return work()
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


class Machine:
    """One namespace with a file system root of its own for /etc and /var."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.lab = lab
        self.name = f"s{number}"
        self.space = f"{lab.mark}{number}"
        self.address = f"10.213.0.{10 + number}"
        self.root = lab.folder / self.name
        self.data = self.root / "var" / "lib" / "rancher" / lab.distro
        self.log = lab.folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Make the namespace, with one link to the bridge."""
        hub = self.lab.hub
        ip("netns", "add", self.space)
        ip("-n", self.space, "link", "set", "lo", "up")
        ip("link", "add", f"{self.space}v", "netns", self.space, "type", "veth", "peer", "name", f"{self.space}p", "netns", hub)
        ip("-n", hub, "link", "set", f"{self.space}p", "master", "bridge", "up")
        ip("-n", self.space, "addr", "add", f"{self.address}/24", "dev", f"{self.space}v")
        ip("-n", self.space, "link", "set", f"{self.space}v", "up")

    def config(self, **values: Any) -> None:
        """Write config.yaml: what every server here has, and these values."""
        network = {"k3s": {"flannel-backend": "none"}, "rke2": {"cni": "none"}}[self.lab.distro]
        base = {"node-name": self.name, "node-ip": self.address, "disable-agent": True, **network}
        path = self.root / "etc" / "rancher" / self.lab.distro / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**base, **values}))

    def command(self, *words: str) -> list[str]:
        """The command line that runs the stand-in here."""
        return ["ip", "netns", "exec", self.space, str(self.lab.program), *words]

    @property
    def env(self) -> dict[str, str]:
        """The environment that it runs with."""
        return {**os.environ, "STANDIN_ROOT": str(self.root), "NOTIFY_SOCKET": ""}

    def run(self, *words: str, code: int = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and hold it to its exit code."""
        done = subprocess.run(self.command(*words), env=self.env, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == code, f"{words} -> {done.returncode}\n{done.stdout}\n{done.stderr[-4000:]}"
        return done

    def start(self, timeout: float = 120) -> None:
        """Start the server, and wait until it says that it runs."""
        self.log.write_text("")
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                self.command("server"), env=self.env, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True
            )
        eventually(self._is_up, timeout)

    def _is_up(self) -> None:
        assert self.process is not None
        ended = self.process.poll()
        if ended is not None:
            raise RuntimeError(f"{self.name} ended with {ended}\n{self.log.read_text()[-3000:]}")
        assert "is up and running" in self.log.read_text(), self.log.read_text()[-3000:]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and all that runs below it."""
        if self.process:
            if self.process.poll() is None:
                os.killpg(self.process.pid, how)
            self.process.wait(30)
            self.process = None
        self.end_pods()

    def end_pods(self) -> None:
        """End what outlives an RKE2 server: every process of this namespace."""
        for pid in ip("netns", "pids", self.space).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue

    def processes(self) -> set[str]:
        """Names of the programs that run here, but for tools that are gone in a moment."""
        found = set()
        for pid in ip("netns", "pids", self.space).split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            found.add(Path(words[0].decode()).name)
        return found - {"kubectl", "etcdctl", "etcdutl"}

    def kubectl(self, *words: str) -> str:
        """kubectl of the bundle as the cluster's administrator."""
        bin_dir = self.data / "bin" if self.lab.distro == "rke2" else self.data / "data" / "current" / "bin"
        config = self.root / "etc" / "rancher" / self.lab.distro / f"{self.lab.distro}.yaml"
        command = ["ip", "netns", "exec", self.space, str(bin_dir / "kubectl"), "--kubeconfig", str(config), *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def etcdctl(self, *words: str) -> str:
        """etcdctl of the bundle, asking this server's member."""
        bin_dir = self.data / "bin" if self.lab.distro == "rke2" else self.data / "data" / "current" / "bin"
        tls = self.data / "server" / "tls" / "etcd"
        keys = ["--cacert", str(tls / "server-ca.crt"), "--cert", str(tls / "client.crt"), "--key", str(tls / "client.key")]
        command = ["ip", "netns", "exec", self.space, str(bin_dir / "etcdctl"), *keys, *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self) -> str:
        """The full server token."""
        return (self.data / "server" / "token").read_text().strip()


class Lab:
    """Three machines at one bridge, which is in a namespace too: the host's own network is not touched."""

    def __init__(self, folder: Path, distro: str, version: str) -> None:
        self.folder = folder
        self.distro = distro
        self.mark = f"si{secrets.token_hex(2)}"
        self.hub = f"{self.mark}0"
        self.program = build(distro, version).program
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.hub, "link", "set", "bridge", "up")
        self.machines = [Machine(self, number) for number in (1, 2, 3)]
        for machine in self.machines:
            machine.connect()

    @property
    def join_port(self) -> int:
        """Where servers and agents join."""
        return 9345 if self.distro == "rke2" else 6443

    def close(self) -> None:
        """End all processes, and delete the namespaces."""
        for machine in self.machines:
            machine.stop(signal.SIGKILL)
            ip("netns", "del", machine.space)
        ip("netns", "del", self.hub)
