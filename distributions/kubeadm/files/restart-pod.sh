# Has the kubelet make a static pod anew: one annotation of its manifest gets a new value. The manifest is replaced whole.
manifest=/etc/kubernetes/manifests/@POD@.yaml
aside=/etc/kubernetes/.sloth-@POD@.yaml
mark="    sloth.dev/restarted: \"$(date +%s.%N)\""
umask 077
sed '/^    sloth\.dev\/restarted:/d' "$manifest" >"$aside" || exit
if grep -q '^  annotations:$' "$aside"; then at='^  annotations:$' head=''; else at='^metadata:$' head='  annotations:'; fi
awk -v at="$at" -v head="$head" -v mark="$mark" \
  '{ print } !done && $0 ~ at { if (head) print head; print mark; done = 1 }' "$aside" >"$aside.new" || exit
mv -f "$aside.new" "$manifest" && rm -f "$aside"
