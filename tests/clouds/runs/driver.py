"""Runs `sloth` for tests: all of it but what would connect to nodes, since servers of fake clouds are nothing but entries.

`python -m tests.clouds.runs.driver WORD…` is one run. With `--serve` it loads everything once and then forks a process for each
line that it reads (JSON: words, env, cwd, stdout, stderr); it answers `{"pid"}`, and `{"pid", "code"}` when that one has ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

# The others speak to nodes, or to Kubernetes on them.
PHASES = ("Leases", "Preflight", "Machines", "Depart")
LOADED = (
    "pulumi.automation",
    "pulumi_hcloud",
    "pulumi_aws.ec2",
    "pulumi_aws.ebs",
    "pulumi_aws.lb",
    "pulumi_aws.resourcegroupstaggingapi",
    "pulumi_aws.servicequotas",
    "paramiko",
    "jsonschema",
    "obstore",
    "sloth.adapters.pulumi.machines",
    "sloth.adapters.ssh",
    "sloth.adapters.state_file",
    "sloth.adapters.artifacts.ensure",
    "sloth.config.load",
    "sloth.desk",
    "sloth.ui.plan_table",
    "sloth.ui.error_panel",
    "sloth.ui.json_view",
)


def cut() -> None:
    """Take out of the flow what needs nodes that answer, and take artifacts as they are."""
    from sloth import planning, supply
    from sloth.adapters.pulumi import machines, supervise

    whole = planning.phases
    planning.phases = lambda tools: [each for each in whole(tools) if type(each).__name__ in PHASES]  # type: ignore[attr-defined]
    supply.NEEDING = ()
    machines._PAUSE = 0.05  # between deletions that are refused
    machines.LAST = supervise.LAST = 3.0  # for an engine that waits for a cloud that does not answer


def load() -> None:
    """Import what runs import, and the plugins."""
    from importlib import import_module

    from sloth import registry

    for name in LOADED:
        import_module(name)
    for name in ("hcloud", "aws"):
        plugin = type(registry.provider(name)).__module__
        for part in ("program", "questions"):
            import_module(f"{plugin}.{part}")
    registry.distribution("kubeadm")


def run(words: list[str]) -> None:
    """One run in this process; raises SystemExit."""
    from sloth.cli.main import run as sloth

    sys.argv = ["sloth", *words]
    sloth()


class Server:
    """Forks runs."""

    def __init__(self) -> None:
        signal.signal(signal.SIGCHLD, self._ended)
        self.pids: set[int] = set()

    def serve(self) -> None:
        """Until standard input ends."""
        self._say(ready=True)
        while line := sys.stdin.readline():
            order = json.loads(line)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
            pid = os.fork()
            if not pid:
                self._become(order)
                return run(order["words"])
            self._say(pid=pid)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        return None

    def _become(self, order: dict[str, Any]) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setpgid(0, 0)
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)

    def _ended(self, *_: Any) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._say(pid=pid, code=os.waitstatus_to_exitcode(status))

    def _say(self, **what: Any) -> None:
        os.write(1, (json.dumps(what) + "\n").encode())


def main() -> None:
    """As the first word says."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    cut()
    if sys.argv[1:2] == ["--serve"]:
        load()
        tasks = len(list(Path("/proc/self/task").iterdir()))
        assert tasks == 1, f"{tasks} threads run after loading: what is forked would lack them"
        Server().serve()
    else:
        run(sys.argv[1:])


if __name__ == "__main__":
    main()
