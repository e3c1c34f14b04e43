package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// What makes a cluster a cluster is kept in its datastore under /bootstrap/<digest of the token>, encrypted with the token:
// authorities, the service account key, passwords and the encryption configuration. Servers that join get it by HTTPS. Source:
// k3s-io/k3s pkg/cluster/{bootstrap,encrypt,storage}.go, pkg/daemons/config/types.go (ControlRuntimeBootstrap).
var bootstrapFiles = map[string][]string{
	"ClientCA": {"tls", "client-ca.crt"}, "ClientCAKey": {"tls", "client-ca.key"},
	"ServerCA": {"tls", "server-ca.crt"}, "ServerCAKey": {"tls", "server-ca.key"},
	"RequestHeaderCA": {"tls", "request-header-ca.crt"}, "RequestHeaderCAKey": {"tls", "request-header-ca.key"},
	"ETCDServerCA": {"tls", "etcd", "server-ca.crt"}, "ETCDServerCAKey": {"tls", "etcd", "server-ca.key"},
	"ETCDPeerCA": {"tls", "etcd", "peer-ca.crt"}, "ETCDPeerCAKey": {"tls", "etcd", "peer-ca.key"},
	"ServiceKey": {"tls", "service.key"}, "PasswdFile": {"cred", "passwd"},
	"EncryptionConfig": {"cred", "encryption-config.json"}, "EncryptionHash": {"cred", "encryption-state.json"},
}

// kept is one of them: the real ones compare its time with that of the file on the disk (k3s-io/k3s pkg/bootstrap).
type kept struct {
	Timestamp time.Time
	Content   []byte
}

func (s *Server) readBootstrap() ([]byte, error) {
	found := map[string]kept{}
	for name, parts := range bootstrapFiles {
		data, err := os.ReadFile(s.path(parts...))
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		stat, err := os.Stat(s.path(parts...))
		if err != nil {
			return nil, err
		}
		found[name] = kept{stat.ModTime(), data}
	}
	return json.Marshal(found)
}

// writeBootstrap puts files in place that differ, and says whether any did.
func (s *Server) writeBootstrap(data []byte) error {
	found := map[string]kept{}
	if err := json.Unmarshal(data, &found); err != nil {
		return err
	}
	for name, file := range found {
		parts, known := bootstrapFiles[name]
		if !known {
			continue
		}
		if now, _ := os.ReadFile(s.path(parts...)); bytes.Equal(now, file.Content) {
			continue
		}
		if err := writeFile(s.path(parts...), file.Content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// differing says whether the disk has other data than these, and refuses where a file of it is newer: nobody knows then which of
// the two counts (k3s-io/k3s pkg/cluster/bootstrap.go, ReconcileBootstrapData).
func (s *Server) differing(data []byte) (bool, error) {
	found := map[string]kept{}
	if err := json.Unmarshal(data, &found); err != nil {
		return false, err
	}
	differs, newer := false, []string{}
	for _, name := range sortedKeys(found) {
		parts, known := bootstrapFiles[name]
		if !known {
			continue
		}
		path := s.path(parts...)
		now, err := os.ReadFile(path)
		if err == nil && bytes.Equal(now, found[name].Content) {
			continue
		}
		differs = true
		if stat, err := os.Stat(path); err == nil && stat.ModTime().Unix()-found[name].Timestamp.Unix() >= 3 {
			newer = append(newer, path)
		}
	}
	if len(newer) > 0 {
		return true, errors.New(strings.Join(newer, ", ") + " newer than datastore and could cause a cluster outage. " +
			"Remove the file(s) from disk and restart to be recreated from datastore.")
	}
	return differs, nil
}

func bootstrapKey(secret string) string { return "/bootstrap/" + sha256Hex([]byte(secret))[:12] }

func (s *Server) saveBootstrap() error {
	data, err := s.readBootstrap()
	if err != nil {
		return err
	}
	sealed, err := seal(s.secret, data)
	if err != nil {
		return err
	}
	_, err = s.etcdctl(sealed, "", "put", bootstrapKey(s.secret))
	return err
}

// reconcile takes from the datastore what is there: after a restore and after a rotation on another server it is newer than
// what this server has on its disk.
func (s *Server) reconcile() error {
	info("Reconciling bootstrap data between datastore and disk")
	s.waitForEtcd()
	data, err := s.loadBootstrap()
	if err != nil || data == nil {
		return err
	}
	if differs, err := s.differing(data); err != nil || !differs {
		return errors.Join(err, s.writeUsers())
	}
	warn("Updating bootstrap data on disk from datastore")
	if err := s.writeBootstrap(data); err != nil {
		return err
	}
	if err := s.makeCerts(); err != nil {
		return err
	}
	// The real ones read the datastore through an etcd of their own, and start the member with what they have found.
	s.keeper.restart("etcd")
	s.waitForEtcd()
	return s.writeUsers()
}

func (s *Server) loadBootstrap() ([]byte, error) {
	out, err := s.etcdctl("", "", "get", "--print-value-only", bootstrapKey(s.secret))
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(out)); text != "" {
		return unseal(s.secret, text)
	}
	keys, err := s.etcdctl("", "", "get", "--prefix", "--keys-only", "/bootstrap/")
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(keys)) != "" {
		return nil, errors.New("bootstrap data already found and encrypted with different token")
	}
	return nil, nil
}

func seal(secret string, data []byte) (string, error) {
	salt := []byte(randomHex(8))
	sealer, err := sealer(secret, salt)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce)
	return string(salt) + ":" + base64.StdEncoding.EncodeToString(sealer.Seal(nonce, nonce, data, nil)), nil
}

