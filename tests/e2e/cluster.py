"""A real local cluster under test: the `sloth` command in a process of its own, kubectl, and what is left on the machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# Runs `sloth` and kills itself (SIGKILL) while batch number N is under way on a node.
KILLER = """
import os, signal, sys, threading
from sloth.adapters import ssh
original, lock, left = ssh.SshSession.run, threading.Lock(), [int(sys.argv.pop(1))]

def run(self, steps):
    with lock:
        left[0] -= 1
        if left[0] == 0:
            threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return original(self, steps)

ssh.SshSession.run = run
from sloth.cli.main import run as main
main()
"""
SLOTH = os.environ.get("SLOTH_UNDER_TEST") or str(Path(sys.executable).parent / "sloth")  # benchmarks take an installed wheel


def docker(*words: str) -> str:
    """One docker command's output."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=120).stdout.strip()


class Bed:
    """One cluster: its folder with spec, state and kubeconfig."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.spec = folder / "sloth.yaml"
        self.env = {**os.environ, "SLOTH_DATA_DIR": str(folder / "data"), "NO_COLOR": "1"}
        self.env.pop("KUBECONFIG", None)

    def write(self, control: int = 1, workers: int = 1, extra: str = "", pools: str = "") -> None:
        """Write the spec."""
        text = f"""apiVersion: sloth.dev/v1
kind: Cluster
metadata:
  name: {self.name}
spec:
{extra}  pools:
    - name: control
      role: control-plane
      count: {control}
"""
        if workers:
            text += f"    - name: work\n      role: worker\n      count: {workers}\n{pools}"
        self.spec.write_text(text)

    def sloth(self, *words: str, code: int | None = 0, timeout: float = 600, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `sloth`, and hold it to its exit code."""
        done = subprocess.run(
            [SLOTH, *words],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"sloth {' '.join(words)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def killed_at(self, batch: int, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `sloth` and SIGKILL it while that batch of steps is under way."""
        driver = self.folder / "killer.py"
        driver.write_text(KILLER)
        return subprocess.run(
            [sys.executable, str(driver), str(batch), *words],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip

    def inside(self, node: str, script: str) -> str:
        """Run a shell script in a node's container, past sloth."""
        return docker("exec", self.container(node), "sh", "-c", script)

    def json(self, *words: str, code: int | None = 0, **env: str) -> dict[str, Any]:
        """The envelope that `--output json` prints."""
        answer: dict[str, Any] = json.loads(self.sloth(*words, "--output", "json", code=code, **env).stdout)
        return answer

    def up(self) -> dict[str, Any]:
        """`sloth up`, and its data."""
        data: dict[str, Any] = self.json("up", "--yes")["data"]
        return data

    def kubectl(self, *words: str, check: bool = True, stdin: str = "", timeout: float = 120) -> str:
        """kubectl of the mirror, with this cluster's kubeconfig, from this machine."""
        config = self.folder / "kubeconfig"
        if not config.exists():
            config.touch(mode=0o600)
            config.write_text(self.sloth("kubeconfig").stdout)
        done = subprocess.run(
            [kubectl_path(), "--kubeconfig", str(config), *words],
            capture_output=True, text=True, input=stdin, timeout=timeout, check=False,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def container(self, node: str) -> str:
        """The id of a node's container."""
        label = [f"label=sloth.cluster={self.name}", f"label=sloth.node={node}"]
        return docker("ps", "-aq", "--filter", f"{label[0]}", "--filter", f"{label[1]}")

    def leftovers(self) -> list[str]:
        """Containers, networks and volumes that still carry this cluster's label."""
        mark = f"label=sloth.cluster={self.name}"
        return [
            *docker("ps", "-aq", "--filter", mark).split(),
            *docker("network", "ls", "-q", "--filter", mark).split(),
            *docker("volume", "ls", "-q", "--filter", mark).split(),
        ]

    def destroy(self) -> None:
        """End of a test, failed or not."""
        self.sloth("unlock", code=None)
        self.sloth("down", "--yes", code=None)
        for line in self.leftovers():
            subprocess.run(["docker", "rm", "-fv", line], capture_output=True, check=False)
        for line in docker("network", "ls", "-q", "--filter", f"label=sloth.cluster={self.name}").split():
            subprocess.run(["docker", "network", "rm", line], capture_output=True, check=False)


def kubectl_path() -> str:
    """kubectl as the mirror has it."""
    from sloth.adapters.paths import cache_dir

    return str(newest(cache_dir() / "mirror" / "kubectl"))


def newest(folder: Path) -> Path:
    """The file of the newest version below a mirror's folder of one artifact: `v1.36.3/linux-amd64/kubectl`."""
    return max(folder.glob("*/linux-*/*"), key=lambda path: [int(number) for number in re.findall(r"\d+", path.parts[-3])])


def eventually(work: Any, timeout: float = 60, every: float = 0.5) -> float:
    """Call `work` until it neither raises AssertionError nor times out; seconds it took."""
    start = time.monotonic()
    while True:
        try:
            work()
        except (AssertionError, subprocess.TimeoutExpired):
            if time.monotonic() - start > timeout:
                raise
            time.sleep(every)
        else:
            return time.monotonic() - start
