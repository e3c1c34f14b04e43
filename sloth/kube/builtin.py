"""Kinds that every server since Kubernetes 1.25 serves, so that asking for pods needs no discovery first.

From the API reference of Kubernetes 1.36 (kubernetes.io/docs/reference/kubernetes-api); a test compares it with a real server.
"""

from __future__ import annotations

from sloth.kube.resource import Resource

_CORE = """
configmaps ConfigMap cm
endpoints Endpoints ep
events Event ev
limitranges LimitRange limits
persistentvolumeclaims PersistentVolumeClaim pvc
pods Pod po
podtemplates PodTemplate
replicationcontrollers ReplicationController rc
resourcequotas ResourceQuota quota
secrets Secret
serviceaccounts ServiceAccount sa
services Service svc
"""
_CORE_CLUSTER = """
namespaces Namespace ns
nodes Node no
persistentvolumes PersistentVolume pv
"""
_APPS = """
controllerrevisions ControllerRevision
daemonsets DaemonSet ds
deployments Deployment deploy
replicasets ReplicaSet rs
statefulsets StatefulSet sts
"""
_BATCH = """
cronjobs CronJob cj
jobs Job
"""
_RBAC = """
rolebindings RoleBinding
roles Role
"""
_RBAC_CLUSTER = """
clusterrolebindings ClusterRoleBinding
clusterroles ClusterRole
"""
_NET = """
ingresses Ingress ing
networkpolicies NetworkPolicy netpol
"""
_ALL = {
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets",
    "deployments",
    "replicasets",
    "statefulsets",
    "cronjobs",
    "jobs",
}


def _kinds(group: str, lines: str, *, namespaced: bool = True) -> list[Resource]:
    found = []
    for line in lines.strip().splitlines():
        plural, kind, *short = line.split()
        all_ = ("all",) if plural in _ALL else ()
        found.append(Resource(group, "v1", plural, kind, namespaced, kind.lower(), tuple(short), all_))
    return found


BUILTIN: tuple[Resource, ...] = (
    *_kinds("", _CORE),
    *_kinds("", _CORE_CLUSTER, namespaced=False),
    *_kinds("apps", _APPS),
    *_kinds("batch", _BATCH),
    *_kinds("rbac.authorization.k8s.io", _RBAC),
    *_kinds("rbac.authorization.k8s.io", _RBAC_CLUSTER, namespaced=False),
    *_kinds("networking.k8s.io", _NET),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, "poddisruptionbudget", ("pdb",)),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, "storageclass", ("sc",)),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True, "lease"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True, "endpointslice"),
    Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False,
        "customresourcedefinition", ("crd", "crds"), ("api-extensions",),
    ),
)  # fmt: skip
