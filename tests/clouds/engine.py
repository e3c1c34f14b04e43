"""Runs a cloud plugin's program with the real engine against a fake: to test plugins and fakes, not sloth's own adapter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulumi import automation

from sloth.adapters.pulumi import stack as adapter
from sloth.adapters.pulumi.command import Command
from sloth.adapters.pulumi.tool import version_of
from sloth.contracts.cloud import Cloud
from sloth.model.cloud import CloudPlan
from sloth.model.secret import Secret
from tests.clouds.fakes.base import Fake

TOOL = Path(os.environ.get("SLOTH_PULUMI") or Path.home() / "pulumi-dev" / "pulumi")


PROJECT, STACK = "fakes", "servers"


class Engine:
    """One stack in a folder of its own."""

    def __init__(self, folder: Path, cloud: Cloud, provider: str) -> None:
        self._cloud = cloud
        self._folder = folder
        for name in ("home", "state", "work"):
            (folder / name).mkdir()
        self._env = {
            "PULUMI_DEBUG_PROVIDERS": provider,
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a passphrase for tests",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def up(self, plan: CloudPlan) -> Mapping[str, Any]:
        """Make it so; what the program answered, secrets left out."""
        result = self._stack(plan).up(parallel=16, color="never", on_output=_nowhere)
        return {key: value.value for key, value in result.outputs.items()}

    def preview(self, plan: CloudPlan) -> dict[str, int]:
        """What `up` would do: operation -> how many resources."""
        found = self._stack(plan).preview(parallel=16, color="never", on_output=_nowhere).change_summary
        return {str(getattr(key, "value", key)): count for key, count in found.items()}

    def take_over(self, ids: Mapping[tuple[str, str], str]) -> None:
        """Have the state know resources that exist, as sloth's adapter does it: (type token, logical name) -> id."""
        adapter.EngineStack(self.adapter(), STACK).take_over(self._cloud, ids)

    def adapter(self) -> adapter.Engine:
        """sloth's own adapter over the same files."""
        environment = {key: value for key, value in self._env.items() if key == "PULUMI_DEBUG_PROVIDERS"}
        return adapter.Engine(
            cloud=self._cloud.name,
            project=PROJECT,
            command=Command(str(TOOL), version_of(str(TOOL)), {}),
            home=self._folder / "home",
            work=self._folder / "work",
            backend=self._env["PULUMI_BACKEND_URL"],
            passphrase=Secret(self._env["PULUMI_CONFIG_PASSPHRASE"]),
            environment=environment,
        )

    def down(self, plan: CloudPlan) -> None:
        """Delete all of it."""
        self._stack(plan).destroy(parallel=16, color="never", on_output=_nowhere)

    def ask(self, question: Any) -> Any:
        """What a program of questions answers (`survey`, `catalogue`)."""
        answers: list[Any] = []
        stack = self._select("questions", lambda: answers.append(question()))
        stack.preview(color="never", on_output=_nowhere)
        return answers[-1]

    def text(self) -> bytes:
        """Everything that runs have left in the folder, as one text."""
        return b"\n".join(path.read_bytes() for path in sorted(self._folder.rglob("*")) if path.is_file())

    def _stack(self, plan: CloudPlan) -> automation.Stack:
        return self._select(STACK, lambda: _program(self._cloud, plan))

    def _select(self, name: str, program: Any) -> automation.Stack:
        command = automation.PulumiCommand(root=str(_root(self._folder)))
        options = automation.LocalWorkspaceOptions(
            work_dir=str(self._folder / "work"),
            pulumi_home=str(self._folder / "home"),
            env_vars=self._env,
            pulumi_command=command,
        )
        return automation.create_or_select_stack(name, project_name=PROJECT, program=program, opts=options)


def _program(cloud: Cloud, plan: CloudPlan) -> None:
    import pulumi

    shared = cloud.network(plan)
    servers = {server.name: cloud.server(plan, server, shared) for server in plan.servers}
    pulumi.export("servers", {name: dict(made) for name, made in servers.items()})
    if plan.balance:
        pulumi.export("balancer", cloud.balancer(plan, shared, {name: servers[name] for name in plan.balance}))


def _root(folder: Path) -> Path:
    """The SDK looks for ROOT/bin/pulumi."""
    link = folder / "tool" / "bin" / "pulumi"
    if not link.exists():
        link.parent.mkdir(parents=True)
        link.symlink_to(TOOL)
    return folder / "tool"


def _nowhere(text: str) -> None:
    """The engine's output is not wanted; without a taker the SDK prints it."""


__all__ = ["TOOL", "Engine", "Fake"]
