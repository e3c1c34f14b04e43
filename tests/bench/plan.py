"""`plan` of a 500-node spec with fakes: time and memory of the whole process."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import median, once

SPEC = """apiVersion: sloth.dev/v1
kind: Cluster
metadata: {{name: bench}}
spec:
  network: {{pods: 10.128.0.0/9, services: 10.43.0.0/16}}
  pools:
    - {{name: control, role: control-plane, count: 3}}
    - {{name: work, role: worker, count: {workers}}}
"""
DRIVER = """
import sys
from sloth.desk import Desk
from sloth.testing.machines import FakeMachines
machines = FakeMachines()
Desk.machines = lambda self, provider: machines
from sloth.cli.main import run
sys.argv = ["sloth", "plan", "-f", sys.argv[1], "--output", "json"]
run()
"""


def run() -> dict[str, object]:
    """Five runs after a warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "sloth.yaml"
        spec.write_text(SPEC.format(workers=497))
        driver = Path(folder) / "driver.py"
        driver.write_text(DRIVER)
        import os

        env = {**os.environ, "SLOTH_DATA_DIR": f"{folder}/data"}
        figures = [once([sys.executable, str(driver), str(spec)], env=env) for _ in range(6)][1:]
    figure = median(figures)
    return {"plan-500": {"wall": figure.wall, "asked": 3.0, "peak_mb": figure.peak, "asked_mb": 200}}
