#!/bin/sh
# Usage: pod-dns link|relay. Which resolver pods get for names outside the cluster. A resolver on the host's own loopback
# (dnsmasq, a container engine's) cannot be reached from a pod, and CoreDNS would ask itself in a loop: then it is relayed.
set -u
host=''
for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
  if [ -e "$file" ] && awk '$1 == "nameserver" && $2 !~ /^(127\.|::1)/ {found = 1} END {exit !found}' "$file"; then
    host=$file
    break
  fi
done
case "$1" in
link)
  mkdir -p /run/sloth && rm -f /run/sloth/resolv.conf
  if [ -n "$host" ]; then ln -s "$host" /run/sloth/resolv.conf; else echo 'nameserver @ADDRESS@' >/run/sloth/resolv.conf; fi
  ;;
relay)
  [ -z "$host" ] || exit 0
  target=$(awk '$1 == "nameserver" {print $2; exit}' /etc/resolv.conf)
  socat -T 10 "TCP4-LISTEN:53,bind=@ADDRESS@,reuseaddr,fork" "TCP4:${target:-127.0.0.1}:53" &
  exec socat -T 10 "UDP4-RECVFROM:53,bind=@ADDRESS@,reuseaddr,fork" "UDP4-SENDTO:${target:-127.0.0.1}:53"
  ;;
esac
