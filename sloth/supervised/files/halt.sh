# Stops all and puts the server's data aside: nothing is deleted but what the two last times before left there.
umask 077
mkdir -p @ASIDE@ || exit
@STOP_ALL@
if [ -d @DATA@/server ]; then mv @DATA@/server "@ASIDE@/@NAME@-$(date -u +%Y%m%dT%H%M%SZ)" || exit; fi
ls -1d @ASIDE@/@NAME@-* 2>/dev/null | sort -r | tail -n +3 | while read -r old; do rm -rf "$old"; done
rm -f @NOTE@ @MEMBERSHIP@
find @DATA@/agent -maxdepth 1 -type f -delete 2>/dev/null
rm -rf @DATA@/agent/pod-manifests
