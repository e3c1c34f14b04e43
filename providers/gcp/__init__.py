"""Provider `gcp`: machines at Google Compute Engine, made by the Pulumi engine with the typed SDK pulumi_gcp."""

from __future__ import annotations

from sloth.api import Abilities, Cloud, Credential, Sdk


class Gcp(Cloud):
    """Google Cloud: one VPC with one subnet in one region; a location is a zone of it."""

    name = "gcp"
    sdk = Sdk(module="pulumi_gcp", plugin="gcp", extra="gcp")
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True, spot=True, several_locations=True)
    default_image = "ubuntu-24.04"
    bare_images = "debian"  # of Google
    default_network = "10.130.0.0/16"
    prefixes = (1, 29)  # of a subnet
    example = {"size": "e2-standard-2", "location": "europe-west3-a"}
    sealed = {"gcp:compute/instance:Instance": ("metadata",)}
    # Google's guest agent makes new host keys at the first boot, which nobody could verify (guest-agent, README: InstanceSetup).
    files = {"/etc/default/instance_configs.cfg": "[InstanceSetup]\nset_host_keys = false\n"}
    credentials = (
        Credential("GOOGLE_CREDENTIALS", "credentials", "JSON key of a service account", ways=("key",)),
        Credential("GOOGLE_APPLICATION_CREDENTIALS", what="File of such a key", secret=False, ways=("file",)),
        Credential("GOOGLE_PROJECT", "project", "Id of the project", secret=False, account=True, also=("GOOGLE_CLOUD_PROJECT",)),
    )
    credentials_hint = "export GOOGLE_APPLICATION_CREDENTIALS=KEY.json GOOGLE_PROJECT=ID: docs/clouds/gcp.md"
    faults = (
        (r"invalid_grant|could not find default credentials|error parsing credentials", "credentials", ""),
        (r"SERVICE_DISABLED|accessNotConfigured|API has not been used", "credentials", "enable the API that the text names"),
        (r"RESOURCE_POOL_EXHAUSTED|STOCKOUT|does not have enough resources", "capacity", ""),
        (r"alreadyExists|already exists", "conflict", "wait a minute until the search index knows it, then sloth up"),
    )

    def region(self, location: str) -> str:
        """A subnet is in one region: `europe-west3-a` -> `europe-west3`."""
        return location.rpartition("-")[0]


PLUGIN = Gcp()
