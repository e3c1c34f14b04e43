"""`make test`: every stage in order, stopping at the first that fails. Leaves nothing running that it started itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ["sloth", "providers", "distributions", "addons", "templates", "tests"]
PLAIN = [f"tests/{name}" for name in ("unit", "contract", "cli", "packaging", "fleet", "kube")]  # what needs no container
# What `make test` has no time for; `make deep` runs it, and CI both.
RUNS = "tests/clouds/runs"  # whole runs at two clouds, in processes of their own
KILLS = "tests/clouds/runs/test_kills.py"
# Minutes of engine runs.
ENGINE = [
    f"tests/clouds/{name}.py"
    for name in ("adapter/test_names", "adapter/test_interrupts", "adapter/test_trouble", "test_lost_answers")
]
# A kill after every step.
MATRIX = [f"tests/unit/app/test_{name}.py" for name in ("upgrade_kill", "restore_kill", "recover_kill", "kill_nodes")]
DEEP = [f"tests/e2e/test_{name}.py" for name in ("nodes", "secrets", "health", "kills", "kube_streams")]  # real clusters
LONG = "tests/e2e/long"
STORY = "tests/e2e/long/test_distributions.py"
STANDINS = ["tests/standins/test_refusals.py", "tests/standins/test_agree.py"]  # those that run no Kubernetes
COVERAGE_FLOOR = 85  # per cent of branches and lines


def run(*command: str) -> None:
    """Run one command from the project's root; leave with its exit code if it fails."""
    print("+ " + " ".join(command), flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code:
        raise SystemExit(code)


def check() -> None:
    """Style, types and import contracts."""
    run(str(BIN / "ruff"), "check", *CODE)
    run(str(BIN / "ruff"), "format", "--check", *CODE)
    run(str(BIN / "mypy"), "sloth", "providers", "distributions", "addons")
    run(str(BIN / "lint-imports"))


def unit() -> None:
    """Everything that needs no container."""
    _unit()


def coverage() -> None:
    """The same tests again, measured (a quarter slower, so not in `make test`): the gate."""
    _unit("--cov", "--cov-branch", "--cov-report=term:skip-covered", f"--cov-fail-under={COVERAGE_FLOOR}")


def _unit(*words: str) -> None:
    limit = ["--timeout", "180"]  # seconds: nothing here takes a tenth of that, so a test that hangs is named soon
    _parallel("loadfile", *words, *limit, *PLAIN, *STANDINS, "-m", "not kube", *_without(*MATRIX), workers=3)


def explore() -> None:
    """The properties with examples that nobody has seen yet; more of them where a test sets no number."""
    os.environ["SLOTH_EXPLORE"] = "1"
    _parallel("worksteal", "-m", "hypothesis and not kube", *PLAIN)


def clouds() -> None:
    """The real engine (built from its module where it is not here yet) against fake clouds."""
    _engine()
    _parallel("loadfile", "tests/clouds", *_without(RUNS, *ENGINE))


def deep() -> None:
    """Coverage; kills after every step; whole runs at clouds that are killed or searched for secrets; real clusters hurt."""
    coverage()
    _parallel("load", *MATRIX)
    _engine()
    _parallel("loadfile", *ENGINE, RUNS, *_without(KILLS))
    _parallel("load", KILLS)
    with_engine(lambda: _parallel("loadfile", *DEEP))


def _without(*paths: str) -> list[str]:
    return [word for path in paths for word in ("--ignore", path)]


def _parallel(how: str, *words: str, workers: int = 2) -> None:
    run(str(BIN / "pytest"), "-q", "-n", str(workers), "--dist", how, "--durations=10", *words)


def _engine() -> None:
    from sloth.adapters.pulumi.install import install_tool

    print("+ have the Pulumi engine", flush=True)
    install_tool(lambda event: print(f"  {event.title} {event.detail}", flush=True) if event.kind == "note" else None)


def _sloth(*words: str) -> None:
    run(str(BIN / "sloth"), *words)


def with_engine(work: Callable[[], None]) -> None:
    """Have a Docker engine and the mirror, do the work, and stop the engine if it was started here."""
    from sloth.adapters.doctor import stop_engine
    from sloth.adapters.doctor.engine import answers
    from sloth.adapters.paths import data_dir

    ours = not answers()
    _sloth("doctor", "--fix", "--yes")
    try:
        _sloth("mirror", "create")
        work()
    finally:
        if ours:
            stop_engine(data_dir())


def _real(*paths: str) -> None:
    # Nodes wait for one another most of the time, so two modules share two cores well; each has hosts or a cluster of its own.
    _parallel("loadfile", *paths, *_without(LONG, *DEEP))


def lab() -> None:
    """Real containers, no Kubernetes."""
    _real("tests/lab")


def e2e() -> None:
    """Real clusters."""
    _real("tests/e2e")


def kube() -> None:
    """A real kube-apiserver with etcd, from the mirror."""
    _parallel("loadfile", "-m", "kube", "tests/kube")


def real() -> None:
    """Everything that needs containers, the longest modules first."""
    kube()
    _real("tests/e2e/test_ha.py", "tests/lab/test_mesh.py", "tests/e2e", "tests/lab")


def long() -> None:
    """Real clusters that are upgraded, lost and restored, whose keys rotate: minutes each, so no part of `make test`."""
    _parallel("loadfile", LONG, "--ignore", STORY)


def distributions() -> None:
    """One story over kubeadm, K3s and RKE2 (stand-ins, or what SLOTH_E2E_K3S and SLOTH_E2E_RKE2 name), and stand-ins alone."""
    run(str(BIN / "pytest"), "-q", "--durations=15", "tests/standins", STORY)


def main(stage: str) -> None:
    """Run one stage, or all of them."""
    os.environ.pop("SLOTH_DATA_DIR", None)
    started = time.monotonic()
    stages: dict[str, Callable[[], None]] = {
        "check": check,
        "unit": unit,
        "coverage": coverage,
        "explore": explore,
        "clouds": clouds,
        "deep": deep,
        "kube": lambda: with_engine(kube),
        "lab": lambda: with_engine(lab),
        "e2e": lambda: with_engine(e2e),
        "long": lambda: with_engine(long),
        "distributions": lambda: with_engine(distributions),
    }
    if stage == "all":
        check()
        unit()
        clouds()
        with_engine(real)
    else:
        stages[stage]()
    print(f"{stage}: all green in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
