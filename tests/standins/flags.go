package main

import "strings"

// Flag is one option of a command: also a key of the configuration file under its long name.
type Flag struct {
	Name  string
	Alias string
	Kind  byte // 's' string, 'l' list, 'b' boolean, 't' boolean that is true unless denied, 'i' integer, 'd' duration
	Env   string
	Value string // default
}

// Sources of the tables: docs.k3s.io/cli/server, cli/agent, cli/etcd-snapshot, cli/token, cli/certificate,
// cli/secrets-encrypt; k3s-io/k3s pkg/cli/cmds/{server,agent,etcd_snapshot,token,certs,secrets_encrypt}.go.
// One flag a word: NAME[,ALIAS][:KIND][=DEFAULT][@ENV]; kind is string where not said.
const (
	_common = `config,c@CONFIG_FILE debug:b@DEBUG data-dir,d@DATA_DIR`
	_node   = `node-name@NODE_NAME with-node-id:b node-label:l node-taint:l node-ip,i:l node-external-ip:l node-internal-dns:l
		node-external-dns:l resolv-conf@RESOLV_CONF kubelet-arg:l kube-proxy-arg:l protect-kernel-defaults:b selinux:b@SELINUX
		lb-server-port:i=6444@LB_SERVER_PORT private-registry snapshotter container-runtime-endpoint default-runtime
		image-credential-provider-bin-dir image-credential-provider-config disable-default-registry-endpoint:b
		nonroot-devices:b airgap-extra-registry:l v:i vmodule log,l alsologtostderr:b enable-pprof:b bind-address`
	_nodeK3s = `docker:b image-service-endpoint pause-image prefer-bundled-bin:b rootless:b flannel-iface flannel-conf
		flannel-cni-conf vpn-auth@VPN_AUTH vpn-auth-file@VPN_AUTH_FILE`
	_join   = `token,t@TOKEN token-file@TOKEN_FILE server,s@URL`
	_server = `advertise-address tls-san:l tls-san-security:t cluster-cidr:l service-cidr:l service-node-port-range=30000-32767
		cluster-dns:l cluster-domain=cluster.local egress-selector-mode=agent servicelb-namespace=kube-system
		write-kubeconfig,o@KUBECONFIG_OUTPUT write-kubeconfig-mode@KUBECONFIG_MODE write-kubeconfig-group@KUBECONFIG_GROUP
		helm-job-image agent-token@AGENT_TOKEN agent-token-file@AGENT_TOKEN_FILE cluster-reset:b@CLUSTER_RESET
		cluster-reset-restore-path kube-apiserver-arg:l etcd-arg:l kube-controller-manager-arg:l kube-scheduler-arg:l
		kube-cloud-controller-manager-arg:l datastore-endpoint@DATASTORE_ENDPOINT datastore-cafile@DATASTORE_CAFILE
		datastore-certfile@DATASTORE_CERTFILE datastore-keyfile@DATASTORE_KEYFILE etcd-expose-metrics:b
		etcd-disable-snapshots:b etcd-snapshot-name=etcd-snapshot etcd-snapshot-schedule-cron etcd-snapshot-retention:i=5
		etcd-snapshot-dir etcd-snapshot-compress:b etcd-s3:b etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-skip-ssl-verify:b
		etcd-s3-access-key etcd-s3-secret-key etcd-s3-session-token etcd-s3-bucket etcd-s3-region etcd-s3-folder
		etcd-s3-proxy etcd-s3-config-secret etcd-s3-insecure:b etcd-s3-timeout:d=5m disable:l disable-scheduler:b
		disable-cloud-controller:b disable-kube-proxy:b disable-apiserver:b disable-controller-manager:b disable-etcd:b
		embedded-registry:b supervisor-metrics:b system-default-registry@SYSTEM_DEFAULT_REGISTRY secrets-encryption:b
		disable-agent:b`
	_serverK3s = `https-listen-port:i=6443 advertise-port:i flannel-backend=vxlan flannel-ipv6-masq:b flannel-external-ip:b
		cluster-init:b@CLUSTER_INIT default-local-storage-path disable-network-policy:b disable-helm-controller:b
		kine-tls:b secrets-encryption-provider=aescbc`
	// docs.rke2.io/reference/server_config; rancher/rke2 pkg/cli/cmds/{root,server,agent}.go.
	_commonRke2 = `kube-apiserver-image kube-controller-manager-image cloud-controller-manager-image kube-proxy-image
		kube-scheduler-image pause-image runtime-image etcd-image kubelet-path cloud-provider-name cloud-provider-config
		node-name-from-cloud-provider-metadata:b profile@CIS_PROFILE audit-policy-file pod-security-admission-config-file
		control-plane-resource-requests:l control-plane-resource-limits:l control-plane-probe-configuration:l
		kube-apiserver-extra-mount:l kube-scheduler-extra-mount:l kube-controller-manager-extra-mount:l
		kube-proxy-extra-mount:l etcd-extra-mount:l cloud-controller-manager-extra-mount:l kube-apiserver-extra-env:l
		kube-scheduler-extra-env:l kube-controller-manager-extra-env:l kube-proxy-extra-env:l etcd-extra-env:l
		cloud-controller-manager-extra-env:l`
	_serverRke2 = `cni:l@CNI ingress-controller:l enable-servicelb:b`
	_snapshot   = `node-name@NODE_NAME log,l alsologtostderr:b s3:b s3-endpoint s3-endpoint-ca s3-skip-ssl-verify:b s3-access-key
		s3-secret-key s3-session-token s3-bucket s3-region s3-folder s3-insecure:b s3-timeout:d s3-proxy s3-config-secret
		etcd-server,s=https://127.0.0.1:6443 etcd-token,t@TOKEN name=on-demand dir etcd-snapshot-dir
		snapshot-compress:b etcd-snapshot-compress:b snapshot-retention:i=5 etcd-snapshot-retention:i etcd-s3:b`
	_output = `output,o`
)

