"""`make picture`: the terminal picture of the README, recorded while the real program brings up the demo cluster."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "images" / "up.svg"


def main() -> None:
    """Run `sloth up` and `sloth status` on a cluster of its own, keep what they show, take the cluster down again."""
    from rich.console import Console

    from sloth import desk
    from sloth.cli.down import take_down
    from sloth.cli.status import show_status
    from sloth.cli.up import bring_up
    from sloth.model.options import Options
    from sloth.ui import console as consoles
    from sloth.ui.rich_view import RichView

    recorder = Console(record=True, width=100, force_terminal=True, color_system="truecolor", file=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        spec = Path("sloth.yaml")
        spec.write_text((ROOT / "templates" / "specs" / "demo.yaml").read_text())
        options = Options(files=(spec,), state_dir=Path(folder) / "data")
        desk.views = lambda chosen, *, quiet: [] if quiet else [RichView(recorder)]  # type: ignore[assignment]
        consoles.stdout = lambda chosen: recorder
        import sloth.ui.tables as tables

        tables.stdout = lambda chosen: recorder  # type: ignore[attr-defined]
        try:
            recorder.print("[bold green]$[/] sloth up")
            recorder.print(bring_up(options, yes=True).text, highlight=False)
            desk.views = lambda chosen, *, quiet: []  # type: ignore[assignment]
            recorder.print("[bold green]$[/] sloth status")
            outcome = show_status(options)
            assert outcome.show
            outcome.show(options)
        finally:
            desk.views = lambda chosen, *, quiet: []  # type: ignore[assignment]
            take_down(options, yes=True)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(recorder.export_svg(title="sloth"))
    sys.stdout.write(f"{TARGET.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main()
