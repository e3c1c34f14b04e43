"""A cloud plugin's three parts as one program of the engine, and what it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sloth.adapters.pulumi.stack import Program
from sloth.contracts.cloud import Cloud
from sloth.model.cloud import CloudPlan

BATCH = 50  # servers declared at once: each keeps most of a megabyte busy until it is known
Ids = Mapping[tuple[str, str], str]  # (type token, logical name) -> id of a resource that exists and is taken over


@dataclass
class Answers:
    """Outputs of a program, as far as they were known: all of them after an `up`, in a plan those of what exists."""

    shared: dict[str, str] = field(default_factory=dict)
    balancer: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_shared(self, name: str, value: Any) -> None:
        """One id of what servers share."""
        with self._lock:
            self.shared[name] = str(value)

    def keep_balancer(self, value: Any) -> None:
        """The API load balancer's address."""
        self.balancer = str(value)


def program(
    cloud: Cloud,
    plan: CloudPlan,
    answers: Answers,
    *,
    shared: Mapping[str, str] | None = None,
    adopt: Ids | None = None,
    still: Callable[[str], bool] | None = None,
) -> Program:
    """The program of one stack. `shared`: ids that another stack made; without them this stack declares the network itself.

    `still`: whether a resource of this name is left as it is, however it differs from what is declared.
    """

    async def run() -> None:
        _no_call_stacks()
        if adopt:
            taking_over(adopt)
        if still is not None:
            _leave_alone(still)
        common = _Ids(shared) if shared is not None else _network(cloud, plan, answers)
        servers: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(plan.servers), BATCH):
            batch = plan.servers[start : start + BATCH]
            servers |= {server.name: cloud.server(plan, server, common) for server in batch}
            await _settled()
        if plan.balance:
            members = {name: servers[name] for name in plan.balance}
            _capture(cloud.balancer(plan, common, members), answers.keep_balancer)
        await _settled()

    return run


def _no_call_stacks() -> None:
    """The SDK has each resource's state hold the Python call stack of its declaration: files of this machine, 2.3 kB of text.

    The engine writes its whole state at every step, and the state may be shared. (pulumi, runtime/resource.py,
    _get_stack_trace; the engine's protocol, pulumi/resource.proto, RegisterResourceRequest.stackTrace: may be empty.)
    """
    from pulumi.runtime import resource
    from pulumi.runtime.proto import source_pb2

    resource._get_stack_trace = source_pb2.StackTrace


async def _settled() -> None:
    """Return when everything that was declared is known, or something has failed.

    The SDK waits itself when a program has ended, for the first of all outstanding outputs, again and again: with N of them
    that is N² work (pulumi, runtime/stack.py, wait_for_rpcs). Here each is waited for once; nothing is left for the SDK.
    """
    from pulumi.runtime.settings import SETTINGS, _get_rpc_manager

    while _get_rpc_manager().unhandled_exception is None:
        with SETTINGS.lock:
            outstanding = list(SETTINGS.outputs)
        if not outstanding:
            return
        done, _ = await asyncio.wait(outstanding, timeout=1.0, return_when=asyncio.FIRST_EXCEPTION)
        if any(one.cancelled() or one.exception() for one in done):
            return  # the SDK finds it, too, and tells of it


class _Ids(dict[str, Any]):
    """Ids of another stack; in a plan, one that is not there yet is an output that is not known yet."""

    def __missing__(self, name: str) -> Any:
        import pulumi
        from pulumi.runtime import is_dry_run

        if not is_dry_run():
            raise KeyError(name)
        return pulumi.Output.from_input(pulumi.UNKNOWN)


def strays(found: Ids) -> Program:
    """A program that takes over resources of which nothing is known but token and id, so that they can be deleted."""

    def run() -> None:
        import pulumi

        taking_over(found)
        for token, name in found:
            pulumi.CustomResource(token, name, {})

    return run


def _network(cloud: Cloud, plan: CloudPlan, answers: Answers) -> Mapping[str, Any]:
    shared = cloud.network(plan)
    for name, value in shared.items():
        _capture(value, partial(answers.keep_shared, name))
    return shared


def _capture(value: Any, keep: Callable[[Any], None]) -> None:
    import pulumi

    pulumi.Output.from_input(value).apply(keep)


def _leave_alone(still: Callable[[str], bool]) -> None:
    """Have these resources kept as the state has them."""
    import pulumi
    from pulumi.runtime import register_stack_transformation

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not still(args.name):
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(ignore_changes=["*"]))
        return pulumi.ResourceTransformationResult(props=args.props, opts=opts)

    register_stack_transformation(transform)


def taking_over(ids: Ids) -> None:
    """Have these resources imported instead of created, as they are: what differs is changed by the next operation."""
    import pulumi
    from pulumi.runtime import register_stack_transformation

    def transform(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        ident = ids.get((args.type_, args.name))
        if ident is None:
            return None
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(import_=ident, ignore_changes=["*"]))
        return pulumi.ResourceTransformationResult(props=args.props, opts=opts)

    register_stack_transformation(transform)
