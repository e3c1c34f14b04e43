"""Questions asked side by side."""

import threading

import pytest

from sloth.contracts.together import WIDTH, together


def test_answers_come_in_the_order_of_the_questions():
    gate = threading.Barrier(WIDTH, timeout=30)  # opens only when all of them wait: one after the other would not do

    def question(number):
        return lambda: (gate.wait(), number)[1]

    assert together([question(number) for number in range(WIDTH)]) == list(range(WIDTH))


def _refuse(text):
    def question():
        raise RuntimeError(text)

    return question


def test_what_is_absent_is_none_and_other_refusals_are_raised():
    assert together([_refuse("Error 404: no such thing"), lambda: 1], "error 404") == [None, 1]
    with pytest.raises(RuntimeError, match="quota"):
        together([lambda: 1, _refuse("quota")], "error 404")
    with pytest.raises(RuntimeError, match="404"):
        together([_refuse("Error 404")])
