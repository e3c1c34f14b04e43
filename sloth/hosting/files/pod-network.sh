#!/bin/sh
# Usage: pod-network up|down. Pod traffic that leaves the cluster gets the host's address; pods, services and mesh see the
# pod's own. A host whose FORWARD policy is DROP (Docker, ufw) would eat pod traffic, so it is accepted there by name.
set -u
pods=@PODS@
accept() { # $1 = -s or -d
  iptables -w -C FORWARD "$1" "$pods" -j ACCEPT 2>/dev/null || iptables -w -I FORWARD "$1" "$pods" -j ACCEPT
}
forget() {
  while iptables -w -D FORWARD "$1" "$pods" -j ACCEPT 2>/dev/null; do :; done
}
case "$1" in
up)
  nft -f - <<NFT || exit 1
table ip sloth_pods {}
delete table ip sloth_pods
table ip sloth_pods {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @NODE_PODS@ ip daddr != { @PODS@, @SERVICES@, @MESH@, 224.0.0.0/4 } masquerade
  }
}
NFT
  case "$(iptables -w -S FORWARD 2>/dev/null)" in
  *'-P FORWARD DROP'*) accept -s && accept -d ;;
  esac
  ;;
down)
  nft delete table ip sloth_pods 2>/dev/null
  forget -s
  forget -d
  ;;
esac
