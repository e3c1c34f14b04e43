"""Looking for machines makes and changes nothing."""

from dataclasses import replace

from sloth.model.node import Machine
from sloth.model.phase import SurveyMachines
from sloth.phases.survey import Survey
from tests.unit.phases.orders import Player, cluster, lease


def test_every_provider_is_asked_once_and_only_asked():
    start = cluster("cp-1", "work-1")
    record = replace(start.record, leases=(*start.record.leases, replace(lease("old-1"), provider="ssh")))
    found = {"local": ("cp-1",), "ssh": ("old-1",)}
    player = Player({SurveyMachines: lambda order: tuple(Machine(name=n, id=n, address="a") for n in found[order.provider])})
    end = player.play(Survey(), replace(start, record=record))
    assert [(type(order), order.provider) for order in player.orders] == [(SurveyMachines, "local"), (SurveyMachines, "ssh")]
    assert [node.name for node in end.nodes] == ["cp-1", "old-1"]
