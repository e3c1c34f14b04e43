"""The floor: the whole job as one shell script for each host, over plain paramiko, 50 threads. Prints the number of changes."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko

from tests.fleet import job

THREADS = 50


def run(host: dict[str, Any], user: str, key: paramiko.PKey) -> int:
    """The job on one host; the number of changes."""
    client = paramiko.SSHClient()
    kind, blob = host["host_key"].split()[:2]
    client.get_host_keys().add(f"[127.0.0.1]:{host['port']}", kind, paramiko.Ed25519Key(data=_decoded(blob)))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        "127.0.0.1", host["port"], user, pkey=key, allow_agent=False, look_for_keys=False, timeout=60, banner_timeout=60
    )
    with client:
        stdin, stdout, _ = client.exec_command("sh")
        stdin.write(job.script())
        stdin.channel.shutdown_write()
        lines = stdout.read().decode().splitlines()
    assert lines[-1] == job.expected_sum(), lines
    return int(lines[-2].split()[1])


def _decoded(blob: str) -> bytes:
    import base64

    return base64.b64decode(blob)


def main() -> None:
    """All hosts of the inventory given as the argument."""
    inventory = json.loads(Path(sys.argv[1]).read_text())
    key = paramiko.Ed25519Key.from_private_key_file(inventory["key"])
    with ThreadPoolExecutor(THREADS) as pool:
        changes = list(pool.map(lambda host: run(host, inventory["user"], key), inventory["hosts"]))
    print(json.dumps({"changed": sum(changes)}))


if __name__ == "__main__":
    main()