func unseal(secret, text string) ([]byte, error) {
	salt, rest, _ := strings.Cut(text, ":")
	sealer, err := sealer(secret, []byte(salt))
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(rest)
	if err != nil || len(data) < sealer.NonceSize() {
		return nil, errors.New("bootstrap data is damaged")
	}
	return sealer.Open(nil, data[:sealer.NonceSize()], data[sealer.NonceSize():], nil)
}

func sealer(secret string, salt []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, secret, salt, 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// makeCerts makes what is missing below server/tls and server/cred: names as in k3s-io/k3s pkg/daemons/control/deps/deps.go.
func (s *Server) makeCerts() error {
	authorities := map[string][2]string{
		"server-ca": {distroName + "-server-ca", "server-ca"}, "client-ca": {distroName + "-client-ca", "client-ca"},
		"request-header-ca": {distroName + "-request-header-ca", "request-header-ca"},
		"etcd/server-ca":    {"etcd-server-ca", "etcd/server-ca"}, "etcd/peer-ca": {"etcd-peer-ca", "etcd/peer-ca"},
	}
	loaded := map[string]*Authority{}
	for file, names := range authorities {
		if err := ensureAuthority(names[0], s.tls(file+".crt"), s.tls(file+".key")); err != nil {
			return err
		}
		authority, err := loadAuthority(s.tls(file+".crt"), s.tls(file+".key"))
		if err != nil {
			return err
		}
		loaded[names[1]] = authority
	}
	// The controller manager's signer takes one certificate, not a chain.
	for _, name := range []string{"client-ca", "server-ca"} {
		alone := pemBlock("CERTIFICATE", loaded[name].cert.Raw)
		if err := writeFile(s.tls(name+".nochain.crt"), alone, 0o644); err != nil {
			return err
		}
	}
	for _, each := range s.leaves() {
		if err := ensureLeaf(loaded[each.authority], each.leaf, s.tls(each.file+".crt"), s.tls(each.file+".key")); err != nil {
			return err
		}
	}
	if err := errors.Join(ensureServiceKey(s.tls("service.key")), s.copyServiceKey()); err != nil {
		return err
	}
	if err := s.ensureEncryption(); err != nil {
		return err
	}
	return s.writeKubeconfigs()
}

// writeUsers has the passwords that this server was given let others in. It comes after the datastore was read, as in the real ones.
func (s *Server) writeUsers() error { return errors.Join(s.writePasswd(), s.writeTokens()) }

func (s *Server) copyServiceKey() error {
	data, err := os.ReadFile(s.tls("service.key"))
	if err != nil {
		return err
	}
	return writeFile(s.tls("service.current.key"), data, 0o600)
}

func (s *Server) writePasswd() error {
	agent := s.agentSecret
	if agent == "" {
		agent = s.secret
	}
	text := fmt.Sprintf("%s,node,node,%s:agent\n%s,server,server,%s:server\n", agent, distroName, s.secret, distroName)
	if now, _ := os.ReadFile(s.cred("passwd")); string(now) == text {
		return nil
	}
	return writeFile(s.cred("passwd"), []byte(text), 0o600)
}

type signed struct {
	authority, file string
	leaf            Leaf
}

func (s *Server) leaves() []signed {
	client := func(file, name string, groups ...string) signed {
		return signed{"client-ca", "client-" + file, Leaf{Name: name, Groups: groups, Client: true}}
	}
	names := s.sans()
	etcd := []string{"localhost", "127.0.0.1", "::1", s.address, s.node}
	return []signed{
		client("admin", "system:admin", "system:masters"),
		client("supervisor", "system:"+distroName+"-supervisor", "system:masters"),
		client("controller", "system:kube-controller-manager"),
		client("scheduler", "system:kube-scheduler"),
		client("kube-apiserver", "system:apiserver", "system:masters"),
		client("kube-proxy", "system:kube-proxy"),
		client(distroName+"-controller", "system:"+distroName+"-controller"),
		{"request-header-ca", "client-auth-proxy", Leaf{Name: "system:auth-proxy", Client: true}},
		{"server-ca", "serving-kube-apiserver", Leaf{Name: "kube-apiserver", Hosts: names, Server: true}},
		{"server-ca", "dynamic-cert", Leaf{Name: distroName, Groups: []string{distroName}, Hosts: names, Server: true}},
		{"etcd/server-ca", "etcd/client", Leaf{Name: "etcd-client", Client: true}},
		{"etcd/server-ca", "etcd/server-client", Leaf{Name: "etcd-server", Hosts: etcd, Server: true, Client: true}},
		{"etcd/peer-ca", "etcd/peer-server-client", Leaf{Name: "etcd-peer", Hosts: etcd, Server: true, Client: true}},
	}
}

func (s *Server) sans() []string {
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." +
		s.o.Get("cluster-domain"), "localhost", "127.0.0.1", "::1", s.node, s.address, s.o.Get("advertise-address")}
	names = append(names, s.o.List("tls-san")...)
	names = append(names, s.o.List("node-external-ip")...)
	return append(names, offset(s.serviceCIDR(), 1))
}

func (s *Server) serviceCIDR() string {
	if all := s.o.List("service-cidr"); len(all) > 0 {
		return all[0]
	}
	return "10.43.0.0/16"
}

func (s *Server) clusterCIDR() string {
	if all := s.o.List("cluster-cidr"); len(all) > 0 {
		return strings.Join(all, ",")
	}
	return "10.42.0.0/16"
}

func (s *Server) clusterDNS() string {
	if all := s.o.List("cluster-dns"); len(all) > 0 {
		return all[0]
	}
	return offset(s.serviceCIDR(), 10)
}

// offset is the nth address of a network.
func offset(cidr string, n byte) string {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return ""
	}
	address := append(net.IP{}, network.IP...)
	address[len(address)-1] += n
	return address.String()
}
