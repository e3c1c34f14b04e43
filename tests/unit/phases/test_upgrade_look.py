"""How many nodes of a pool may be taken at once: as its spec says, less those that are away already."""

from dataclasses import replace

from sloth.model.facts import Facts
from sloth.phases.upgrade_look import ANSWER, crowded, pools
from tests.unit.phases.orders import cluster


def seen(*, share="2", **nodes):
    """Workers with these states: Ready, cordoned, held by an upgrade."""
    names = ["cp-1", *(f"work-{n}" for n in range(1, 6))]
    lines = [f"{name}\tv1.35.4\t{nodes.get(name.replace('-', '_'), 'True')}" for name in names]
    lines = [line if line.count("\t") == 4 else f"{line}\t\t" for line in lines]
    text = "\n".join(["= nodes", *lines, "= servers", "= budgets", "= workloads", "= snapshot", "= apis", "read"])
    of = cluster(*names)
    spec = replace(of.spec, pools=tuple(replace(pool, max_unavailable=share) for pool in of.spec.pools))
    return replace(of, spec=spec, facts={"cp-1": Facts(values={ANSWER: text})})


def test_nodes_that_are_away_take_room():
    of = seen(work_1="False", work_2="True\ttrue\t", work_3="False\ttrue\tupgrade")
    pool = pools(of)["work-4"]
    assert (pool.limit, pool.away, pool.room) == (2, ("work-1", "work-2"), 1), "the upgrade's own are not away"
    assert "cp-1" not in pools(of), "control planes come one by one anyway"


def test_a_pool_that_is_full_is_told_of():
    (found,) = crowded(seen(work_1="False", work_2="True\ttrue\t"))
    assert (found.level, found.check) == ("warns", "disruption")
    assert found.text == "of pool work 2 may be away at once, and work-1, work-2 are already: one at a time"
    assert crowded(seen(work_1="False")) == []
    assert crowded(seen()) == []
