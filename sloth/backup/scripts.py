"""What is run on nodes for backups, as text. Folders and file names on nodes stand here, and nowhere else.

The format of a backup (docs/decisions/0016-backup-format.md): `tar` of `etcd.db` and `files.tar`, `gzip`, sealed as CMS
AuthEnvelopedData (RFC 5083) with AES-256-GCM (RFC 5084) under a random key, which is encrypted with RSA-OAEP and SHA-256 for the
certificate of the cluster. The tool on the node is `openssl cms`, of OpenSSL 3.0 or newer (openssl-cms(1), “-aes-256-gcm”).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from shlex import quote

OWN = "/etc/sloth/backup"  # certificate, signing key, how to send: 0700
RUN = "/var/lib/sloth/backup"
SPOOL = f"{RUN}/spool"  # the newest backup, sealed
RESTORE = "/var/lib/sloth/restore"  # an opened backup while it is being restored or verified: 0700, deleted afterwards
PROGRAM = f"{OWN}/backup"
CERTIFICATE = f"{OWN}/certificate.pem"
SIGNING_KEY = f"{OWN}/sign.pem"
SEND = f"{OWN}/send"
CURL = f"{OWN}/place.curl"
UNIT = "sloth-backup"
_PLACE = re.compile(r"@([A-Z0-9]+)@")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose backup a node makes, and how it reaches its etcd."""

    cluster: str
    node: str
    distribution: str
    kubernetes: str
    etcd_flags: str
    paths: Sequence[str]  # absolute, files and folders; those that are not there are left out


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _filled(name: str, **values: str) -> str:
    return _PLACE.sub(lambda found: values[found[1]], _text(name))


def program(origin: Origin) -> str:
    """The program that makes a backup on a control-plane node. Raises ValueError for a path that is not absolute."""
    odd = [path for path in origin.paths if not path.startswith("/") or len(path.split()) != 1]
    if odd:
        raise ValueError(f"not a path that a backup can hold: {odd[0]!r}")
    return _filled(
        "backup.sh",
        CLUSTER=quote(origin.cluster),
        NODE=quote(origin.node),
        DISTRIBUTION=quote(origin.distribution),
        KUBERNETES=quote(origin.kubernetes),
        ETCD=origin.etcd_flags,
        FILES=" ".join(quote(path.lstrip("/")) for path in origin.paths),
    )


def send_to_folder(folder: str) -> str:
    """The program that brings a backup to a folder of the node."""
    return _filled("send_folder.sh", FOLDER=quote(folder))


def send_to_s3(url: str) -> str:
    """The program that brings a backup to a bucket; `url` is that of the folder in it."""
    return _filled("send_s3.sh", URL=quote(url))


def verification(folder: str, revision: int, begin: str, end: str) -> str:
    """The program that restores `folder`/etcd.db into a scratch etcd. `begin` sets `$etcd`, `end` undoes what it did."""
    return _filled("verify.sh", FOLDER=quote(folder), REVISION=str(revision), BEFORE=begin, AFTER=end or ":")


def service() -> str:
    """The unit that makes one backup and sends it."""
    return _text("sloth-backup.service")


def timer(on_calendar: str) -> str:
    """The unit that starts it."""
    return _filled("sloth-backup.timer", CALENDAR=on_calendar)
