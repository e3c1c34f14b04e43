# Run by cloud-init at every boot of a node with a public address, where the cloud has no NAT: what nodes without one send to
# the internet leaves with this node's address. Argument: CIDR of the private network.
network=$1
sysctl -qw net.ipv4.ip_forward=1
if command -v nft >/dev/null; then
  nft -f - <<END
table ip sloth-nat
delete table ip sloth-nat
table ip sloth-nat {
  chain out {
    type nat hook postrouting priority srcnat
    ip saddr $network ip daddr != $network masquerade
  }
}
END
elif command -v iptables >/dev/null; then
  rule="POSTROUTING -s $network ! -d $network -j MASQUERADE"
  iptables -w -t nat -C $rule 2>/dev/null || iptables -w -t nat -A $rule
fi
exit 0
