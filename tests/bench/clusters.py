"""Whole `up` of three nodes beside a shell script that does it by hand; no-op `up` of five; a second cluster beside the first."""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.measure import Figure, once
from tests.e2e.cluster import Bed, docker

HERE = Path(__file__).parent


def node_image() -> str:
    """The baked node image that a cluster of the first spec uses."""
    from sloth import registry
    from sloth.app import mirror_spec
    from sloth.supply import supply

    loaded = mirror_spec()
    delivery = supply(loaded, "plan", lambda event: None)
    return str(registry.provider("local").machines(loaded.spec, lambda event: None, delivery).image.ref)  # type: ignore[attr-defined]


def up_beside_by_hand(runs: int = 3) -> dict[str, object]:
    """sloth and the script in turn; medians."""
    ours, floor = [], []
    image = node_image()
    for _ in range(runs):
        ours.append(_one_up())
        name = f"floor{secrets.token_hex(2)}"
        try:
            floor.append(once(["sh", str(HERE / "floor_up.sh"), image, name, f"10.{secrets.randbelow(50) + 150}.7"]).wall)
        finally:
            once(["sh", str(HERE / "floor_down.sh"), name])
    wall, base = statistics.median(ours), statistics.median(floor)
    return {"up-3": {"wall": wall, "floor": base, "ratio": wall / base, "asked": 1.25, "all": [ours, floor]}}


def _one_up(control: int = 1, workers: int = 2) -> float:
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder), f"b{secrets.token_hex(3)}")
        bed.write(control=control, workers=workers)
        try:
            start = time.monotonic()
            bed.up()
            return time.monotonic() - start
        finally:
            bed.destroy()


def no_op_of_five(runs: int = 7) -> dict[str, object]:
    """A second `up` of 3 + 2 nodes beside `sloth validate` and one parallel `ssh NODE true` to each."""
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder), f"b{secrets.token_hex(3)}")
        bed.write(control=3, workers=2)
        try:
            data = bed.up()
            ssh = _ssh_all(bed, data["nodes"])
            ours, floor = [], []
            for _ in range(runs + 1):
                ours.append(_timed(bed, "up"))
                floor.append(_timed(bed, "validate") + once(["sh", "-c", ssh]).wall)
            trips = bed.json("up")["data"]["round_trips"]
        finally:
            bed.destroy()
    wall, base = statistics.median(ours[1:]), statistics.median(floor[1:])
    return {
        "no-op-5": {"wall": wall, "floor": base, "ratio": wall / base, "asked": 2.5},
        "no-op-5 round trips per node": {"most": max(trips.values()), "asked": 2},
    }


def _timed(bed: Bed, verb: str) -> float:
    start = time.monotonic()
    bed.sloth(verb)
    return time.monotonic() - start


def _ssh_all(bed: Bed, nodes: list[str]) -> str:
    """A shell line that runs `ssh NODE true` everywhere at once, host keys verified, with the record's key."""
    from sloth.adapters.passphrase import passphrase
    from sloth.adapters.state_file import StateFile

    root = bed.folder / "data"
    record = StateFile(root, bed.name, lambda: passphrase(root)).load()
    assert record is not None
    assert record.ssh_key is not None
    key = bed.folder / "id"
    key.touch(mode=0o600)
    key.write_text(record.ssh_key.reveal())
    rows = {row["name"]: row for row in bed.json("nodes", "list")["data"]["nodes"]}
    known = bed.folder / "known_hosts"
    known.write_text("".join(f"{node} {line}\n" for node in nodes for line in record.node(node).host_keys))
    lines = [
        f"ssh -i {key} -o IdentitiesOnly=yes -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o HostKeyAlias={node} "
        f"-p {rows[node]['port']} root@{rows[node]['address']} true &"
        for node in nodes
    ]
    return "\n".join([*lines, "wait"])


def second_beside_first() -> dict[str, object]:
    """With all that was baked removed first, as on a new machine: the first cluster makes the images, the second finds them."""
    ids = {
        image
        for name in ("sloth-node", "sloth-packages")
        for image in docker("images", "-q", "--filter", f"reference={name}").split()
    }
    if ids:
        subprocess.run(["docker", "rmi", "-f", *ids], capture_output=True, check=False)
    first, second = _one_up(1, 2), _one_up(1, 2)
    return {"second-cluster": {"wall": second, "floor": first, "ratio": second / first, "asked": 0.7}}


def run() -> dict[str, object]:
    """All three."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    return {**second_beside_first(), **up_beside_by_hand(), **no_op_of_five()}


__all__ = ["Figure", "run", "sys"]
