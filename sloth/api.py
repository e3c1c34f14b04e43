"""The one door for plugin authors: everything that a provider, a distribution or an addon may import from sloth."""

from sloth.cloud.user_data import host_key
from sloth.contracts.cloud import Abilities, Cloud, Sdk, Shared
from sloth.contracts.credentials import Credential
from sloth.contracts.delivery import deliver, delivery_error
from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.contracts.jump import reached
from sloth.contracts.outputs import number, user_data
from sloth.contracts.provider import Balancer, Emit, LoginOptions, Machines, MakesMachines, Provider
from sloth.contracts.secret_ref import resolve as resolve_secret
from sloth.contracts.together import answers, one, together
from sloth.errors import ConfigError, CredentialsError, KubernetesError, MachinesError, SlothError, StepError
from sloth.model.artifact import Artifact, Delivery, Need
from sloth.model.cloud import (
    ANYWHERE,
    CLUSTER_TAG,
    NODE_TAG,
    Catalogue,
    CloudPlan,
    Door,
    Found,
    Quota,
    ServerPlan,
    Size,
    Volume,
    Wanted,
)
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.facts import Facts
from sloth.model.node import Lease, Login, Machine, Node, Profile
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret, mask
from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec
from sloth.model.step import Ask, Do, Put, Result, Retry, Script, Step, Upload, Wait

__all__ = [
    "ANYWHERE", "CLUSTER_TAG", "NODE_TAG", "Abilities", "Artifact", "Ask", "Balancer", "Catalogue", "Cloud",
    "CloudPlan", "Cluster", "ClusterSpec", "ConfigError", "Credential", "CredentialsError", "Delivery", "Distribution",
    "Do", "Door", "Emit", "Event", "Facts", "Found", "HostSpec", "JoinInfo", "KubernetesError", "Lease", "Login",
    "LoginOptions", "Machine", "MachineRequest", "Machines", "MachinesError", "MakesMachines", "Need", "Node",
    "PoolSpec", "Profile", "Provider", "Put", "Quota", "Result", "Retry", "Script", "Sdk", "Secret", "ServerPlan",
    "Shared", "Size", "SlothError", "Step", "StepError", "Upload", "Volume", "Wait", "Wanted", "answers", "deliver",
    "delivery_error", "host_key", "mask", "number", "one", "reached", "resolve_secret", "together", "user_data",
]  # fmt: skip
