"""Machines at clouds beside the floor: the same resources as bare registrations, under the same engine and the same fake.

Both are whole processes: start, program, engine, end. The fake runs in a process of its own.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench import cloud_whole
from tests.bench.measure import Figure, once
from tests.clouds.serve import served

ROOT = Path(__file__).resolve().parents[2]
SERVERS = 300
_VERBS = ("first", "no-op", "plus-one")
ASKED = 2.0


def _environment(folder: str, ports: str) -> dict[str, str]:
    keys = {name: "valid" for name in ("HCLOUD_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DIGITALOCEAN_TOKEN")}
    return {**os.environ, **keys, "SLOTH_DATA_DIR": f"{folder}/data", "PULUMI_DEBUG_PROVIDERS": ports}


def _run(side: str, verb: str, count: int, folder: str, ports: str, *more: str) -> Figure:
    command = [sys.executable, "-m", f"tests.bench.{side}", verb, str(count), folder, *more]
    return once(command, env=_environment(folder, ports), cwd=ROOT)


def _three(side: str, count: int, *clouds: str) -> dict[str, Figure]:
    """First up, a plan that finds nothing, and one server more, each in a process of its own."""
    more = [",".join(clouds)] if clouds else []
    with tempfile.TemporaryDirectory() as folder, served(*(clouds or ("hcloud",))) as ports:
        return {verb: _run(side, verb, count + (verb == "plus-one"), folder, ports, *more) for verb in _VERBS}


def beside_the_floor(rounds: int = 3) -> dict[str, object]:
    """300 servers, in turn with the floor; medians, and the pairwise ratio's median."""
    ours, floor = [], []
    for _ in range(rounds):
        floor.append(_three("cloud_floor", SERVERS))
        ours.append(_three("cloud_ours", SERVERS, "hcloud"))
    results: dict[str, object] = {}
    for verb in _VERBS:
        pairs = [(mine[verb], base[verb]) for mine, base in zip(ours, floor, strict=True)]
        results[f"cloud-{SERVERS} {verb}"] = {
            "wall": statistics.median(mine.wall for mine, _ in pairs),
            "floor": statistics.median(base.wall for _, base in pairs),
            "ratio": statistics.median(mine.wall / base.wall for mine, base in pairs),
            "asked": ASKED,
            "peak_mb": max(mine.peak for mine, _ in pairs),
        }
    return results


BOOT = 30.0  # seconds
_THREE = ("hcloud", "aws", "digitalocean")


def three_clouds(boot: float, rounds: int = 3) -> dict[str, object]:
    """Three clouds with 100 servers each beside one cloud with 100; servers take `boot` seconds to be there."""
    ratios, ones, threes = [], [], []
    for _ in range(rounds):
        ones.append(_first(100, boot, "hcloud").wall)
        threes.append(_first(100, boot, *_THREE).wall)
        ratios.append(threes[-1] / ones[-1])
    return {f"3 clouds x 100, boot {boot:.0f} s": {"wall": statistics.median(threes), "floor": statistics.median(ones),
                                                   "ratio": statistics.median(ratios), "asked": 1.3}}  # fmt: skip


def boots() -> dict[str, object]:
    """102 servers over three clouds, each of which takes 30 s to boot: how long until all of them are there."""
    figure = _first(34, BOOT, *_THREE)
    return {"102 booting servers": {"wall": figure.wall, "floor": BOOT, "ratio": figure.wall / BOOT, "asked": 1.5}}


def _first(count: int, boot: float, *clouds: str) -> Figure:
    with tempfile.TemporaryDirectory() as folder, served(*clouds, boot=boot) as ports:
        return _run("cloud_ours", "first", count, folder, ports, ",".join(clouds))


def run() -> dict[str, object]:
    """All of them."""
    from sloth.adapters.pulumi.install import install_tool

    install_tool()
    return {**beside_the_floor(), **three_clouds(0.0), **three_clouds(BOOT, rounds=1), **boots(), **cloud_whole.run()}
