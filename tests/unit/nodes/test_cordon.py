"""Release on a real shell: a question that fails never passes for an answer."""

import json
import os
import subprocess

import pytest

from sloth.nodes.cordon import HELD, release

NODE = """case "$*" in
  patch*) echo "$*" >>../done ;;
  *annotations*) [ -e ../fails ] && exit 1; cat ../held ;;
  *) echo "$*" >>../done ;;
esac"""


@pytest.fixture
def shell(tmp_path):
    """Carries a step out with a kubectl of our own; answers whether it was done, and how it ended."""
    place = tmp_path / "bin"
    place.mkdir()
    tool = place / "kubectl"
    tool.write_text(f"#!/bin/sh\ncd {place}\n{NODE}\n")
    tool.chmod(0o755)

    def carry_out(step, *, held="", fails=False):
        for name, text in (("held", held), ("done", "")):
            (tmp_path / name).write_text(text)
        (tmp_path / "fails").unlink(missing_ok=True)
        if fails:
            (tmp_path / "fails").touch()
        env = {"PATH": f"{place}:{os.environ['PATH']}"}
        run = lambda text: subprocess.run(["sh", "-c", text], env=env, capture_output=True, check=False).returncode  # noqa: E731
        ended = 0 if run(step.unless) == 0 else run(step.run)
        return (tmp_path / "done").read_text().split(" ")[0].strip(), ended

    return carry_out


def test_who_has_no_note_is_left_alone(shell):
    assert shell(release("a", "kubectl")) == ("", 0), "somebody else has cordoned it, or nobody"


def test_who_has_one_is_let_go_of_and_loses_it(shell):
    assert shell(release("a", "kubectl"), held="reboot") == ("patch", 0)
    body = json.loads(release("a", "kubectl").run.split(" -p '")[1].split("'")[0])
    assert body == {"metadata": {"annotations": {HELD: None}}, "spec": {"unschedulable": None}}


def test_no_answer_is_no_answer(shell):
    assert shell(release("a", "kubectl"), held="reboot", fails=True) == ("", 1), "told, and nothing is uncordoned"
