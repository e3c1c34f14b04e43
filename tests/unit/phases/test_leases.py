"""Names, addresses and secrets are kept before anything is made, once."""

from dataclasses import replace

from sloth.model.node import Lease
from sloth.model.phase import Keep
from sloth.model.plan import Plan
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.phases.leases import Leases
from tests.unit.phases.orders import Player, cluster, lease

made = []


def make_key(comment):
    made.append(comment)
    return Secret(f"private {len(made)}", known=False), f"public {len(made)}"


PHASE = Leases(make_key, lambda: Secret("fresh seed", known=False))


def test_everything_is_kept_in_one_save():
    start = cluster("cp-1", "work-1", record=Record(cluster="demo"))
    player = Player()
    end = player.play(PHASE, start)
    assert len(player.of(Keep)) == 1
    assert end.record.leases == start.plan.leases
    assert end.record.ssh_key.reveal().startswith("private")
    assert end.record.ssh_public_key.startswith("public")
    assert end.record.mesh_seed.reveal() == "fresh seed"
    assert end.record.engine_key.reveal() == "fresh seed"
    assert end.record.kubernetes_version == "v1.36.3"
    assert made[-1] == "sloth-demo"


def test_nothing_is_saved_when_nothing_is_new_and_secrets_never_change():
    end = Player().play(PHASE, cluster("cp-1", record=Record(cluster="demo").with_node("cp-1", joined=True)))
    end = replace(end, record=replace(end.record, kubernetes_version="v1.36.3"))
    player = Player()
    again = player.play(PHASE, replace(end, version="v1.36.9"))
    assert player.orders == []
    assert again.record == end.record


def test_until_somebody_is_a_member_the_version_is_a_wish():
    end = Player().play(PHASE, cluster("cp-1", record=Record(cluster="demo")))
    again = Player().play(PHASE, replace(end, version="v1.36.9"))
    assert (end.record.kubernetes_version, again.record.kubernetes_version) == ("v1.36.3", "v1.36.9")


def test_nodes_that_must_go_are_marked_and_keep_their_lease():
    start = cluster("cp-1")
    gone = lease("work-2", 7)
    end = Player().play(PHASE, replace(start, plan=Plan(leases=start.plan.leases, remove=(gone,))))
    assert end.record.node("work-2").leaving
    assert [each.name for each in end.record.leases] == ["cp-1", "work-2"]
    assert isinstance(end.record.leases[1], Lease)
