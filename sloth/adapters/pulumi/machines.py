"""A cluster's machines at one cloud: the engine's stacks behind `sloth.contracts.provider.Machines`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sloth.adapters.pulumi import layout, notes, settle
from sloth.adapters.pulumi.events import Change, Report
from sloth.adapters.pulumi.names import Names, stack_name
from sloth.adapters.pulumi.program import Answers
from sloth.adapters.pulumi.questions import ask
from sloth.adapters.pulumi.settle import Task
from sloth.adapters.pulumi.stack import Engine, EngineStack
from sloth.adapters.pulumi.supervise import LAST, supervise
from sloth.cloud.choose import choose, pool_of, wanted
from sloth.contracts.cloud import Cloud
from sloth.contracts.provider import Machines
from sloth.engine.stop import Stop
from sloth.errors import ConfigError, CredentialsError, MachinesError
from sloth.model.cloud import CloudPlan, Found
from sloth.model.event import Event
from sloth.model.names import NamePlan
from sloth.model.node import Machine
from sloth.model.plan import Action, MachineChange, MachineRequest
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import AccessSpec, ClusterSpec

_SEEN = 120.0  # seconds until a server that was made must be listed by its cloud
_TRIES = 6  # deletions that are refused because something is still in use
_PAUSE = 5.0  # seconds between them
_GONE = "SLOTH_ALL_IS_GONE"  # set by a user who knows that the machines were deleted by other hands


@dataclass(kw_only=True)
class CloudMachines(Machines):
    """One cluster at one cloud."""

    cloud: Cloud
    spec: ClusterSpec
    engine: Engine
    stop: Stop
    record: Callable[[], Record | None]  # as it is saved now
    access: Callable[[], AccessSpec]
    user_data: Callable[[MachineRequest], Secret]
    pinned: Mapping[str, str] = field(default_factory=dict)  # image name -> id, from sloth.lock
    _found: Sequence[Found] | None = None
    _sure: bool = False  # that it is the cluster's own account: there was something, or nothing is known
    _balancer: str = ""
    _staying: frozenset[str] = frozenset()  # nodes that this run has asked for; all others are about to leave

    def survey(self) -> Sequence[Machine]:
        """Every server that carries the cluster's tag, as the cloud lists it."""
        return [found.machine for found in self._look() if found.machine is not None]

    def preflight(self, new: Sequence[str], known: Mapping[str, Mapping[str, object]]) -> Mapping[str, Mapping[str, object]]:
        """Size, location and image of each new node, and all that keeps it as it is made. Raises ConfigError."""
        wish = wanted(self.cloud, self.spec)
        account, catalogue = ask(self.engine, lambda: (self.cloud.account(self.spec), self.cloud.catalogue(self.spec, wish)))
        self._same(account)
        placements, problems = choose(self.cloud, self.spec, catalogue, new, known, pinned=self.pinned)
        if problems:
            raise problems[0] if len(problems) == 1 else _all(self.cloud.name, problems)
        details = {name: layout.details(self.spec, pool_of(name)) for name in placements}
        roles = {name: str(kept["role"]) for name, kept in details.items()}
        numbers = layout.assign(list(placements), roles, known)
        whose = {"account": account} if account else {}
        return {name: {**place, **details[name], "stack": numbers[name], **whose} for name, place in placements.items()}

    def apply(self, wanted: Sequence[MachineRequest]) -> Sequence[Machine]:
        """Have these servers, and whatever they share. Those of nodes that are about to leave stay until `delete`."""
        requests = {request.name: request for request in wanted}
        # One of the others that has no server gets none: it leaves, and this run has no user-data for it.
        there = {found.node for found in self._look() if found.kind == "server"}
        others = {name: place for name, place in self._recorded().items() if name in there}
        placements = {**others, **{name: request.placement for name, request in requests.items()}}
        self._staying = frozenset(requests)
        self._bring(self._plans(placements, requests), leaving=frozenset(placements) - self._staying)
        return self._seen(list(requests))

    def delete(self, names: Sequence[str]) -> None:
        """Delete these nodes' servers with what belongs to them alone; with the last ones, what they shared goes too."""
        placements = {name: place for name, place in self._recorded().items() if name not in names}
        if not placements:
            self.destroy()
            return
        self._bring(self._plans(placements, {}), gone=frozenset(names), leaving=frozenset(placements) - self._staying)

    def preview(self, wanted: Sequence[MachineRequest], leaving: Sequence[str]) -> Sequence[MachineChange]:
        """What `apply` and `delete` would do. Replacements are shown, not refused: the user wants to see them."""
        requests = {request.name: request for request in wanted}
        placements = {**self._recorded(), **{name: request.placement for name, request in requests.items()}}
        for name in leaving:
            placements.pop(name, None)
        plans = self._plans(placements, requests)
        gone = frozenset(leaving)
        reports, answers = self._look_at(self._tasks({0: plans[0]}, None, gone=gone))
        self._balancer = answers.balancer
        # Servers beyond the first stack need ids that may not exist yet: unknown ones in a plan.
        reports += self._look_at(self._tasks(self._others(plans), answers.shared, gone=gone))[0]
        known = {*placements, *leaving}
        return [self._in_plan(change, known, placements) for report in reports for change in report.changes.values()]

    def destroy(self) -> None:
        """Delete every stack, then what else carries the cluster's tag."""
        self._look()  # in another account nothing is there, and the engine would forget all of it
        stacks = self._stacks()
        for group in ([name for name in stacks if name != self.cloud.name], [self.cloud.name]):
            jobs = {name: lambda name=name: self._destroy(EngineStack(self.engine, name)) for name in group}
            supervise(jobs, self.engine.command, self.stop, title="delete", pulse=self.engine.pulse)
        self._found = None
        # What is only a part of something goes with it.
        whole = [one for one in self._look() if one.token and one.token not in self.cloud.tagless]
        left = {(one.token, f"{one.name}-{one.id}"): one.id for one in whole}
        if left:
            self._delete_strays(left)
        for name in stacks:
            EngineStack(self.engine, name).remove()

    def publish(self, wanted: NamePlan | None, before: NamePlan | None) -> bool:
        """Have the API's name in this cloud's DNS point there, or delete it."""
        names = Names(cloud=self.cloud, engine=self.engine)

        def job() -> bool:
            if wanted is not None:
                return names.publish(wanted, before)
            if before is not None:
                names.withdraw(before)
            return before is not None

        title = f"DNS record at {self.cloud.name}"
        return supervise({"dns": job}, self.engine.command, self.stop, title=title, pulse=self.engine.pulse)["dns"]

    def end(self) -> None:
        """Leave no engine behind that still works: called when the run is over, however it ended."""
        self.engine.command.end(LAST)

    def leftovers(self) -> Sequence[str]:
        """What still carries the cluster's tag and costs money, or would be in the way of a new cluster of that name."""
        return [f"{one.kind} {one.name} ({self.cloud.name}, {one.id})" for one in self._look()]

    def balance(self, targets: Sequence[str]) -> str:
        """The API load balancer's address, where the spec asks for one; `apply` has made it."""
        return self.balanced()

    def balanced(self) -> str:
        """The same; after `preview`, of a balancer that exists."""
        return f"{self._balancer}:6443" if self._balancer else ""

    def _look(self) -> Sequence[Found]:
        if self._found is None:
            asks = bool(self._accounts)
            account, found = ask(
                self.engine, lambda: (self.cloud.account(self.spec) if asks else "", self.cloud.survey(self.spec))
            )
            self._same(account)
            if not (found or self._sure or os.environ.get(_GONE)):
                self._not_elsewhere()
            self._found, self._sure = found, True
        return self._found

    def _not_elsewhere(self) -> None:
        """Nothing is seen: then nothing may be known either. Not every cloud tells whose a token is. Raises CredentialsError."""
        known = [name for stack in self._stacks() for name in EngineStack(self.engine, stack).names(self.cloud.sealed)]
        if known:
            raise CredentialsError(
                "cloud/nothing-there",
                f"{self.cloud.name}: these credentials show nothing at all of the cluster, which has {len(known)} machines there",
                detail=f"the engine's state has {', '.join(sorted(known))}; nothing was changed",
                where=f"spec.providers.{self.cloud.name}",
                hint=f"use credentials of the cluster's own project; or, if all of it was deleted there: {_GONE}=1 sloth up",
            )

    @property
    def _accounts(self) -> list[str]:
        """Where machines were made, as the cloud calls it; in the order of nodes."""
        return [str(place["account"]) for place in self._recorded().values() if place.get("account")]

    def _same(self, account: str) -> None:
        """The credentials open the account in which the machines are. Raises CredentialsError."""
        strange = [known for known in self._accounts if account and known != account]
        if strange:
            raise CredentialsError(
                "cloud/other-account",
                f"{self.cloud.name}: these credentials are of {account}, and the cluster's machines are in {strange[0]}",
                where=f"spec.providers.{self.cloud.name}",
                hint=f"use the credentials of {strange[0]}",
            )

    def _recorded(self) -> dict[str, Mapping[str, object]]:
        record = self.record()
        return dict(record.placements(self.cloud.name)) if record else {}

    def _plans(
        self, placements: Mapping[str, Mapping[str, object]], requests: Mapping[str, MachineRequest]
    ) -> dict[int, CloudPlan]:
        record = self.record()
        key = next((each.ssh_public_key for each in requests.values()), record.ssh_public_key if record else "")
        boot = {name: self.user_data(request) for name, request in requests.items()}
        return layout.plans(self.cloud, self.spec, placements, access=self.access(), ssh_public_key=key, user_data=boot)

    def _look_at(self, tasks: Mapping[str, Task]) -> tuple[list[Report], Answers]:
        """What would change in these stacks, and what the first of them answers."""
        jobs = {name: lambda task=task: settle.look(task) for name, task in tasks.items()}
        seen = supervise(jobs, self.engine.command, self.stop, title="plan", pulse=self.engine.pulse)
        return [report for report, _ in seen.values()], next((answers for _, answers in seen.values()), Answers())

    def _tasks(
        self,
        plans: Mapping[int, CloudPlan],
        shared: Mapping[str, str] | None,
        *,
        gone: frozenset[str] = frozenset(),
        leaving: frozenset[str] = frozenset(),
    ) -> dict[str, Task]:
        found = self._look()
        tasks = {}
        for number, plan in plans.items():
            name = layout.stack_name(self.cloud.name, number)
            tasks[name] = Task(
                cloud=self.cloud,
                stack=EngineStack(self.engine, name),
                plan=plan,
                shared=(shared or {}) if number else None,
                found=found,
                gone=gone,
                leaving=leaving & {server.name for server in plan.servers},
            )
        return tasks

    def _bring(
        self, plans: dict[int, CloudPlan], *, gone: frozenset[str] = frozenset(), leaving: frozenset[str] = frozenset()
    ) -> None:
        """The first stack, which has the network, then the others side by side."""
        first = self._settle(self._tasks({0: plans[0]}, None, gone=gone, leaving=leaving))
        answers = next(iter(first.values()))[1]
        self._balancer = answers.balancer
        first |= self._settle(self._tasks(self._others(plans), answers.shared, gone=gone, leaving=leaving))
        if any(changed for changed, _ in first.values()):
            self._found = None

    def _others(self, plans: Mapping[int, CloudPlan]) -> dict[int, CloudPlan]:
        """All but the first: with servers, or known from before and to hold none."""
        numbers = [int(number) for name in self._stacks() if (number := name.removeprefix(f"{self.cloud.name}-")).isdigit()]
        empty = {number: replace(plans[0], servers=(), balance=()) for number in numbers}
        return {number: plan for number, plan in {**empty, **plans}.items() if number}

    def _settle(self, tasks: Mapping[str, Task]) -> dict[str, tuple[bool, Answers]]:
        jobs = {name: lambda task=task: settle.settle(task) for name, task in tasks.items()}
        return supervise(jobs, self.engine.command, self.stop, title=f"machines at {self.cloud.name}", pulse=self.engine.pulse)

    def _seen(self, names: Sequence[str]) -> Sequence[Machine]:
        """The machines of these nodes, in order. Lists of some clouds are a little behind; so is a first address."""
        for _ in range(int(_SEEN / 2)):
            machines = {machine.name: machine for machine in self.survey()}
            missing = [name for name in names if name not in machines or not machines[name].address]
            if not missing:
                return [machines[name] for name in names]
            self.stop.check()
            self.stop.wait(2.0)
            self._found = None
        raise MachinesError(
            "cloud/not-listed",
            f"{self.cloud.name} made {', '.join(missing)}, but does not list them with an address",
            where=missing[0],
            hint="sloth up",
        )

    def _stacks(self) -> list[str]:
        """All that the record or this machine knows."""
        numbers = {int(str(place.get("stack", 0))) for place in self._recorded().values()}
        names = {layout.stack_name(self.cloud.name, number) for number in {0, *numbers}}
        own = {name for name in notes.stacks(self.engine.work) if name != stack_name(self.cloud.name)}  # `publish` sees to that
        return sorted(names | own)

    def _destroy(self, stack: EngineStack) -> None:
        notes.drop(self.engine.work, stack.name)
        for attempt in range(_TRIES):
            try:
                stack.destroy()
                return
            except MachinesError as error:
                if error.code != "cloud/in-use" or attempt == _TRIES - 1:
                    raise
                text = f"{self.cloud.name}: something is still in use; trying again"
                self.engine.emit(Event(kind="note", title=text, detail=error.detail))
                self.stop.wait(_PAUSE)
                self.stop.check()

    def _delete_strays(self, left: Mapping[tuple[str, str], str]) -> None:
        """What no stack knows of is taken over by one of its own, and goes with it."""
        stack = EngineStack(self.engine, f"{self.cloud.name}-strays")
        text = f"{self.cloud.name}: deleting {len(left)} more resources that carry the cluster's tag"
        self.engine.emit(Event(kind="note", title=text, detail="\n".join(name for _, name in left)))
        stack.take_over(self.cloud, left)
        self._destroy(stack)
        stack.remove()
        self._found = None

    def _in_plan(self, change: Change, nodes: Iterable[str], placements: Mapping[str, Mapping[str, object]]) -> MachineChange:
        node = settle.node_of(change.name, set(nodes))
        place = placements.get(node, {}) if change.name == node else {}
        action: Action = change.action  # type: ignore[assignment]  # CHANGES has the same words
        return MachineChange(
            node=node,
            action=action,
            kind="server" if change.name == node and node else _kind(change.token),
            name=change.name,
            provider=self.cloud.name,
            cause=change.causes,
            detail=_detail(place),
        )


def _kind(token: str) -> str:
    """`hcloud:index/server:Server` -> `server`; `…:LoadBalancer` -> `load balancer`."""
    word = token.rpartition(":")[2]
    return "".join(f" {letter.lower()}" if letter.isupper() and at else letter.lower() for at, letter in enumerate(word))


def _detail(place: Mapping[str, object]) -> str:
    if not place:
        return ""
    price = f", {place['price']:.2f} {place.get('currency', '')} a month" if "price" in place else ""
    return f"{place['size']} in {place['location']}, {place.get('image_name', place['image'])}{price}"


def _all(cloud: str, problems: Sequence[ConfigError]) -> ConfigError:
    return ConfigError(
        "cloud/preflight",
        f"{cloud}: {len(problems)} things that the spec asks for cannot be had",
        detail="\n".join(f"{each.where}: {each.summary}" for each in problems),
        hint="correct them in the spec, then sloth up",
        problems=tuple(problems),
    )
