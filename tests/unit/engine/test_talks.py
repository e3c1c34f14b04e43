"""Talks to the API as orders of a run: what is shown and journalled, Ctrl-C between two requests, and rehearsals."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sloth.engine.rig import Rig
from sloth.engine.runner import run_phases
from sloth.engine.stop import Stop
from sloth.errors import Interrupted, KubernetesError, UsageError
from sloth.model.node import Login
from sloth.model.phase import Api, Connect
from sloth.model.secret import Secret
from sloth.testing import MemoryState
from tests.unit.phases.orders import cluster

START = cluster("cp-1", "work-1", joined=("cp-1",))
START = replace(START, record=replace(START.record, kubeconfig=Secret("kind: Config")))


class Session:
    """Answers every wish with its number."""

    def __init__(self):
        self.wishes = []

    def run(self, talk):
        call = talk("the API")
        try:
            wanted = next(call)
            while True:
                self.wishes.append(wanted)
                wanted = call.send(len(self.wishes))
        except StopIteration as done:
            return done.value

    def close(self):
        pass


class Ask:
    """A phase of one talk."""

    title = "Ask"

    def __init__(self, talk, **settings):
        self.talk, self.settings, self.answer = talk, settings, None

    def run(self, cluster):
        server = cluster.node("cp-1")
        yield Connect(logins=(Login(node="cp-1", address="192.0.2.1"),))
        self.answer = yield Api(title="ask", node="work-1", servers=(server,), talk=self.talk, **self.settings)
        return cluster


def carried_out(phase, record=START.record, **settings):
    """The session and the events of a run of that phase."""
    session, events, state = Session(), [], MemoryState()
    state.save(record)
    rig = Rig(
        transport=SimpleNamespace(), state=state, machines=None, emit=events.append,
        api=SimpleNamespace(open=lambda _kubeconfig, _doors: session), **settings,
    )  # fmt: skip
    try:
        run_phases([phase], replace(START, record=record), rig)
    finally:
        phase.session, phase.steps = session, [event for event in events if event.kind == "step-finished"]
        phase.notes = [event for event in events if event.kind == "note"]
    return phase


def three(api, say):
    assert api == "the API"
    say("three letters")
    return [(yield "a"), (yield "b"), (yield "c")]


def test_a_talk_gets_its_answers_and_is_shown_as_a_step_of_its_node():
    phase = carried_out(Ask(three))
    assert phase.answer == [1, 2, 3]
    (step,) = phase.steps
    assert (step.node, step.title, step.ok, step.changed) == ("work-1", "ask", True, False)
    assert [(event.node, event.title) for event in phase.notes] == [("work-1", "three letters")]


def test_ctrl_c_ends_it_between_two_requests():
    stop, ended = Stop(), []

    def talk(_api, _say):
        try:
            yield "a"
            stop.request()
            yield "b"
        finally:
            ended.append(True)

    phase = Ask(talk)
    with pytest.raises(Interrupted):
        carried_out(phase, stop=stop)
    assert (phase.session.wishes, ended) == (["a"], [True])
    assert [step.ok for step in phase.steps] == [False]


def test_a_kubeconfig_that_has_run_out_is_made_anew_by_certs_rotate():
    def refused(_api, _say):
        yield "a"
        raise KubernetesError("kube/unauthorized", "the cluster does not accept these credentials", hint="sloth kubeconfig")

    with pytest.raises(KubernetesError) as caught:
        carried_out(Ask(refused))
    assert caught.value.hint == "sloth certs rotate"


def test_an_order_may_bring_the_kubeconfig_that_the_record_does_not_have():
    bare = replace(START.record, kubeconfig=None)
    with pytest.raises(UsageError) as caught:
        carried_out(Ask(three), bare)
    assert caught.value.code == "kubeconfig/none"
    assert carried_out(Ask(three, kubeconfig=Secret("kind: Config")), bare).answer == [1, 2, 3]


def test_what_awaits_its_own_changes_is_only_named_in_a_rehearsal():
    phase = carried_out(Ask(three, awaits=True), rehearsing=True)
    assert (phase.answer, phase.session.wishes) == (True, [])
    (step,) = phase.steps
    assert (step.title, step.changed, step.predicted) == ("ask", True, True)
    assert carried_out(Ask(three), rehearsing=True).answer == [1, 2, 3], "others ask"
