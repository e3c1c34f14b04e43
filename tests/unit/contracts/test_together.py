"""Questions asked side by side."""

import threading

import pytest

from sloth.contracts.together import WIDTH, answers, one, together


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


def test_one_question_is_absent_only_by_its_own_words():
    assert one("no results", _refuse("Error: No results were found")) is None
    assert one("no results", lambda about: about, about=7) == 7
    with pytest.raises(RuntimeError, match="quota"):
        one("no results", _refuse("quota"))
    with pytest.raises(RuntimeError, match="anything"):
        one("", _refuse("anything"))


def test_answers_keep_their_keys_and_leave_out_what_is_absent():
    questions = {"b": lambda: 2, "gone": _refuse("404"), "a": lambda: 0}
    assert list(answers(questions, "404").items()) == [("b", 2), ("a", 0)]
