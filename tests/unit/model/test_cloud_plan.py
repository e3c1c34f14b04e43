"""What a plan tells a cloud plugin."""

import pytest

from sloth.model.cloud import CloudPlan, ServerPlan


def plan(*places, options=(), **more):
    servers = tuple(
        ServerPlan(name=f"a-{n}", pool="a", role="worker", size="s", location=place, image="i") for n, place in enumerate(places)
    )
    return CloudPlan(cluster="shop", network="10.0.0.0/16", options=dict(options), servers=servers, **more)


@pytest.mark.parametrize(
    ("made", "location"),
    [
        (plan("b", options={"location": "c"}, locations=("a", "b")), "a"),
        (plan(options={"location": "c"}, locations=("a",)), "a"),  # a network's own stack: the servers are in others
        (plan("b", options={"location": "c"}), "b"),
        (plan(options={"location": ["c", "d"]}), "c"),
        (plan(options={"location": "c"}), "c"),
        (plan(), ""),
    ],
)
def test_shared_things_are_where_servers_are_else_where_the_options_say(made, location):
    assert made.location == location


def test_nobody_is_let_in_but_the_mesh_ping_and_those_with_access():
    assert [door.name for door in plan().doors()] == ["mesh", "icmp"]
    made = plan(access_ssh=("198.51.100.7/32", "2001:db8::7/128"), access_api=("198.51.100.0/24",), mesh_port=7)
    doors = {door.name: door for door in made.doors()}
    assert {name: (door.protocol, door.port) for name, door in doors.items()} == {
        "mesh": ("udp", 7), "icmp": ("icmp", None), "ssh": ("tcp", 22), "api": ("tcp", 6443),
    }  # fmt: skip
    assert (doors["ssh"].v4, doors["ssh"].v6) == (["198.51.100.7/32"], ["2001:db8::7/128"])
    assert (doors["mesh"].v4, doors["mesh"].v6) == (["0.0.0.0/0"], ["::/0"])


def test_names_of_a_resource():
    assert plan().called("network") == {"resource_name": "network", "name": "shop-network"}
    assert plan().called("network", "label") == {"resource_name": "network", "label": "shop-network"}
