"""The rendered program, really run: every kind of step, every kind of trouble."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sloth.engine import shell
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Step, Upload, Wait
from tests.unit.engine.shells import execute, leftovers, mark_of

OWNER = f"{pwd.getpwuid(os.geteuid()).pw_name}:{grp.getgrgid(os.getegid()).gr_name}"


def put(path: Path, content: str | bytes | Secret = "text\n", mode: int = 0o644, then: str = "", owner: str = OWNER) -> Put:
    return Put(path=str(path), content=content, mode=mode, owner=owner, then=then)


def test_an_ask_answers_with_output_errors_and_status() -> None:
    steps = [
        Ask(title="both", run="echo out; echo err >&2"),
        Ask(title="may fail", run="echo no; exit 3", check=False),
        Ask(title="last", run="printf 'a\n\nb\n\n'"),
    ]
    assert execute(steps) == [Result(out="out", err="err"), Result(exit=3, out="no"), Result(out="a\n\nb")]


def test_the_first_failure_ends_the_batch(tmp_path: Path) -> None:
    steps: list[Step] = [
        Do(title="one", run=f"touch {tmp_path}/one"),
        Do(title="two", run="echo bad >&2; exit 7"),
        Do(title="three", run=f"touch {tmp_path}/three"),
    ]
    results = execute(steps)
    assert results[1:] == [Result(exit=7, err="bad", changed=True)]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_failed_question_ends_the_batch_unless_it_may_fail() -> None:
    assert len(execute([Ask(title="a", run="false"), Ask(title="b", run="true")])) == 1
    assert len(execute([Ask(title="a", run="false", check=False), Ask(title="b", run="true")])) == 2


def test_steps_share_no_variables_arguments_or_exits() -> None:
    steps = [
        Ask(title="set", run="X=1; _s_k=99; cd /; exit 0"),
        Ask(title="look", run='echo "${X-unset} $# $(umask) ${LC_ALL} $_s_k"'),
        Ask(title="broken", run="echo 'unclosed", check=False),
        Ask(title="stdin", run="cat; echo end"),
    ]
    results = execute(steps)
    assert results[1].out == "unset 0 0022 C 2"
    assert results[2].exit != 0
    assert results[3].out == "end"


def test_a_guard_that_holds_means_no_change(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    step = Do(title="once", run=f"echo x >> {mark}; echo done", unless=f"echo noise; test -e {mark}")
    first, second = execute([step, step])
    assert (first.changed, first.out, second.changed, second.out) == (True, "done", False, "")
    assert mark.read_text() == "x\n"


def test_environment_reaches_one_command_only() -> None:
    value = 'it\'s "secret" $HOME `id`\nline two \\ é'
    steps = [
        Do(title="with", run='printf %s "$TOKEN"; sh -c "test -n \\"\\$TOKEN\\""', env={"TOKEN": Secret(value)}),
        Ask(title="without", run='echo "${TOKEN-none}"'),
    ]
    assert [result.out for result in execute(steps)] == [value, "none"]


def test_no_secret_is_an_argument_of_any_process(tmp_path: Path) -> None:
    secret = "hunter2-correct-horse"
    steps: list[Step] = [
        Do(title="slow", run='test -n "$TOKEN" && sleep 2', env={"TOKEN": Secret(secret)}),
        put(tmp_path / "file", Secret(secret), 0o600, then=f"sleep 2 # {secret}"),
    ]
    seen: list[str] = []
    process = subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    watcher = threading.Thread(target=lambda: seen.extend(_command_lines(process)))
    watcher.start()
    out, _ = process.communicate(shell.render(steps), timeout=60)
    watcher.join()
    assert [result.ok for result in shell.parse(steps, out)] == [True, True]
    assert any("sleep 2" in line for line in seen), "the watcher saw nothing of the steps"
    assert not [line for line in seen if secret in line]


def _command_lines(process: subprocess.Popen[bytes]) -> set[str]:
    lines: set[str] = set()
    while process.poll() is None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        time.sleep(0.1)
    return lines


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o400, 0o640])
def test_a_file_is_written_once(tmp_path: Path, mode: int) -> None:
    step = put(tmp_path / "deep" / "er" / "file", "content", mode)
    assert [result.changed for result in execute([step, step])] == [True, False]
    file = Path(step.path)
    assert (file.read_text(), file.stat().st_mode & 0o7777) == ("content", mode)
    assert file.parent.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_content_mode_and_kind_are_put_right(tmp_path: Path) -> None:
    file = tmp_path / "file"
    step = put(file)
    execute([step])
    file.chmod(0o666)
    assert execute([step])[0].changed
    file.write_text("other")
    assert execute([step])[0].changed
    (tmp_path / "elsewhere").write_text("text\n")
    file.unlink()
    file.symlink_to("elsewhere")
    assert execute([step])[0].changed
    assert not file.is_symlink()
    assert not execute([step])[0].changed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owners_by_name_and_by_number(tmp_path: Path) -> None:
    name = pwd.getpwuid(65534).pw_name
    for owner in (f"{name}:root", f"65534:{grp.getgrgid(0).gr_name}", "65534:65534", name):
        step = put(tmp_path / "file", owner=owner)
        first, second = execute([step, step])
        assert (first.changed, second.changed) == (True, False), owner
        assert (tmp_path / "file").stat().st_uid == 65534
        assert execute([put(tmp_path / "file")])[0].changed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_set_group_id_directory_does_not_decide_the_group(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, -1, 65534)
    folder.chmod(0o2755)
    step = put(folder / "file")
    assert [result.changed for result in execute([step, step])] == [True, False]
    assert (folder / "file").stat().st_gid == 0


def test_then_runs_only_after_a_change(tmp_path: Path) -> None:
    step = put(tmp_path / "file", then=f"echo ran >> {tmp_path}/log; echo told")
    first, second = execute([step, step])
    assert (first.out, second.out, (tmp_path / "log").read_text()) == ("told", "", "ran\n")


def test_a_then_that_failed_is_run_again(tmp_path: Path) -> None:
    step = put(tmp_path / "file", then=f"test -e {tmp_path}/ready")
    assert execute([step]) == [Result(exit=1, changed=True)]
    assert not execute([shell.put_check(step)])[0].ok
    assert execute([step])[0].exit == 1
    (tmp_path / "ready").touch()
    assert execute([step]) == [Result(changed=True)]
    assert execute([step]) == [Result()]
    assert execute([shell.put_check(step)])[0].ok


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    under = execute([put(tmp_path / "file" / "x")])[0]
    assert not under.ok
    assert not under.changed
    assert "file" in under.err
    (tmp_path / "folder").mkdir()
    over = execute([put(tmp_path / "folder")])[0]
    assert not over.ok
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_what_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".sloth-new").symlink_to(precious)
    assert execute([put(tmp_path / "file")])[0].changed
    assert precious.read_text() == "mine"


def test_neighbouring_files_are_judged_one_by_one_when_one_differs(tmp_path: Path) -> None:
    steps: list[Step] = [put(tmp_path / name, name) for name in ("a", "b", "c")]
    assert [result.changed for result in execute(steps)] == [True, True, True]
    assert [result.changed for result in execute(steps)] == [False, False, False]
    (tmp_path / "b").write_text("changed")
    assert [result.changed for result in execute(steps)] == [False, True, False]
    twice = [put(tmp_path / "a", "1"), put(tmp_path / "a", "2")]
    assert [result.changed for result in execute(twice)] == [True, True]
    assert [result.changed for result in execute([*steps, Ask(title="x", run="true"), put(tmp_path / "c", "new")])] == [
        True, False, False, False, True,
    ]  # fmt: skip


def test_a_wait_ends_when_the_condition_holds(tmp_path: Path) -> None:
    steps: list[Step] = [
        Do(title="later", run=f"(sleep 0.6; echo here > {tmp_path}/it) >/dev/null 2>&1 &"),
        Wait(title="it", until=f"cat {tmp_path}/it", every=0.1, timeout=20),
    ]
    assert execute(steps)[1] == Result(out="here")


def test_a_wait_in_vain_brings_its_diagnosis() -> None:
    wait = Wait(title="never", until="echo not yet >&2; false", every=0.05, timeout=2, diagnose="echo it is late; exit 9")
    results = execute([wait, Ask(title="after", run="true")])
    assert results == [Result(exit=124, err="not yet\nit is late\ntimed out after 2 s")]


def test_a_wait_that_ends_amid_a_try_brings_the_words_of_the_one_before(tmp_path: Path) -> None:
    once = f"[ -e {tmp_path}/seen ] && exec sleep 60; touch {tmp_path}/seen; echo not yet >&2; false"
    assert execute([Wait(title="never", until=once, every=0.05, timeout=2)]) == [
        Result(exit=124, err="not yet\ntimed out after 2 s")
    ]


def test_the_words_of_one_wait_are_not_those_of_another(tmp_path: Path) -> None:
    first = f"[ -e {tmp_path}/seen ] || {{ touch {tmp_path}/seen; echo first >&2; false; }}"
    results = execute([Wait(title="a", until=first, every=0.05, timeout=20), Wait(title="b", until="sleep 60", timeout=2)])
    assert results == [Result(), Result(exit=124, err="timed out after 2 s")]


def test_a_step_that_is_overdue_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    step = Do(title="hangs", run=f"echo begun; sleep 300 & echo $! > {pid}; wait", timeout=2)
    begin = time.monotonic()
    assert execute([step]) == [Result(exit=124, out="begun", err="timed out after 2 s", changed=True)]
    assert time.monotonic() - begin < 30
    _assert_gone(int(pid.read_text()))


def test_a_step_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    run = f"""sh -c 'trap "" TERM; echo $$ > {pid}; while :; do sleep 0.2; done'"""
    assert execute([Do(title="deaf", run=run, timeout=2)])[0].exit == 124
    _assert_gone(int(pid.read_text()))


def _assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")


def test_after_an_overdue_question_that_may_fail_the_batch_goes_on() -> None:
    steps = [
        Ask(title="before", run="echo 1"),
        Ask(title="hangs", run="echo 2; sleep 300", check=False, timeout=2),
        Ask(title="after", run="echo 3"),
    ]
    assert [(result.exit, result.out) for result in execute(steps)] == [(0, "1"), (124, "2"), (0, "3")]


def test_a_step_that_kills_its_shell_is_a_failure_of_that_step() -> None:
    results = execute([Do(title="kill", run="kill -9 $$; sleep 5"), Ask(title="after", run="true")])
    assert [result.exit for result in results] == [137]
    assert "ended with status" in results[0].err


def test_a_background_process_holds_nothing_up(tmp_path: Path) -> None:
    begin = time.monotonic()
    step = Do(title="daemon", run=f"sleep 60 & echo $! > {tmp_path}/pid")
    assert execute([step], lock=str(tmp_path))[0].ok
    assert execute([Ask(title="next", run="true")], lock=str(tmp_path))[0].ok
    assert time.monotonic() - begin < 20
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_long_output_keeps_its_end() -> None:
    result = execute([Ask(title="much", run="head -c 3000000 /dev/zero | tr '\\0' a; echo END; echo ERR >&2")])[0]
    assert len(result.out) == shell.LIMIT - 1
    assert result.out.endswith("aaEND")
    assert result.err == "ERR"


def test_output_cannot_forge_results() -> None:
    forged = "sloth-batch 0123456789abcdef0123456789abcdef 1\n0123456789abcdef0123456789abcdef r 1 0 1\n"
    program = shell.render([Ask(title="t", run="true")])
    steps = [Ask(title="hostile", run=f"printf '%s' '{forged}{mark_of(program)} end'; exit 4"), Ask(title="x", run="true")]
    assert execute(steps) == [Result(exit=4, out=f"{forged}{mark_of(program)} end")]


def test_noise_before_the_program_is_passed_over() -> None:
    steps = [Ask(title="a", run="echo hello")]
    done = subprocess.run(["/bin/sh", "-s"], input=shell.render(steps), capture_output=True, check=True)
    assert shell.parse(steps, b"Welcome to this host\n" + done.stdout)[0].out == "hello"


def test_every_cut_of_the_output_is_noticed() -> None:
    steps = [
        Ask(title="a", run="echo one"),
        Ask(title="b", run="echo two; echo err >&2"),
        Ask(title="c", run="exit 1", check=False),
    ]
    whole = subprocess.run(["/bin/sh", "-s"], input=shell.render(steps), capture_output=True, check=True).stdout
    full = shell.parse(steps, whole)
    known = set()
    for size in range(len(whole)):
        with pytest.raises(shell.Truncated) as cut:
            shell.parse(steps, whole[:size])
        assert cut.value.results == full[: len(cut.value.results)]
        assert cut.value.begun <= len(steps)
        known.add(len(cut.value.results))
    assert known == {0, 1, 2, 3}
    assert cut.value.begun == 3


def test_a_long_batch_tells_which_step_it_is_at() -> None:
    steps = [Ask(title="a", run="true"), Ask(title="slow", run="sleep 1.5", timeout=2), Ask(title="c", run="true")]
    process = subprocess.run(["/bin/sh", "-s"], input=shell.render(steps), capture_output=True, check=True)
    head = process.stdout.split(b" r 1 ")[0]
    with pytest.raises(shell.Truncated) as cut:
        shell.parse(steps, head)
    assert cut.value.results == []
    assert cut.value.begun in (2, 3)  # told once a tick: a slow machine may have begun the third by then


def test_a_program_that_arrives_in_part_does_nothing(tmp_path: Path) -> None:
    program = shell.render([Do(title="a", run=f"touch {tmp_path}/a"), put(tmp_path / "b", "x" * 5000)])
    for share in (0.5, 0.9, 0.99, 0.999):
        subprocess.run(["/bin/sh", "-s"], input=program[: int(len(program) * share)], capture_output=True, check=False)
    assert not list(tmp_path.iterdir())


def test_a_lost_listener_ends_the_batch_after_the_step_in_hand(tmp_path: Path) -> None:
    steps = [
        Do(title="a", run=f"sleep 1.5; touch {tmp_path}/a", timeout=2),
        Do(title="b", run=f"touch {tmp_path}/b"),
    ]
    program = shell.render(steps)
    process = subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    assert process.stdout
    process.stdin.write(program)
    process.stdin.close()
    assert process.stdout.readline().startswith(b"sloth-batch")
    process.stdout.close()
    process.wait(timeout=30)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert not leftovers(program)


def test_a_killed_outer_shell_is_tidied_up_after(tmp_path: Path) -> None:
    steps = [Do(title="a", run=f"touch {tmp_path}/begun; sleep 0.5; touch {tmp_path}/a", timeout=4)]
    program = shell.render(steps)
    process = subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(program)
    process.stdin.close()
    process.stdout.readline()
    _eventually((tmp_path / "begun").exists)
    process.kill()
    rest = process.stdout.read()
    process.stdout.close()
    process.wait(timeout=30)
    with pytest.raises(shell.Truncated) as cut:
        shell.parse(steps, rest)
    assert cut.value.results == []
    _eventually(lambda: (tmp_path / "a").exists() and not leftovers(program))


def _eventually(holds: object, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_terminated_program_ends_its_steps(tmp_path: Path) -> None:
    program = shell.render([Do(title="a", run=f"echo $$ > {tmp_path}/pid; sleep 300")])
    process = subprocess.Popen(["/bin/sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(program)
    process.stdin.close()
    _eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.terminate()
    process.stdout.read()
    process.stdout.close()
    process.wait(timeout=30)
    _assert_gone(int((tmp_path / "pid").read_text()))
    assert not leftovers(program)


def test_batches_under_one_lock_run_one_after_the_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    step = Do(title="a", run=f"echo begin >> {log}; sleep 0.3; echo end >> {log}")
    threads = [threading.Thread(target=execute, args=([step],), kwargs={"lock": str(tmp_path)}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.read_text().split() == ["begin", "end"] * 4
    digest = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
    assert not [path for folder in ("/run", "/tmp") for path in Path(folder).glob(f"sloth-batch-{digest}*")]


def test_questions_about_files(tmp_path: Path) -> None:
    file = tmp_path / "bin\\odd 'name"
    digest = hashlib.sha256(b"data").hexdigest()
    upload = Upload(path=str(file), source="/nowhere", sha256=digest)
    question = shell.upload_check(upload)
    assert not execute([question])[0].ok
    file.write_bytes(b"data")
    file.chmod(0o755)
    assert execute([question])[0].ok
    file.chmod(0o700)
    assert not execute([question])[0].ok
    step = put(file, b"data", 0o700)
    assert execute([shell.put_check(step)])[0].ok
    assert not execute([shell.put_check(put(file, b"Data", 0o700))])[0].ok
    assert not execute([shell.put_check(put(file, b"data", 0o755))])[0].ok


@pytest.mark.parametrize(
    "step",
    [
        Upload(path="/x", source="/y", sha256="0" * 64),
        Do(title="nul", run="echo \0"),
        Do(title="env", run="true", env={"A B": Secret("x")}),
        Put(path="relative", content=""),
        Put(path="/folder/", content=""),
    ],
)
def test_what_cannot_be_said_is_refused(step: Step) -> None:
    with pytest.raises(ValueError, match=r"."):
        shell.render([step])


def test_no_steps_are_no_work() -> None:
    assert execute([]) == []


def test_other_shells_understand_it_too(tmp_path: Path) -> None:
    steps: list[Step] = [
        Do(title="a", run="echo é", unless="false", env={"A": Secret("bé'x")}),
        put(tmp_path / "a", bytes(range(1, 256))),
        put(tmp_path / "b", bytes(range(256)), then="echo done"),
        Ask(title="slow", run="sleep 100", timeout=0.3, check=False),
        Wait(title="w", until="true"),
    ]
    results = execute(steps, sh="/bin/bash", lock=str(tmp_path))
    assert [result.exit for result in results] == [0, 0, 0, 124, 0]
    assert (tmp_path / "a").read_bytes() == bytes(range(1, 256))
    assert (tmp_path / "b").read_bytes() == bytes(range(256))
