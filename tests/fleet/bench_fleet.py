"""The fleet benchmark: the same 20-step job on N simulated hosts, by sloth, by a floor, and by pyinfra, in one run.

    python -m tests.fleet.bench_fleet --hosts 200 --json OUT [--rounds 3] [--no-pyinfra] [--strict]

Each client is a process of its own. A round empties all hosts and runs a client twice (first run, no-op), floor and sloth one
after the other, so that both see the same weather; figures are medians over the rounds. pyinfra runs in the first round only.
All clients share the machine with the hosts, so wall times are comparable within one run only; CPU times are the client's own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fleet import job, lab
from tests.fleet.measure import Figures, run

ROOT = Path(__file__).resolve().parents[2]
THREADS = 50  # of the floor and of pyinfra
RUNS = ("first", "noop")
Table = dict[str, dict[str, list[Figures]]]  # client -> run -> one entry for each round

# ratio or figure: (at most, at least)
TARGETS: dict[str, tuple[float | None, float | None]] = {
    "sloth_over_floor_wall_first": (1.5, None),
    "sloth_over_floor_wall_noop": (1.5, None),
    "sloth_over_floor_cpu_first": (2.0, None),
    "sloth_over_floor_cpu_noop": (2.0, None),
    "pyinfra_over_sloth_wall_first": (None, 3.0),
    "pyinfra_over_sloth_wall_noop": (None, 5.0),
    "sloth_pss_mb": (80.0, None),
}


def command(client: str, fleet: lab.Fleet) -> tuple[list[str | Path], Path]:
    """What to start, and where."""
    if client == "pyinfra":
        pyinfra = lab.bench_python().with_name("pyinfra")
        return [pyinfra, "-y", "--parallel", str(THREADS), "inventory.py", "deploy.py"], lab.HERE / "pyinfra_job"
    return [sys.executable, "-m", f"tests.fleet.client_{client}", str(fleet.file)], ROOT


def environment(fleet: lab.Fleet) -> dict[str, str]:
    """The clients' environment: pyinfra's files find the job through it."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "FLEET": str(fleet.file), "FLEET_JOB": str(lab.HERE / "job.py")}


def empty(fleet: lab.Fleet) -> None:
    """Every host as new."""
    for host in fleet.hosts:
        shutil.rmtree(host["home"])
        Path(host["home"]).mkdir()


def verify(fleet: lab.Fleet, client: str) -> None:
    """The job has really been done, on every host. Raises RuntimeError."""
    for host in fleet.hosts:
        home = Path(host["home"])
        wrong = [path for path, (mode, content) in job.FILES.items() if not _right(home / path, mode, content)]
        wrong += [path for path in job.DIRECTORIES if not (home / path).is_dir()]
        wrong += [path for path in job.LEFT if not (home / path).exists()]
        if wrong:
            raise RuntimeError(f"{client} left {host['name']} without {', '.join(wrong)}")


def _right(path: Path, mode: int, content: str) -> bool:
    return path.is_file() and path.read_text() == content and path.stat().st_mode & 0o777 == mode


def twice(client: str, fleet: lab.Fleet, table: Table) -> None:
    """First run and no-op of one client on emptied hosts."""
    empty(fleet)
    words, folder = command(client, fleet)
    for name in RUNS:
        figures = run(words, folder, environment(fleet))
        verify(fleet, client)
        changed = figures.answer.get("changed")
        if changed is not None and bool(changed) != (name == "first"):
            raise RuntimeError(f"{client}: {changed} changes in its {name} run")
        table.setdefault(client, {}).setdefault(name, []).append(figures)
        print(f"{client:8} {name:6} {figures.wall:6.2f} s  cpu {figures.cpu:5.2f} s  pss {figures.pss:5.1f} MB", file=sys.stderr)


def measure(fleet: lab.Fleet, rounds: int, pyinfra: bool) -> Table:
    """All rounds. Floor and sloth take turns in going first."""
    table: Table = {}
    for number in range(rounds):
        for client in ("floor", "sloth") if number % 2 == 0 else ("sloth", "floor"):
            twice(client, fleet, table)
        if pyinfra and number == 0:
            twice("pyinfra", fleet, table)
    return table


def ratios(table: Table) -> dict[str, float]:
    """The figures that have targets. Ratios to the floor are taken round by round, then their median."""

    def median(client: str, name: str, what: str) -> float:
        return float(statistics.median(getattr(figures, what) for figures in table[client][name]))

    found: dict[str, float] = {}
    for name in RUNS:
        for what in ("wall", "cpu"):
            pairs = zip(table["sloth"][name], table["floor"][name], strict=True)
            found[f"sloth_over_floor_{what}_{name}"] = statistics.median(getattr(s, what) / getattr(f, what) for s, f in pairs)
        if "pyinfra" in table:
            found[f"pyinfra_over_sloth_wall_{name}"] = median("pyinfra", name, "wall") / median("sloth", name, "wall")
    found["sloth_pss_mb"] = max(figures.pss for name in RUNS for figures in table["sloth"][name])
    return {name: round(value, 3) for name, value in found.items()}


def met(name: str, value: float) -> bool:
    """Whether a figure keeps to its target."""
    most, least = TARGETS[name]
    return (most is None or value <= most) and (least is None or value >= least)


def report(table: Table, hosts: int) -> dict[str, Any]:
    """Everything, as JSON values."""
    found = ratios(table)
    return {
        "benchmark": "fleet",
        "at": time.time(),
        "hosts": hosts,
        "steps": job.STEPS,
        "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
        "ratios": found,
        "targets": {
            name: {"at_most": TARGETS[name][0], "at_least": TARGETS[name][1], "met": met(name, value)}
            for name, value in found.items()
        },
        "runs": {client: {name: [asdict(f) for f in rows] for name, rows in runs.items()} for client, runs in table.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; with --strict, 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, required=True, help="file for the results")
    parser.add_argument("--no-pyinfra", action="store_true", help="only sloth and the floor")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    options = parser.parse_args(arguments)
    with lab.fleet(options.hosts) as fleet:
        table = measure(fleet, options.rounds, not options.no_pyinfra)
    results = report(table, options.hosts)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    for name, value in results["ratios"].items():
        print(f"{name:34} {value:8.2f}  {'ok' if met(name, value) else 'MISSED'}", file=sys.stderr)
    return int(options.strict and not all(met(name, value) for name, value in results["ratios"].items()))


if __name__ == "__main__":
    sys.exit(main())
