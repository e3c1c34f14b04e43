(
# Reads only. One kubectl at most, and only where an API server answers.
left=''
for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/admin.conf /etc/kubernetes/pki \
  /var/lib/kubelet/config.yaml /var/lib/etcd/member; do
  [ -e "$file" ] && left=yes
done
if [ -s /etc/sloth/kubeadm/member ] && [ -s /etc/kubernetes/kubelet.conf ]; then echo kube.state=joined
elif [ -n "$left" ]; then echo kube.state=broken
else echo kube.state=none
fi
if now=$(stat -c %s:%Y /usr/local/bin/kubelet 2>/dev/null); then
  read -r seen version 2>/dev/null </etc/sloth/kubeadm/kubelet-version
  [ "$seen" = "$now" ] || version=$(/usr/local/bin/kubelet --version | cut -d' ' -f2)
  echo "kube.version=$version"
fi
systemctl is-active kubelet containerd sloth-api-balancer 2>/dev/null | {
  for unit in kubelet containerd sloth-api-balancer; do
    read -r active && echo "unit.$unit=$active"
  done
}
[ -s /etc/kubernetes/manifests/kube-apiserver.yaml ] || exit 0
sed -n 's/.*kube-apiserver:\(v[0-9][^ ]*\)$/kube.server=\1/p' /etc/kubernetes/manifests/kube-apiserver.yaml
sed -n 's/^ *sloth.dev\/encryption: "*\([0-9a-f]*\)"*$/kube.encryption=\1/p' /etc/kubernetes/manifests/kube-apiserver.yaml
awk 'FNR == 1 {pod = FILENAME; sub(/.*\//, "", pod); sub(/\.yaml$/, "", pod)}
  /^ *sloth\.dev\/settings: / {gsub(/"/, "", $2); print "kube.settings." pod "=" $2}
  /^ *- --/ {flags[pod] = flags[pod] " " $2}
  END {for (pod in flags) print "kube.flags." pod "=" substr(flags[pod], 2)}' /etc/kubernetes/manifests/*.yaml
[ "$(curl -sk -m 2 https://127.0.0.1:6443/readyz 2>/dev/null)" = ok ] && echo kube.api=ok || echo kube.api=down
curl -sf -m 2 http://127.0.0.1:2381/readyz >/dev/null 2>&1 && echo kube.etcd=ok || echo kube.etcd=down
[ "$(curl -sk -m 2 https://127.0.0.1:6444/readyz 2>/dev/null)" = ok ] || exit 0
nodes=$(/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/sloth/kubectl --request-timeout=3s get nodes \
  -o jsonpath='{range .items[*]}{.metadata.name}:{.status.conditions[?(@.type=="Ready")].status} {end}' 2>/dev/null) || exit 0
echo "kube.nodes=$(echo "$nodes" | sed -E 's/:True( |$)/:Ready\1/g; s/:(False|Unknown|)( |$)/:NotReady\2/g; s/ $//')"
)
