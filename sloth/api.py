"""The one door for plugin authors: everything that a provider, a distribution or an addon may import from sloth.

The imports below are for readers and type checkers. At run time a name is fetched when it is asked for (PEP 562), so that a
plugin pays for what it uses and not for the whole door; where a name lives is read from this very block, so there is one list.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sloth.cloud.user_data import host_key
    from sloth.contracts.cloud import Abilities, Cloud, Sdk, Shared
    from sloth.contracts.credentials import Credential
    from sloth.contracts.delivery import deliver, delivery_error
    from sloth.contracts.distribution import Distribution, JoinInfo
    from sloth.contracts.jump import reached
    from sloth.contracts.outputs import fitting, number, user_data
    from sloth.contracts.provider import Balancer, Emit, LoginOptions, Machines, MakesMachines, Provider
    from sloth.contracts.secret_ref import resolve as resolve_secret
    from sloth.contracts.together import answers, one, together
    from sloth.errors import ConfigError, CredentialsError, KubernetesError, MachinesError, SlothError, StepError
    from sloth.etcd.access import POD_WORDS, EtcdAccess
    from sloth.hosting.admin import WHY, Admin
    from sloth.hosting.authorities import published, restart_workloads
    from sloth.hosting.balancer import API_PORT, BALANCER_CONFIG, BALANCER_UNIT, Front, balancer_config, balancer_steps
    from sloth.hosting.cni import cni_needs
    from sloth.hosting.host import HOST_FILES, HOST_TOOLS, KUBELET_SYSCTL, host_kernel, host_packages
    from sloth.hosting.network import POD_NETWORK_UNITS, cni_path, mesh_mtu, pod_network_steps
    from sloth.hosting.nodes import RESOLVER, kubelet_file, kubelet_settings, own_labels, taint_text, taints
    from sloth.hosting.own_flags import OWN_FLAGS
    from sloth.hosting.ports import CONTROL_PLANE_PORTS, listeners, taken_port
    from sloth.hosting.registries import registries_steps, registries_text
    from sloth.hosting.settle import Settling
    from sloth.hosting.sweep import forget_rules
    from sloth.hosting.text import HOSTING, Texts, merged, plain, yaml_text
    from sloth.hosting.unit import Unit
    from sloth.model.artifact import Artifact, Delivery, Need
    from sloth.model.authorities import Rotation
    from sloth.model.certificate import CertificateFile
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
        WayOut,
        hardware,
    )
    from sloth.model.cluster import Cluster
    from sloth.model.encryption import IDENTITY, Encryption
    from sloth.model.encryption import parse as parse_encryption
    from sloth.model.event import Event
    from sloth.model.facts import Facts
    from sloth.model.names import Listed, NamePlan
    from sloth.model.node import Lease, Login, Machine, Node, Profile
    from sloth.model.plan import MachineRequest
    from sloth.model.secret import Secret, mask
    from sloth.model.spec import ClusterSpec, HostSpec, PoolSpec
    from sloth.model.step import Ask, Do, Put, Result, Retry, Script, Step, Upload, Wait
    from sloth.nodes.leave import leave
    from sloth.supervised.config import API_FILES
    from sloth.supervised.distribution import Supervised
    from sloth.supervised.flavour import Flavour
    from sloth.supervised.releases import Downloads, Release

__all__ = [
    "ANYWHERE", "CLUSTER_TAG", "NODE_TAG", "OWN_FLAGS", "Abilities", "Artifact", "Ask", "Balancer", "Catalogue", "Cloud",
    "CloudPlan", "Cluster", "ClusterSpec", "ConfigError", "Credential", "CredentialsError", "Delivery", "Distribution",
    "Do", "Door", "Emit", "Event", "Facts", "Found", "HostSpec", "JoinInfo", "KubernetesError", "Lease", "Listed", "Login",
    "LoginOptions", "Machine", "MachineRequest", "Machines", "MachinesError", "MakesMachines", "NamePlan", "Need", "Node",
    "PoolSpec", "Profile", "Provider", "Put", "Quota", "Result", "Retry", "Script", "Sdk", "Secret", "ServerPlan",
    "Shared", "Size", "SlothError", "Step", "StepError", "Upload", "Volume", "Wait", "Wanted", "WayOut", "answers", "deliver",
    "delivery_error", "fitting", "hardware", "host_key", "mask", "number", "one", "reached", "resolve_secret", "together",
    "user_data",
]  # fmt: skip
# What distributions have in common (sloth.hosting, sloth.supervised).
__all__ += [
    "API_FILES",
    "API_PORT",
    "BALANCER_CONFIG",
    "BALANCER_UNIT",
    "CONTROL_PLANE_PORTS",
    "HOSTING",
    "HOST_FILES",
    "HOST_TOOLS",
    "KUBELET_SYSCTL",
    "POD_NETWORK_UNITS",
    "RESOLVER",
    "WHY",
    "Admin",
    "Downloads",
    "Flavour",
    "Front",
    "Release",
    "Settling",
    "Supervised",
    "Texts",
    "Unit",
    "balancer_config",
    "balancer_steps",
    "cni_needs",
    "cni_path",
    "forget_rules",
    "host_kernel",
    "host_packages",
    "kubelet_file",
    "kubelet_settings",
    "listeners",
    "merged",
    "mesh_mtu",
    "own_labels",
    "plain",
    "pod_network_steps",
    "registries_steps",
    "registries_text",
    "taint_text",
    "taints",
    "taken_port",
    "yaml_text",
]  # fmt: skip
# What operating a cluster takes (sloth.etcd, sloth.nodes).
__all__ += ["POD_WORDS", "EtcdAccess", "leave"]
# What health and certificates take.
__all__ += ["IDENTITY", "CertificateFile", "Encryption", "Rotation", "parse_encryption", "published", "restart_workloads"]


def __getattr__(name: str) -> object:
    """The public name, from its home. Raises AttributeError for other names."""
    if name not in _homes():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, its_name = _homes()[name]
    globals()[name] = value = getattr(import_module(home), its_name)
    return value


@cache
def _homes() -> dict[str, tuple[str, str]]:
    """Public name -> its module and its name there."""
    source = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: (block.module or "", alias.name)
        for condition in source.body
        if isinstance(condition, ast.If)
        for block in condition.body
        if isinstance(block, ast.ImportFrom)
        for alias in block.names
    }
