"""The CLI's runner, against small real processes."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth.adapters.pulumi import command as module
from sloth.adapters.pulumi.command import Command
from sloth.errors import Interrupted


@pytest.fixture
def cli(tmp_path):
    """`cli(script)`: a command line that is a shell script; its first argument is `--non-interactive`."""

    def make(script, **environment):
        path = tmp_path / "pulumi"
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(0o755)
        return Command(str(path), "v3.259.0", environment)

    return make


def begin(command):
    """Run it aside; what it answers or raises comes into the list."""
    answers = []

    def run():
        try:
            answers.append(command.run([], "/", {}))
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, answers


def appears(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.01)


SLOW = """
trap 'echo told >> told' INT
touch begun
while [ ! -e finish ]; do sleep 0.02; done
echo saved; echo unlocked >&2
"""


def test_the_first_interrupt_waits_for_what_the_cli_finishes(cli, tmp_path):
    command = cli(SLOW)
    thread, answers = begin(command)
    appears(tmp_path / "begun")
    command.interrupt()
    appears(tmp_path / "told")
    (tmp_path / "finish").touch()
    thread.join(30)
    assert (answers[0].stdout, answers[0].stderr, answers[0].code) == ("saved", "unlocked", 0)
    assert (tmp_path / "told").read_text().split() == ["told"]


def test_the_second_interrupt_is_a_second_signal(cli, tmp_path):
    command = cli("trap 'echo told >> told; [ $(wc -l < told) -lt 2 ] || exit 7' INT\ntouch begun\nwhile :; do sleep 0.02; done")
    thread, answers = begin(command)
    appears(tmp_path / "begun")
    command.interrupt()
    appears(tmp_path / "told")
    command.interrupt()
    thread.join(30)
    assert "code: 7" in str(answers[0])


def test_one_that_ignores_signals_is_ended_by_force_and_only_that(cli, tmp_path):
    command = cli("trap '' INT\ntouch begun\nwhile :; do sleep 0.02; done")
    thread, answers = begin(command)
    appears(tmp_path / "begun")
    command.end(0.2)
    thread.join(30)
    assert "code: -9" in str(answers[0])
    command.end(0.2)  # nothing runs: nothing happens
    assert command.signals == 1


def test_one_that_stops_in_time_is_not_ended_by_force(cli, tmp_path):
    command = cli("trap 'exit 5' INT\ntouch begun\nwhile :; do sleep 0.02; done")
    thread, answers = begin(command)
    appears(tmp_path / "begun")
    command.end(30)
    thread.join(30)
    assert "code: 5" in str(answers[0])


def test_a_signal_between_start_and_registration_is_passed_on_once(cli, tmp_path, monkeypatch):
    command = cli("trap 'echo told >> told; exit 3' INT\ntouch begun\nwhile :; do sleep 0.02; done")
    start = subprocess.Popen

    def interrupted(*words, **options):
        process = start(*words, **options)
        appears(tmp_path / "begun")
        command.interrupt()  # nobody is registered yet: the one that has just been started must hear of it all the same
        return process

    monkeypatch.setattr(module.subprocess, "Popen", interrupted)
    thread, answers = begin(command)
    thread.join(30)
    assert "code: 3" in str(answers[0])
    assert (tmp_path / "told").read_text().split() == ["told"]


def test_one_that_is_just_being_started_is_ended_too(cli, tmp_path, monkeypatch):
    command = cli("trap '' INT\ntouch begun\nwhile :; do sleep 0.02; done")
    start = subprocess.Popen
    end = threading.Thread(target=command.end, args=(0.2,))

    def watched(*words, **options):
        process = start(*words, **options)
        appears(tmp_path / "begun")
        end.start()
        end.join(0.1)  # it runs as far as it can before the process is known
        return process

    monkeypatch.setattr(module.subprocess, "Popen", watched)
    thread, answers = begin(command)
    thread.join(30)
    end.join(30)
    assert "code: -9" in str(answers[0])


def test_nothing_is_begun_after_an_interrupt(cli, tmp_path):
    command = cli("touch begun")
    command.interrupt()
    with pytest.raises(Interrupted) as caught:
        command.run([], "/", {})
    assert (caught.value.code, caught.value.exit) == ("run/interrupted", 130)
    assert not (tmp_path / "begun").exists()


def test_a_run_that_fails_after_an_interrupt_begins_nothing_more(cli, tmp_path):
    command = cli(SLOW.replace("echo saved", "exit 1"))
    thread, answers = begin(command)
    appears(tmp_path / "begun")
    command.interrupt()
    (tmp_path / "finish").touch()
    thread.join(30)
    assert "code: 1" in str(answers[0])
    with pytest.raises(Interrupted):
        command.run([], "/", {})


def test_it_has_a_session_of_its_own_so_that_the_terminals_signal_does_not_reach_it(cli):
    text = cli("ps -o sid= -p $$").run([], "/", {}).stdout
    assert int(text) != os.getsid(0)


def test_full_pipes_do_not_stop_it(cli):
    """A megabyte on each, more than a pipe holds; all of stdout is kept, of stderr the end."""
    script = "i=0; while [ $i -lt 20000 ]; do echo line-$i-of-what-it-says-while-it-works; echo $i >&2; i=$((i+1)); done; exit 1"
    said = []
    with pytest.raises(Exception, match="code: 1") as caught:
        cli(script).run([], "/", {}, on_output=said.append)
    assert len(said) == 20000
    text = str(caught.value)
    assert "line-0-of" in text
    assert "\n19999" in text
    assert "\n12\n" not in text


def test_an_exported_state_comes_whole(cli):
    text = cli('i=0; while [ $i -lt 9000 ]; do echo "$i"; i=$((i+1)); done').run([], "/", {}).stdout
    assert text.split() == [str(number) for number in range(9000)]


def test_a_grandchild_that_holds_the_pipes_does_not_hold_us(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_REST", 0.1)
    command = cli("sleep 600 & echo $! > grandchild; echo done")
    thread, answers = begin(command)
    thread.join(30)
    os.kill(int((tmp_path / "grandchild").read_text()), signal.SIGKILL)
    assert answers[0].code == 0


def test_words_and_environment(cli, monkeypatch):
    monkeypatch.setenv("FROM_THE_SHELL", "one")
    text = cli('echo "$@" "$FROM_THE_SHELL $OWN $GIVEN $PULUMI_AUTOMATION_API"', OWN="two").run(
        ["stack", "ls"], "/", {"GIVEN": "3"}
    )
    assert text.stdout == "--non-interactive stack ls one two 3 true"


def test_a_second_interrupt_in_the_waiting_thread_ends_the_cli(cli, tmp_path):
    """A question is asked in the main thread, where the second Ctrl-C raises KeyboardInterrupt."""
    command = cli("echo $$ > pid; trap '' INT; touch begun; while :; do sleep 0.02; done")

    def press():
        appears(tmp_path / "begun")
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        command.run([], "/", {})
    presser.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("where", ["select", "read", "say", "poll"])
def test_an_interrupt_anywhere_in_the_reading_leaves_neither_the_cli_nor_a_thread_nor_a_pipe(cli, tmp_path, monkeypatch, where):
    command = cli("echo $$ > pid; trap '' INT; echo one; while :; do sleep 0.02; done")
    begun = []
    start = subprocess.Popen

    def press(*_):
        monkeypatch.undo()  # once
        raise KeyboardInterrupt

    def watched(*words, **options):
        begun.append(start(*words, **options))
        appears(tmp_path / "pid")
        places = {"select": (module.selectors.DefaultSelector, "select"), "read": (os, "read"), "poll": (begun[0], "poll")}
        if where in places:
            monkeypatch.setattr(*places[where], press)
        return begun[0]

    monkeypatch.setattr(module.subprocess, "Popen", watched)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        command.run([], "/", {}, on_output=press if where == "say" else None)
    assert threading.active_count() == threads
    assert (begun[0].stdout.closed, begun[0].stderr.closed) == (True, True)
    assert begun[0].returncode == -signal.SIGKILL


@given(st.text(alphabet="aé\U0001f9a5 \t\r\n"), st.lists(st.integers(1, 9), min_size=1), st.integers(0, 3))
def test_however_the_pieces_are_cut_the_lines_are_the_same(text, sizes, most):
    said = []
    lines = module._Lines(said.append, most)
    data, cuts = text.encode(), itertools.cycle(sizes)
    while data:
        size = next(cuts)
        lines.take(data[:size])
        data = data[size:]
    lines.take(b"")
    wanted = [line.rstrip() for line in text.removesuffix("\n").split("\n")] if text else []
    assert said == wanted
    assert lines.text == "\n".join(wanted[-most:])


def test_what_is_not_utf_8_does_not_stop_it(cli):
    assert cli(r"printf 'a\377b'").run([], "/", {}).stdout == "a\ufffdb"
