# Takes this node's own etcd member out (its data is about to go), stops all, and deletes what makes it a member. What was
# delivered stays. The node's password stays too: the cluster knows the node's name by it.
tls=@DATA@/server/tls/etcd
if [ -n '@PEERS@' ] && [ -s $tls/client.key ]; then
  member() { etcdctl --endpoints='@PEERS@' --cacert $tls/server-ca.crt --cert $tls/client.crt --key $tls/client.key \
    --dial-timeout=2s --command-timeout=10s member "$@"; }
  id=$(member list -w simple | grep -F ', https://@ADDRESS@:2380,' | cut -d, -f1)
  [ -z "$id" ] || member remove "$id" || exit 1
fi
rm -f @NOTE@ @MEMBERSHIP@
@STOP_ALL@
rm -rf @DATA@/server /var/lib/kubelet/pods
find @DATA@/agent -maxdepth 1 -type f -delete 2>/dev/null
rm -rf @DATA@/agent/pod-manifests
