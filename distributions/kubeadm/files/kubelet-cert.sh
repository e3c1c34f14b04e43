# Has the new authority sign a certificate for this node's kubelet: its own request, approved as a rotation is, by itself.
umask 077
kube() { kubectl --kubeconfig /etc/kubernetes/kubelet.conf --cache-dir /run/sloth/kubectl --request-timeout=10s "$@"; }
at=/var/lib/kubelet/pki
work=$(mktemp -d $at/.sloth.XXXXXX) || exit
trap 'rm -rf "$work"' EXIT
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" -out "$work/csr" \
  -subj '/O=system:nodes/CN=system:node:@NODE@' 2>/dev/null || exit
name=sloth-@NODE@-$(date +%s)
kube create -f - >/dev/null <<CSR || exit
{"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "$name"}, "spec": {
  "signerName": "kubernetes.io/kube-apiserver-client-kubelet", "usages": ["digital signature", "client auth"],
  "request": "$(base64 -w0 <"$work/csr")"}}
CSR
end=$(($(date +%s) + 90))
until kube get csr "$name" -o 'jsonpath={.status.certificate}' 2>/dev/null | base64 -d >"$work/cert" && [ -s "$work/cert" ]; do
  [ "$(date +%s)" -lt "$end" ] || { echo "the request $name was not signed within 90 s" >&2; exit 1; }
  sleep 1
done
# The first one in ca.crt signs; the request may have been answered by a controller that did not know that yet.
awk '{print} /END CERTIFICATE/ {exit}' /etc/kubernetes/pki/ca.crt >"$work/ca"
openssl verify -CAfile "$work/ca" "$work/cert" >/dev/null || { echo 'it was signed by the old authority' >&2; exit 1; }
new=$at/kubelet-client-$(date -u +%Y-%m-%d-%H-%M-%S).pem
cat "$work/cert" "$work/key" >"$new" && sync "$new" && ln -sfn "$new" "$work/link" && mv -T "$work/link" $at/kubelet-client-current.pem &&
  systemctl restart kubelet
