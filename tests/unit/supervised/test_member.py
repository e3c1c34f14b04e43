"""What founding and joining do on nodes in every state that a killed run can leave, for both flavours."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.errors import KubernetesError
from sloth.model.node import Node
from sloth.model.secret import Secret, mask
from sloth.model.step import Put, Result
from tests.unit.distributions.kubeadm.clusters import facts
from tests.unit.distributions.kubeadm.run import Run, run

from .clusters import BOTH, INFO, K3S, NAMES, cluster, flavour_of

LOOK = "look how far the node is"
RESET = "take back an unfinished membership"
WORKING = "wait until the node is a working member"
NOTE = "note the membership"
both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)


def membership(done: Run, plugin: Distribution) -> list[dict[str, object]]:
    """What the membership file holds, in the order in which it is written."""
    path = flavour_of(plugin).membership
    puts = [step for step in done.steps if isinstance(step, Put) and step.path == path]
    assert all(put.mode == 0o600 for put in puts)
    return [yaml.safe_load(str(put.content)) or {} for put in puts]


def found(plugin: Distribution, seen: str) -> Run:
    of = cluster(plugin, 3, 2)
    return run(plugin.first_server(of.nodes[0], of), {LOOK: seen})


@both
def test_a_bare_node_makes_its_tokens_founds_and_then_is_a_member_among_others(plugin: Distribution) -> None:
    done, flavour = found(plugin, ""), flavour_of(plugin)
    assert done.titles[:3] == [LOOK, f"make {flavour.server_token}", f"make {flavour.agent_token}"]
    assert done.titles[4:6] == [f"start {flavour.server_unit}", WORKING] and done.titles[-1] == NOTE and len(done.trips) == 2
    assert membership(done, plugin) == [dict(plugin.founding), {"server": flavour.join_url}]  # type: ignore[attr-defined]
    assert "umask 077" in done.text(f"make {flavour.server_token}") and "/dev/urandom" in done.text(f"make {flavour.agent_token}")


@both
def test_a_finished_node_is_never_reset_even_when_its_api_is_down(plugin: Distribution) -> None:
    for seen in ("member", "member\nleft", "member\nanswers\nleft"):
        assert found(plugin, seen).titles == [LOOK, "wait for the node to be a working member again"]


@both
def test_an_unfinished_node_whose_api_answers_is_finished_without_reset(plugin: Distribution) -> None:
    done = found(plugin, "answers\nleft")
    assert RESET not in done.titles and done.titles[1] == WORKING and done.titles[-1] == NOTE
    assert membership(done, plugin) == [{"server": flavour_of(plugin).join_url}]


@both
def test_a_half_made_node_is_made_anew(plugin: Distribution) -> None:
    titles = found(plugin, "left").titles
    assert titles.index(RESET) < titles.index(f"start {flavour_of(plugin).server_unit}")


@both
def test_a_taken_port_is_named_with_its_process_before_anything_is_changed(plugin: Distribution) -> None:
    done = found(plugin, "port 9345 my app 4711")
    assert isinstance(done.error, KubernetesError) and done.error.code == "kubernetes/port-taken"
    assert "9345" in done.error.summary and "my app" in done.error.summary and "4711" in done.error.hint
    assert done.titles == [LOOK] and found(plugin, f"left\nport 6443 {plugin.name} 12").error is None


def join(plugin: Distribution, index: int, seen: str, works: bool = False, info: JoinInfo = INFO) -> Run:
    of = cluster(plugin, 3, 2)
    answers = {LOOK: seen, "look whether the membership works": Result(exit=0 if works else 1)}
    return run(plugin.join(of.nodes[index], of, info), answers)


@both
@pytest.mark.parametrize("index", [1, 3], ids=["server", "agent"])
def test_join(plugin: Distribution, index: int) -> None:
    unit = flavour_of(plugin).unit(server=index == 1)
    fresh = join(plugin, index, "")
    assert f"start {unit}" in fresh.titles and RESET not in fresh.titles and fresh.titles[-1] == NOTE and len(fresh.trips) == 2
    assert membership(fresh, plugin) == [{"server": flavour_of(plugin).join_url}]
    assert join(plugin, index, "member\nleft").titles == [LOOK, "wait for the node to be a working member again"]
    assert join(plugin, index, "left", works=True).titles[2:] == [NOTE]
    again = join(plugin, index, "left").titles
    assert again.index(RESET) < again.index(f"start {unit}")
    assert isinstance(join(plugin, index, "port 10250 other 5").error, KubernetesError)


def secrets(done: Run) -> dict[str, str]:
    puts = [step for step in done.steps if isinstance(step, Put) and isinstance(step.content, Secret)]
    assert all(put.mode == 0o600 for put in puts)
    return {put.path: put.content.reveal() for put in puts if isinstance(put.content, Secret)}


@both
def test_each_role_gets_the_tokens_that_it_needs_and_no_other(plugin: Distribution) -> None:
    flavour = flavour_of(plugin)
    assert secrets(join(plugin, 3, "")) == {flavour.agent_token: f"K10{'ca' * 32}::node:agent-password-0123456789"}
    assert secrets(join(plugin, 1, "")) == {
        flavour.server_token: f"K10{'ca' * 32}::server:server-password-0123456789",
        flavour.agent_token: "agent-password-0123456789",
    }
    for index in (1, 3):
        done = join(plugin, index, "left")
        others = "\n".join(repr(step) for step in done.steps if not (isinstance(step, Put) and isinstance(step.content, Secret)))
        assert "password-0123456789" not in others


@both
def test_a_joining_servers_reset_takes_only_its_own_etcd_member_out(plugin: Distribution) -> None:
    text = join(plugin, 1, "left").text(RESET)
    assert "https://10.90.0.1:2379,https://10.90.0.3:2379" in text and ", https://10.90.0.2:2380," in text
    assert "https://10.90.0" not in join(plugin, 3, "left").text(RESET).replace("https://10.90.0.21:2380", "")
    assert "/etc/rancher/node" not in text, "the cluster knows the node by its password"


@both
def test_join_info_has_the_servers_password_only_while_servers_are_missing(plugin: Distribution) -> None:
    of = cluster(plugin, 3, 2)
    answers = {"read the server token": f"K10{'ab' * 32}::server:spass", "read the agent token": "apass\n"}
    some = cluster(plugin, 3, 2, facts=facts(of, "control-1"))
    whole = cluster(plugin, 3, 2, facts=facts(of, "control-1", "control-2", "control-3"))
    info = run(plugin.join_info(of.nodes[0], some), answers).value
    assert info == JoinInfo(token=Secret("apass"), ca_hash="ab" * 32, certificate_key=Secret("spass"))
    assert run(plugin.join_info(of.nodes[0], whole), answers).value.certificate_key is None


@both
@pytest.mark.parametrize("token", ["", "surprise", "K10abc::server:x"])
def test_tokens_that_cannot_be_read_are_an_error(plugin: Distribution, token: str) -> None:
    of = cluster(plugin, 1, 1)
    done = run(plugin.join_info(of.nodes[0], of), {"read the server token": token, "read the agent token": "a"})
    assert isinstance(done.error, KubernetesError) and done.error.code == "kubernetes/no-join-token"


def test_the_kubeconfig_is_one_secret_line_whose_key_is_known_to_the_masker() -> None:
    of = cluster(K3S)
    text = "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user:\n    client-key-data: azNzLXNlY3JldC1rZXk=\n"
    answer = {"read the administrator's kubeconfig": base64.b64encode(text.encode()).decode()}
    done = run(K3S.kubeconfig(of.nodes[0], of), answer)
    assert json.loads(done.value.reveal())["users"][0]["name"] == "a"
    assert mask("azNzLXNlY3JldC1rZXk=") == "***" and mask("apiVersion: v1") == "apiVersion: v1"


@both
def test_an_eviction_asks_the_flavours_own_etcd_and_api(plugin: Distribution) -> None:
    of = cluster(plugin, 3, 1)
    lines = "\n".join(
        f"a{i}, started, control-{i}-0f0f, https://10.90.0.{i}:2380, https://10.90.0.{i}:2379, false" for i in (1, 2, 3)
    )
    health = json.dumps([{"endpoint": f"https://10.90.0.{i}:2379", "health": True} for i in (1, 2, 3)])
    seen = {"look at node control-2": "control-2 True", "list etcd members": lines, "ask etcd members for health": health}
    done = run(plugin.evict(of.nodes[0], "control-2", of), seen)
    assert done.error is None and "take control-2 out of etcd" in done.titles
    assert f"{flavour_of(plugin).data}/server/tls/etcd/client.crt" in done.text("list etcd members")
    assert "member remove a2" in done.text("take control-2 out of etcd")


@both
def test_a_server_that_was_taken_out_is_not_taken_for_a_member(plugin: Distribution) -> None:
    of = cluster(plugin, 1, 1)
    for node in of.nodes:
        assert f"! test -e {flavour_of(plugin).tombstone} && echo member" in look_text(plugin, node)


def look_text(plugin: Distribution, node: Node) -> str:
    of = cluster(plugin, 1, 1)
    return run(plugin.join(node, of, INFO), {}).text(LOOK)
