"""Create one node's container: where it is (address, ports), what is in it before it starts, and its first start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from sloth.api import ClusterSpec, MachineRequest, MachinesError

from . import labels
from .docker import Docker
from .image import NodeImage
from .labels import Container, container_name, listing
from .network import network_name, next_address
from .ports import free_ports
from .profile import run_options
from .seed import seed

_TRIES = 5  # each time with other ports; more than one run can want the same at the same moment


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a new container is given."""

    address: str
    ports: tuple[tuple[int, int], ...]  # choices of (SSH, API) ports, in order of preference
    mode: str
    cgroup: str


def places(
    docker: Docker, missing: Sequence[MachineRequest], subnet: IPv4Network, have: Sequence[Container], mode: str
) -> dict[str, Place]:
    """An address and ports for each missing node, that no container of any cluster has."""
    used = {container.address for container in have}
    ports = {port for c in listing(docker, labels.CLUSTER) for port in (c.ssh, c.api)}
    cgroup = docker.call("info", "--format", "{{.CgroupVersion}}") or "1"
    found = {}
    for request in missing:
        address = next_address(subnet, used)
        used.add(address)
        choice = list(islice(free_ports(f"{request.cluster}/{request.name}", ports), 2 * _TRIES))
        ports.update(choice)
        pairs = tuple(zip(choice[::2], choice[1::2], strict=True))
        found[request.name] = Place(address=address, ports=pairs, mode=mode, cgroup=cgroup)
    return found


def create(docker: Docker, spec: ClusterSpec, request: MachineRequest, image: NodeImage, place: Place) -> None:
    """Create, seed and start. When a port was taken meanwhile, begins anew with the next ones. Raises MachinesError."""
    for number, ports in enumerate(place.ports):
        container = docker.call("create", *_arguments(spec, request, image, place, ports))
        try:
            return seed_and_start(docker, request, container)
        except MachinesError as error:
            taken = "already allocated" in error.detail or "address already in use" in error.detail
            if not taken or number == len(place.ports) - 1:
                raise
            docker.call("rm", "--force", "--volumes", container)
    raise AssertionError("a place has at least one pair of ports")


def seed_and_start(docker: Docker, request: MachineRequest, container: str) -> None:
    """Put the cloud-init seed in (over stdin, nothing of this machine is mounted), then start."""
    docker.call("cp", "-", f"{container}:/", stdin=seed(request, container))
    docker.call("start", container)


def _arguments(spec: ClusterSpec, request: MachineRequest, image: NodeImage, place: Place, ports: tuple[int, int]) -> list[str]:
    ssh, api = ports
    server = request.role == "control-plane"
    marks = {
        **{key: value for key, value in spec.labels.items() if not key.startswith("sloth.")},
        labels.CLUSTER: spec.name, labels.NODE: request.name, labels.ROLE: request.role, labels.POOL: request.pool,
        labels.ADDRESS: place.address, labels.SSH: str(ssh), labels.API: str(api) if server else "",
        labels.IMAGE: image.key, labels.MODE: place.mode, labels.CGROUP: place.cgroup,
    }  # fmt: skip
    publish = [f"127.0.0.1:{ssh}:22"] + ([f"127.0.0.1:{api}:6443"] if server else [])
    return [
        "--name", container_name(spec.name, request.name), "--hostname", request.name, *run_options(place.mode),
        "--stop-signal", "SIGRTMIN+3",  # systemd's word for a clean shutdown
        "--network", network_name(spec.name), "--ip", place.address,
        *(word for port in publish for word in ("--publish", port)),
        "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec",  # noqa: S108 — inside the container
        # Layers of images need a file system that is no overlay itself: where containerd is upstream's, and k3s' and rke2's.
        *(
            word for folder in ("/var/lib/containerd", "/var/lib/rancher")
            for word in ("--mount", f"type=volume,dst={folder},volume-label={labels.CLUSTER}={spec.name}")
        ),
        *(word for key, value in marks.items() for word in ("--label", f"{key}={value}")),
        image.ref,
    ]  # fmt: skip
