"""A stack without an engine: a state and a cloud that can be cut off between any two calls."""

from __future__ import annotations

from types import SimpleNamespace as Some

from sloth.adapters.pulumi.events import Change, Report
from sloth.errors import MachinesError
from sloth.model.cloud import CloudPlan, Found, ServerPlan
from sloth.model.secret import Secret
from tests.unit.cloud.toy import ToyCloud

SERVER, NETWORK = "toy:index/server:Server", "toy:index/network:Network"


class Cut(BaseException):
    """The run ends here: SIGKILL."""


class Declared:
    """What `settle` gives to the engine: a program, as data."""

    def __init__(self, cloud, plan, answers, *, shared=None, adopt=None, still=None):
        self.plan, self.answers, self.shared, self.adopt = plan, answers, shared, adopt or {}
        self.still = still or (lambda name: False)

    def tokens(self):
        """Logical name -> token."""
        own = {} if self.shared is not None else {"network": NETWORK}
        return {**own, **{server.name: SERVER for server in self.plan.servers}}


class World:
    """The cloud: what there is, and how often each was made."""

    def __init__(self):
        self.ids = {}  # logical name -> id
        self.births = []

    def found(self):
        """A survey."""
        return [
            Found(
                kind="server" if name != "network" else "network", id=ident, name=f"shop-{name}",
                node=name if name != "network" else "", token=SERVER if name != "network" else NETWORK,
            )
            for name, ident in self.ids.items()
        ]  # fmt: skip


class Stack:
    """Takes the place of EngineStack; what is not defined here may not be called."""

    def __init__(self, folder, world, name="toy"):
        self.name, self.world = name, world
        self.said = []
        self.engine = Some(
            work=folder, project="sloth-shop", command=Some(version="3.0.0"), emit=self.said.append, sweep=self.sweep
        )
        self.locks = {}  # stack -> whose dead lock lies there
        self.state = set()
        self.loose = set()  # taken over, and the state does not know yet what they depend on
        self.pending = set()  # created at the cloud, unknown to the state
        self.odd = {}  # logical name -> "update" or "replace": what the next preview finds to differ
        self.calls = []
        self.totals = []  # how many changes each `up` was told to expect
        self.cut_at = (-1, False)  # number of the call, and whether it was carried out
        self.half = False  # the creates of the cut call happen at the cloud only

    def sweep(self, stack):
        return [self.locks.pop(stack)] if stack in self.locks else []

    def _call(self, word, work):
        self.calls.append(word)
        if self.cut_at == (len(self.calls) - 1, False):
            raise Cut
        answer = work()
        if self.cut_at == (len(self.calls) - 1, True):
            raise Cut
        return answer

    def preview(self, program):
        return self._call("preview", lambda: self._report(program))

    def up(self, program, *, total=0):
        self.totals.append(total)
        return self._call("up", lambda: self._up(program))

    def refresh(self, *, but=()):
        kept = {name for token, name in but}
        assert all(token == SERVER for token, _ in but) and kept <= set(self.world.ids)
        return self._call("refresh", lambda: self._refresh(kept))

    def names(self, tokens):
        return [name for name in self.state if SERVER in tokens and name != "network"]

    def take_over(self, cloud, ids):
        return self._call("take over", lambda: self._take(ids))

    def forget_pending(self):
        return self._call("forget", self._forget)

    def _report(self, program):
        wanted = program.tokens()
        actions = {name: "create" for name in wanted if name not in self.state}
        actions |= {name: "delete" for name in self.state if name not in wanted}
        odd = {name: how for name, how in self.odd.items() if not program.still(name)}
        actions |= {name: how for name, how in odd.items() if name in self.state and name in wanted}
        report = Report(kept={name for name in self.state if name not in actions})
        for name, action in sorted(actions.items()):
            token = wanted.get(name, SERVER)
            report.changes[name] = Change(token=token, name=name, action=action, causes=("size",), urn=name)
        return report

    def _up(self, program):
        report = self._report(program)
        report.pending = bool(self.pending)  # told by what changes something only
        for change in report.changes.values():
            self._change(change, program)
            self.odd.pop(change.name, None)
        self.loose.clear()
        if program.shared is None:
            program.answers.shared["network"] = self.world.ids.get("network", "gone")
        return report

    def _change(self, change, program):
        name = change.name
        assert not program.adopt, "user-data would stand in the state in plain"
        if change.action == "delete":
            self.world.ids.pop(name, None)
        assert change.action != "replace", "a replacement was let through"
        if change.action == "create":
            if name in self.world.ids:
                raise MachinesError("cloud/conflict", f"{name} exists already", hint="sloth up")
            self.world.births.append(name)
            self.world.ids[name] = f"{name}#{len(self.world.births)}"
            if self.half:
                self.pending.add(name)
                raise Cut
        (self.state.discard if change.action == "delete" else self.state.add)(name)

    def _refresh(self, kept):
        self.state = {name for name in self.state if name in self.world.ids or name in kept}

    def _take(self, ids):
        for (_, name), ident in ids.items():
            assert self.world.ids[name] == ident and name not in self.state
        self.state |= {name for _, name in ids}
        self.loose |= {name for _, name in ids}

    def _forget(self):
        count = len(self.pending)
        self.pending.clear()
        return count


def plan(*names, data="#cloud-config"):
    """A plan of these servers."""
    servers = [
        ServerPlan(
            name=name, pool="work", role="worker", size="small", location="north", image="img-7",
            user_data=Secret(data, known=False),
        )
        for name in names
    ]  # fmt: skip
    return CloudPlan(cluster="shop", network="10.0.0.0/16", options={}, servers=tuple(servers))


CLOUD = ToyCloud()


class Stacks:
    """Takes the place of EngineStack's class: one Stack for each name, kept between runs. Deletions can be refused."""

    def __init__(self, folder, world):
        self.folder, self.world = folder, world
        self.known = {}
        self.order = []  # (word, stack)
        self.refusals = []  # error codes of the next deletions

    def __call__(self, engine, name):
        if name not in self.known:
            self.known[name] = Destroyable(self, name)
        return self.known[name]


class Destroyable(Stack):
    def __init__(self, stacks, name):
        super().__init__(stacks.folder, stacks.world, name)
        self._stacks = stacks

    def _call(self, word, work):
        self._stacks.order.append((word, self.name))
        return super()._call(word, work)

    def take_over(self, cloud, ids):
        if self.name != "toy-strays":
            return super().take_over(cloud, ids)
        return self._call("adopt", lambda: self.state.update(ids.values()))

    def destroy(self):
        self._call("destroy", self._destroy)

    def _destroy(self):
        if self._stacks.refusals:
            code = self._stacks.refusals.pop()
            raise MachinesError(code, "refused", detail="network is still in use", hint="sloth down")
        ids = self.world.ids
        for name in [name for name, ident in ids.items() if name in self.state or ident in self.state]:
            del ids[name]
        self.state.clear()

    def remove(self):
        assert not self.state
        self._call("remove", lambda: None)
