"""`make bench`: run everything, print the figures beside what was asked, append them to docs/benchmarks/history.jsonl."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT / "docs" / "benchmarks" / "history.jsonl"


def _installed(folder: Path) -> tuple[str, str]:
    """`sloth` and `python` of a fresh environment with the wheel installed, as a user has it (compiled)."""
    import venv

    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "runtime.txt")], check=True)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run([*pip, "--no-deps", str(next(folder.glob("*.whl")))], check=True)
    subprocess.run([python, "-m", "compileall", "-q", str(folder / "lib")], check=False)
    return str(folder / "bin" / "sloth"), python


def _fleet() -> dict[str, object]:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(
            [sys.executable, "-m", "tests.fleet.bench_fleet", "--hosts", "200", "--json", out.name], cwd=ROOT, check=True
        )
        return {"fleet-200": json.loads(Path(out.name).read_text())}


def main(wanted: list[str]) -> None:
    """Run the benchmarks named, or all."""
    import tempfile

    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        sloth, python = _installed(Path(folder))
        os.environ["SLOTH_UNDER_TEST"] = sloth
        from tests.bench import cli, clouds, clusters, informer, kube, plan, streams, transport, upgrade
        from tests.run import with_engine

        parts = {
            "cli": lambda: cli.run(sloth, python),
            "plan": plan.run,
            "kube": lambda: kube.run(sloth, python),
            "informer": lambda: informer.run(python),
            "transport": transport.run,
            "fleet": _fleet,
            "clouds": clouds.run,
            "clusters": clusters.run,
            "streams": lambda: streams.run(sloth, python),
            "upgrade": upgrade.run,
        }
        for name in wanted or list(parts):
            work = parts[name]
            if name in ("clusters", "streams", "upgrade"):
                with_engine(lambda work=work: results.update(work()))  # type: ignore[misc]
            else:
                results.update(work())
    entry = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count(),
             "kernel": platform.release(), "python": platform.python_version(), "results": results}  # fmt: skip
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    with HISTORY.open("a") as stream:
        stream.write(json.dumps(entry) + "\n")
    sys.stdout.write(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
