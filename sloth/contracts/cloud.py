"""What a cloud plugin is: data, a Pulumi program in three parts, and two questions.

The engine adapter (`sloth.adapters.pulumi`) runs these; a plugin never starts anything itself and keeps no state. The class holds
data and checks; what needs the SDK (`pulumi_NAME`) is in two modules beside it, imported when they are called:

    program.py      network(plan) · server(plan, server, shared) · balancer(plan, shared, servers)
    questions.py    survey(cloud, spec) · catalogue(cloud, spec, wanted)
    dns.py          records(plan), and listed(plan) where a function lists records; with the ability only
    options.json    JSON Schema properties of the cloud's own fields, besides its secrets
    tagless.json    how the engine imports parts that carry no tag

See docs/guide/write-a-cloud.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module, resources
from types import ModuleType
from typing import Any, ClassVar

from sloth.contracts.cloud_fields import pool_fields, provider_fields
from sloth.contracts.cloud_spec import Abilities, CloudSpec
from sloth.contracts.credentials import Credential, log_in, others, secret_fields
from sloth.model.cloud import Catalogue, CloudPlan, Found, ServerPlan, Wanted, WayOut
from sloth.model.names import Listed, NamePlan
from sloth.model.node import Machine
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec

Shared = Mapping[str, Any]  # name -> pulumi.Input[str]; plain strings where another stack made them


@dataclass(frozen=True, kw_only=True)
class Sdk:
    """The typed SDK of a cloud and the engine's plugin that goes with it."""

    module: str  # `pulumi_hcloud`
    plugin: str  # the engine's name of the plugin: `hcloud`, also the prefix of type tokens
    extra: str  # pip install 'sloth-kubernetes[EXTRA]'
    version: str = ""  # of the plugin, where the SDK does not name it
    server: str = ""  # where the plugin is downloaded from, where that is not Pulumi's own place


class Cloud(CloudSpec):
    """A provider whose machines the Pulumi engine makes."""

    sdk: ClassVar[Sdk]
    user: ClassVar[str] = "sloth"  # made by user-data, with sudo
    credentials: ClassVar[Sequence[Credential]] = ()
    credentials_hint: ClassVar[str] = ""  # what to do when there are none; by default to export the variables
    one_way_in: ClassVar[bool] = False  # a mix of two ways to log in is refused: what belongs to another is hidden
    settings: ClassVar[Mapping[str, str]] = {}  # further variables of the engine's plugin
    # Token of a server -> the properties that hold its user-data: sealed in the state also where the cloud tells them in plain.
    sealed: ClassVar[Mapping[str, Sequence[str]]] = {}
    # Tokens of parts that carry nothing: one that cannot be changed in place may be made anew, old one first.
    fluid: ClassVar[frozenset[str]] = frozenset()
    files: ClassVar[Mapping[str, str]] = {}  # path -> content, on every node before its SSH server starts
    faults: ClassVar[Sequence[tuple[str, str, str]]] = ()  # (regular expression, kind, hint); sloth.adapters.pulumi.faults

    def own_fields(self) -> Mapping[str, Any]:
        """JSON Schema properties of `spec.providers.NAME` besides the common ones: secrets, and `options.json`."""
        return {**secret_fields(self.credentials), **self._data("options.json")}

    @cached_property
    def tagless(self) -> Mapping[str, str]:
        """Token of a part that carries no tag and cannot be made twice -> the id that the engine imports it by.

        Of the part's properties: `{networkId}-{ipRange}`; `{diskId:/-1}` is the last of what is between slashes. "" = the survey
        tells it.
        """
        return self._data("tagless.json")

    def _data(self, name: str) -> dict[str, Any]:
        package = self._package()
        file = resources.files(package).joinpath(name) if package else None
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}
        return found

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """Environment of the cloud's engine plugin: credentials, region. Raises CredentialsError naming all that is missing."""
        found = log_in(self.name, self.credentials, self.options(spec), self.credentials_hint)
        return {**self.settings, **found, **(others(self.credentials, found) if self.one_way_in else {})}

    def network(self, plan: CloudPlan) -> Shared:
        """Declare what servers share: network, firewall, SSH key, placement group, way out. Program; answers plain ids."""
        shared: Shared = self._part("program").network(plan)
        return shared

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """Declare one server and what belongs to it alone. Program; answers outputs `id`, `address`, `private_address`."""
        made: Mapping[str, Any] = self._part("program").server(plan, server, shared)
        return made

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """Declare the API load balancer over `plan.balance` on TCP 6443. Program; answers its address as an output."""
        return self._part("program").balancer(plan, shared, servers)  # only asked of clouds with the ability

    def records(self, plan: NamePlan) -> None:
        """Declare the API's name in DNS. Program; only asked of clouds with the ability."""
        self._part("dns").records(plan)

    def lists_names(self) -> bool:
        """Whether a function of the SDK tells what is in a DNS zone."""
        return hasattr(self._part("dns"), "listed")

    def listed(self, plan: NamePlan) -> Iterable[Listed]:
        """What is at the API's name in DNS, asked by provider functions. Program of questions: declares nothing."""
        found: Iterable[Listed] = self._part("dns").listed(plan)
        return found

    def way_out(self, spec: ClusterSpec) -> WayOut | None:
        """Where the cloud has no NAT: how nodes without a public address get out through one that has one."""
        return None

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Everything that carries the cluster's tag, asked by provider functions. Program of questions: declares nothing."""
        found: Sequence[Found] = self._part("questions").survey(self, spec)
        return found

    def account(self, spec: ClusterSpec) -> str:
        """Which account, project or subscription the credentials open; "" where the cloud does not tell. Program of questions."""
        with suppress(ModuleNotFoundError):
            if question := getattr(self._part("questions"), "account", None):
                return str(question())
        told = self.environment(spec) if any(each.account for each in self.credentials) else {}
        return next((str(told[each.variable]) for each in self.credentials if each.account and each.variable in told), "")

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """What the account can have, asked by provider functions. Program of questions: declares nothing."""
        offer: Catalogue = self._part("questions").catalogue(self, spec, wanted)
        return offer

    def options_schema(self) -> Mapping[str, Any]:
        """The common fields and the cloud's own."""
        provider = {**provider_fields(self.example, self.default_image), **self.own_fields()}
        return {
            "provider": {"type": "object", "additionalProperties": False, "properties": provider},
            "pool": {"type": "object", "additionalProperties": False, "properties": pool_fields(self.example)},
        }

    def machine(
        self,
        node: str,
        ident: str,
        *,
        address: str | None,
        private: str,
        network: Any,
        running: bool,
        region: str,
        zone: str = "",
    ) -> Machine:
        """A server as a survey tells of it: `network` is the cloud's id of it; a region without zones is its own zone."""
        labels = {
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": zone or region,
            "sloth.dev/provider": self.name,
        }
        return Machine(
            name=node,
            id=ident,
            address=address or "",
            user=self.user,
            private_address=private,
            network=f"{self.name}/{network}" if network else "",
            running=running,
            labels=labels,
        )

    def _package(self) -> str:
        """The plugin's package; "" where its class was made in no module of a package."""
        module = sys.modules.get(type(self).__module__)
        return (module.__package__ or "") if module else ""

    def _part(self, name: str) -> ModuleType:
        return import_module(f".{name}", self._package())


__all__ = ["Abilities", "Cloud", "Credential", "Sdk", "Shared"]
