# Takes this node's own etcd member out (its data is about to go), then undoes kubeadm's work. Runs on a half-made node too.
pki=/etc/kubernetes/pki/etcd
if [ -n '@PEERS@' ] && [ -s "$pki/healthcheck-client.key" ]; then
  member() { /usr/local/bin/etcdctl --endpoints='@PEERS@' --cacert "$pki/ca.crt" --cert "$pki/healthcheck-client.crt" \
    --key "$pki/healthcheck-client.key" --dial-timeout=2s --command-timeout=10s member "$@"; }
  id=$(member list -w simple | grep -F ', https://@ADDRESS@:2380,' | cut -d, -f1)
  [ -z "$id" ] || member remove "$id" || exit 1
fi
systemctl stop kubelet
rm -f /etc/sloth/kubeadm/member
kubeadm reset --force --skip-phases=remove-etcd-member --cri-socket=unix:///run/containerd/containerd.sock --cleanup-tmp-dir >/dev/null &&
  rm -rf /var/lib/etcd/member /etc/kubernetes/pki /var/lib/cni /run/sloth/ipam
