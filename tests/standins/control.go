package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// startControlPlane runs API server, controller manager and scheduler: flags as in k3s-io/k3s pkg/daemons/control/server.go.
func (s *Server) startControlPlane() {
	s.keeper.start(&Component{Name: "kube-apiserver", Pod: true, Args: s.apiServerArgs()})
	s.kube.waitReady()
	info("Kube API server is now running")
	s.publishAPIServers()
	s.keeper.start(&Component{Name: "kube-controller-manager", Pod: true, Args: s.controllerArgs()})
	if !s.o.Bool("disable-scheduler") {
		s.keeper.start(&Component{Name: "kube-scheduler", Pod: true, Args: componentArgs(map[string]string{
			"authentication-kubeconfig": s.cred("scheduler.kubeconfig"), "authorization-kubeconfig": s.cred("scheduler.kubeconfig"),
			"bind-address": "127.0.0.1", "kubeconfig": s.cred("scheduler.kubeconfig"), "profiling": "false", "secure-port": "10259",
		}, s.o.Raw("kube-scheduler-arg"))})
	}
}

func (s *Server) apiServerArgs() []string {
	theirs := s.o.Raw("kube-apiserver-arg")
	args := map[string]string{
		"advertise-address": first(s.o.Get("advertise-address"), s.address), "allow-privileged": "true",
		"anonymous-auth": "false", "api-audiences": "https://kubernetes.default.svc." + s.o.Get("cluster-domain") + "," + distroName,
		"authorization-mode": "Node,RBAC", "bind-address": "127.0.0.1", "cert-dir": s.tls("temporary-certs"),
		"client-ca-file": s.tls("client-ca.crt"), "enable-admission-plugins": "NodeRestriction",
		"enable-aggregator-routing": "true", "enable-bootstrap-token-auth": "true", "endpoint-reconciler-type": "none",
		"etcd-cafile": s.tls("etcd", "server-ca.crt"), "etcd-certfile": s.tls("etcd", "client.crt"),
		"etcd-keyfile": s.tls("etcd", "client.key"), "etcd-servers": "https://127.0.0.1:2379",
		"kubelet-certificate-authority": s.tls("server-ca.crt"),
		"kubelet-client-certificate":    s.tls("client-kube-apiserver.crt"), "kubelet-client-key": s.tls("client-kube-apiserver.key"),
		"kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname", "profiling": "false",
		"proxy-client-cert-file": s.tls("client-auth-proxy.crt"), "proxy-client-key-file": s.tls("client-auth-proxy.key"),
		"requestheader-allowed-names": "system:auth-proxy", "requestheader-client-ca-file": s.tls("request-header-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-", "requestheader-group-headers": "X-Remote-Group",
		"requestheader-username-headers": "X-Remote-User", "secure-port": strconv.Itoa(distro().LocalAPIPort),
		"service-account-issuer":           "https://kubernetes.default.svc." + s.o.Get("cluster-domain"),
		"service-account-key-file":         s.tls("service.key"),
		"service-account-signing-key-file": s.tls("service.current.key"), "service-cluster-ip-range": s.serviceCIDR(),
		"service-node-port-range": s.o.Get("service-node-port-range"), "storage-backend": "etcd3",
		"tls-cert-file": s.tls("serving-kube-apiserver.crt"), "tls-private-key-file": s.tls("serving-kube-apiserver.key"),
	}
	if !distro().OneProcess { // RKE2's API server is reached by clients itself
		args["bind-address"] = first(s.o.Get("bind-address"), "0.0.0.0")
		delete(args, "endpoint-reconciler-type")
	}
	if s.encrypts() {
		args["encryption-provider-config"] = s.cred("encryption-config.json")
		args["encryption-provider-config-automatic-reload"] = "true"
	}
	if path := s.o.Get("audit-policy-file"); path != "" {
		args["audit-policy-file"], args["audit-log-path"] = path, s.path("logs", "audit.log")
	}
	if path := s.o.Get("pod-security-admission-config-file"); path != "" {
		args["admission-control-config-file"] = path
	}
	for _, each := range theirs { // the API server refuses both ways of saying it at once
		if strings.HasPrefix(strings.TrimLeft(each, "-"), "authentication-config=") {
			delete(args, "anonymous-auth")
		}
	}
	return componentArgs(args, theirs)
}

func (s *Server) controllerArgs() []string {
	args := map[string]string{
		"allocate-node-cidrs": "true", "authentication-kubeconfig": s.cred("controller.kubeconfig"),
		"authorization-kubeconfig": s.cred("controller.kubeconfig"), "bind-address": "127.0.0.1",
		"cluster-cidr": s.clusterCIDR(), "kubeconfig": s.cred("controller.kubeconfig"), "profiling": "false",
		"root-ca-file": s.tls("server-ca.crt"), "secure-port": "10257", "service-account-private-key-file": s.tls("service.current.key"),
		"service-cluster-ip-range": s.serviceCIDR(), "use-service-account-credentials": "true", "terminated-pod-gc-threshold": "1000",
	}
	for _, kind := range []string{"kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown"} {
		authority := "client-ca"
		if kind == "kubelet-serving" {
			authority = "server-ca"
		}
		args["cluster-signing-"+kind+"-cert-file"] = s.tls(authority + ".nochain.crt")
		args["cluster-signing-"+kind+"-key-file"] = s.tls(authority + ".key")
	}
	return componentArgs(args, s.o.Raw("kube-controller-manager-arg"))
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// writeKubeconfigs writes those of the components (server/cred) and the administrator's.
func (s *Server) writeKubeconfigs() error {
	local := fmt.Sprintf("https://127.0.0.1:%d", distro().LocalAPIPort)
	for _, name := range []string{"admin", "supervisor", "controller", "scheduler"} {
		text := kubeconfig(local, s.tls("server-ca.crt"), s.tls("client-"+name+".crt"), s.tls("client-"+name+".key"))
		if err := writeFile(s.cred(name+".kubeconfig"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return s.writeAdminKubeconfig()
}

// writeAdminKubeconfig: /etc/rancher/k3s/k3s.yaml holds the certificates themselves; its server is the loopback address
// (docs.k3s.io/cluster-access: "default" is the name of cluster, user and context).
func (s *Server) writeAdminKubeconfig() error {
	data := map[string]string{}
	for name, file := range map[string]string{"ca": "server-ca.crt", "cert": "client-admin.crt", "key": "client-admin.key"} {
		content, err := os.ReadFile(s.tls(file))
		if err != nil {
			return err
		}
		data[name] = encode(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:%d
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, data["ca"], s.apiPort(), data["cert"], data["key"])
	mode := os.FileMode(0o600)
	if text := s.o.Get("write-kubeconfig-mode"); text != "" {
		number, err := strconv.ParseUint(text, 8, 32)
		if err != nil {
			return fmt.Errorf("invalid write-kubeconfig-mode %q", text)
		}
		mode = os.FileMode(number)
	}
	path := first(s.o.Get("write-kubeconfig"), kubeconfigPath())
	if err := writeFile(path, []byte(text), mode); err != nil {
		return err
	}
	if group := s.o.Get("write-kubeconfig-group"); group != "" {
		found, err := user.LookupGroup(group)
		if err != nil {
			return err
		}
		id, _ := strconv.Atoi(found.Gid)
		return os.Chown(path, 0, id)
	}
	return nil
}

func kubeconfig(server, ca, cert, key string) string {
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    server: %s
    certificate-authority: %s
  name: local
contexts:
- context:
    cluster: local
    namespace: default
    user: user
  name: Default
current-context: Default
kind: Config
users:
- name: user
  user:
    client-certificate: %s
    client-key: %s
`, server, ca, cert, key)
}
