"""Provider `aws`: EC2 instances in one region of Amazon Web Services. A location is an availability zone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sloth.api import (  # isort: skip
    Abilities, Catalogue, Cloud, CloudPlan, ClusterSpec, ConfigError, CredentialsError, Found, Sdk, Secret, ServerPlan,
    Shared, SlothError, Wanted, resolve_secret,
)  # fmt: skip

_KEYS = {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY", "sessionToken": "AWS_SESSION_TOKEN"}
# Other ways that AWS's own tools know; the engine's plugin finds them itself.
_OTHERS = ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")


class Aws(Cloud):
    """Amazon EC2."""

    name = "aws"
    sdk = Sdk(module="pulumi_aws", plugin="aws", extra="aws")
    abilities = Abilities(balancer=True, volumes=True, private=True, spot=True, several_locations=True)
    example = {"size": "m7i.large", "location": "eu-central-1a"}
    faults = (
        (r"AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|UnrecognizedClient|no valid credential",
         "credentials", "aws sts get-caller-identity"),
        (r"UnauthorizedOperation|AccessDenied", "credentials", "give the key the policy of docs/clouds/aws.md"),
        (r"RequestLimitExceeded|Throttling", "rate-limit", ""),
        (r"LimitExceeded|MaxSpotInstanceCountExceeded", "quota", "ask for more in the console: Service Quotas, Amazon EC2"),
        (r"InsufficientInstanceCapacity|Unsupported: .*Availability Zone", "capacity", ""),
        (r"DependencyViolation|InUse\b", "in-use", ""),
        (r"AlreadyExists|\.Duplicate", "conflict", "something in the account has that name already: look at it in the console"),
        (r"NotFound|InvalidAMIID|Invalid value '.*' for InstanceType", "not-found", "sloth providers show aws"),
    )  # fmt: skip

    def own_fields(self) -> Mapping[str, Any]:
        """Region, credentials, and the size of the system disk."""
        secrets = {
            field: {"$ref": "#/$defs/secret", "description": f"Without it, {variable} of the environment."}
            for field, variable in _KEYS.items()
        }
        word = {"type": "string", "pattern": "^[A-Za-z0-9_.@-]+$", "x-rule": "a name without spaces"}
        region = {**word, "description": "By default the region of the zones.", "examples": ["eu-central-1"]}
        profile = {**word, "description": "Profile of ~/.aws to take the credentials from.", "examples": ["work"]}
        disk = {"type": "integer", "minimum": 8, "maximum": 16384, "default": 40, "examples": [80]}
        disk |= {"title": "System disk", "description": "Size of each node's system disk in GiB.", "x-rule": "8 to 16384"}
        return {**secrets, "region": {**region, "title": "Region"}, "profile": {**profile, "title": "Profile"}, "disk": disk}

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """Region, and the keys if they are given. Raises CredentialsError naming all that is missing."""
        options, missing = self.options(spec), []
        found: dict[str, Secret | str] = {"AWS_REGION": self.region(spec)}
        if profile := options.get("profile"):
            return {**found, "AWS_PROFILE": str(profile)}
        for field, variable in _KEYS.items():
            try:
                text = Secret(os.environ.get(variable, "").strip()) if field not in options else resolve_secret(options[field])
            except CredentialsError as error:
                missing.append(f"spec.providers.aws.{field}: {error.summary}")
                continue
            if text.reveal():
                found[variable] = text
            elif field != "sessionToken":
                missing.append(f"{variable} is not set")
        elsewhere = any(map(os.environ.get, _OTHERS)) or (Path.home() / ".aws" / "credentials").is_file()
        if missing and ({*_KEYS} & {*options} or not elsewhere):
            hint, what = "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…", "aws: there are no usable credentials"
            raise CredentialsError("cloud/no-credentials", what, detail="\n".join(missing), where="spec.providers.aws", hint=hint)
        return found

    def region(self, spec: ClusterSpec) -> str:
        """The region of the options, else that of the zones: their names are its name and a letter."""
        zones = [zone for pool in spec.pools if pool.provider == self.name for zone in self.choices(spec, pool, "location")]
        given = self.options(spec).get("location") or zones or self.example["location"]
        zone = given if isinstance(given, str) else given[0]
        return str(self.options(spec).get("region") or re.sub(r"[a-z]$", "", zone))

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Locations are zones of one region, and the network is large enough for subnets in each."""
        mine = [pool for pool in spec.pools if pool.provider == self.name]
        strange = {zone for pool in mine for zone in self.choices(spec, pool, "location") if zone[:-1] != self.region(spec)}
        problems = list(super().check(spec))
        if strange:
            summary = f"aws: {', '.join(sorted(strange))}: no availability zone of {self.region(spec)}"
            hint = "write zones of one region, such as eu-central-1a, eu-central-1b"
            problems.append(ConfigError("cloud/network-zone", summary, where="spec.pools", hint=hint))
        if not 16 <= int(self.cidr(spec).rpartition("/")[2]) <= 23:
            summary = (
                f"aws: {self.cidr(spec)} is not usable: a VPC has 16 to 28 bits of prefix, and sloth cuts it into 32 subnets"
            )
            where, hint = "spec.providers.aws.network", "write a network with a prefix of 16 to 23, such as 10.120.0.0/16"
            problems.append(ConfigError("cloud/network-size", summary, where=where, hint=hint))
        return problems

    def network(self, plan: CloudPlan) -> Shared:
        """VPC with a subnet in each zone, security group, key pair, placement group, NAT where it is needed."""
        from . import program

        return program.network(plan)

    def server(self, plan: CloudPlan, server: ServerPlan, shared: Shared) -> Mapping[str, Any]:
        """One instance with its volumes."""
        from . import program

        return program.server(plan, server, shared)

    def balancer(self, plan: CloudPlan, shared: Shared, servers: Mapping[str, Mapping[str, Any]]) -> Any:
        """A network load balancer."""
        from . import program

        return program.balancer(plan, shared, servers)

    def survey(self, spec: ClusterSpec) -> Sequence[Found]:
        """Everything tagged with the cluster, and what its Kubernetes controllers tagged as theirs."""
        from . import questions

        return questions.survey(spec.name, self.region(spec), self.user)

    def catalogue(self, spec: ClusterSpec, wanted: Wanted) -> Catalogue:
        """Zones, the sizes and images that are wanted, the vCPU quota."""
        from . import questions

        return questions.catalogue(wanted)


PLUGIN = Aws()
