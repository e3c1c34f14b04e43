# Run once by cloud-init, before sshd starts: what sloth would install over SSH is there when it logs in, and the two never
# wait for each other's package lock. Arguments: Debian packages. It never fails: what is missing, sloth installs later.
exec >>/var/log/sloth-prepare.log 2>&1
command -v apt-get >/dev/null || exit 0
modprobe -qn wireguard || set -- "$@" wireguard-go
missing=
for package; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
# Ubuntu's needrestart would restart services, which is as wrong here as starting them (below).
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l
options='-q -y --no-install-recommends -o Acquire::Retries=2 -o Acquire::http::Timeout=15 -o DPkg::Lock::Timeout=60'
# Only what can hang is cut short: an installation that was killed half way is worse than none.
timeout 90 apt-get $options update
timeout 300 apt-get $options --download-only install $missing || exit 0
# Services must not be started here: they wait for a network target that waits for this very script.
policy=/usr/sbin/policy-rc.d
[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && ours=yes; }
apt-get $options --no-download install $missing
[ -z "$ours" ] || rm -f $policy
# sloth runs a balancer of its own by this program; the package's service must not come up at the next boot.
case " $missing " in *' haproxy '*) systemctl disable -q haproxy ;; esac
exit 0
