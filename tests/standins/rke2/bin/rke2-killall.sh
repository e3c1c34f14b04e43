#!/bin/sh
# Ends everything that RKE2 runs: units, shims with all below them, mounts, interfaces (docs.rke2.io/install/uninstall).
systemctl stop rke2-server rke2-agent 2>/dev/null
end() {
	for child in $(pgrep -P "$1"); do end "$child"; done
	kill -9 "$1" 2>/dev/null
}
for shim in $(pgrep -f '/data/[^/]*/bin/containerd-shim'); do end "$shim"; done
for base in /run/k3s /var/lib/kubelet/pods /run/netns/cni-; do
	awk -v base="$base" 'index($2, base) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r path; do
		umount "$path" 2>/dev/null
		case $path in /run/netns/*) ip netns delete "${path#/run/netns/}" 2>/dev/null ;; esac
	done
done
rm -rf /var/lib/cni
exit 0
