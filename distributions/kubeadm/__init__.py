"""Distribution `kubeadm`: upstream Kubernetes, containerd, stacked etcd, the standard CNI plugins."""

if __name__ == "distributions.kubeadm":
    raise ImportError("go through sloth.registry: imported by its bare name, every class of a plugin would exist twice")

from .plugin import Kubeadm

PLUGIN = Kubeadm()
