"""The cloud-init seed of one node, as the tar stream that `docker cp` puts into the container before it first starts."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping

from sloth.api import MachineRequest, host_key

FOLDER = "var/lib/cloud/seed/nocloud"


def seed(request: MachineRequest, container_id: str) -> bytes:
    """user-data and meta-data, mode 0600. The instance id is the container's, so that cloud-init runs once for each."""
    # `local`: keys and users are set in cloud-init's first stage, so sshd starts sooner.
    meta = {"instance-id": container_id, "local-hostname": request.name, "dsmode": "local"}
    return archive({
        f"{FOLDER}/user-data": ("#cloud-config\n" + json.dumps(user_data(request)), 0o600),
        f"{FOLDER}/meta-data": (json.dumps(meta), 0o600),
        f"{FOLDER}/init-only": ("", 0o600),  # nothing here is for the later stages: skip them
    })  # fmt: skip


def user_data(request: MachineRequest) -> dict[str, object]:
    """cloud-config (YAML reads JSON): the one-time host key and root's authorized key."""
    return {
        "hostname": request.name,
        "locale": False,
        "disable_root": False,
        "ssh_pwauth": False,
        "users": [{"name": "root", "ssh_authorized_keys": [request.ssh_public_key]}],
        **host_key(request),
    }


def archive(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A tar of these files (path -> content, mode), owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            data = content.encode()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
