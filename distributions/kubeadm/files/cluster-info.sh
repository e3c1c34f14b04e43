# Has nodes that join find in the ConfigMap cluster-info what ca.crt holds.
kube() { kubectl @QUICK@ -n kube-public "$@"; }
umask 077
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
kube get configmap cluster-info -o 'jsonpath={.data.kubeconfig}' >"$work/old" && [ -s "$work/old" ] || exit
sed "s|certificate-authority-data: .*|certificate-authority-data: $(base64 -w0 </etc/kubernetes/pki/ca.crt)|" "$work/old" >"$work/kubeconfig" &&
  kube create configmap cluster-info --from-file="$work/kubeconfig" --dry-run=client -o yaml |
  kube apply --server-side --force-conflicts --field-manager=sloth -f - >/dev/null
