"""`cp` of 100 MB to a pod and back beside kubectl, in turn, on a real cluster of one node."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.measure import Figure, median, once
from tests.e2e.cluster import Bed, kubectl_path
from tests.e2e.test_kube_streams import start_pod

SIZE = 100_000_000  # bytes
RUNS = 9  # three in each of the places of a turn
# The transfer without the start of an interpreter, as programs have it that use the client.
PROGRAM = """
import sys, time
from pathlib import Path
from sloth.kube import Client
way, config, local, remote, took = sys.argv[1:]
with Client.from_kubeconfig(Path(config)) as client:
    client.get("pods", "web")
    begin = time.monotonic()
    client.copy_to("web", local, remote) if way == "up" else client.copy_from("web", remote, local)
    Path(took).write_text(str(time.monotonic() - begin))
"""


def run(sloth: str, python: str = sys.executable) -> dict[str, object]:
    """Wall seconds and ratios, both directions; `client` is the transfer alone, `sloth` and `kubectl` are whole processes."""
    with tempfile.TemporaryDirectory(prefix="sloth-bench-streams-") as folder:
        bed = Bed(Path(folder), f"b{secrets.token_hex(3)}")
        try:
            bed.write(control=1, workers=0)
            bed.up()
            start_pod(bed)
            return _measured(Path(folder), sloth, python)
        finally:
            bed.destroy()


def _measured(folder: Path, sloth: str, python: str) -> dict[str, object]:
    (folder / "payload").write_bytes(os.urandom(SIZE))
    (folder / "transfer.py").write_text(PROGRAM)
    results: dict[str, object] = {}
    for way in ("up", "down"):
        local = str(folder / ("payload" if way == "up" else "back"))
        pair = [local, "web:/work/data"] if way == "up" else ["web:/work/data", local]
        words = ["--kubeconfig", str(folder / "kubeconfig")]
        commands = {
            "sloth": [sloth, "kube", "cp", *words, "-c", "app", *pair],
            "kubectl": [kubectl_path(), *words, "cp", "-c", "app", *pair],
            "client": [python, str(folder / "transfer.py"), way, words[1], local, "/work/data", str(folder / "took")],
        }
        figures = _in_turn(commands, folder / "took")
        assert way == "up" or (folder / "back").read_bytes() == (folder / "payload").read_bytes()
        base = figures["kubectl"].wall
        results[f"kube-cp-{way}-100MB"] = {
            name: {"wall": each.wall, "cpu": each.cpu, "peak": each.peak, "ratio": each.wall / base}
            for name, each in figures.items()
        }
    return results


def _in_turn(commands: dict[str, list[str]], took: Path) -> dict[str, Figure]:
    """Medians, one after the other in every turn, another one first each time, and none while pages of the one before it are
    being written: sloth's audit log waits for the disk, which would wait for those. The first turn is not counted.
    """
    taken: dict[str, list[Figure]] = {name: [] for name in commands}
    names = list(commands)
    for turn in range(RUNS + 1):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            os.sync()
            figure = once(commands[name])
            if name == "client":
                figure = replace(figure, wall=float(took.read_text()))
            if turn:
                taken[name].append(figure)
    return {name: median(figures) for name, figures in taken.items()}


def lines(results: dict[str, object]) -> str:
    """The table of docs/benchmarks.md."""
    rows = ["| `cp` of 100 MB | wall | CPU | memory | ÷ kubectl, wall |", "|---|---|---|---|---|"]
    for case, figures in results.items():
        assert isinstance(figures, dict)
        for name, each in figures.items():
            rows.append(
                f"| {case.split('-')[2]}, {name} | {each['wall']:.2f} s | {each['cpu']:.2f} s | {each['peak']:.0f} MB "
                f"| {each['ratio']:.2f} |"
            )
    return "\n".join(rows)


if __name__ == "__main__":
    import json

    found = run(str(Path(sys.executable).parent / "sloth"))
    sys.stdout.write(f"{json.dumps(found, indent=1)}\n\n{lines(found)}\n")
