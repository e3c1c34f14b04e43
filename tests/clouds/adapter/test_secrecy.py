"""No user-data in plain in the engine's state, whatever way a server comes to be known there. The fake tells it to who asks."""

from __future__ import annotations

import shutil

from tests.clouds.adapter.test_life import lose
from tests.clouds.adapter.world import USER_DATA, failing
from tests.clouds.fakes.hcloud import SERVER


def leaks(world):
    """Files that hold what only a server's user-data holds."""
    assert world.fake.tells
    return [path for path, text in world.files().items() if USER_DATA.splitlines()[1] in text]


def test_a_server_whose_run_was_killed_is_sealed_and_knows_what_it_depends_on(world):
    def killed(name, made):
        if made and name == "work-1":
            world.kill()

    world.on_create = killed
    failing(world.up)
    world.settled()
    assert "work-1" in world.servers()
    world.on_create = lambda name, made: None
    world.calls()
    world.up()
    assert ("Create", "work-1") not in world.calls()
    assert leaks(world) == []
    state = world.deployment()
    servers = {each["urn"].rpartition("::")[2]: each for each in state["resources"] if each["type"].endswith(":Server")}
    assert set(servers) == set(world.names)
    for kept in servers.values():
        assert {"firewall", "key"} <= {urn.rpartition("::")[2] for urn in kept["dependencies"]}
        assert {"ciphertext"} <= set(kept["inputs"]["userData"])
        assert {"ciphertext"} <= set(kept["outputs"]["userData"])
    assert world.down() == []


def test_servers_that_stay_are_not_asked_for_when_one_is_gone(world):
    world.begin()
    lose(world, "work-1")
    world.fake.calls.clear()
    world.up()
    assert "work-1" in world.servers()
    assert leaks(world) == []
    asked = {call.name for call in world.fake.calls if call.method == "Read"}
    assert "work-1" in asked and not {"control-1", "work-2"} & asked


def test_servers_of_a_state_that_is_lost_are_deleted_without_a_trace(world):
    world.begin()
    shutil.rmtree(world.state)
    assert world.down() == []
    assert world.servers() == []
    assert [call.method for call in world.fake.calls if call.token == SERVER and call.method == "Delete"] == ["Delete"] * 3
    assert leaks(world) == []


def test_the_state_tells_nothing_of_the_machine_that_made_it(world):
    """The SDK would add each declaration's call stack. The engine writes its whole state at every step, and it may be shared."""
    world.begin()
    declared = [each for each in world.deployment()["resources"] if "provider" in each]
    assert declared and not [each["urn"] for each in declared if each.get("stackTrace") or each.get("sourcePosition")]
