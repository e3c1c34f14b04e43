"""Steps on hosts: few changed peers as files of their own, many as one text; texts that dash accepts."""

import hashlib
import subprocess

import pytest

from sloth.mesh.host import FEW, READ_PEERS, all_peers, changed_peers, listed, read_key, removal, setup
from sloth.model.secret import Secret
from sloth.model.step import Put
from sloth.testing.contract import check_steps


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def titles(steps):
    return [step.title for step in steps]


def test_nothing_known_means_one_text():
    steps = all_peers(lambda: {"b-1": "B\n", "a-1": "A\n"})
    assert titles(steps) == ["write /etc/wireguard/peers.incoming", "put peers in force"]
    assert steps[0].content.reveal() == "#clear\n#put a-1\nA\n#put b-1\nB\n" and steps[0].mode == 0o600


def test_a_few_changes_are_named():
    steps = changed_peers({"a-1": "A\n", "b-1": "B\n"}, {"a-1": digest("A\n"), "c-1": "x"})
    assert titles(steps) == ["write /etc/wireguard/peers.d/b-1.conf", "forget peer c-1", "put peers in force"]
    assert isinstance(steps[0], Put) and isinstance(steps[0].content, Secret) and steps[0].mode == 0o600


def test_many_changes_are_one_text():
    steps = changed_peers({f"n-{i}": f"{i}\n" for i in range(FEW + 1)}, {})
    assert titles(steps) == ["write /etc/wireguard/peers.incoming", "put peers in force"]


def test_listing():
    assert listed("ab  /etc/wireguard/peers.d/work-1.conf\ncd  /etc/wireguard/peers.d/x.conf") == {"work-1": "ab", "x": "cd"}
    assert listed("") == {}


def test_steps_keep_the_habits():
    steps = [*setup("NAME=a-1\n"), *changed_peers({"a-1": "A\n"}, {}), *removal(), READ_PEERS, read_key("a-1")]
    assert check_steps(steps) == []
    assert sum(isinstance(step, Put) for step in steps) == 4


@pytest.mark.parametrize(
    "step", [*setup("NAME=a-1\n"), *changed_peers({}, {"a-1": "x"}), *removal()], ids=lambda step: step.title
)
def test_every_shell_text_is_well_formed(step):
    texts = (
        [step.content]
        if isinstance(step, Put) and "local/sbin" in step.path
        else [getattr(step, "run", ""), getattr(step, "unless", "")]
    )
    for text in texts:
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
