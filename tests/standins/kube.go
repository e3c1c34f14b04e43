package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Kube is a client of the API server of this very node, as administrator.
type Kube struct {
	url  string
	http *http.Client
}

var (
	errNotFound = errors.New("not found")
	errPassword = errors.New("Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not " +
		"match server node-passwd entry, try enabling a unique node name with the --with-node-id flag")
)

func (s *Server) newKube() *Kube {
	pool := x509.NewCertPool()
	data, err := os.ReadFile(s.tls("server-ca.crt"))
	must(err)
	pool.AppendCertsFromPEM(data)
	cert, err := tls.LoadX509KeyPair(s.tls("client-supervisor.crt"), s.tls("client-supervisor.key"))
	must(err)
	return &Kube{
		url: fmt.Sprintf("https://127.0.0.1:%d", distro().LocalAPIPort),
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}},
		}},
	}
}

// call sends one request and reads the answer's JSON into `into`.
func (k *Kube) call(method, path string, body any, into any) error {
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body)
	}
	request, err := http.NewRequest(method, k.url+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := k.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusNotFound {
		return errNotFound
	}
	if answer.StatusCode > 299 {
		return fmt.Errorf("%s %s: %s %s", method, path, answer.Status, bytes.TrimSpace(said))
	}
	if into == nil {
		return nil
	}
	if text, raw := into.(*rawText); raw {
		*text = rawText(said)
		return nil
	}
	return json.Unmarshal(said, into)
}

func (k *Kube) waitReady() {
	for k.call("GET", "/readyz", nil, nil) != nil {
		time.Sleep(300 * time.Millisecond)
	}
}

// Node is what is read of a node.
type Node struct {
	Metadata struct {
		Name              string            `json:"name"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		Finalizers        []string          `json:"finalizers"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		Addresses []struct{ Type, Address string } `json:"addresses"`
	} `json:"status"`
}

func (n Node) address() string {
	for _, each := range n.Status.Addresses {
		if each.Type == "InternalIP" {
			return each.Address
		}
	}
	return ""
}

func (k *Kube) nodes() ([]Node, error) {
	var list struct{ Items []Node }
	return list.Items, k.call("GET", "/api/v1/nodes", nil, &list)
}

const (
	secrets       = "/api/v1/namespaces/kube-system/secrets/"
	etcdFinalizer = "wrangler.cattle.io/managed-etcd-controller"
	etcdLabel     = "node-role.kubernetes.io/etcd"
	controlLabel  = "node-role.kubernetes.io/control-plane"
)

// nodePassword compares with, or leaves, the password in the Secret NODE.node-password.k3s (k3s-io/k3s pkg/nodepassword).
func (k *Kube) nodePassword(node, password string) error {
	name := node + ".node-password." + distroName
	var secret struct{ Data map[string]string }
	hash := sha256Hex([]byte(password))
	err := k.call("GET", secrets+name, nil, &secret)
	if errors.Is(err, errNotFound) {
		return k.call("POST", strings.TrimSuffix(secrets, "/"), map[string]any{
			"metadata":  map[string]any{"name": name},
			"immutable": true, "data": map[string]string{"hash": base64.StdEncoding.EncodeToString([]byte(hash))},
		}, nil)
	} else if err != nil {
		return err
	}
	if known, _ := base64.StdEncoding.DecodeString(secret.Data["hash"]); string(known) != hash {
		return errPassword
	}
	return nil
}

