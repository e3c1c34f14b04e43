#!/bin/sh
# The floor of `sloth up`: the same nodes, mesh and kubeadm steps by hand, without checks, keys' verification, records or views.
# usage: floor_up.sh IMAGE NAME NETWORK-PREFIX; prints nothing, leaves the cluster up. floor_down.sh removes it.
set -eu
image=$1 name=$2 prefix=$3
nodes="1 2 3"
flags="--cgroupns=private --cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined --security-opt apparmor=unconfined
--security-opt systempaths=unconfined --device /dev/net/tun --stop-signal SIGRTMIN+3 --tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec
--volume /var/lib/containerd --label sloth.floor=$name"
docker network create --label "sloth.floor=$name" --subnet "$prefix.0/24" "$name" > /dev/null
for n in $nodes; do
    # shellcheck disable=SC2086
    docker run -d $flags --device-cgroup-rule 'a *:* rwm' --name "$name-$n" --hostname "n$n" --network "$name" --ip "$prefix.1$n" "$image" > /dev/null &
done
wait
on() { n=$1; shift; docker exec -i "$name-$n" sh -c "$*"; }
for n in $nodes; do
    until on "$n" 'systemctl is-system-running 2> /dev/null | grep -Eq "running|degraded"'; do sleep 0.2; done
    on "$n" 'umask 077; wg genkey > /etc/wireguard/private.key; wg pubkey < /etc/wireguard/private.key' > "/tmp/$name-$n.pub"
done
for n in $nodes; do
    {
        printf '[Interface]\nAddress = 10.90.0.%s/16\nListenPort = 51820\nMTU = 1420\nPostUp = wg set %%i private-key /etc/wireguard/private.key\n' "$n"
        for p in $nodes; do
            [ "$p" = "$n" ] || printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.90.0.%s/32, 10.42.%s.0/24\nEndpoint = %s.1%s:51820\n' "$(cat "/tmp/$name-$p.pub")" "$p" "$p" "$prefix" "$p"
        done
    } | on "$n" 'cat > /etc/wireguard/wg0.conf'
    on "$n" "mkdir -p /etc/cni/net.d /etc/containerd /etc/kubernetes /etc/systemd/system/kubelet.service.d
cat > /etc/cni/net.d/10-pods.conflist <<CNI
{\"cniVersion\":\"1.0.0\",\"name\":\"pods\",\"plugins\":[{\"type\":\"bridge\",\"bridge\":\"cni0\",\"isGateway\":true,\"mtu\":1420,\"ipam\":{\"type\":\"host-local\",\"ranges\":[[{\"subnet\":\"10.42.$n.0/24\"}]],\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}},{\"type\":\"portmap\",\"capabilities\":{\"portMappings\":true}}]}
CNI
cat > /etc/containerd/config.toml <<TOML
version = 3
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.k8s.io/pause:3.10.2'
TOML
cat > /etc/systemd/system/containerd.service <<UNIT
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
UNIT
cat > /etc/systemd/system/kubelet.service <<UNIT
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=1
UNIT
sysctl -qw net.ipv4.ip_forward=1; systemctl daemon-reload; systemctl start containerd; wg-quick up wg0" > /dev/null 2>&1 &
done
wait
for n in $nodes; do for p in $nodes; do [ "$p" = "$n" ] || on "$n" "ping -q -c1 -w5 -M do -s 1392 10.90.0.$p" > /dev/null; done; done
tags=$(on 1 'ctr -n k8s.io images ls -q')
etcd=$(echo "$tags" | sed -n 's/^registry.k8s.io\/etcd://p')
dns=$(echo "$tags" | sed -n 's/^registry.k8s.io\/coredns\/coredns://p')
registration() {
    printf 'nodeRegistration:\n  name: n%s\n  criSocket: unix:///run/containerd/containerd.sock\n  ignorePreflightErrors: [all]\n  kubeletExtraArgs: [{name: node-ip, value: 10.90.0.%s}]\n' "$1" "$1"
}
{
    printf 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {advertiseAddress: 10.90.0.1}\nbootstrapTokens: [{token: abcdef.0123456789abcdef}]\n'
    registration 1
    printf -- '---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.3\ncontrolPlaneEndpoint: 10.90.0.1:6443\nnetworking: {podSubnet: 10.42.0.0/16}\ncontrollerManager: {extraArgs: [{name: allocate-node-cidrs, value: "false"}]}\netcd: {local: {imageTag: %s}}\ndns: {imageTag: %s}\n' "$etcd" "$dns"
    printf -- '---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: cgroupfs\nfailCgroupV1: false\nfailSwapOn: false\nenforceNodeAllocatable: []\nlocalStorageCapacityIsolation: false\noomScoreAdj: 0\nresolvConf: /etc/sloth-node/resolv.conf\n'
    printf -- '---\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\noomScoreAdj: 0\nconntrack: {maxPerCore: 0}\n'
} | on 1 'cat > /etc/kubernetes/init.yaml'
on 1 'kubeadm init --config /etc/kubernetes/init.yaml' > "/tmp/$name-init.log" 2>&1
hash=$(on 1 "openssl x509 -pubkey -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1")
for n in 2 3; do
    {
        printf 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery: {bootstrapToken: {apiServerEndpoint: "10.90.0.1:6443", token: abcdef.0123456789abcdef, caCertHashes: ["sha256:%s"]}}\n' "$hash"
        registration "$n"
    } | on "$n" 'cat > /etc/kubernetes/join.yaml; kubeadm join --config /etc/kubernetes/join.yaml' > "/tmp/$name-join-$n.log" 2>&1 &
done
wait
on 1 'export KUBECONFIG=/etc/kubernetes/admin.conf
until [ "$(kubectl get nodes --no-headers | grep -c " Ready ")" = 3 ]; do sleep 0.5; done
kubectl -n kube-system rollout status deployment/coredns --timeout=120s
kubectl -n kube-system rollout status daemonset/kube-proxy --timeout=120s
# As sloth does: what runs the control plane is there and Ready, too.
until [ "$(kubectl -n kube-system get pods -l tier=control-plane --no-headers | grep -c Running)" = 4 ]; do sleep 0.5; done
kubectl -n kube-system wait pod -l tier=control-plane --for=condition=Ready --timeout=60s' > /dev/null
