# Restores a snapshot into a scratch etcd on loopback, asks it for revision, hash and number of keys, and takes all of it away.
# Prints `revision=… hash=… keys=…`. @FOLDER@ holds etcd.db.
set -u
umask 077
export LC_ALL=C PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
work=@FOLDER@
pid=''
end() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
  @AFTER@
  rm -rf "$work"
}
trap end EXIT
trap 'exit 1' HUP INT TERM
@BEFORE@
free() { ss -Hltn "sport = :$1" | grep -q . && return 1 || return 0; }
client=23790
while ! free $client || ! free $((client + 1)); do client=$((client + 2)); [ $client -lt 23890 ] || exit 1; done
at=http://127.0.0.1:$client peer=http://127.0.0.1:$((client + 1))
etcdutl snapshot restore "$work/etcd.db" --data-dir "$work/data" --name scratch --initial-cluster "scratch=$peer" \
  --initial-advertise-peer-urls "$peer" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
"$etcd" --data-dir "$work/data" --name scratch --listen-client-urls $at --advertise-client-urls $at --listen-peer-urls $peer \
  --initial-advertise-peer-urls $peer --initial-cluster "scratch=$peer" --log-level error >"$work/log" 2>&1 &
pid=$!
tries=0
until etcdctl --endpoints $at --command-timeout=2s endpoint health >/dev/null 2>&1; do
  tries=$((tries + 1))
  kill -0 "$pid" 2>/dev/null && [ $tries -lt 60 ] || { tail -n 10 "$work/log" >&2; exit 1; }
  sleep 0.5
done
number() { sed -n "s/.*\"$1\": *\(-\{0,1\}[0-9][0-9]*\).*/\1/p"; }
hashed=$(etcdctl --endpoints $at --command-timeout=60s endpoint hashkv --rev @REVISION@ -w json) || exit 1
count=$(etcdctl --endpoints $at --command-timeout=60s get '' --prefix --count-only -w fields) || exit 1
echo "revision=$(echo "$count" | sed -n 's/^"Revision" : //p') hash=$(echo "$hashed" | number hash) keys=$(echo "$count" | sed -n 's/^"Count" : //p')"
