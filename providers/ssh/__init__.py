"""Provider `ssh`: hosts that exist already. Nothing is made and nothing is deleted; sloth logs in and works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sloth.api import ClusterSpec, ConfigError, Delivery, Emit, Login, Machine, Machines, Provider, SlothError, resolve_secret

from .hosts import NAME, ExistingHosts, hosts
from .known_hosts import keys_of
from .schema import SCHEMA

_KNOWN_HOSTS = "~/.ssh/known_hosts"


class SshProvider(Provider):
    """Existing hosts, reached as the spec says."""

    name = NAME

    def options_schema(self) -> Mapping[str, Any]:
        """How to log in, the same for all hosts; hosts are listed in their pools."""
        return SCHEMA

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Files that the options name must be there."""
        options = spec.providers.get(self.name, {})
        named = (("key.file", options.get("key", {}).get("file")), ("knownHosts", options.get("knownHosts")))
        return [_no_file(option, path) for option, path in named if path and not Path(path).expanduser().is_file()]

    def machines(self, spec: ClusterSpec, emit: Emit, delivery: Delivery) -> Machines:
        """The hosts of all pools with this provider."""
        return ExistingHosts(spec)

    def login(self, spec: ClusterSpec, machine: Machine) -> Mapping[str, Any]:
        """Fields of `Login` for one host. Raises CredentialsError when the key cannot be had."""
        options = spec.providers.get(self.name, {})
        host = dict(hosts(spec)).get(machine.name)
        keys = _host_keys(options, machine.address, machine.port, host.host_key if host else "")
        way: dict[str, Any] = {**_key(options), "user": machine.user, "port": machine.port, "sudo": machine.user != "root"}
        if keys:
            way["host_keys"] = keys
        if bastion := options.get("bastion"):
            way["bastion"] = _bastion(bastion, options)
        return way


def _key(options: Mapping[str, Any]) -> dict[str, Any]:
    """A file stays a file (it may need an agent); without any key the agent is asked."""
    reference = options.get("key") or {}
    if "file" in reference:
        return {"key": None, "key_file": reference["file"]}
    return {"key": resolve_secret(reference) if reference else None, "key_file": ""}


def _host_keys(options: Mapping[str, Any], address: str, port: int, expected: str) -> tuple[str, ...]:
    if expected:
        return (expected,)
    file = Path(options.get("knownHosts") or _KNOWN_HOSTS).expanduser()
    try:
        return keys_of(file.read_text(encoding="utf-8", errors="replace"), address, port)
    except OSError:
        return ()


def _bastion(given: Mapping[str, Any], options: Mapping[str, Any]) -> Login:
    address, port = str(given["address"]), int(given.get("port", 22))
    return Login(
        node=f"bastion {address}",
        address=address,
        port=port,
        user=str(given.get("user") or options.get("user") or "root"),
        host_keys=_host_keys(options, address, port, str(given.get("hostKey", ""))),
        **_key(options),
    )


def _no_file(option: str, path: str) -> ConfigError:
    return ConfigError("ssh/no-file", f"spec.providers.ssh.{option}: there is no file {path}", hint=f"ls -l {path}")


PLUGIN = SshProvider()
