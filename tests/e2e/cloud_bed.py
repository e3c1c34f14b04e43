"""Fake clouds whose servers are real: each server that a fake makes boots a container with the user-data it was given."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Bed, docker

# What containers need beyond ordinary servers (kubelet's cgroup settings) is added to the cloud's answer; and only the address
# that the container really has is told, since no private network of the fake exists. All else is the product's own way.
DRIVER = """
import dataclasses, sys
from sloth import registry
from sloth.adapters.pulumi.machines import CloudMachines
local = sys.modules[type(registry.provider("local")).__module__ + ".profile"]
profile = local.profile(sys.argv.pop(1), baked=True)

def patched(name):
    real = getattr(CloudMachines, name)
    def answer(self, *words):
        told = dict(profile=profile, private_address="", network="")
        return [dataclasses.replace(machine, **told) for machine in real(self, *words)]
    setattr(CloudMachines, name, answer)

patched("apply")
patched("survey")
from sloth.cli.main import run
run()
"""


class Lab:
    """Containers as servers, on one network of their own."""

    def __init__(self, cluster: str) -> None:
        self.cluster = cluster
        self.label = f"sloth.cluster={cluster}"
        self.boots: list[str] = []
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], str] = {}  # (token, id) of a server -> container

    def start(self) -> None:
        """The baked node image and the network."""
        from sloth import registry
        from sloth.app import mirror_spec
        from sloth.supply import supply

        loaded = mirror_spec()
        machines: Any = registry.provider("local").machines(  # type: ignore[attr-defined]
            loaded.spec, lambda event: None, supply(loaded, "plan", lambda event: None)
        )
        self.mode = machines.image.ensure()
        self.image = machines.image.ref
        self.cgroup = docker("info", "--format", "{{.CgroupVersion}}") or "1"
        self._options = sys.modules[type(registry.provider("local")).__module__ + ".profile"].run_options(self.mode)
        docker("network", "create", "--label", self.label, f"sloth-{self.cluster}")

    def boot(self, item: Any, user_data: str) -> str:
        """A container for a server of a fake; answers its address."""
        cloud = item.token.partition(":")[0]
        name = f"{self.cluster}-{cloud}-{item.name}-{item.id}"
        container = docker(
            "create", "--name", name, *self._options, "--stop-signal", "SIGRTMIN+3", "--network", f"sloth-{self.cluster}",
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec",
            "--mount", f"type=volume,dst=/var/lib/containerd,volume-label={self.label}",
            "--label", self.label, "--label", f"sloth.node={item.name}", self.image,
        )  # fmt: skip
        meta = json.dumps({"instance-id": container, "local-hostname": item.name, "dsmode": "local"})
        subprocess.run(["docker", "cp", "-", f"{container}:/"], input=_seed(user_data, meta), check=True, capture_output=True)
        docker("start", container)
        with self._lock:
            self.boots.append(item.name)
            self._made[item.token, item.id] = container
        path = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", path, container)

    def gone(self, item: Any) -> None:
        """The server was deleted."""
        docker("rm", "-fv", self._made.pop((item.token, item.id)))

    def stop(self) -> None:
        """Nothing is left, failed or not."""
        for container in docker("ps", "-aq", "--filter", f"label={self.label}").split():
            docker("rm", "-fv", container)
        for network in docker("network", "ls", "-q", "--filter", f"label={self.label}").split():
            docker("network", "rm", network)


def _seed(user_data: str, meta: str) -> bytes:
    """cloud-init's nocloud folder as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in (("user-data", user_data), ("meta-data", meta)):
            data = text.encode()
            info = tarfile.TarInfo(f"var/lib/cloud/seed/nocloud/{name}")
            info.size, info.mode = len(data), 0o600
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


class CloudBed(Bed):
    """A cluster at fake clouds, driven by the `sloth` command in a process of its own."""

    def __init__(self, folder: Path, name: str, lab: Lab, fakes: dict[str, Any], ports: str) -> None:
        super().__init__(folder, name)
        self.lab, self.fakes = lab, fakes
        self.env |= {
            "PULUMI_DEBUG_PROVIDERS": ports,
            "HCLOUD_TOKEN": "valid",
            "AWS_ACCESS_KEY_ID": "valid",
            "DIGITALOCEAN_TOKEN": "valid",
            "AWS_SECRET_ACCESS_KEY": "valid",
        }

    def sloth(self, *words: str, code: int | None = 0, timeout: float = 600, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `sloth` with the driver, and hold it to its exit code."""
        driver = self.folder / "clouds.py"
        driver.write_text(DRIVER)
        done = subprocess.run(
            [sys.executable, str(driver), self.lab.cgroup, *words],
            cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, f"sloth {' '.join(words)} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@contextmanager
def cloud_bed(folder: Path, name: str, clouds: tuple[str, ...]) -> Iterator[CloudBed]:
    """Fakes in this process, a lab, and a cluster's bed; everything is gone afterwards."""
    from sloth.adapters.pulumi.install import install_tool

    install_tool()
    lab = Lab(name)
    with ExitStack() as stack:
        stack.callback(lab.stop)
        lab.start()
        fakes = {cloud: import_module(f"tests.clouds.fakes.{cloud}").Fake() for cloud in clouds}
        for fake in fakes.values():
            fake.on_server, fake.on_gone = lab.boot, lab.gone
        ports = ",".join(stack.enter_context(fake.serve()) for fake in fakes.values())
        bed = CloudBed(folder, name, lab, fakes, ports)
        yield bed
