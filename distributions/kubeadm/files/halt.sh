# Stops the kubelet and all pods of this node, then moves the control plane's data to a folder of its own: nothing is deleted.
umask 077
systemctl stop kubelet
aside=@ASIDE@/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$aside" || exit 1
[ ! -e /etc/kubernetes/pki ] || cp -a /etc/kubernetes/pki "$aside/pki" || exit 1
rm -f /etc/sloth/kubeadm/member
# It ends all pods, etcd too, and leaves etcd's data.
kubeadm reset --force --skip-phases=remove-etcd-member --cri-socket=unix:///run/containerd/containerd.sock --cleanup-tmp-dir >/dev/null || exit 1
[ ! -e /var/lib/etcd/member ] || { mkdir -p "$aside/etcd" && mv /var/lib/etcd/member "$aside/etcd/member"; } || exit 1
rm -rf /etc/kubernetes/pki /var/lib/cni /run/sloth/ipam || exit 1
# Two of them stay: each may be as large as etcd.
ls -1d @ASIDE@/2* 2>/dev/null | sort -r | tail -n +3 | while read -r old; do rm -rf "$old"; done
