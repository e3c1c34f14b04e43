#!/bin/sh
# Restarts the supervisor of this control-plane node: one node of the cluster at a time, however many of them are told to.
# A ConfigMap is the lock. Who does not come back keeps it, so that a configuration that does not work stops one server only.
set -u
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
