package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Agent is kubelet, kube-proxy and containerd of one node, and the way to the servers.
type Agent struct {
	o       *Options
	dir     string // DATA/agent
	node    string
	address string
	url     string
	token   string
	access  *Access
	config  AgentConfig
	keeper  *Keeper
	server  *Server // where this node is a server too
	api     string  // how components here reach the Kubernetes API
}

func newAgent(o *Options, url, token string, keeper *Keeper) *Agent {
	return &Agent{
		o: o, dir: filepath.Join(o.Get("data-dir"), "agent"), node: nodeName(o), address: nodeAddress(o), url: url,
		token: token, keeper: keeper,
	}
}

func (a *Agent) path(parts ...string) string {
	return filepath.Join(append([]string{a.dir}, parts...)...)
}

// runAgent is `k3s agent`: k3s-io/k3s pkg/cli/agent/agent.go, pkg/agent/run.go.
func runAgent(args []string) {
	o, err := parseOptions("agent", args)
	usage(err)
	if os.Getuid() != 0 {
		fatal("agent must be run as root, or with --rootless and subuid/subgid")
	}
	must(checkNode(o, false))
	token, err := readToken(o, "token", "token-file")
	must(err)
	if token == "" {
		fatal("--token is required")
	}
	if o.Get("server") == "" {
		fatal("--server is required")
	}
	if url := o.Get("server"); !strings.HasPrefix(url, "https://") {
		fatal("only https:// URLs are supported, invalid scheme: %s", url)
	}
	info("Starting %s agent %s", distroName, version)
	bin, err := unpack(o.Get("data-dir"))
	must(err)
	keeper := newKeeper(bin, filepath.Join(o.Get("data-dir"), "agent"))
	stopOnSignal(keeper)
	agent := newAgent(o, o.Get("server"), token, keeper)
	must(os.MkdirAll(agent.dir, 0o755))
	agent.start()
	notify("READY=1")
	select {}
}

// start registers the node and runs its components. A wrong CA hash ends the program; a server that cannot be reached, or that
// does not know the token, is asked again (k3s-io/k3s pkg/agent/run.go).
func (a *Agent) start() {
	balancer := a.balance()
	for {
		var err error
		if a.access, err = access(balancer, a.token, a.user()); err == nil {
			if err = a.readConfig(); err == nil {
				break
			}
		}
		if strings.Contains(err.Error(), "token CA hash") || strings.Contains(err.Error(), "token format") {
			fatal("%v", err)
		}
		trouble("Failed to validate connection to cluster at %s: %v", a.url, err)
		time.Sleep(2 * time.Second)
	}
	a.keepServers()
	if err := a.makeCerts(); err != nil {
		fatal("%v", err)
	}
	must(a.startContainerd())
	must(a.importImages())
	a.startKubelet()
	if a.config.KubeProxy {
		a.startProxy()
	}
}

// user: a full server token is taken by agents as well; a bare password is the agent's.
func (a *Agent) user() string {
	if token, err := parseToken(a.token); err == nil && token.Username == "server" {
		return "server"
	}
	return "node"
}

func (a *Agent) readConfig() error {
	data, err := a.access.get(v1("config"))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, &a.config)
}

// nodePassword proves on later starts that this is the same machine.
func (a *Agent) nodePassword() (string, error) {
	path := nodePasswordPath()
	if data, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	password := randomHex(16)
	return password, writeFile(path, []byte(password+"\n"), 0o600)
}

