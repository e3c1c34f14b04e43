"""The stages of a rotation of authorities: nobody ever shows what somebody does not trust."""

from itertools import pairwise

import pytest

from sloth.model.authorities import STAGES, Authority, Rotation, parse
from sloth.model.secret import Secret


def rotation(stage="trust"):
    pair = Authority(old="OLD\n", new="NEW\n", key=Secret("key-of-the-new-one", known=False))
    return Rotation(id="20260101T000000Z", stage=stage, authorities={"ca": pair})


def stages():
    found = [rotation()]
    while following := found[-1].next():
        found.append(following)
    return found


def test_all_stages_come_once_and_in_order():
    assert [each.stage for each in stages()] == list(STAGES)
    assert len({each.mark for each in stages()}) == len(STAGES)


def test_what_a_stage_signs_with_was_trusted_in_the_stage_before_and_is_in_the_one_after():
    """While nodes go from one stage to the next, both kinds are there: each must trust what the other shows."""
    for before, after in pairwise(stages()):
        assert after.signer("ca") in before.trusted("ca")
        assert before.signer("ca") in after.trusted("ca")


def test_the_first_one_signs_and_alone():
    for each in stages():
        assert each.trusted("ca").startswith(each.signer("ca"))
        assert each.signer("ca") in ("OLD\n", "NEW\n")
    assert stages()[-1].trusted("ca") == "NEW\n"


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_kept_sealed(stage):
    kept = rotation(stage).dump()
    assert isinstance(kept, Secret)
    again = parse(kept)
    assert again == rotation(stage)
    assert again.authorities["ca"].key.reveal() == "key-of-the-new-one"
    assert parse(None) is None
