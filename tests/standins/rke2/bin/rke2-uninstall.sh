#!/bin/sh
# Removes everything that RKE2 put on the host (docs.rke2.io/install/uninstall).
"$(dirname "$0")/rke2-killall.sh"
systemctl disable rke2-server rke2-agent 2>/dev/null
base=$(dirname "$(dirname "$0")")
rm -f "$base"/lib/systemd/system/rke2-*
systemctl daemon-reload
rm -rf /etc/rancher/rke2 /etc/rancher/node /var/lib/kubelet /var/lib/rancher/rke2 "$base/share/rke2"
rmdir /etc/rancher /var/lib/rancher 2>/dev/null
rm -f "$base/bin/rke2" "$base/bin/rke2-killall.sh" "$base/bin/rke2-uninstall.sh"
exit 0
