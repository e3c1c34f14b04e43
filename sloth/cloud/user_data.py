"""What a new machine is told at its first boot (cloud-config): whom to let in, which host key to show, what to install.

The same request gives the same text, always. JSON is YAML that nothing can misread.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from sloth.model.cloud import EMPTY, Volume, WayOut
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret

LIMIT = 16384  # bytes; the least of what clouds take (AWS)
_LABEL = 16  # characters of an ext4 label
_MARK = "sloth-"
_KEY_NAMES = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}
_SSHD = "PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
_VOLUMES = "/usr/local/sbin/sloth-volumes"
_UNIT = "/etc/systemd/system/sloth-volumes.service"


def user_data(
    request: MachineRequest,
    packages: Sequence[str] = (),
    volumes: Sequence[Volume] = (),
    user: str = "sloth",
    *,
    files: Mapping[str, str] = EMPTY,
    way_out: WayOut | None = None,
) -> Secret:
    """The text, at most LIMIT bytes. `packages` = Debian packages that the node will need; `files` = further files that must be
    there before sshd starts, with their contents; `way_out` = where the cloud has no NAT of its own.
    """
    prepare = ["cloud-init-per", "once", "sloth-prepare", "sh", "-c", text("prepare.sh"), "sh", *dict.fromkeys(packages)]
    before, after = _routing(way_out, bool(request.placement.get("public", request.options.get("public", True))))
    config: dict[str, Any] = {
        "hostname": request.name,
        "preserve_hostname": False,
        "manage_etc_hosts": "localhost",  # sudo looks the name up, and must not wait for a DNS server that does not know it
        "locale": False,
        "disable_root": True,
        "ssh_pwauth": False,
        "users": [
            {
                "name": user,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [request.ssh_public_key],
            }
        ],
        **host_key(request),
        # cloud-init's own `packages` are installed after sshd has started, while sloth would already wait for them.
        "bootcmd": [*before, *(_write(path, content) for path, content in files.items()), prepare, *after],
        # Read before the file of cloud-init: of two settings, sshd takes the first.
        "write_files": [_file("/etc/ssh/sshd_config.d/00-sloth.conf", _SSHD), *_volume_files(volumes)],
    }
    if volumes:
        config["runcmd"] = ["systemctl daemon-reload && systemctl enable --now --no-block sloth-volumes.service"]
    return Secret("#cloud-config\n" + json.dumps(config) + "\n", known=False)


def _routing(way: WayOut | None, public: bool) -> tuple[list[list[str]], list[list[str]]]:
    """What every boot does before and after the preparation: packages come by the way out, and may bring what forwards."""
    if way is None:
        return [], []
    if not public:
        return [["sh", "-c", text("way-out.sh"), "sh", way.router, *way.resolvers]], []
    forward = ["sh", "-c", text("forward.sh"), "sh", way.network]
    return [forward], [forward]


def _write(path: str, content: str) -> list[str]:
    """cloud-init writes its own `write_files` later than this."""
    return ["cloud-init-per", "once", f"sloth-{path.replace('/', '-')}", "sh", "-c", 'printf %s "$2" >"$1"', "sh", path, content]


def host_key(request: MachineRequest) -> dict[str, Any]:
    """The one-time host key as cloud-config's `ssh_keys`; nothing where the request has none."""
    if request.boot_key_private is None:
        return {}
    name = _KEY_NAMES.get(request.boot_key_public.split()[0], "ecdsa")
    private: str = request.boot_key_private.reveal()
    return {"ssh_keys": {f"{name}_private": private, f"{name}_public": request.boot_key_public}}


@cache
def text(name: str) -> str:
    """A file of templates/cloud."""
    return files("sloth.templates").joinpath("cloud", name).read_text(encoding="utf-8")


def volumes_of(options: Mapping[str, Any]) -> tuple[Volume, ...]:
    """The volumes of a pool's options."""
    return tuple(
        Volume(name=each["name"], size=int(each["size"].removesuffix("Gi")), mount=each.get("mount", ""))
        for each in options.get("volumes") or ()
    )


def label(volume: str) -> str:
    """The label of a volume's file system. It begins with a word that no image's own disk has."""
    if len(volume) <= _LABEL - len(_MARK):
        return _MARK + volume
    return f"{_MARK}{hashlib.sha256(volume.encode()).hexdigest()[: _LABEL - len(_MARK)]}"


def _volume_files(volumes: Sequence[Volume]) -> list[dict[str, str]]:
    if not volumes:
        return []
    lines = "".join(f"{label(volume.name)} {volume.size} {volume.mount or '-'}\n" for volume in volumes)
    return [
        _file("/etc/sloth/volumes", lines),
        _file(_VOLUMES, text("sloth-volumes"), "0755"),
        _file(_UNIT, text("sloth-volumes.service")),
    ]


def _file(path: str, content: str, mode: str = "0644") -> dict[str, str]:
    return {"path": path, "content": content, "permissions": mode}
