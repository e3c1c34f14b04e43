# Whether the process of a static pod began after its manifest was written, and no older one is left.
since=$(stat -c %Y @MANIFEST@) || exit
found=1
for pid in $(pgrep -x @NAME@); do
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- '@MARK@' || continue
  age=$(ps -o etimes= -p "$pid") || continue
  [ $(($(date +%s) - age)) -ge "$since" ] || exit 1
  found=0
done
exit $found
