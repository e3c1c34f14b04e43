# Has every kubeconfig of this node trust what ca.crt holds. Each is replaced whole.
for file in admin super-admin controller-manager scheduler kubelet; do
  file=/etc/kubernetes/$file.conf
  [ -e "$file" ] || continue
  cp -p "$file" "$file.new" || exit
  name=$(kubectl --kubeconfig "$file.new" config view -o 'jsonpath={.clusters[0].name}') && [ -n "$name" ] || exit
  kubectl --kubeconfig "$file.new" config set-cluster "$name" --embed-certs=true --certificate-authority=/etc/kubernetes/pki/ca.crt \
    >/dev/null && sync "$file.new" && mv -f "$file.new" "$file" || exit
done
