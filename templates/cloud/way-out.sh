# Run by cloud-init at every boot of a node without a public address, where the cloud has no NAT: everything goes to the private
# network's router, which sends it on to the node that forwards. Arguments: the router's address, then resolvers.
router=$1
shift
for _ in $(seq 60); do
  device=$(ip -4 -o route get "$router" 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
  [ -z "$device" ] || break
  sleep 1
done
[ -n "$device" ] || exit 0
ip route replace default via "$router" dev "$device" onlink
if [ -d /run/systemd/resolve ]; then
  mkdir -p /etc/systemd/resolved.conf.d
  printf '[Resolve]\nDNS=%s\n' "$*" >/etc/systemd/resolved.conf.d/sloth.conf
  systemctl restart systemd-resolved
elif ! grep -q '^nameserver' /etc/resolv.conf 2>/dev/null; then
  printf 'nameserver %s\n' "$@" >>/etc/resolv.conf
fi
# The node that forwards may itself be booting for the first time.
for _ in $(seq 90); do
  command -v ping >/dev/null || break
  ! ping -c 1 -W 1 "$1" >/dev/null 2>&1 || break
  sleep 1
done
exit 0
