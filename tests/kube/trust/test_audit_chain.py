"""The audit log on disk: whatever is done to it afterwards is found; what a crash leaves is not taken for that."""

import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth.errors import StateError
from sloth.kube.audit.chain import Mark, mark_of
from sloth.kube.audit.journal import Journal
from sloth.kube.audit.reading import entries, verify

MANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def call(number):
    return {"event": "call", "id": f"c{number}", "name": 'ü\n"}{', "result": {"ok": True}}


def written(folder, count, **more):
    journal = Journal(folder, **more)
    for number in range(count):
        journal.append(call(number), durable=number % 3 == 0)
    journal.close()
    return journal


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Twelve lines in three files."""
    folder = tmp_path_factory.mktemp("audit") / "log"
    written(folder, 12, limit=1200)
    assert len(list(folder.glob("audit*.jsonl"))) == 3
    return folder


@pytest.fixture
def copy(log, tmp_path):
    """A copy of it that may be damaged."""

    def made():
        target = tmp_path / "copy"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(log, target)
        for path in target.iterdir():
            path.chmod(0o600)
        return target

    return made


def paths(folder):
    return [*sorted(folder.glob("audit.0*.jsonl")), folder / "audit.jsonl"]


def lines_of(folder):
    return [(path, number) for path in paths(folder) for number in range(len(path.read_bytes().splitlines()))]


def test_a_log_as_it_was_written_is_whole(log):
    verdict = verify(log)
    assert (verdict.lines, verdict.last.seq, verdict.finding) == (12, 12, None)
    assert [entry["id"] for entry in entries(log)] == [f"c{number}" for number in range(12)]


@MANY
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_flipped_byte_is_found_in_its_line(copy, share, flip):
    folder = copy()
    whole = [(path, at) for path in paths(folder) for at in range(path.stat().st_size)]
    path, at = whole[int(share * len(whole))]
    data = bytearray(path.read_bytes())
    line = bytes(data[:at]).count(b"\n") + 1
    data[at] ^= flip
    path.write_bytes(data)
    finding = verify(folder).finding
    assert finding
    assert (finding.file, finding.line) == (path.name, line)


@MANY
@given(st.integers(0, 11), st.integers(1, 12))
def test_removed_lines_are_found_at_the_ends_too(copy, first, count):
    folder = copy()
    for path, number in reversed(lines_of(folder)[first : first + count]):
        lines = path.read_bytes().splitlines(keepends=True)
        del lines[number]
        path.write_bytes(b"".join(lines))
    assert verify(folder).finding


@MANY
@given(st.integers(0, 11), st.integers(0, 11))
def test_swapped_and_repeated_lines_are_found(copy, one, other):
    folder = copy()
    listed = lines_of(folder)
    (path, number), (second, place) = listed[one], listed[other]
    if one == other:
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[: number + 1], *lines[number:]]))
    else:
        a = path.read_bytes().splitlines(keepends=True)[number]
        b = second.read_bytes().splitlines(keepends=True)[place]
        for file, at, line in ((path, number, b), (second, place, a)):
            lines = file.read_bytes().splitlines(keepends=True)
            lines[at] = line
            file.write_bytes(b"".join(lines))
    finding = verify(folder).finding
    assert finding
    path, number = listed[min(one, other)]
    assert (finding.file, finding.line) == (path.name, number + (2 if one == other else 1))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_file_that_is_gone_is_missed(copy, which):
    folder = copy()
    paths(folder)[which].unlink()
    assert verify(folder).finding


@MANY
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_damaged_head_is_found(copy, share, flip):
    folder = copy()
    data = bytearray((folder / "head").read_bytes())
    at = int(share * len(data.rstrip()))
    data[at] ^= flip
    (folder / "head").write_bytes(data)
    assert verify(folder).finding


@MANY
@given(st.floats(0, 1, exclude_max=True))
def test_a_line_that_a_crash_cut_short_is_named_by_the_next_and_is_no_finding(copy, share):
    """The crash came while a line after the last one was written: nobody was told that it is there."""
    folder = copy()
    cut = int(share * 150)
    with (folder / "audit.jsonl").open("ab") as file:
        file.write((b'{"seq":13,"event":"begin",' + b"x" * 200)[:cut])
    journal = Journal(folder)
    journal.append(call(99), durable=True)
    journal.close()
    verdict = verify(folder)
    assert verdict.finding is None
    assert [entry["id"] for entry in entries(folder)][-2:] == ["c11", "c99"]


def test_the_fragment_may_not_be_changed_either(copy):
    folder = copy()
    with (folder / "audit.jsonl").open("ab") as file:
        file.write(b'{"seq":13,"ev')
    written(folder, 1)
    data = (folder / "audit.jsonl").read_bytes()
    (folder / "audit.jsonl").write_bytes(data.replace(b'{"seq":13,"ev\n', b'{"seq":13,"ex\n'))
    finding = verify(folder).finding
    assert finding
    assert finding.file == "audit.jsonl"


def test_going_on_after_lines_were_taken_away_does_not_hide_it(copy):
    folder = copy()
    path = folder / "audit.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    written(folder, 3)
    finding = verify(folder).finding
    assert finding
    assert "taken away" in finding.why


def test_a_log_made_anew_is_told_by_a_hash_that_was_noted(log, tmp_path):
    noted = verify(log).last.hash
    assert verify(log, noted).finding is None
    journal = Journal(tmp_path / "new")
    for number in range(1, 13):
        journal.append(call(number), durable=True)
    journal.close()
    assert verify(tmp_path / "new").finding is None
    assert verify(tmp_path / "new", noted).finding


def test_only_its_owner_reads_and_nobody_writes_full_files(log):
    assert {oct(path.stat().st_mode & 0o777) for path in log.iterdir()} == {"0o600", "0o400"}
    assert oct(log.stat().st_mode & 0o777) == "0o700"


def test_a_log_that_others_could_read_is_closed_to_them(tmp_path):
    written(tmp_path / "log", 1)
    (tmp_path / "log" / "audit.jsonl").chmod(0o644)
    written(tmp_path / "log", 1)
    assert (tmp_path / "log" / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_old_files_go_when_asked_and_the_rest_is_still_whole(tmp_path):
    folder = tmp_path / "log"
    written(folder, 40, limit=1200, keep=2)
    assert len(paths(folder)) == 3
    verdict = verify(folder)
    assert verdict.finding is None
    assert verdict.lines < 40
    paths(folder)[0].unlink()
    assert verify(folder).finding


def test_threads_share_one_log(tmp_path):
    journal = Journal(tmp_path / "log", limit=5000)
    threads = [
        threading.Thread(target=lambda: [journal.append(call(number), durable=True) for number in range(10)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    verdict = verify(tmp_path / "log")
    assert (verdict.lines, verdict.finding) == (80, None)


WRITER = """
import sys
from pathlib import Path
from sloth.kube.audit.journal import Journal
journal = Journal(Path(sys.argv[1]), limit=8000)
for number in range(40):
    journal.append({"event": "call", "id": f"{sys.argv[2]}-{number}", "result": None}, durable=number % 5 == 0)
    if sys.argv[3] == "die" and number == 20:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
