"""The journal survives a kill at any byte, and is linear in the work."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from sloth.engine import journal as module
from sloth.engine.journal import Journal, NoJournal, read, unfinished
from sloth.errors import StateError
from sloth.model.secret import Secret


def test_lines_are_json_with_run_and_time_in_a_private_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal.jsonl", run="r1")
    journal.begin("up")
    journal.before("Mesh", "n1", ["a", "b"])
    journal.after("Mesh", "n1", [("a", True, True)])
    journal.finish("ok")
    journal.close()
    entries = read(journal.path)
    assert [entry["kind"] for entry in entries] == ["run", "before", "before", "after", "end"]
    assert {entry["run"] for entry in entries} == {"r1"}
    assert all(entry["at"] > 1e9 for entry in entries)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert entries[3] | {"at": 0} == {
        "at": 0, "run": "r1", "kind": "after", "phase": "Mesh", "node": "n1", "step": "a", "ok": True, "changed": True,
    }  # fmt: skip


def test_every_cut_can_be_read_and_written_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, run="first")
    journal.begin("up")
    journal.before("P", "n", ["é step", "two"])
    journal.close()
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        complete = sum(1 for n in range(1, len(lines) + 1) if len(b"".join(lines[:n])) - 1 <= size)
        assert len(read(path)) == complete
        again = Journal(path, run="second")
        again.begin("up")
        again.close()
        assert read(path)[-1]["run"] == "second"
        assert len(read(path)) == complete + 1


def test_threads_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    real = os.fdatasync

    def slow(file: int) -> None:
        syncs.append(file)
        threading.Event().wait(0.02)
        real(file)

    monkeypatch.setattr(module.os, "fdatasync", slow)
    journal = Journal(tmp_path / "journal")
    threads = [threading.Thread(target=journal.before, args=("P", f"n{n}", [f"s{n}"])) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry["step"] for entry in read(journal.path)) == sorted(f"s{n}" for n in range(64))
    assert len(syncs) < 32


def test_a_line_is_on_disk_when_before_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.before("P", "n", ["now"])
    assert [entry["step"] for entry in read(journal.path)] == ["now"]


def test_bytes_are_linear_in_the_work(tmp_path: Path) -> None:
    sizes = []
    for count in (100, 200, 400):
        journal = Journal(tmp_path / str(count), run="r")
        for n in range(count):
            journal.before("P", "n", [f"step {n:04}"])
        sizes.append(journal.path.stat().st_size)
    assert sizes[2] - sizes[1] <= 2.05 * (sizes[1] - sizes[0])


def test_no_secret_gets_in(tmp_path: Path) -> None:
    secret = Secret("journal-secret-value")
    journal = Journal(tmp_path / "journal")
    journal.before("P", "n", [f"write {secret.reveal()}"])
    assert "journal-secret-value" not in journal.path.read_text()


def test_a_full_journal_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FULL", 100)
    path = tmp_path / "journal.jsonl"
    for run in ("a", "b", "c"):
        journal = Journal(path, run=run)
        journal.before("P", "n", ["x" * 200])
        journal.close()
    assert {entry["run"] for entry in read(path)} == {"c"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.jsonl", "journal.old.jsonl"]


def test_a_disk_that_fails_is_an_error_for_everyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "journal")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fdatasync", full)
    for _ in range(2):
        with pytest.raises(StateError, match="cannot write the journal") as error:
            journal.begin("up")
        assert "No space left" in error.value.detail
        assert error.value.code == "state/journal-write"
    with pytest.raises(StateError):
        Journal(tmp_path / "journal" / "below-a-file")


def test_the_unfinished_run_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert unfinished(path) is None
    journal = Journal(path, run="one")
    journal.begin("up")
    journal.finish("step/failed")
    assert unfinished(path) is None
    journal = Journal(path, run="two")
    journal.begin("up")
    found = unfinished(path)
    assert found is not None
    assert "was cut off after 0 steps" in found.text()
    journal.before("Mesh", "n1", ["a", "b"])
    journal.before("Mesh", "n2", ["a", "c", "d", "e"])
    journal.after("Mesh", "n1", [("a", True, True)])
    found = unfinished(path)
    assert found is not None
    assert (found.run, found.verb, found.finished, found.phase) == ("two", "up", 1, "Mesh")
    assert found.open == (("n1", "b"), ("n2", "a"), ("n2", "c"), ("n2", "d"), ("n2", "e"))
    assert "in “Mesh” after 1 steps; in hand were n1: b, n2: a, n2: c and 2 more" in found.text()
    assert found.text().startswith("the `sloth up` of ")


def test_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('[1]\nnot json\n{"kind":"x"}\n')
    assert read(path) == [{"kind": "x"}]
    assert unfinished(path) is None


def test_no_journal_keeps_nothing(tmp_path: Path) -> None:
    none = NoJournal()
    none.begin("plan")
    none.before("P", "n", ["a"])
    none.after("P", "n", [("a", True, True)])
    none.finish("ok")
    assert not list(tmp_path.iterdir())


def test_nothing_to_say_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.before("P", "n", [])
    assert journal.path.read_bytes() == b""
    assert json.dumps(read(journal.path)) == "[]"
