"""Provider `azure`: virtual machines at Microsoft Azure, made by the Pulumi engine with the typed SDK pulumi_azure."""

from __future__ import annotations

from sloth.api import Abilities, Cloud, Credential, Sdk


def zone_of(location: str) -> str:
    """`westeurope-2` -> `2`; without a zone, an empty text."""
    return location.partition("-")[2]


class Azure(Cloud):
    """Microsoft Azure: one resource group with one network in one region; a location is the region or one of its zones."""

    name = "azure"
    sdk = Sdk(module="pulumi_azure", plugin="azure", extra="azure")
    abilities = Abilities(balancer=True, dns=True, volumes=True, private=True, spot=True, several_locations=True)
    default_network = "10.140.0.0/16"
    prefixes = (1, 28)  # it is cut into two subnets, which have at least 8 addresses each
    example = {"size": "Standard_D2s_v5", "location": "westeurope"}
    sealed = {"azure:compute/linuxVirtualMachine:LinuxVirtualMachine": ("customData",)}
    credentials = (
        Credential("ARM_CLIENT_ID", "clientId", "Application id of the service principal", secret=False),
        Credential("ARM_CLIENT_SECRET", "clientSecret", "Password of the service principal"),
        Credential("ARM_TENANT_ID", "tenantId", "Id of the Entra tenant", secret=False),
        Credential("ARM_SUBSCRIPTION_ID", "subscriptionId", "Id of the subscription", secret=False, account=True),
    )
    credentials_hint = "az ad sp create-for-rbac gives all of them; export them: docs/clouds/azure.md"
    # Registering namespaces is for the subscription's owner: nodes need two, and a role that may do it may do too much.
    settings = {"ARM_SKIP_PROVIDER_REGISTRATION": "true"}
    faults = (
        (r"MissingSubscriptionRegistration", "credentials", "az provider register -n Microsoft.Compute, and Microsoft.Network"),
        (r"AADSTS\d+|AuthorizationFailed|InvalidAuthenticationToken|building account|SubscriptionNotFound", "credentials", ""),
        (r"SkuNotAvailable|AllocationFailed|OverconstrainedAllocation|NotAvailableForSubscription", "capacity", ""),
        (r"CannotBeDeleted|NicReservedForAnotherVm|still contains Resources", "in-use", ""),
        (r"AnotherOperationInProgress|ConflictError|RetryableError", "conflict", ""),
        (r"LocationNotAvailableForResourceType", "not-found", ""),
    )

    def region(self, location: str) -> str:
        """A network is in one region: `westeurope-2` -> `westeurope`."""
        return location.partition("-")[0]


PLUGIN = Azure()
