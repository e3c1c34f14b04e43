# Run once, as root, in the container that becomes the node image: leaves nothing in it that must differ between
# nodes, and nothing enabled that is for a machine and not for a container.
set -eu

rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: >/etc/machine-id
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/lib/cloud/* /var/log/*.log /var/log/apt

# getty would take the user's own terminals in a privileged container, udev would replay the user's devices.
systemctl mask --quiet getty.target console-getty.service getty@.service serial-getty@.service \
    systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
    systemd-modules-load.service systemd-pstore.service systemd-logind.service systemd-hwdb-update.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount \
    dev-mqueue.mount sys-fs-fuse-connections.mount systemd-remount-fs.service
systemctl disable --quiet haproxy.service e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer \
    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer cloud-init-hotplugd.socket
systemctl enable --quiet ssh.service sloth-dns-udp.service sloth-dns-tcp.service
systemctl set-default --quiet multi-user.target

mkdir -p /var/lib/cloud/seed/nocloud /usr/share/sloth/snapshots
chmod 0700 /var/lib/cloud/seed/nocloud
chmod 0755 /usr/local/sbin/sloth-node
