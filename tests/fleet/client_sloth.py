"""The same job as a sloth script: one list of 20 steps, so one round trip for each host. Prints changes and round trips."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from sloth.adapters.ssh import SshSession, SshTransport
from sloth.engine.bus import Bus
from sloth.engine.drive import drive
from sloth.engine.fan_out import fan_out
from sloth.engine.journal import Journal
from sloth.engine.stop import Stop
from sloth.model.event import Event
from sloth.model.node import Login
from sloth.model.secret import Secret
from sloth.model.step import Ask, Do, Put, Result, Script, Step
from tests.fleet import job

WIDTH = 64


class Count:
    """A view that counts steps and changes."""

    def __init__(self) -> None:
        self.steps = self.changed = 0

    def take(self, event: Event) -> None:
        """Count it."""
        if event.kind == "step-finished":
            self.steps += 1
            self.changed += event.changed

    def close(self) -> None:
        """Nothing to do."""


def prepare(home: str) -> Script[str]:
    """The job on one host; returns what the final check has printed."""
    there = f"cd {home} && "
    steps: list[Step] = [
        *(Ask(title=title, run=there + run) for title, run in job.FACTS.items()),
        *(Do(title=f"make {path}", run=f"mkdir -p {home}/{path}", unless=f"[ -d {home}/{path} ]") for path in job.DIRECTORIES),
        *(Put(path=f"{home}/{path}", content=content, mode=mode) for path, (mode, content) in job.FILES.items()),
        *(Do(title=title, run=f"{there}{{ {run}; }}", unless=there + test) for title, (test, run) in job.GUARDED.items()),
        Ask(title="check", run=there + job.CHECK),
    ]
    results = yield steps
    assert isinstance(results, list)
    check: Result = results[-1]
    return check.out


def main() -> None:
    """All hosts of the inventory given as the argument."""
    file = Path(sys.argv[1])
    inventory = json.loads(file.read_text())
    key = Secret(Path(inventory["key"]).read_text())
    transport, stop, count = SshTransport(), Stop(), Count()
    journal = Journal(file.with_name("journal.jsonl"))

    def work(host: dict[str, str]) -> tuple[str, int]:
        login = Login(
            node=host["name"],
            address="127.0.0.1",
            port=int(host["port"]),
            user=inventory["user"],
            host_keys=(host["host_key"],),
            key=key,
        )
        session: SshSession = transport.open(login)
        try:
            script = prepare(host["home"])
            out = drive(script, session, node=login.node, phase="Prepare", emit=bus.emit, journal=journal, stop=stop)
            return out, session.round_trips
        finally:
            session.close()

    with Bus([count]) as bus:
        jobs = {host["name"]: partial(work, host) for host in inventory["hosts"]}
        answers = fan_out(jobs, title="Prepare", stop=stop, width=WIDTH)
    outs = {answer[0] for answer in answers.values() if isinstance(answer, tuple)}
    assert outs == {job.expected_sum()}, outs
    assert count.steps == job.STEPS * len(jobs), count.steps
    trips = sum(answer[1] for answer in answers.values() if isinstance(answer, tuple))
    print(json.dumps({"changed": count.changed, "round_trips": trips}))


if __name__ == "__main__":
    main()
