"""Peak memory of whole `sloth` processes for 300 servers at one fake cloud: `plan` of a new cluster, and `up`.

`plan` is all of it, every step of every node included. Servers of a fake are entries and answer no SSH, so `up` ends with the
machines (tests/clouds/runs/driver.py); what comes after that has no part of the engine in it. Figures are of the largest process.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import once
from tests.clouds.serve import served

ROOT = Path(__file__).resolve().parents[2]
SERVERS = 300
ASKED = 350  # MB
_PLAN = [sys.executable, "-c", "from sloth.cli.main import run; run()", "plan", "--output", "json"]
_UP = [sys.executable, "-m", "tests.clouds.runs.driver", "up"]
_SPEC = f"""apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: b}}
spec:
  access: {{ssh: ["127.0.0.1/32"], api: ["127.0.0.1/32"]}}
  network: {{pods: 10.16.0.0/14}}
  providers:
    hcloud: {{size: cx23, location: fsn1, network: 10.110.0.0/16}}
  pools:
    - {{name: control, role: control-plane, provider: hcloud, count: 3}}
    - {{name: work, role: worker, provider: hcloud, count: {SERVERS - 3}}}
"""


def run() -> dict[str, object]:
    """Both, one after the other, on the same empty project."""
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name, served("hcloud") as ports:
        folder = Path(name)
        (folder / "sloth.yaml").write_text(_SPEC, encoding="utf-8")
        env = {
            **os.environ,
            "HCLOUD_TOKEN": "valid",
            "SLOTH_DATA_DIR": str(folder / "data"),
            "PULUMI_DEBUG_PROVIDERS": ports,
            "PYTHONPATH": str(ROOT),
        }
        for what, command in (("plan", _PLAN), ("up", _UP)):
            figure = once(command, env=env, cwd=folder)
            results[f"{what}, {SERVERS} cloud servers"] = {"peak_mb": figure.peak, "asked": ASKED, "wall": figure.wall}
    return results


if __name__ == "__main__":
    print(run())
