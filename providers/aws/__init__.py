"""Provider `aws`: EC2 instances in one region of Amazon Web Services. A location is an availability zone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from sloth.api import Abilities, Cloud, ClusterSpec, Credential, CredentialsError, Sdk, Secret

# Other ways that AWS's own tools know; the engine's plugin finds them itself.
_OTHERS = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")


class Aws(Cloud):
    """Amazon EC2."""

    name = "aws"
    sdk = Sdk(module="pulumi_aws", plugin="aws", extra="aws")
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True, spot=True, several_locations=True)
    default_network = "10.120.0.0/16"
    prefixes = (16, 23)  # a VPC has 16 to 28, and sloth cuts it into 32 subnets
    example = {"size": "m7i.large", "location": "eu-central-1a"}
    sealed = {"aws:ec2/instance:Instance": ("userData",)}
    credentials = (
        Credential("AWS_PROFILE", "profile", "Profile of ~/.aws", secret=False, ways=("profile",)),
        Credential("AWS_ACCESS_KEY_ID", "accessKeyId", "Id of an access key", ways=("key",)),
        Credential("AWS_SECRET_ACCESS_KEY", "secretAccessKey", "Secret part of the key", ways=("key",)),
        Credential("AWS_SESSION_TOKEN", "sessionToken", "Session token of a temporary key", needed=False, ways=("key",)),
    )
    credentials_hint = "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…"
    faults = (
        (r"AuthFailure|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|UnrecognizedClient|no valid credential",
         "credentials", "aws sts get-caller-identity"),
        (r"UnauthorizedOperation|AccessDenied", "credentials", "give the key the policy of docs/clouds/aws.md"),
        (r"(?<!Request)LimitExceeded|MaxSpotInstanceCountExceeded", "quota", "ask for more: Service Quotas, Amazon EC2"),
        (r"InsufficientInstanceCapacity|Unsupported: .*Availability Zone", "capacity", ""),
        (r"AlreadyExists|\.Duplicate", "conflict", "something in the account has that name already: look at it in the console"),
        (r"NotFound|InvalidAMIID|Invalid value '.*' for InstanceType", "not-found", "sloth providers show aws"),
    )  # fmt: skip

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """Region, and the keys if they are given. Raises CredentialsError naming all that is missing."""
        region = {"AWS_REGION": self.home(spec)}
        try:
            return {**region, **super().environment(spec)}
        except CredentialsError:
            elsewhere = any(map(os.environ.get, _OTHERS)) or (Path.home() / ".aws" / "credentials").is_file()
            if not elsewhere or any(each.option in self.options(spec) for each in self.credentials):
                raise
            return region

    def home(self, spec: ClusterSpec) -> str:
        """The region of the options, else that of the zones: their names are its name and a letter."""
        zone = next(iter(self.places(spec)), self.example["location"])
        return str(self.options(spec).get("region") or re.sub(r"[a-z]$", "", zone))

    def region(self, location: str) -> str:
        """A VPC is in one region: `eu-central-1a` -> `eu-central-1`."""
        return location[:-1]


PLUGIN = Aws()
