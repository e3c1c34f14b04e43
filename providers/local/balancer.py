"""One address on this machine for the API of several control-plane nodes: HAProxy from the node image, in a container."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

from sloth.api import ClusterSpec, MachinesError

from . import labels
from .docker import Docker
from .labels import Container, container_name, listing
from .network import balancer_address, ensure, network_name
from .ports import free_ports
from .seed import archive

_CONFIG = "etc/haproxy/sloth.cfg"
_TRIES = 5


def balance(docker: Docker, spec: ClusterSpec, have: Sequence[Container], targets: Sequence[str]) -> str:
    """`host:port` of the API over these nodes. A second call with the same targets changes nothing."""
    nodes = {container.node: container for container in have if container.node}
    lost = [name for name in targets if name not in nodes or not nodes[name].api]
    if lost or not targets:
        raise MachinesError(
            "local/no-target", f"no control-plane container for `{', '.join(lost)}`", hint=f"sloth up --cluster {spec.name}"
        )
    own = next((container for container in have if not container.node and container.api), None)
    if len(targets) == 1:
        if own:
            docker.call("rm", "--force", own.id)
        return f"127.0.0.1:{nodes[targets[0]].api}"
    wanted = config({name: nodes[name].address for name in targets})
    if own and own.state in ("dead", "removing"):
        docker.call("rm", "--force", own.id)
        own = None
    if own:
        _refresh(docker, own, wanted)
        return f"127.0.0.1:{own.api}"
    return f"127.0.0.1:{_create(docker, spec, nodes[targets[0]], wanted)}"


def config(servers: Mapping[str, str]) -> str:
    """HAProxy's configuration for these servers (name -> address)."""
    lines = [f"    server {name} {address}:6443" for name, address in sorted(servers.items())]
    template = (files("sloth.templates") / "node" / "balancer.cfg").read_text(encoding="utf-8")
    return Template(template).substitute(servers="\n".join(lines))


def _refresh(docker: Docker, own: Container, wanted: str) -> None:
    """Give a balancer that exists the wanted targets; open connections to the others go on."""
    if _present(docker, own) != wanted:
        _put(docker, own.id, wanted)
        if own.state == "running":
            docker.call("kill", "--signal", "USR2", own.id)
    if own.state == "paused":
        docker.call("unpause", own.id)
    elif own.state != "running":
        docker.call("start", own.id)


def _present(docker: Docker, own: Container) -> str:
    done = docker.attempt("cp", f"{own.id}:/{_CONFIG}", "-")
    if done.returncode != 0:  # a run was killed between creating it and its first start
        return ""
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        return member.read().decode() if member else ""


def _create(docker: Docker, spec: ClusterSpec, node: Container, wanted: str) -> int:
    subnet = ensure(docker, spec)
    taken = {port for c in listing(docker, labels.CLUSTER) for port in (c.ssh, c.api)}
    for number, port in enumerate(free_ports(f"{spec.name}/api", taken)):
        container = docker.call("create", *_arguments(spec, node, str(balancer_address(subnet)), port))
        _put(docker, container, wanted)
        try:
            docker.call("start", container)
        except MachinesError as error:
            docker.attempt("rm", "--force", container)
            if number == _TRIES or "already allocated" not in error.detail:
                raise
        else:
            return port
    raise AssertionError("free_ports raises when there is none left")


def _arguments(spec: ClusterSpec, node: Container, address: str, port: int) -> list[str]:
    marks = {
        labels.CLUSTER: spec.name, labels.NODE: "", labels.BALANCER: "api",
        labels.ADDRESS: address, labels.SSH: "", labels.API: str(port),
    }  # fmt: skip
    return [
        "--name", container_name(spec.name, "api"), "--hostname", "api", "--network", network_name(spec.name),
        "--ip", address, "--publish", f"127.0.0.1:{port}:6443", "--user", "haproxy", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--stop-signal", "SIGTERM",
        *(word for key, value in marks.items() for word in ("--label", f"{key}={value}")),
        "--entrypoint", "haproxy", f"sloth-node:{node.image}", "-W", "-db", "-f", f"/{_CONFIG}",
    ]  # fmt: skip


def _put(docker: Docker, container: str, text: str) -> None:
    docker.call("cp", "-", f"{container}:/", stdin=archive({_CONFIG: (text, 0o644)}))