// tables gives every command's flags.
func tables() map[string][]Flag {
	node, server, shared := _node+" "+_nodeK3s, _server+" "+_serverK3s, ""
	if distroName == "rke2" {
		node, server, shared = _node, _server+" "+_serverRke2, _commonRke2
	}
	found := map[string]string{
		"server":                _common + " " + _join + " " + node + " " + server + " " + shared,
		"agent":                 _common + " " + _join + " " + node + " " + shared,
		"etcd-snapshot save":    _common + " " + _snapshot,
		"etcd-snapshot ls":      _common + " " + _snapshot + " " + _output,
		"etcd-snapshot delete":  _common + " " + _snapshot,
		"etcd-snapshot prune":   _common + " " + _snapshot,
		"token create":          _common + " kubeconfig description groups:l ttl:d=24h usages:l print-join-command:b",
		"token delete":          _common + " kubeconfig",
		"token generate":        _common + " kubeconfig",
		"token list":            _common + " kubeconfig " + _output,
		"token rotate":          _common + " kubeconfig token,t@TOKEN server,s=https://127.0.0.1:6443 new-token",
		"certificate check":     _common + " service,s:l " + _output,
		"certificate rotate":    _common + " service,s:l log,l alsologtostderr:b",
		"certificate rotate-ca": _common + " server,s=https://127.0.0.1:6443 path force:b",
		"kubectl":               "", "ctr": "", "crictl": "",
	}
	for _, verb := range []string{"status", "enable", "disable", "prepare", "rotate", "reencrypt", "rotate-keys"} {
		found["secrets-encrypt "+verb] = _common + " token,t@TOKEN server,s=https://127.0.0.1:6443 force,f:b skip:b " + _output
	}
	result := map[string][]Flag{}
	for command, text := range found {
		result[command] = parseTable(text)
	}
	return result
}

func parseTable(text string) []Flag {
	var flags []Flag
	for _, word := range strings.Fields(text) {
		flag := Flag{Kind: 's'}
		word, flag.Env, _ = strings.Cut(word, "@")
		if flag.Env != "" {
			flag.Env = distro().EnvPrefix + "_" + flag.Env
		}
		word, flag.Value, _ = strings.Cut(word, "=")
		word, kind, typed := strings.Cut(word, ":")
		if typed {
			flag.Kind = kind[0]
		}
		flag.Name, flag.Alias, _ = strings.Cut(word, ",")
		flags = append(flags, flag)
	}
	return flags
}