func (a *Agent) makeCerts() error {
	for _, name := range []string{"client-ca.crt", "server-ca.crt"} {
		data, err := a.access.get(v1(name))
		if err != nil {
			return err
		}
		if err := writeFile(a.path(name), data, 0o644); err != nil {
			return err
		}
	}
	password, err := a.nodePassword()
	if err != nil {
		return err
	}
	headers := map[string]string{
		distroName + "-Node-Name": a.node, distroName + "-Node-Password": password,
		distroName + "-Node-IP": strings.Join(append(a.o.List("node-ip"), a.address), ","),
	}
	for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy", "client-" + distroName + "-controller"} {
		for {
			err := a.request(name, headers)
			if err == nil {
				break
			}
			// Also where the node's password is not the one that the cluster knows: it goes on asking, and the API of a
			// server stays up, so that somebody can delete the Secret with the password of before.
			warn("Waiting to retrieve agent configuration; server is not ready: %v", err)
			time.Sleep(2 * time.Second)
		}
	}
	for _, name := range []string{"kubelet", "kube-proxy", distroName + "controller"} {
		cert := strings.Replace(name, distroName+"controller", distroName+"-controller", 1)
		text := kubeconfig(a.api, a.path("server-ca.crt"), a.path("client-"+cert+".crt"), a.path("client-"+cert+".key"))
		if err := writeFile(a.path(strings.ReplaceAll(name, "-", "")+".kubeconfig"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// request has a certificate signed by the supervisor.
func (a *Agent) request(name string, headers map[string]string) error {
	keyFile, certFile := a.path(name+".key"), a.path(name+".crt")
	key, err := readKey(keyFile)
	if err != nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
		if err := writeKey(keyFile, key); err != nil {
			return err
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: a.node}}, key)
	if err != nil {
		return err
	}
	body := pemBlock("CERTIFICATE REQUEST", der)
	data, err := fetch(a.access.http, "POST", a.access.URL+v1(name+".crt"), body, a.access.Token, headers)
	if err != nil {
		return err
	}
	return writeFile(certFile, data, 0o644)
}

// kubeletDefaults is the drop-in that the real ones write to agent/etc/kubelet.conf.d; files of users beside it win by their
// names (docs.k3s.io/installation/configuration, k3s-io/k3s pkg/daemons/agent/agent_linux.go).
func (a *Agent) kubeletDefaults() map[string]any {
	config := map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": "0.0.0.0",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false}, "webhook": map[string]any{"enabled": true, "cacheTTL": "2m0s"},
			"x509": map[string]any{"clientCAFile": a.path("client-ca.crt")},
		},
		"authorization": map[string]any{"mode": "Webhook"},
		"cgroupDriver":  a.cgroupDriver(), "clusterDNS": []string{a.config.ClusterDNS}, "clusterDomain": a.config.ClusterDomain,
		"containerRuntimeEndpoint": "unix://" + criSocket, "failSwapOn": false, "serializeImagePulls": false,
		"evictionHard":  map[string]string{"imagefs.available": "5%", "nodefs.available": "5%"},
		"staticPodPath": a.path("pod-manifests"), "syncFrequency": "30s", "healthzBindAddress": "127.0.0.1",
		"tlsCertFile": a.path("serving-kubelet.crt"), "tlsPrivateKeyFile": a.path("serving-kubelet.key"),
	}
	if path := a.o.Get("resolv-conf"); path != "" {
		config["resolvConf"] = path
	}
	if a.o.Bool("protect-kernel-defaults") {
		config["protectKernelDefaults"] = true
	}
	return config
}

// cgroupDriver: systemd where the host has cgroup v2 and this runs as a unit, else cgroupfs.
func (a *Agent) cgroupDriver() string {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	if err == nil && os.Getenv("INVOCATION_ID") != "" {
		return "systemd"
	}
	return "cgroupfs"
}

func (a *Agent) startKubelet() {
	data, err := json.MarshalIndent(a.kubeletDefaults(), "", "  ")
	must(err)
	folder := a.path("etc", "kubelet.conf.d")
	must(writeFile(filepath.Join(folder, "00-"+distroName+"-defaults.conf"), data, 0o600))
	must(os.MkdirAll(a.path("pod-manifests"), 0o700))
	must(a.writeStaticPods())
	args := map[string]string{
		"config-dir": folder, "hostname-override": a.node, "kubeconfig": a.path("kubelet.kubeconfig"),
		"node-ip": strings.Join(append([]string{}, a.nodeIPs()...), ","), "root-dir": root("/var/lib/kubelet"),
	}
	if labels := a.o.List("node-label"); len(labels) > 0 {
		args["node-labels"] = strings.Join(labels, ",")
	}
	if taints := a.o.List("node-taint"); len(taints) > 0 {
		args["register-with-taints"] = strings.Join(taints, ",")
	}
	a.keeper.start(&Component{Name: "kubelet", Args: componentArgs(args, a.o.Raw("kubelet-arg"))})
}

func (a *Agent) nodeIPs() []string {
	if all := a.o.List("node-ip"); len(all) > 0 {
		return all
	}
	return []string{a.address}
}

func (a *Agent) startProxy() {
	args := map[string]string{
		"cluster-cidr": a.config.ClusterCIDR, "healthz-bind-address": "127.0.0.1", "hostname-override": a.node,
		"kubeconfig": a.path("kubeproxy.kubeconfig"), "proxy-mode": "iptables", "conntrack-max-per-core": "0",
		"conntrack-tcp-timeout-close-wait": "0s", "conntrack-tcp-timeout-established": "0s",
	}
	a.keeper.start(&Component{Name: "kube-proxy", Pod: true, Args: componentArgs(args, a.o.Raw("kube-proxy-arg"))})
}
