# Stops all of it and takes away what a running node leaves in the kernel: what the project's own killall script does.
systemctl stop @UNITS@ 2>/dev/null
children() { # the process and all below it
  for pid in "$@"; do
    echo "$pid"
    children $(ps -o pid= --ppid "$pid")
  done
}
for shim in $(pgrep -f '^@DATA@/data/[^/]*/bin/containerd-shim'); do
  kill -9 $(children "$shim") 2>/dev/null
done
systemctl kill --signal=KILL @UNITS@ 2>/dev/null # containerd and the kubelet, where they outlive their supervisor
for below in /run/k3s @DATA@/ /var/lib/kubelet/ /run/netns/cni-; do
  awk -v below="$below" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | while read -r at; do umount -l "$at"; done
done
ip -o link show master cni0 2>/dev/null | sed -E 's/^[0-9]+: ([^:@]+).*/\1/' | while read -r link; do ip link delete "$link"; done
for link in cni0 kube-ipvs0; do ip link delete $link 2>/dev/null; done
rm -rf /run/k3s /run/netns/cni-* /run/sloth/ipam /var/lib/cni