// labelOwnNode gives this node its roles and the finalizer by which its etcd member is removed with it
// (k3s-io/k3s pkg/etcd/metadata_controller.go, pkg/nodeconfig; values are "true", where kubeadm's are empty).
func (s *Server) labelOwnNode() {
	var node Node
	path := "/api/v1/nodes/" + s.node
	if s.kube.call("GET", path, nil, &node) != nil || node.Metadata.DeletionTimestamp != "" {
		return
	}
	name, _ := s.etcdName()
	prefix := "etcd." + distroName + ".cattle.io/"
	if node.Metadata.Labels[etcdLabel] == "true" && node.Metadata.Annotations[prefix+"node-name"] == name {
		return
	}
	finalizers := append([]string{}, node.Metadata.Finalizers...)
	if !contains(finalizers, etcdFinalizer) {
		finalizers = append(finalizers, etcdFinalizer)
	}
	patch := map[string]any{"metadata": map[string]any{
		"labels":      map[string]string{controlLabel: "true", etcdLabel: "true"},
		"annotations": map[string]string{prefix + "node-name": name, prefix + "node-address": s.address},
		"finalizers":  finalizers,
	}}
	if err := s.kube.call("PATCH", path, patch, nil); err != nil {
		warn("Unable to set etcd annotations on node %s: %v", s.node, err)
	}
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// forgetRemovedNodes: a node that is deleted from Kubernetes loses its etcd member, then its password.
func (s *Server) forgetRemovedNodes() {
	nodes, err := s.kube.nodes()
	if err != nil {
		return
	}
	here := map[string]bool{}
	for _, node := range nodes {
		here[node.Metadata.Name] = true
		if node.Metadata.DeletionTimestamp != "" && contains(node.Metadata.Finalizers, etcdFinalizer) {
			s.releaseNode(node)
		}
	}
	s.forgetPasswords(here)
}

func (s *Server) releaseNode(node Node) {
	name := node.Metadata.Annotations["etcd."+distroName+".cattle.io/node-name"]
	members, err := s.members("")
	if err != nil {
		return
	}
	for _, member := range members {
		if name != "" && member.Name == name {
			info("Removing name=%s id=%d from etcd", member.Name, member.ID)
			if _, err := s.etcdctl("", "", "member", "remove", fmt.Sprintf("%x", member.ID)); err != nil {
				trouble("unable to remove etcd member %s: %v", name, err)
				return
			}
		}
	}
	var left []string
	for _, each := range node.Metadata.Finalizers {
		if each != etcdFinalizer {
			left = append(left, each)
		}
	}
	patch := map[string]any{"metadata": map[string]any{"finalizers": left}}
	_ = s.kube.call("PATCH", "/api/v1/nodes/"+node.Metadata.Name, patch, nil)
}

func (s *Server) forgetPasswords(here map[string]bool) {
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string    `json:"name"`
				CreationTimestamp time.Time `json:"creationTimestamp"`
			} `json:"metadata"`
		}
	}
	if s.kube.call("GET", strings.TrimSuffix(secrets, "/"), nil, &list) != nil {
		return
	}
	suffix := ".node-password." + distroName
	for _, item := range list.Items {
		node, is := strings.CutSuffix(item.Metadata.Name, suffix)
		// A node that registers just now has its password before it has its Node.
		if is && !here[node] && time.Since(item.Metadata.CreationTimestamp) > time.Minute {
			_ = s.kube.call("DELETE", secrets+item.Metadata.Name, nil, nil)
		}
	}
}

// apiServers are the control-plane nodes whose API port answers.
func (s *Server) apiServers() []string {
	found := []string{net.JoinHostPort(s.address, fmt.Sprint(s.apiPort()))}
	nodes, err := s.kube.nodes()
	if err != nil {
		return found
	}
	for _, node := range nodes {
		address := net.JoinHostPort(node.address(), fmt.Sprint(s.apiPort()))
		if node.Metadata.Labels[controlLabel] == "" || contains(found, address) {
			continue
		}
		if probe, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			probe.Close()
			found = append(found, address)
		}
	}
	sort.Strings(found)
	return found
}

// publishAPIServers keeps the endpoints of Service `kubernetes`: K3s' API server has an --advertise-port that upstream's has
// not, so here the reconciler is this.
func (s *Server) publishAPIServers() {
	if !distro().OneProcess {
		return
	}
	var addresses []map[string]string
	for _, each := range s.apiServers() {
		host, _, _ := net.SplitHostPort(each)
		addresses = append(addresses, map[string]string{"ip": host})
	}
	object := map[string]any{
		"apiVersion": "v1", "kind": "Endpoints",
		"metadata": map[string]any{"name": "kubernetes", "labels": map[string]string{}},
		"subsets": []any{map[string]any{
			"addresses": addresses, "ports": []any{map[string]any{"name": "https", "port": s.apiPort(), "protocol": "TCP"}},
		}},
	}
	path := "/api/v1/namespaces/default/endpoints"
	if errors.Is(s.kube.call("PUT", path+"/kubernetes", object, nil), errNotFound) {
		_ = s.kube.call("POST", path, object, nil)
	}
}

// apply is `kubectl apply` of a manifest in server/manifests.
func (s *Server) apply(file string) error {
	command := exec.Command(filepath.Join(s.bin, "kubectl"), "--kubeconfig", s.cred("admin.kubeconfig"), "apply", "-f", file)
	out, err := command.CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return nil
}
