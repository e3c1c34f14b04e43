"""Start-up: `sloth --help` and `sloth validate` beside a bare Typer program with one command."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import paired

BARE = '''
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world") -> None:
    """Say hello."""
    print(name)
app()
'''


def run(sloth: str, python: str = sys.executable) -> dict[str, object]:
    """Both commands against the floor, 15 pairs each."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        spec = Path(folder) / "sloth.yaml"
        spec.write_text(_first_spec(sloth))
        help_, floor = paired([sloth, "--help"], [python, str(bare), "--help"], runs=15)
        check, floor2 = paired([sloth, "validate", "-f", str(spec)], [python, str(bare), "--help"], runs=15)
    return {
        "help": {"wall": help_.wall, "floor": floor.wall, "ratio": help_.wall / floor.wall, "asked": 1.6},
        "validate": {"wall": check.wall, "floor": floor2.wall, "ratio": check.wall / floor2.wall, "asked": 2.5},
    }


def _first_spec(sloth: str) -> str:
    import subprocess

    return subprocess.run([sloth, "init", "bench"], capture_output=True, text=True, check=True).stdout
