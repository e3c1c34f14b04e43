# Brings a backup to an S3-compatible store. curl reads address and credentials from a file, so that no process shows them.
# Signing: curl 7.75 and newer (--aws-sigv4); the digest of the body is given, as S3 wants it in the signature.
name=$1 folder=$2
put() {
  curl -fsS -K /etc/sloth/backup/place.curl --retry 3 --retry-delay 2 --connect-timeout 10 --speed-limit 1024 --speed-time 60 \
    -H "x-amz-content-sha256: $(sha256sum <"$1" | cut -d' ' -f1)" -T "$1" @URL@/"${1##*/}" >/dev/null
}
put "$folder/$name.tar.gz.cms" && put "$folder/$name.json"
