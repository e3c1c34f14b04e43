"""The one door for plugin authors: everything that a provider, a distribution or an addon may import from sloth."""

from sloth.config.secret_ref import resolve as resolve_secret
from sloth.contracts.delivery import deliver, delivery_error
from sloth.contracts.distribution import Distribution, JoinInfo
from sloth.contracts.provider import Balancer, Emit, LoginOptions, Machines, Provider
from sloth.errors import ConfigError, CredentialsError, KubernetesError, MachinesError, SlothError, StepError
from sloth.model.artifact import Artifact, Delivery, Need
from sloth.model.cluster import Cluster
from sloth.model.event import Event
from sloth.model.facts import Facts
from sloth.model.node import Lease, Login, Machine, Node, Profile
from sloth.model.plan import MachineRequest
from sloth.model.secret import Secret, mask
from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec
from sloth.model.step import Ask, Do, Put, Result, Retry, Script, Step, Upload, Wait

__all__ = [
    "Artifact", "Ask", "Balancer", "Cluster", "ClusterSpec", "ConfigError", "CredentialsError", "Delivery",
    "Distribution", "Do", "Emit", "Event", "Facts", "HostSpec", "JoinInfo", "KubernetesError", "Lease", "Login",
    "LoginOptions", "Machine", "MachineRequest", "Machines", "MachinesError", "Need", "Node", "PoolSpec", "Profile",
    "Provider", "Put", "Result", "Retry", "Script", "Secret", "SlothError", "Step", "StepError", "Upload", "Wait",
    "deliver", "delivery_error", "mask", "resolve_secret",
]  # fmt: skip
