"""Provider `openstack`: servers of any OpenStack cloud, all in one project and region."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sloth.api import Abilities, Catalogue, Cloud, CloudPlan, ClusterSpec, Found, Sdk, Secret, ServerPlan, Shared, Wanted

from .credentials import environment


class OpenStack(Cloud):
    """OpenStack with Nova, Neutron (router and external network), Glance; Cinder for volumes, Octavia for load balancers."""

    name = "openstack"
    sdk = Sdk(module="pulumi_openstack", plugin="openstack", extra="openstack")
    abilities = Abilities(balancer=True, volumes=True, private=True, several_locations=True)
    example = {"size": "m1.medium", "location": "nova"}  # a location is an availability zone
    faults = (
        (r"requires authentication|invalid user name or password|application credential", "credentials",
         "openstack token issue says what Keystone thinks of the credentials"),
        (r"quota exceeded|exceeded for", "quota", "openstack limits show --absolute lists them; ask the operator for more"),
        (r"no valid host|not enough hosts|\boverlimit\b", "capacity",
         "give the pool a list of sizes or locations to fall back to"),
        (r"in use by|still has ports|ports have an IP allocation|is not available.*in-use|immutable", "in-use",
         "run sloth down again"),
        (r"more than one", "conflict",
         "two things fit: delete the wrong one, or name the external network in spec.providers.openstack.externalNetwork"),
        (r"no results|not find|no [\w ]+ found|\b404\b", "not-found", "sloth providers show openstack"),
        (r"\b409\b|already exists", "conflict", "something of another hand has that name: openstack server list"),
    )  # fmt: skip

    def own_fields(self) -> Mapping[str, Any]:
        """Credentials, external network, disks."""
        fields: dict[str, Any] = json.loads(Path(__file__).with_name("options.json").read_text(encoding="utf-8"))
        return fields

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """The OS_ variables. Raises CredentialsError naming all that is missing."""
        return environment(self.options(spec))

    def network(self, plan: CloudPlan) -> Shared:
        """Network, subnet, router, firewall, key pair, and the server group of the control plane."""
        from .program import network

        return network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One server with port, public address and volumes."""
        from .program import server as declare

        return declare(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A load balancer of Octavia with a public address."""
        from .program import balancer

        return balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Servers by their ports' tag, the rest by tag or name."""
        from .questions import survey

        return survey(spec, self.user)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Zones, flavors, images and limits of the project."""
        from .questions import catalogue

        return catalogue(wanted, self.options(spec).get("externalNetwork"))


PLUGIN = OpenStack()
