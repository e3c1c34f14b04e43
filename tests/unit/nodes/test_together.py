"""Many nodes at once, as an upgrade lets them go: only what sloth itself holds is uncordoned."""

from sloth.nodes.cordon import release_all
from tests.unit.distributions.kubeadm.run import run

LOOK = "look who cordoned work-1, work-2"


def released(text):
    return run(release_all(["work-1", "work-2"], "kubectl"), {LOOK: text})


def test_what_somebody_else_cordoned_stays_cordoned():
    done = released("work-1 true <none>\nwork-2 true upgrade\n")
    assert done.titles == [LOOK, "uncordon work-2"]
    text = done.text("uncordon work-2")
    assert "kubectl uncordon work-2" in text and "annotate nodes work-2 sloth.dev/cordoned-" in text


def test_what_is_held_by_nobody_is_left_alone():
    assert released("work-1 <none> <none>\nwork-2 <none> <none>\n").titles == [LOOK]


def test_what_a_reboot_left_cordoned_is_let_go_of_as_well():
    assert released("work-1 true reboot\nwork-2 true upgrade\n").titles == [LOOK, "uncordon work-1, work-2"]
