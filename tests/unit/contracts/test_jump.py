"""How private machines are reached."""

from sloth.contracts.jump import reached
from sloth.model.node import Machine


def machine(name, address="", private="10.0.0.9"):
    return Machine(name=name, id=name, address=address, private_address=private)


def test_private_machines_are_reached_through_the_first_public_one_by_name():
    given = {3: machine("c"), 2: machine("b", "203.0.113.2"), 1: machine("a", "203.0.113.1")}
    found = reached(given)
    assert [*found] == [3, 2, 1]
    assert (found[3].address, found[3].jump) == ("10.0.0.9", given[1])
    assert (found[1], found[2]) == (given[1], given[2])


def test_without_any_public_machine_there_is_no_way_but_the_address():
    assert reached({1: machine("a")})[1].jump is None
