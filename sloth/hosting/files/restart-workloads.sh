# Pods read whom to trust when they start: every Deployment, DaemonSet and StatefulSet makes its pods anew, by its own rules.
# An annotation says for what it was restarted last, so that a second run leaves what is done alone.
kube() { kubectl @QUICK@ "$@"; }
columns='KIND:.kind,SPACE:.metadata.namespace,NAME:.metadata.name,FOR:.spec.template.metadata.annotations.sloth\.dev/restarted-for'
all=$(kube get deployments,daemonsets,statefulsets -A --no-headers -o custom-columns="$columns") || exit
echo "$all" | while read -r kind space name for; do
  [ -z "$kind" ] || [ "$for" = '@ID@' ] ||
    kube patch "$kind" "$name" -n "$space" --type merge \
      -p '{"spec":{"template":{"metadata":{"annotations":{"sloth.dev/restarted-for":"@ID@"}}}}}' >/dev/null || exit
done || exit
echo "$all" | while read -r kind space name for; do
  case $kind in Deployment | DaemonSet | StatefulSet) ;; *) continue ;; esac
  [ "$(kube get "$kind" "$name" -n "$space" -o 'jsonpath={.spec.updateStrategy.type}')" = OnDelete ] && continue
  kubectl @FLAGS@ rollout status "$kind/$name" -n "$space" --timeout=300s >/dev/null || { echo "$kind $space/$name is not back" >&2; exit 1; }
done
