"""An upgrade of 3 + 2 nodes, 1.35 to 1.36, beside a shell script that does the same steps by hand on nodes of the same kind.

Both begin with a cluster that `sloth up` made, and take control planes one by one and workers one by one; no pauses.
"""

from __future__ import annotations

import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.measure import once
from tests.e2e.cluster import Bed

HERE = Path(__file__).parent
OLD, NEW = "v1.35.4", "v1.36.3"
ASKED = 1.3


def run(runs: int = 1) -> dict[str, object]:
    """sloth and the script in turn; medians, in seconds."""
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    ours = [_one(_by_sloth) for _ in range(runs)]
    floor = [_one(_by_hand) for _ in range(runs)]
    wall, base = statistics.median(ours), statistics.median(floor)
    return {"upgrade-5": {"wall": wall, "floor": base, "ratio": wall / base, "asked": ASKED, "all": [ours, floor]}}


def _one(work: object) -> float:
    with tempfile.TemporaryDirectory() as folder:
        bed = Bed(Path(folder), f"b{secrets.token_hex(3)}")
        try:
            _spec(bed, "1.35")
            bed.up()
            _spec(bed, "1.36")
            _fetched(bed)
            start = time.monotonic()
            work(bed)  # type: ignore[operator]
            took = time.monotonic() - start
            versions = bed.kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.kubeletVersion}").split()
            assert versions == [NEW] * 5, versions
            return took
        finally:
            bed.destroy()


def _spec(bed: Bed, version: str) -> None:
    bed.write(control=3, workers=2, extra=f'  kubernetes: {{version: "{version}"}}\n  upgrade: {{pause: 0s}}\n')


def _fetched(bed: Bed) -> None:
    """Have both versions in the local mirror: building them is no part of an upgrade."""
    bed.sloth("mirror", "create", "--version", "1.36")


def _by_sloth(bed: Bed) -> None:
    bed.sloth("upgrade", "apply", "--yes", timeout=1800)


def _by_hand(bed: Bed) -> None:
    from sloth.adapters.paths import cache_dir

    needs = _artifacts(bed)
    mirror = cache_dir() / "mirror"
    nodes = [row["name"] for row in bed.json("nodes", "list")["data"]["nodes"]]
    words = {name: f"{name}={bed.container(name)}" for name in nodes}
    tags = {version: needs[version]["etcd"]["version"] for version in (OLD, NEW)}
    env = {
        **os.environ,
        "PAUSE": str(mirror / needs[NEW]["pause"]["file"]),
        "PAUSE_TAG": needs[NEW]["pause"]["version"],
        "COREDNS": str(mirror / needs[NEW]["coredns"]["file"]),
        "ETCD": str(mirror / needs[NEW]["etcd"]["file"]),
    }
    servers = " ".join(word for name, word in words.items() if name.startswith("control"))
    workers = " ".join(word for name, word in words.items() if name.startswith("work"))
    once(["sh", str(HERE / "floor_upgrade.sh"), str(mirror), NEW, tags[OLD], tags[NEW], servers, workers], env=env)


def _artifacts(bed: Bed) -> dict[str, dict[str, dict[str, str]]]:
    """Version of Kubernetes -> name of an image -> its version and file, as the cluster's lock pins them."""
    from sloth.app import load
    from sloth.model.options import Options
    from sloth.supply import known

    loaded = load(Options(files=(bed.spec,)))
    return {
        version: {each.name: {"version": each.version, "file": each.file} for each in known(loaded, version)}
        for version in (OLD, NEW)
    }


if __name__ == "__main__":
    import json
    import sys

    from tests.run import with_engine

    with_engine(lambda: sys.stdout.write(json.dumps(run(), indent=2) + "\n"))