journal.close()
"""


def test_processes_share_one_log_and_killed_ones_leave_it_whole(tmp_path):
    folder = tmp_path / "log"
    made = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(number), "die" if number == 3 else "live"])
        for number in range(4)
    ]
    assert sorted(process.wait(120) for process in made) == [-9, 0, 0, 0]
    verdict = verify(folder)
    assert (verdict.finding, verdict.lines) == (None, 3 * 40 + 21)
    told = [entry["id"] for entry in entries(folder)]
    assert len(set(told)) == len(told) == verdict.lines
    for number in range(4):  # in the order in which each wrote them
        mine = [entry for entry in told if entry.startswith(f"{number}-")]
        assert mine == [f"{number}-{at}" for at in range(len(mine))]


def test_a_disk_that_is_full_is_said_and_leaves_no_half_line(tmp_path, monkeypatch):
    journal = written(tmp_path / "log", 2)
    real = os.write

    def full(handle, data):
        if len(data) > 40:
            return real(handle, data[:40])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", lambda handle, data: full(handle, data[:41]))
    with pytest.raises(StateError) as caught:
        journal.append(call(3), durable=True)
    assert caught.value.code == "kube/audit-not-written"
    monkeypatch.undo()
    journal.append(call(4), durable=True)
    verdict = verify(tmp_path / "log")
    assert (verdict.lines, verdict.finding) == (3, None)


def test_a_symbolic_link_in_place_of_the_log_is_refused(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError):
        Journal(tmp_path / "log").append(call(1), durable=False)
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_was_ever_written(tmp_path):
    assert verify(tmp_path / "none").finding is None
    assert list(entries(tmp_path / "none")) == []


def test_a_line_says_who_it_is():
    assert mark_of(b"") is None
    assert mark_of(json.dumps({"seq": 1, "prev": "0" * 64, "hash": "0" * 64}).encode()) is None
    assert Mark().seq == 0
