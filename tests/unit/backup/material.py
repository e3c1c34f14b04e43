"""The node's program under test, with a toy etcd: the shell, tar, gzip, openssl and sha256sum are real."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sloth.adapters.backup_keys import make_keys
from sloth.backup.memory import Keys
from sloth.backup.scripts import OWN, RUN, Origin, program

_ETCDCTL = """#!/bin/sh
case "$*" in
  *"endpoint status"*) [ -z "$ETCD_DOWN" ] || { echo 'connection refused' >&2; exit 1; }
    printf '"MemberID" : 7\\n"Revision" : 42\\n"Version" : "3.6.8"\\n'
    printf '"DBSize" : %s\\n"Leader" : %s\\n' "${ETCD_SIZE:-20480}" "${ETCD_LEADER:-7}" ;;
  *"snapshot save"*) for word in "$@"; do case $word in */etcd.db) cp "$ETCD_DATA" "$word" ;; esac; done ;;
  *"endpoint hashkv"*) # each line of `compacts` is what one more question hears
    [ ! -s "$ETCD_DATA.compacts" ] || { at=$(head -n 1 "$ETCD_DATA.compacts"); sed -i 1d "$ETCD_DATA.compacts"; }
    case "$*" in *--rev=42*) hash=123456 ;; *) hash=1 ;; esac
    printf '[{"Endpoint":"x","HashKV":{"header":{"revision":50},"hash":%s,' $hash
    printf '"compact_revision":%s,"hash_revision":42}}]\n' "${at:-11}" ;;
  *"--count-only --rev=42"*) printf '"Revision" : 42\\n"Count" : 9\\n' ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
_ETCDUTL = """#!/bin/sh
case "$*" in
  "snapshot status "*) echo '{"hash":1,"revision":42,"totalKey":9,"totalSize":20480}' ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


@cache
def keys() -> Keys:
    return make_keys("shop")


@dataclass
class Site:
    """A control-plane node, as far as its backup program sees it."""

    root: Path

    def __post_init__(self) -> None:
        (self.root / "bin").mkdir(parents=True)
        for name, text in (("etcdctl", _ETCDCTL), ("etcdutl", _ETCDUTL)):
            path = self.root / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
        self.own, self.run = self.root / "own", self.root / "run"
        self.own.mkdir(mode=0o700)
        (self.own / "certificate.pem").write_text(keys().certificate)
        (self.own / "sign.pem").write_text(keys().signing_key.reveal())
        self.data = self.root / "data"
        self.data.write_bytes(os.urandom(30000))
        secret = self.root / "pki" / "ca.key"
        secret.parent.mkdir()
        secret.write_text("the very secret key of the authority")
        origin = Origin(
            cluster="shop", node="control-1", distribution="kubeadm", kubernetes="v1.36.3", etcd_flags="--endpoints=none",
            paths=[str(secret), str(self.root / "pki" / "absent")],
        )  # fmt: skip
        text = program(origin).replace(OWN, str(self.own)).replace(RUN, str(self.run))
        self.program = self.own / "backup"
        self.program.write_text(text.replace("PATH=/usr/local/bin:", f"PATH={self.root}/bin:/usr/local/bin:"))

    @property
    def spool(self) -> Path:
        return self.run / "spool"

    def make(self, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the program, and hold it to its exit code."""
        done = subprocess.run(
            ["sh", str(self.program), *words], capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "ETCD_DATA": str(self.data), **env},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done
