"""The cloud makes a part, and its answer is lost: the next run finds the part, whatever it is, and makes nothing twice.

One life for each cloud, in which the first part of each kind that carries no tag meets that; with SLOTH_ALL_MOMENTS set, of every
kind. Fakes refuse what the cloud would refuse to make twice.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice

import pytest

from sloth.adapters.pulumi.questions import ask
from sloth.adapters.pulumi.settle import Task, settle
from sloth.adapters.pulumi.stack import EngineStack
from sloth.errors import MachinesError
from tests.clouds import fakes
from tests.clouds.engine import STACK, Engine
from tests.clouds.graph import graph
from tests.clouds.test_engine_with_fakes import CLOUDS, FAKED, plan_of, spec_of

# Parts that no function lists and whose id nobody can know; the clouds' pages say what to do.
UNFINDABLE = {
    "digitalocean:index/firewall:Firewall",
    "linode:index/nodeBalancerNode:NodeBalancerNode",
    "openstack:networking/secGroupRule:SecGroupRule",
    "vultr:index/firewallRule:FirewallRule",
}
RUNS = 20  # that may fail: as deep as a cloud's resources hang on each other
EVERY = bool(os.environ.get("SLOTH_ALL_MOMENTS"))
LIVES = [name for name, cloud in FAKED.items() if cloud.tagless or EVERY]


@pytest.mark.parametrize("name", LIVES)
def test_nothing_is_made_twice_whatever_answer_is_lost(name, tmp_path):
    fake, cloud, plan = fakes.find(name)(), CLOUDS[name], plan_of(name)
    spec, parts = spec_of(name, plan), [key.split(" ", 1) for key in graph(cloud, plan).resources]
    meant = {token for token, _ in parts if token in cloud.tagless or EVERY} - UNFINDABLE
    first = {token: part for token, part in reversed(parts) if token in meant}
    fake.faults.lost = set(first.values())
    with fake.serve() as provider:
        stack = EngineStack(Engine(tmp_path, cloud, provider).adapter(), STACK)

        def run():
            found = ask(stack.engine, lambda: cloud.survey(spec))
            return settle(Task(cloud=cloud, stack=stack, plan=plan, found=found))[0]

        failures = [*islice(iter(lambda: _failure(run), None), RUNS)]
        assert failures and len(failures) < RUNS, failures[-1:]
        assert fake.faults.lost == set()
        assert {(token, part) for token, part in parts} == {(item.token, item.name) for item in fake.items.values()}
        assert max(Counter((item.token, item.name) for item in fake.items.values()).values()) == 1
        assert run() is False
        stack.destroy()
        assert fake.items == {}


def _failure(run):
    try:
        run()
    except MachinesError as error:
        return error
    return None
