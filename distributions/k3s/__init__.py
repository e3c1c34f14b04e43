"""Distribution `k3s`: Kubernetes in one small binary, embedded etcd, sloth's own pod network."""

if __name__ == "distributions.k3s":
    raise ImportError("go through sloth.registry: imported by its bare name, every class of a plugin would exist twice")

from .plugin import K3s

PLUGIN = K3s()
