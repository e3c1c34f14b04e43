"""Secrets at rest: the record is ahead of the servers, a stage is taken by all of them, and a cut-off run is gone on with."""

from dataclasses import replace

import pytest

from sloth.errors import KubernetesError
from sloth.model.encryption import IDENTITY, Encryption, advance, founding, parse, to_identity, to_new_key
from sloth.model.facts import Facts
from sloth.model.phase import Keep
from sloth.model.secret import Secret
from sloth.model.spec import KubernetesSpec
from sloth.phases.encryption import EncryptionKey, EncryptSecrets
from sloth.phases.only import only
from tests.unit.phases.orders import Named, Player, cluster

SEED = Secret("ab" * 32, known=False)
OTHER = Secret("cd" * 32, known=False)


class Encrypts(Named):
    """As `Named`; what a server runs with is what it says."""

    def encryption_applied(self, facts, cluster):
        return facts.get("kube.encryption") == "ok"

    def apply_encryption(self, node, cluster):
        return ("apply", node.name, parse(cluster.record.encryption).providers)

    def rewrite_secrets(self, server, cluster):
        return ("rewrite", server.name)


def start(*, record=None, on=True, joined=(), said=None, names=("cp-1", "cp-2", "cp-3", "work-1")):
    made = cluster(*names, joined=joined, states=dict.fromkeys(joined, "joined"))
    spec = replace(made.spec, kubernetes=KubernetesSpec(encryption=on))
    facts = {
        name: Facts(values={**fact.values, **({"kube.api": "ok", **(said or {}).get(name, {})} if name in joined else {})})
        for name, fact in made.facts.items()
    }
    kept = replace(made.record, encryption=record.dump() if record else None)
    return replace(made, spec=spec, record=kept, facts=facts)


def decided(made, **options):
    player = Player()
    player.play(EncryptionKey(Encrypts(), lambda: SEED, **options), made)
    return parse(player.record.encryption), player


ALL = ("cp-1", "cp-2", "cp-3", "work-1")


def test_a_new_cluster_is_encrypted_from_the_start():
    assert decided(start())[0] == founding(SEED)


def test_a_cluster_with_data_is_rotated_from_plain_text():
    assert decided(start(joined=ALL))[0].providers == (IDENTITY, "key1")


def test_an_api_server_that_was_begun_counts_as_data():
    made = start()
    made = replace(made, facts={**made.facts, "cp-1": Facts(values={"kube.state": "broken"})})
    assert decided(made)[0].providers == (IDENTITY, "key1")


def test_switched_off_it_is_left_alone_and_taken_back():
    assert decided(start(on=False))[0] is None
    assert decided(start(on=False, record=founding(SEED), joined=ALL))[0] == to_identity(founding(SEED))
    assert decided(start(on=False, record=founding(SEED), joined=ALL), renew=True)[0].target == "key2"


def test_what_is_recorded_is_kept():
    kept, player = decided(start(record=founding(SEED), joined=ALL))
    assert kept == founding(SEED)
    assert player.of(Keep) == []


def test_a_new_key_is_asked_for_once():
    half = to_new_key(founding(SEED), OTHER)
    assert decided(start(record=half, joined=ALL), renew=True)[0] == half


def test_with_targets_a_cluster_that_has_data_is_left_as_it_is():
    assert decided(start(joined=ALL), found_only=True)[0] is None
    assert decided(start(), found_only=True)[0] == founding(SEED)
    order = only([EncryptionKey(Encrypts(), lambda: SEED), EncryptSecrets(Encrypts())], ["work-1"])
    assert [(type(phase), phase.found_only) for phase in order] == [(EncryptionKey, True)]


def test_a_distribution_that_cannot_is_left_alone():
    player = Player()
    player.play(EncryptionKey(Named(), lambda: SEED), start())
    assert player.orders == []


def test_servers_that_run_with_it_cost_nothing():
    said = {name: {"kube.encryption": "ok"} for name in ALL}
    player = Player()
    player.play(EncryptSecrets(Encrypts()), start(record=founding(SEED), joined=ALL, said=said))
    player.play(EncryptSecrets(Encrypts()), start(record=founding(SEED)))  # servers that this very run has started
    player.play(EncryptSecrets(Encrypts()), start(joined=ALL))  # never encrypted
    assert player.orders == []


def test_one_that_does_not_is_brought_to_it():
    said = {"cp-1": {"kube.encryption": "ok"}, "cp-3": {"kube.encryption": "ok"}}
    player = Player()
    player.play(EncryptSecrets(Encrypts()), start(record=founding(SEED), joined=ALL, said=said))
    assert player.scripts == [("apply", "cp-2", ("key1", IDENTITY))]


def story(record):
    player = Player()
    end = player.play(EncryptSecrets(Encrypts()), start(record=record, joined=ALL))
    return player, end


def test_a_rotation_takes_every_stage_on_every_server_in_turn():
    player, end = story(to_new_key(founding(SEED), OTHER))
    servers = ("cp-1", "cp-2", "cp-3")
    assert player.scripts == [
        *[("apply", name, ("key1", "key2", IDENTITY)) for name in servers],
        *[("apply", name, ("key2", "key1", IDENTITY)) for name in servers],
        ("rewrite", "cp-1"),
        *[("apply", name, ("key2", IDENTITY)) for name in servers],
    ]
    assert parse(end.record.encryption).settled


def test_one_api_server_alone_takes_two_stages():
    player = Player()
    alone = ("cp-1", "work-1")
    end = player.play(EncryptSecrets(Encrypts()), start(record=to_new_key(founding(SEED), OTHER), joined=alone, names=alone))
    assert player.scripts == [
        ("apply", "cp-1", ("key2", "key1", IDENTITY)),
        ("rewrite", "cp-1"),
        ("apply", "cp-1", ("key2", IDENTITY)),
    ]
    assert parse(end.record.encryption).settled


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_run_that_was_cut_off_is_gone_on_with(cut):
    now = to_new_key(founding(SEED), OTHER)
    for _ in range(cut - 1):
        now = advance(now)
    player, end = story(now)
    final = parse(end.record.encryption)
    assert (final.settled, final.providers) == (True, ("key2", IDENTITY))
    rewritten = ("rewrite", "cp-1") in player.scripts
    assert rewritten == (cut <= 2)


def test_it_is_refused_while_a_control_plane_is_away():
    made = start(record=to_new_key(founding(SEED), OTHER), joined=ALL)
    away = replace(made, nodes=tuple(node for node in made.nodes if node.name != "cp-2"))
    player = Player()
    with pytest.raises(KubernetesError) as failure:
        player.play(EncryptSecrets(Encrypts()), away)
    assert failure.value.code == "encryption/servers-absent"
    assert "cp-2" in failure.value.summary
    assert player.scripts == []


def test_switching_off_rewrites_before_the_key_goes():
    player, _ = story(to_identity(founding(SEED)))
    assert [each[0] for each in player.scripts].index("rewrite") < len(player.scripts) - 3
    assert player.scripts[-1] == ("apply", "cp-3", (IDENTITY,))
    assert Encryption().on is False
