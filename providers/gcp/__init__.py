"""Provider `gcp`: machines at Google Compute Engine, made by the Pulumi engine with the typed SDK pulumi_gcp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sloth.api import Abilities, Cloud, ClusterSpec, ConfigError, Credential, Sdk, Secret, SlothError


class Gcp(Cloud):
    """Google Cloud: one VPC with one subnet in one region; a location is a zone of it."""

    name = "gcp"
    sdk = Sdk(module="pulumi_gcp", plugin="gcp", extra="gcp")
    abilities = Abilities(balancer=True, volumes=True, private=True, spot=True, several_locations=True)
    default_image = "ubuntu-24.04"  # Google's Debian images have no cloud-init: user data would be ignored
    default_network = "10.130.0.0/16"
    prefixes = (1, 29)  # of a subnet
    example = {"size": "e2-standard-2", "location": "europe-west3-a"}
    credentials = (
        Credential("GOOGLE_CREDENTIALS", "credentials", "JSON key of a service account", ways=("key",)),
        Credential("GOOGLE_APPLICATION_CREDENTIALS", what="File of such a key", secret=False, ways=("file",)),
        Credential("GOOGLE_PROJECT", "project", "Id of the project", secret=False, also=("GOOGLE_CLOUD_PROJECT",)),
    )
    credentials_hint = "export GOOGLE_APPLICATION_CREDENTIALS=KEY.json GOOGLE_PROJECT=ID: docs/clouds/gcp.md"
    faults = (
        (r"invalid_grant|could not find default credentials|error parsing credentials", "credentials", ""),
        (r"SERVICE_DISABLED|accessNotConfigured|API has not been used", "credentials", "enable the API that the text names"),
        (r"rateLimitExceeded|RATE_LIMIT_EXCEEDED", "rate-limit", ""),
        (r"QUOTA_EXCEEDED|quotaExceeded|Quota '\S+' exceeded", "quota", ""),
        (r"RESOURCE_POOL_EXHAUSTED|STOCKOUT|does not have enough resources", "capacity", ""),
        (r"resourceInUseByAnotherResource|RESOURCE_IN_USE|is already being used by", "in-use", ""),
        (r"alreadyExists|already exists", "conflict", "wait a minute until the search index knows it, then sloth up"),
        (r"Error 404|notFound|was not found", "not-found", ""),
    )

    def region(self, location: str) -> str:
        """A subnet is in one region: `europe-west3-a` -> `europe-west3`."""
        return location.rpartition("-")[0]

    def environment(self, spec: ClusterSpec) -> Mapping[str, Secret | str]:
        """A service account's key, the project and the region. Raises CredentialsError."""
        places = self.places(spec)
        return {**super().environment(spec), **({"GOOGLE_REGION": self.region(places[0])} if places else {})}

    def check(self, spec: ClusterSpec) -> Sequence[SlothError]:
        """Images have cloud-init."""
        problems = list(super().check(spec))
        for pool in self.pools(spec):
            if self.image(spec, pool).startswith("debian"):
                text = f"pool {pool.name}: Google's Debian images have no cloud-init, so the machine could not be set up"
                where, hint = f"spec.pools[{pool.name}].image", f"image: {self.default_image}"
                problems.append(ConfigError("cloud/no-cloud-init", text, where=where, hint=hint))
        return problems


PLUGIN = Gcp()
