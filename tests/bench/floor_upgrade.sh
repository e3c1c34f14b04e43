#!/bin/sh
# The floor of `sloth upgrade apply`: the same steps by hand, without checks, records, guards or views. See `upgrade.py`.
# usage: floor_upgrade.sh MIRROR VERSION OLD-ETCD-TAG NEW-ETCD-TAG SERVERS WORKERS
# SERVERS and WORKERS: `NODE=CONTAINER` words. MIRROR: a folder with the layout of `sloth mirror create`, BINARIES and IMAGES as below.
set -eu
mirror=$1 version=$2 old=$3 new=$4 servers=$5 workers=$6
kube='--kubeconfig /etc/kubernetes/admin.conf'
on() { c=$1; shift; docker exec -i "$c" sh -c "$*"; }
give() { on "$1" "cat > $2.new && chmod 755 $2.new && mv -f $2.new $2" < "$3"; }
load() { on "$1" 'ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned - > /dev/null' < "$2"; }
first=${servers%% *}
admin=${first#*=}
on "$admin" "etcdctl snapshot save /var/lib/before.db --endpoints=https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt \
    --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key" > /dev/null
for word in $servers $workers; do
    {
        load "${word#*=}" "$mirror/kube-proxy/$version/linux-amd64/kube-proxy.tar"
        for image in $PAUSE $COREDNS; do load "${word#*=}" "$image"; done
        case " $servers " in *" $word "*)
            for name in kube-apiserver kube-controller-manager kube-scheduler; do
                load "${word#*=}" "$mirror/$name/$version/linux-amd64/$name.tar"
            done
            load "${word#*=}" "$ETCD" ;;
        esac
    } &
done
wait
turn() { # NODE CONTAINER COMMAND
    # An API server that has just started refuses everybody for a moment, until it knows the roles.
    on "$admin" "until kubectl drain $1 --ignore-daemonsets --delete-emptydir-data $kube; do sleep 0.5; done" > /dev/null 2>&1
    give "$2" /usr/local/bin/kubeadm "$mirror/kubeadm/$version/linux-amd64/kubeadm"
    on "$2" "$3" > /dev/null 2>&1
    for name in kubelet kubectl; do give "$2" "/usr/local/bin/$name" "$mirror/$name/$version/linux-amd64/$name"; done
    on "$2" "sed -i 's#pause:[0-9.]*#pause:$PAUSE_TAG#' /etc/containerd/config.toml; systemctl restart containerd kubelet"
    on "$admin" "until kubectl get node $1 --no-headers $kube 2> /dev/null | grep -q ' Ready.*$version'; do sleep 0.5; done
until kubectl uncordon $1 $kube 2> /dev/null; do sleep 0.5; done" > /dev/null
}
on "$admin" "kubectl get configmap kubeadm-config -n kube-system -o yaml $kube | sed 's/imageTag: $old/imageTag: $new/' |
    kubectl replace -f - $kube" > /dev/null
flags='--ignore-preflight-errors=all --skip-phases=addon/coredns'
what="apply $version --yes"
for word in $servers; do
    turn "${word%%=*}" "${word#*=}" "kubeadm upgrade $what $flags"
    what=node
done
for word in $workers; do turn "${word%%=*}" "${word#*=}" "kubeadm upgrade node --ignore-preflight-errors=all"; done
on "$admin" "kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=120s $kube" > /dev/null
