#!/bin/sh
# Says in about sixty lines why Kubernetes on this node is not as it should be. Reads only; its output becomes error evidence.
kube() { timeout 6 kubectl @ADMIN@ --request-timeout=3s "$@" 2>&1; }
for unit in @UNIT@ sloth-api-balancer; do
  echo "unit $unit: $(systemctl is-active "$unit" 2>/dev/null)"
done
[ -e @DATA@/server/db/etcd/tombstone ] && echo 'the etcd member of this node was taken out of the cluster'
full=$(df -P @DATA@ /var/lib/kubelet 2>/dev/null | awk 'NR > 1 && $5 + 0 >= 90 {print $6, $5}' | sort -u)
[ -n "$full" ] && echo "disk nearly full: $full"
if [ -s @KUBECONFIG@ ]; then
  kube get nodes -o wide --no-headers | awk '$2 != "Ready"' | head -n 5
  kube get pods -A -o wide --no-headers | awk '{split($3, n, "/")} n[1] != n[2] || ($4 != "Running" && $4 != "Completed")' | head -n 8
  kube get events -A --field-selector type=Warning --sort-by=.lastTimestamp --no-headers | grep -v ImageGCFailed | tail -n 5 | cut -c1-300
fi
for log in /var/log/pods/kube-system_etcd-*/etcd/*.log /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log; do
  [ -e "$log" ] || continue
  last=$(grep -E '"(error|fatal|panic)"| [EF][0-9]{4} |panic|bind: ' "$log" | tail -n 3 | cut -c1-300)
  [ -n "$last" ] && echo "$log:" && echo "$last"
done
echo 'last lines of the supervisor:'
journalctl -u @UNIT@ -n 300 --no-pager -o cat 2>/dev/null | grep -E 'level=(error|fatal|warning)|^[EF][0-9]{4}|panic|rror:' |
  tail -n 12 | cut -c1-400
exit 0
