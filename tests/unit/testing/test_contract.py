"""The contract suites accept good plugins and complain about bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.contracts.provider import Machines, Provider
from sloth.errors import SlothError
from sloth.etcd.access import EtcdAccess
from sloth.model.artifact import Need
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Retry, Script
from sloth.testing import contract
from sloth.testing.machines import FakeMachines


@pytest.mark.parametrize(
    "text",
    [
        "cat /etc/hostname",
        "  # why\n\ntest -e /x && echo y",
        "(\n# comment\nleft=''\nfor f in a b; do echo $f; done",
        "LC_ALL=C ls /",
        "kubectl get nodes",
        "kubectl --kubeconfig x get nodes",
        "systemctl is-active ssh",
        "systemctl list-units",
        "wg show wg0 dump",
        "awk '{ print\n $1 }' /x",
        "kubeadm version",
    ],
)
def test_reading_texts(text: str) -> None:
    assert contract.reads_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "rm -rf /x",
        "kubectl delete node x",
        "systemctl restart ssh",
        "wg set wg0",
        "x=1",
        "kubeadm init",
        "unclosed '",
    ],
)
def test_other_texts(text: str) -> None:
    assert not contract.reads_only(text)


def test_steps_are_looked_through() -> None:
    secret = Secret("a-token-in-the-command")
    complaints = contract.check_steps(
        [
            Ask(title="fine", run="cat x"),
            Ask(title="changes", run="touch x"),
            Do(title=" ", run="x"),
            Do(title="leaks", run=f"use {secret.reveal()}", env={"TOKEN": secret}),
            Put(path="/open", content=secret),
            Put(path="/closed", content=secret, mode=0o600),
            Do(title="again", run="x", retry=Retry(attempts=2)),
            Do(title="with reason", run="x", retry=Retry(attempts=2, reason="the API may be starting")),
        ],
        "here",
    )
    assert [text.split(": ", 1)[1].split(" ")[0] for text in complaints] == ["step", "a", "step", "step", "step"]
    for text, words in zip(
        complaints, ["no reading verb", "without a title", "in its command", "mode 0644", "without a reason"], strict=True
    ):
        assert words in text
        assert text.startswith("here: ")


class Bad(Provider):
    """A provider that does nothing right."""

    name = "bad"
    schema: Mapping[str, Any] = {
        "provider": {"type": "object", "properties": {"size": {"type": "string"}}},
        "pool": {"type": "nonsense"},
        "extra": {},
    }

    def options_schema(self) -> Mapping[str, Any]:
        return self.schema

    def check(self, spec: object) -> Sequence[SlothError]:
        return []

    def machines(self, spec: object, emit: object, delivery: object) -> Machines:
        return FakeMachines()


def test_a_bad_provider_is_complained_about() -> None:
    complaints = "\n".join(contract.check_provider(Bad()))
    for words in (
        "its folder is called testing",
        "README.md is missing",
        "unknown key `extra`",
        "`provider.size` has no description",
        "`provider.size` is not in the README",
        "the schema of `pool` is wrong",
    ):
        assert words in complaints


class Small(Distribution):
    """A distribution with little to say."""

    name = "testing"
    known: Sequence[str] = ("v1.36.3",)
    question = "cat /x"

    def versions(self) -> Sequence[str]:
        return self.known

    def check(self, spec: object) -> Sequence[SlothError]:
        return []

    def needs(self, version: str) -> Sequence[Need]:
        return [Need(name="tool", version=version, kind="binary"), Need(name="pause", version=version, kind="image")]

    def probe(self) -> str:
        return self.question

    def prepare(self, node: object, cluster: object) -> Sequence[Do]:
        return [Do(title="prepare", run="x")]

    def _script(self, *_: object) -> Script[Any]:
        yield Ask(title="look", run=self.question)
        yield [Do(title="do", run="x")]

    first_server = settle = evict = remove = kubeconfig = _script

    def join_info(self, node: object, cluster: object) -> Script[JoinInfo]:
        yield Ask(title="token", run="cat /token", secret=True)
        return JoinInfo(token=Secret("x"))

    def join(self, node: object, cluster: object, info: JoinInfo) -> Script[None]:
        assert info.certificate_key is not None
        result = yield Ask(title="member", run="test -e /member", check=False)
        assert isinstance(result, Result)
        if not result.ok:
            yield Do(title="join", run="join")


def test_a_distribution_is_looked_through() -> None:
    complaints = contract.check_distribution(Small())
    assert complaints == [
        "testing: testing/README.md is missing or empty",
        "testing: the binary tool has no path",
        "testing: the image pause has no name",
    ]
    steps = contract.script_steps(Small(), contract.sample_cluster("testing", "v1.36.3"))
    assert [step.title for step in steps["join (worker)"]] == ["member", "join"]
    assert [step.title for step in steps["prepare"]] == ["prepare"]


def test_a_distribution_whose_questions_change_something() -> None:
    class Asks(Small):
        name = "asks"
        question = "rm /x"
        known = ("v1.36.3", "1.36")

    complaints = "\n".join(contract.check_distribution(Asks()))
    assert "`1.36` is no exact version" in complaints
    assert "the probe begins with no reading verb" in complaints
    assert complaints.count("step “look” is a question") == 5


def test_abilities_of_a_distribution_must_have_their_form() -> None:
    class Odd(Small):
        def etcd_access(self) -> EtcdAccess:
            return EtcdAccess(cacert="ca.crt", cert="/etc/c", key="/etc/k", data_dir="/var/lib/etcd")

        def kubectl(self) -> str:
            return "rm -rf / &&"

    complaints = "\n".join(contract.check_distribution(Odd()))
    assert "etcd_access names `ca.crt`, which is no absolute path" in complaints
    assert "`rm -rf / &&` is no kubectl to which a verb can be added" in complaints


def test_a_distribution_without_versions() -> None:
    class Empty(Small):
        known = ()

    assert contract.check_distribution(Empty())[-1] == "testing: it knows no version"
