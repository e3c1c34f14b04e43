"""What is not as a saved plan says is named, all of it, and nothing else."""

from dataclasses import replace

from sloth.engine.moved import moved
from sloth.model.plan import SavedPlan

STEP = {"phase": "Mesh", "node": "cp-1", "title": "put peers in force", "predicted": False}
LEASE = {"node": "cp-1", "role": "control-plane", "provider": "local", "mesh": "10.90.0.1", "pods": "10.42.0.0/24"}
SERVER = {"node": "cp-1", "action": "create", "kind": "server", "name": "cp-1", "provider": "local", "cause": [], "detail": ""}
THEN = SavedPlan(
    cluster="demo", sloth="0.1.0", created="", spec={"a": "1", "b": "2"}, revision=3, kubernetes="v1.36.3", artifacts="x",
    world={"local": {"cp-1": {"id": "i", "running": True}}}, plan={"machines": [], "steps": [STEP], "leases": [LEASE]},
)  # fmt: skip


def test_nothing_moved():
    assert moved(THEN, THEN) == []
    assert moved(THEN, replace(THEN, created="later")) == []
    again = {**THEN.plan, "steps": [{**STEP, "predicted": True}]}
    assert moved(THEN, replace(THEN, plan=again)) == []


def test_inputs():
    now = replace(THEN, sloth="0.2.0", spec={"a": "9", "c": "3"}, revision=5, kubernetes="v1.37.0", artifacts="")
    assert moved(THEN, now) == [
        "sloth: the plan was made by 0.1.0, this is 0.2.0",
        "spec: a has another value",
        "spec: b is gone",
        "spec: c is new",
        "Kubernetes: v1.36.3 was planned, it would be v1.37.0 now",
        "artifacts: sloth.lock is gone",
        "record: revision 3 was planned with, it is 5 now: another run came between",
    ]
    assert moved(replace(THEN, artifacts=""), THEN) == ["artifacts: sloth.lock is new"]
    assert moved(replace(THEN, artifacts="y"), THEN) == ["artifacts: sloth.lock has changed"]


def test_machines():
    def world(**machines):
        return replace(THEN, world={"local": machines})

    one, off, other = {"id": "i", "running": True}, {"id": "i", "running": False}, {"id": "j", "running": True}
    assert moved(world(a=one), world()) == ["machine a (local): is gone"]
    assert moved(world(), world(a=one)) == ["machine a (local): is there now"]
    assert moved(world(a=one), world(a=other)) == ["machine a (local): is another one, i then and j now"]
    assert moved(world(a=one), world(a=off)) == ["machine a (local): does not run any more"]
    assert moved(world(a=off), world(a=one)) == ["machine a (local): runs now"]
    assert moved(THEN, replace(THEN, world={**THEN.world, "hcloud": {"b": one}})) == ["machine b (hcloud): is there now"]


def test_what_is_to_be_done():
    def plan(**changes):
        return replace(THEN, plan={**THEN.plan, **changes})

    steps = [STEP, *({**STEP, "node": f"w-{n}", "title": "x"} for n in range(5))]
    assert moved(THEN, plan(steps=steps)) == ["Mesh: x on w-0, w-1, w-2 and 2 more nodes: to be done now, not in the plan"]
    assert moved(THEN, plan(steps=[])) == ["Mesh: put peers in force on cp-1: in the plan, not to be done now"]
    assert moved(THEN, plan(steps=[STEP, STEP])) == ["Mesh: put peers in force on cp-1: to be done now, not in the plan"]
    made = {**STEP, "phase": "Machines", "title": "create machine"}
    assert moved(THEN, plan(machines=[SERVER], steps=[STEP, made])) == [
        "create server cp-1 at local: to be done now, not in the plan"
    ]  # the step that stands for it is not told again
    other = {**SERVER, "action": "replace", "cause": ["image"], "detail": "cx22"}
    assert moved(plan(machines=[SERVER]), plan(machines=[other])) == [
        "replace server cp-1 at local (cx22) because of image: to be done now, not in the plan",
        "create server cp-1 at local: in the plan, not to be done now",
    ]
    assert moved(THEN, plan(leases=[{**LEASE, "mesh": "10.90.0.9"}])) == [
        "cp-1 as control-plane at local with 10.90.0.9 and 10.42.0.0/24: to be done now, not in the plan",
        "cp-1 as control-plane at local with 10.90.0.1 and 10.42.0.0/24: in the plan, not to be done now",
    ]
