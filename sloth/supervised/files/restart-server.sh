#!/bin/sh
# Restarts the supervisor of this control-plane node: one node of the cluster at a time, however many of them are told to.
# A ConfigMap is the lock. Who does not come back keeps it, so that a configuration that does not work stops one server only.
# Where etcd would be without a majority meanwhile, nothing is restarted: a failure, but with `try`, which is made good later.
set -u
mode=${1:-must}
unit=@UNIT@
node=@NODE@
loaded=/run/sloth/$unit.loaded
kube() { timeout 12 kubectl @ADMIN@ -n kube-system "$@" 2>/dev/null; }
field() { kube get configmap sloth-restart -o "jsonpath={.data.$1}"; }
now() { date +%s; }
until_true() { # $1 seconds, $2 shell condition
  end=$(($(now) + $1))
  until eval "$2"; do
    [ "$(now)" -lt "$end" ] || return 1
    sleep 1
  done
}

# Whether etcd can spare this member for a while. Of one or two none can be spared: there it is enough that all are well.
spared() {
  listed=$(etcdctl member list -w simple --consistency=s @OWN@ 2>/dev/null) || return 1
  voting=$(printf '%s\n' "$listed" | grep -c ', false$')
  well=$(printf '%s\n' "$listed" | awk -F', ' '$6 == "false" && $5 != "" {sub(/,.*/, "", $5); print $5}' |
    xargs -r -P 16 -I{} etcdctl endpoint health -w json --endpoints={} @CREDENTIALS@ 2>/dev/null | grep -c '"health":true')
  needed=$((voting / 2 + 1))
  if [ "$voting" -lt 3 ]; then [ "$well" = "$voting" ]; else [ $((well - 1)) -ge $needed ]; fi
}

if systemctl is-active -q "$unit" && [ "$(kube get --raw /readyz)" = ok ]; then
  patience=$(($(now) + 900))
  failing=0
  until kube create configmap sloth-restart "--from-literal=node=$node" >/dev/null; do
    holder=$(field node)
    [ "$holder" != "$node" ] || break # an earlier try of this node
    if [ -n "$holder" ] && [ -z "$(kube get node "$holder" -o name --ignore-not-found || echo unknown)" ]; then
      kube delete configmap sloth-restart >/dev/null # its node has left the cluster
      continue
    fi
    if [ -n "$(field failed)" ]; then failing=$((failing + 1)); else failing=0; fi
    if [ $failing -ge 30 ] || [ "$(now)" -ge $patience ]; then
      echo "$node waits with its restart: $holder has not come back from its own" >&2
      exit 1
    fi
    sleep 2
  done
  kube patch configmap sloth-restart --type merge -p '{"data":{"failed":null}}' >/dev/null
  if ! until_true 30 spared; then
    kube delete configmap sloth-restart --ignore-not-found >/dev/null
    echo "$node is not restarted: ${voting:-unknown} voting members of etcd, ${well:-0} healthy, ${needed:-some} needed without it" >&2
    [ "$mode" = try ] && exit 0
    exit 1
  fi
fi

rm -f "$loaded"
systemctl restart --no-block "$unit"
if until_true 300 '[ -s "$loaded" ] && [ "$(curl -sk -m 2 https://127.0.0.1:6443/readyz)" = ok ]'; then
  until_true 30 'kube delete configmap sloth-restart --ignore-not-found >/dev/null'
  exit 0
fi
kube patch configmap sloth-restart --type merge -p '{"data":{"failed":"yes"}}' >/dev/null
echo "$unit did not come up again within 300 s" >&2
exit 1
