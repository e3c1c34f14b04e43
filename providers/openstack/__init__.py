"""Provider `openstack`: servers of any OpenStack cloud, all in one project and region."""

from __future__ import annotations

from sloth.api import Abilities, Cloud, Credential, Sdk


class OpenStack(Cloud):
    """OpenStack with Nova, Neutron (router and external network), Glance; Cinder for volumes, Octavia for load balancers."""

    name = "openstack"
    sdk = Sdk(module="pulumi_openstack", plugin="openstack", extra="openstack")
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True, several_locations=True)
    example = {"size": "m1.medium", "location": "nova"}  # a location is an availability zone
    sealed = {"openstack:compute/instance:Instance": ("userData",)}
    default_network = "10.180.0.0/16"
    credentials = (
        Credential("OS_CLOUD", "cloud", "Entry of clouds.yaml", secret=False, ways=("cloud",)),
        Credential("OS_AUTH_URL", "authUrl", "URL of Keystone", secret=False, ways=("application", "user")),
        # An application credential is bound to its project already.
        Credential("OS_APPLICATION_CREDENTIAL_ID", "credentialId", "Its id", secret=False, ways=("application",)),
        Credential("OS_APPLICATION_CREDENTIAL_SECRET", "credentialSecret", "Its secret", ways=("application",)),
        Credential("OS_USERNAME", "user", "Login name", secret=False, ways=("user",)),
        Credential("OS_PASSWORD", "password", "Password of the user", ways=("user",)),
        Credential("OS_PROJECT_NAME", "project", "Project of the user", secret=False, account=True, ways=("user",)),
        Credential("OS_USER_DOMAIN_NAME", "domain", "Domain of the user", secret=False, needed=False, ways=("user",)),
        Credential("OS_PROJECT_DOMAIN_NAME", "domain", "Domain of the project", secret=False, needed=False, ways=("user",)),
        Credential("OS_REGION_NAME", "region", "Region", secret=False, needed=False),
    )
    credentials_hint = "source the openrc file of the project, or name an entry of clouds.yaml: export OS_CLOUD=…"
    one_way_in = True  # Keystone refuses a mix
    faults = (
        (r"requires authentication|invalid user name or password|application credential", "credentials",
         "openstack token issue says what Keystone thinks of the credentials"),
        (r"quota exceeded|exceeded for", "quota", "openstack limits show --absolute lists them; ask the operator for more"),
        (r"no valid host|not enough hosts|\boverlimit\b", "capacity",
         "give the pool a list of sizes or locations to fall back to"),
        (r"still has ports|ports have an IP allocation|is not available.*in-use|immutable", "in-use", ""),
        (r"more than one", "conflict",
         "two things fit: delete the wrong one, or name the external network in spec.providers.openstack.externalNetwork"),
        (r"no results|not find|no [\w ]+ found", "not-found", "sloth providers show openstack"),
    )  # fmt: skip


PLUGIN = OpenStack()
