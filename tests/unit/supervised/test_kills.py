"""A run that is killed after any step of founding or joining is finished by the next one, and what worked is never reset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from sloth.contracts.distribution import Distribution
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step, Wait

from .clusters import BOTH, INFO, NAMES, cluster, flavour_of

both = pytest.mark.parametrize("plugin", BOTH, ids=NAMES)


class Killed(Exception):
    """SIGKILL of sloth: between two steps."""


@dataclass
class Machine:
    """A node as these scripts see it. `slow`: the supervisor needs more than one run to come up."""

    plugin: Distribution
    server: bool
    slow: bool = False
    files: dict[str, str] = field(default_factory=dict)
    running: bool = False
    data: bool = False
    works: bool = False
    log: list[str] = field(default_factory=list)

    def run(self, script: Script[Any], steps: int = 10**6) -> None:
        """Carry the script out; killed after so many steps."""
        wanted = next(script)
        try:
            while True:
                batch = wanted if isinstance(wanted, list) else [wanted]
                results = []
                for step in batch:
                    if steps == 0:
                        raise Killed
                    steps -= 1
                    results.append(self._step(step))
                wanted = script.send(results if isinstance(wanted, list) else results[0])
        except StopIteration:
            return

    def _step(self, step: Step) -> Result:
        flavour = flavour_of(self.plugin)
        match step:
            case Ask(title="look how far the node is"):
                seen = {
                    "member": flavour.note in self.files,
                    "answers": self.works and self.server,
                    "left": self.data or flavour.membership in self.files,
                }
                return Result(out="\n".join(word for word, here in seen.items() if here))
            case Ask(title="look whether the membership works"):
                return Result(exit=0 if self.works else 1)
            case Put():
                text = step.content.reveal() if isinstance(step.content, Secret) else str(step.content)
                self.files[step.path] = text
            case Wait(title="wait for the Kubernetes API"):
                pass
            case Wait():
                assert self.running and flavour.membership in self.files, f"{step.title} would never end"
                self.works = True
            case Do():
                self._do(step.title)
        return Result()

    def _do(self, title: str) -> None:
        flavour = flavour_of(self.plugin)
        self.log.append(title)
        if title == "take back an unfinished membership":
            assert not self.works and flavour.note not in self.files, "a working member was reset"
            self.files.pop(flavour.membership, None)
            self.running = self.data = False
        elif title.startswith("start "):
            assert flavour.membership in self.files and flavour.agent_token in self.files
            self.running = self.data = True
            self.works = self.works or not self.slow
        elif title.startswith("make "):
            self.files.setdefault(title.removeprefix("make "), f"random {len(self.log)}")
        elif title == "note the membership":
            self.files[flavour.note] = "x"
        else:
            raise AssertionError(f"unexpected: {title}")


def script(plugin: Distribution, index: int) -> Script[None]:
    of = cluster(plugin, 3, 2)
    return plugin.first_server(of.nodes[0], of) if index == 0 else plugin.join(of.nodes[index], of, INFO)


@both
@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
@pytest.mark.parametrize("index", [0, 1, 3], ids=["founder", "server", "agent"])
def test_killed_after_every_step(plugin: Distribution, index: int, slow: bool) -> None:
    flavour = flavour_of(plugin)
    for kill in range(1, 15):
        machine = Machine(plugin, server=index < 3, slow=slow)
        try:
            machine.run(script(plugin, index), kill)
            ended = True
        except Killed:
            ended = False
        tokens = {path: machine.files.get(path) for path in (flavour.server_token, flavour.agent_token)}
        machine.run(script(plugin, index))
        assert machine.works and machine.running and flavour.note in machine.files
        assert flavour.join_url in machine.files[flavour.membership], "from now on it finds its way back to the others"
        if index == 0:
            made = {path: text for path, text in tokens.items() if text}
            assert made.items() <= machine.files.items(), "a token that may encrypt data is never made again"
        machine.log.clear()
        machine.run(script(plugin, index))
        assert machine.log == [], "a third run changes nothing"
        if ended:
            return
    raise AssertionError("the script never came to its end")
