"""Distribution `rke2`: Kubernetes as static pods under one supervisor, embedded etcd, sloth's own pod network, CIS profile."""

if __name__ == "distributions.rke2":
    raise ImportError("go through sloth.registry: imported by its bare name, every class of a plugin would exist twice")

from .plugin import Rke2

PLUGIN = Rke2()
