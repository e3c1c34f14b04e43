uname -s -r -m | {
  read -r _ kernel arch
  case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
  echo "kernel=$kernel"
  echo "arch=$arch"
}
( . /etc/os-release; echo "os=${ID:-unknown} ${VERSION_ID:-}" ) 2>/dev/null
echo "hostname=$(hostname)"
echo "user=$(id -u)"
echo "cpus=$(nproc)"
while read -r word size _; do
  [ "$word" != MemTotal: ] || { echo "memory=$((size / 1024))"; break; }
done </proc/meminfo
df -Pm /var | { read -r _; read -r _ _ _ free _; echo "disk_free=$free"; }

links=$(ip -4 route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p')
number=0
ip -4 -o address show 2>/dev/null | {
  while read -r _ dev _ address _; do
    address=${address%/*}
    [ "$address" != @ADDRESS@ ] || links="$links $dev"
    case $dev in lo | wg0) ;; *) number=$((number + 1)); echo "ip.$number=$address" ;; esac
  done
  for dev in $links; do
    read -r mtu <"/sys/class/net/$dev/mtu" && echo "link.$dev=$mtu"
  done
}

if [ -d /sys/module/wireguard ] || modprobe -qn wireguard 2>/dev/null; then echo wireguard=kernel
elif [ -c /dev/net/tun ]; then echo wireguard=userspace
else echo wireguard=none
fi
[ ! -x /usr/local/sbin/sloth-mesh ] || /usr/local/sbin/sloth-mesh state
@STAMPS@
seen=$(
@PROBE@
)
printf '%s\n' "$seen"
case $seen in
*kube.state=joined*) ;;
*) ss -Hltunp 2>/dev/null | while read -r proto _ _ _ socket _ who; do
    for port in @PORTS@; do
      [ "$proto:${socket##*:}" = "$port" ] || continue
      who=${who#*\"}
      echo "port.${port#*:}=${who%%\"*}"
    done
  done ;;
esac
@MORE@
echo "clock=$(date +%s.%N)"
