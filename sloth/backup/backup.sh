#!/bin/sh
# Makes one sealed backup of this control plane and, with --send, brings it to its place. Written by sloth: docs/guide/backup.md.
# Holds nothing that could open a backup: it is sealed for a certificate whose private key is in sloth's record only.
# Prints the backup's name. Exit codes: 1 failed, 75 another one is at work. With --if-leader it does nothing on other members.
set -u
umask 077
export LC_ALL=C PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
own=/etc/sloth/backup
run=/var/lib/sloth/backup
spool=$run/spool
work=$run/work
send='' leader=''
for word in "$@"; do
  case $word in --send) send=yes ;; --if-leader) leader=yes ;; *) echo "unknown option: $word" >&2; exit 2 ;; esac
done
die() { echo "backup: $*" >&2; exit 1; }
etcd() { etcdctl @ETCD@ "$@"; }
field() { sed -n "s/^\"$1\" : \"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p"; }
number() { sed -n "s/.*\"$1\": *\(-\{0,1\}[0-9][0-9]*\).*/\1/p"; }
digest() { sha256sum <"$1" | cut -d' ' -f1; }
size() { stat -c %s "$1"; }

mkdir -p "$spool" || exit 1
exec 9>"$run/lock"
flock -n 9 || { echo 'backup: another backup is at work here' >&2; exit 75; }
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
rm -rf "$work" "$spool"/.*.part && mkdir "$work" || exit 1

status=$(etcd endpoint status -w fields 2>"$work/said") || die "etcd on this node does not answer: $(tail -n 3 "$work/said")"
if [ -n "$leader" ] && [ "$(echo "$status" | field MemberID)" != "$(echo "$status" | field Leader)" ]; then
  echo 'not the leader of etcd: another control-plane node makes the backup'
  exit 0
fi
# The data, the archive and what it is sealed into.
need=$(($(echo "$status" | field DBSize) * 3 / 1024 + 16384))
free=$(df -Pk "$run" | awk 'NR == 2 {print $4}')
[ "$free" -ge "$need" ] || die "No space left on device: $run has $free KiB, a backup may need $need KiB"

taken=$(date -u +%s)
name=@CLUSTER@-$(date -u -d "@$taken" +%Y%m%dT%H%M%SZ)
# The member itself is asked for the hash: `etcdutl hashkv` of etcd 3.6 panics where a key has a lease, as Kubernetes' events have.
# It covers what was not compacted, so both sides of the snapshot must have compacted as far.
hashed() { etcd --command-timeout=60s endpoint hashkv "$@" -w json 2>"$work/said" || die "etcd gave no hash: $(tail -n 3 "$work/said")"; }
for try in 1 2 3; do
  before=$(hashed) || exit 1
  before=$(echo "$before" | number compact_revision)
  etcd snapshot save "$work/etcd.db" >/dev/null 2>"$work/said" || die "etcd gave no snapshot: $(tail -n 3 "$work/said")"
  revision=$(etcdutl snapshot status "$work/etcd.db" -w json | number revision)
  keys=$(etcd get '' --prefix --count-only --rev="$revision" -w fields | field Count)
  hash=$(hashed --rev="$revision") || exit 1
  compacted=$(echo "$hash" | number compact_revision)
  [ "$before" != "$compacted" ] || break
done
[ "$before" = "$compacted" ] || die 'etcd compacts all the time: no hash fits the snapshot'
[ -n "$revision" ] && [ -n "$keys" ] || die 'the snapshot could not be looked at'
there=''
for path in @FILES@; do [ ! -e "/$path" ] || there="$there $path"; done
# shellcheck disable=SC2086  # a list of paths without blanks
tar -C / -cf "$work/files.tar" $there || die "could not pack$there"

line=$(printf '{"schema": 1, "name": "%s", "cluster": "%s", "taken": %s, "node": "%s", "distribution": "%s", "kubernetes": "%s"' \
  "$name" @CLUSTER@ "$taken" @NODE@ @DISTRIBUTION@ @KUBERNETES@)
line=$line$(printf ', "etcd": "%s", "revision": %s, "compacted": %s, "hash": %s, "keys": %s' "$(echo "$status" | field Version)" \
  "$revision" "${compacted:-0}" "$(echo "$hash" | number hash)" "$keys")
line=$line$(printf ', "data_size": %s, "data_sha256": "%s", "files_sha256": "%s"' "$(size "$work/etcd.db")" \
  "$(digest "$work/etcd.db")" "$(digest "$work/files.tar")")

tar -C "$work" -cf - etcd.db files.tar >"$work/all.tar" && rm "$work/etcd.db" "$work/files.tar" || die 'could not pack'
gzip -1 "$work/all.tar" || die 'could not compress'
archive=$spool/$name.tar.gz.cms
part=$spool/.$name.part
openssl cms -encrypt -binary -stream -aes-256-gcm -outform DER -recip "$own/certificate.pem" -keyopt rsa_padding_mode:oaep \
  -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha256 -in "$work/all.tar.gz" -out "$part" || die 'could not seal'
rm "$work/all.tar.gz"
sealed_for=$(openssl x509 -in "$own/certificate.pem" -outform DER | sha256sum | cut -d' ' -f1)
line=$line$(printf ', "archive_size": %s, "archive_sha256": "%s", "sealed_for": "%s"}' "$(size "$part")" "$(digest "$part")" "$sealed_for")
printf '%s\n' "$line" >"$work/line" || exit 1
signature=$(openssl dgst -sha256 -sign "$own/sign.pem" "$work/line" | base64 -w0) && [ -n "$signature" ] || die 'could not sign'
{ cat "$work/line" && printf '%s\n' "$signature"; } >"$work/manifest" || exit 1

# Only the newest stays here; its manifest comes last, for a backup without one does not exist.
find "$spool" -mindepth 1 ! -path "$part" -delete
mv "$part" "$archive" && sync "$archive" || exit 1
mv "$work/manifest" "$spool/$name.json" && sync "$spool/$name.json" || exit 1

[ -z "$send" ] || sh "$own/send" "$name" "$spool" || die "$name was made and is in $spool; it could not be brought to its place"
[ -z "$send" ] || printf '%s %s\n' "$taken" "$name" >"$run/sent"
echo "$name"
