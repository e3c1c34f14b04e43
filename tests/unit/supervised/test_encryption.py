"""Another key for Secrets with K3s and RKE2: the commands, and which answer of `status` means what, by a real shell."""

import subprocess

import pytest

from sloth.contracts.lifecycle import EncryptsSecrets, RotatesSecretKeys
from sloth.model.step import Do, Wait
from sloth.testing.contract import check_steps
from tests.unit.distributions.kubeadm.run import run

from .clusters import BOTH, NAMES, cluster

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)


def holds(condition, plugin, answer, folder, code=0):
    binary = folder / plugin.name
    binary.write_text(f"#!/bin/sh\n[ \"$1 $2\" = 'secrets-encrypt status' ] || exit 9\ncat <<'END'\n{answer}\nEND\nexit {code}\n")
    binary.chmod(0o755)
    text = condition.replace(f"/usr/local/bin/{plugin.name}", str(binary))
    return subprocess.run(["sh", "-c", text], capture_output=True, check=False).returncode == 0


@both
def test_it_keeps_its_keys_itself(plugin):
    assert isinstance(plugin, RotatesSecretKeys) and not isinstance(plugin, EncryptsSecrets)


@both
def test_a_rotation_that_was_cut_off_is_not_begun_again(plugin, tmp_path):
    of = cluster(plugin, 3)
    make, wait = run(plugin.rotate_secret_key(of.nodes[0], of)).steps
    assert isinstance(make, Do) and isinstance(wait, Wait) and check_steps([make, wait]) == []
    assert make.run.startswith(f"/usr/local/bin/{plugin.name} secrets-encrypt rotate-keys")
    assert not holds(make.unless, plugin, '{"stage":"start","hashmatch":true,"enable":true}', tmp_path)
    assert not holds(make.unless, plugin, '{\n  "stage": "reencrypt_finished",\n  "hashmatch": true\n}', tmp_path)
    assert holds(make.unless, plugin, '{"stage":"reencrypt_finished","enable":true}', tmp_path), "servers differ: go on"
    assert not holds(make.unless, plugin, "", tmp_path, code=1), "who does not answer has not begun"


@both
def test_all_secrets_are_waited_for(plugin, tmp_path):
    of = cluster(plugin, 3)
    wait = run(plugin.rotate_secret_key(of.nodes[0], of)).steps[1]
    assert holds(wait.until, plugin, '{"stage": "reencrypt_finished"}', tmp_path)
    for stage in ("start", "reencrypt_active", "reencrypt_request"):
        assert not holds(wait.until, plugin, f'{{"stage": "{stage}"}}', tmp_path)
    agree = run(plugin.await_secret_key(of.nodes[0], of)).steps[0]
    assert holds(agree.until, plugin, '{"hashmatch":true}', tmp_path)
    assert not holds(agree.until, plugin, '{"stage":"reencrypt_finished"}', tmp_path)


@both
def test_each_server_restarts_by_the_way_that_lets_one_go_at_a_time(plugin):
    of = cluster(plugin, 3)
    restart, works = run(plugin.take_secret_key(of.nodes[1], of)).steps
    assert restart.run == "/usr/local/lib/sloth/restart-server" and not restart.unless
    assert isinstance(works, Wait) and check_steps([restart, works]) == []
