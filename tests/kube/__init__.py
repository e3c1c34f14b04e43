"""sloth.kube: without I/O, against the fake API server, and the same against a real kube-apiserver with etcd."""
