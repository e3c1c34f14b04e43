(
# Reads only. One kubectl at most, and only where an API server answers.
left=''
for file in @DATA@/agent/client-kubelet.crt @DATA@/server/cred @DATA@/server/db @MEMBERSHIP@; do
  [ -e "$file" ] && left=yes
done
if [ -s @NOTE@ ] && [ -s @DATA@/agent/kubelet.kubeconfig ] && ! [ -e @DATA@/server/db/etcd/tombstone ]; then echo kube.state=joined
elif [ -n "$left" ]; then echo kube.state=broken
else echo kube.state=none
fi
if now=$(stat -c %s:%Y @BINARY@ 2>/dev/null); then
  read -r seen version 2>/dev/null <@VERSION_NOTE@
  [ "$seen" = "$now" ] || version=$(@BINARY@ --version 2>/dev/null | sed -n 's/^@NAME@ version \([^ ]*\).*/\1/p')
  echo "kube.version=$version"
fi
if [ -e /etc/systemd/system/@SERVER_UNIT@.service ]; then unit=@SERVER_UNIT@; else unit=@AGENT_UNIT@; fi
echo "unit.$unit=$(systemctl is-active $unit 2>/dev/null)"
echo "unit.sloth-api-balancer=$(systemctl is-active sloth-api-balancer 2>/dev/null)"
[ $unit = @SERVER_UNIT@ ] && [ -s @NOTE@ ] || exit 0
[ ! -s /run/sloth/$unit.loaded ] || sha256sum -c --status /run/sloth/$unit.loaded 2>/dev/null || echo kube.settings=stale
[ "$(curl -sk -m 2 https://127.0.0.1:6443/readyz 2>/dev/null)" = ok ] && echo kube.api=ok || echo kube.api=down
curl -sf -m 2 http://127.0.0.1:2381/readyz >/dev/null 2>&1 && echo kube.etcd=ok || echo kube.etcd=down
[ "$(curl -sk -m 2 https://127.0.0.1:@PORT@/readyz 2>/dev/null)" = ok ] || exit 0
nodes=$(@KUBECTL@ @ADMIN@ --request-timeout=3s get nodes \
  -o jsonpath='{range .items[*]}{.metadata.name}:{.status.conditions[?(@.type=="Ready")].status} {end}' 2>/dev/null) || exit 0
echo "kube.nodes=$(echo "$nodes" | sed -E 's/:True( |$)/:Ready\1/g; s/:(False|Unknown|)( |$)/:NotReady\2/g; s/ $//')"
)
