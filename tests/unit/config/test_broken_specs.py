"""Every broken spec in tests/golden/specs gives exactly the problems that its .txt file lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sloth.config.load import load
from sloth.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "golden" / "specs"
BROKEN = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def rendered(error: ConfigError) -> str:
    blocks = [f"{item.code}\n  {item.where}\n  {item.summary}\n  hint: {item.hint}\n" for item in error.problems or (error,)]
    return "\n".join(blocks)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_spec(name: str, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as caught:
        load([f"{name}.yaml"])
    error = caught.value
    assert error.exit == 10
    for problem in error.problems or (error,):
        assert problem.code.count("/") == 1
        assert problem.where.startswith(f"{name}.yaml")
        assert problem.summary and problem.hint
        assert "\n" not in problem.summary + problem.hint
        assert problem.summary.isprintable() and problem.hint.isprintable()
    golden(FOLDER / f"{name}.txt", rendered(error))


def test_there_are_enough() -> None:
    assert len(BROKEN) >= 60
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(BROKEN)
