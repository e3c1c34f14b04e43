"""Cordon, hold and release on a real shell: a question that fails never passes for an answer."""

import os
import subprocess

import pytest

from sloth.nodes.cordon import cordon, hold, release

NODE = """case "$*" in
  patch*) echo "$*" >>../done ;;
  *unschedulable}*) [ -e ../fails ] && exit 1; cat ../unschedulable ;;
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

    def carry_out(step, *, unschedulable="", held="", fails=False):
        for name, text in (("unschedulable", unschedulable), ("held", held), ("done", "")):
            (tmp_path / name).write_text(text)
        (tmp_path / "fails").unlink(missing_ok=True)
        if fails:
            (tmp_path / "fails").touch()
        env = {"PATH": f"{place}:{os.environ['PATH']}"}
        run = lambda text: subprocess.run(["sh", "-c", text], env=env, capture_output=True, check=False).returncode  # noqa: E731
        ended = 0 if run(step.unless) == 0 else run(step.run)
        return (tmp_path / "done").read_text().split(" ")[0].strip(), ended

    return carry_out


def test_what_is_so_already_is_left_alone(shell):
    assert shell(cordon("a", "kubectl"), unschedulable="true") == ("", 0)
    assert shell(hold("a", "kubectl", "reboot"), unschedulable="true") == ("", 0)
    assert shell(release("a", "kubectl"), unschedulable="true") == ("", 0), "somebody else has cordoned it"


def test_what_is_not_so_is_done(shell):
    assert shell(cordon("a", "kubectl")) == ("cordon", 0)
    assert shell(hold("a", "kubectl", "reboot")) == ("patch", 0)
    assert shell(release("a", "kubectl"), unschedulable="true", held="reboot") == ("patch", 0)


def test_no_answer_is_no_answer(shell):
    assert shell(release("a", "kubectl"), held="reboot", fails=True) == ("", 1), "told, and nothing is uncordoned"
