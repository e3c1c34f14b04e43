package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// The embedded etcd: files, names and words as in k3s-io/k3s pkg/etcd/etcd.go. Its data is server/db/etcd, its configuration
// server/db/etcd/config, its name (node name and eight hex digits) server/db/etcd/name.
type Member struct {
	ID         uint64   `json:"ID"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	IsLearner  bool     `json:"isLearner"`
}

func (s *Server) etcdDir() string { return s.path("db", "etcd") }

func (s *Server) etcdInitialized() bool {
	_, err := os.Stat(filepath.Join(s.etcdDir(), "member", "wal"))
	return err == nil
}

func (s *Server) etcdName() (string, error) {
	file := filepath.Join(s.etcdDir(), "name")
	if data, err := os.ReadFile(file); err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	name := s.node + "-" + randomHex(4)
	return name, writeFile(file, []byte(name), 0o600)
}

func (s *Server) peerURL() string { return fmt.Sprintf("https://%s:2380", s.address) }

// writeEtcdConfig writes etcd's own configuration file. `cluster` is empty for a member that knows its peers already.
func (s *Server) writeEtcdConfig(name, cluster, state string, alone bool) error {
	listen := func(port int) string {
		if alone {
			return fmt.Sprintf("https://127.0.0.1:%d", port)
		}
		return fmt.Sprintf("https://127.0.0.1:%d,https://%s:%d", port, s.address, port)
	}
	tls := func(cert, authority string) map[string]any {
		return map[string]any{
			"cert-file": s.tls("etcd", cert+".crt"), "key-file": s.tls("etcd", cert+".key"),
			"trusted-ca-file": s.tls("etcd", authority), "client-cert-auth": true,
		}
	}
	config := map[string]any{
		"name": name, "data-dir": s.etcdDir(), "logger": "zap", "log-outputs": []string{"stderr"}, "log-level": "warn",
		"listen-client-urls": listen(2379), "listen-peer-urls": listen(2380),
		"listen-metrics-urls":         "http://127.0.0.1:2381",
		"advertise-client-urls":       fmt.Sprintf("https://%s:2379", s.address),
		"initial-advertise-peer-urls": s.peerURL(), "snapshot-count": 10000,
		"heartbeat-interval": 500, "election-timeout": 5000,
		"client-transport-security": tls("server-client", "server-ca.crt"),
		"peer-transport-security":   tls("peer-server-client", "peer-ca.crt"),
	}
	if cluster != "" {
		config["initial-cluster"], config["initial-cluster-state"] = cluster, state
	}
	if alone && s.etcdInitialized() {
		config["force-new-cluster"] = true
	}
	for _, each := range s.o.Raw("etcd-arg") {
		name, value, _ := strings.Cut(strings.TrimLeft(each, "-"), "=")
		var typed any = value
		if json.Unmarshal([]byte(value), &typed) != nil {
			typed = value
		}
		config[name] = typed
	}
	data, err := json.MarshalIndent(config, "", "  ") // JSON is YAML
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.etcdDir(), "config"), data, 0o600)
}

func (s *Server) etcdComponent() *Component {
	var files []string
	for _, name := range []string{"server-ca.crt", "peer-ca.crt", "server-client.crt", "peer-server-client.crt"} {
		files = append(files, s.tls("etcd", name))
	}
	return &Component{Name: "etcd", Pod: true, Files: files, Args: []string{"--config-file=" + filepath.Join(s.etcdDir(), "config")}}
}

// etcdctl asks members (this one where no endpoints are given) with the client certificate.
func (s *Server) etcdctl(stdin string, endpoints string, words ...string) ([]byte, error) {
	if endpoints == "" {
		endpoints = "https://127.0.0.1:2379"
	}
	command := exec.Command(filepath.Join(s.bin, "etcdctl"), append([]string{
		"--endpoints", endpoints, "--cacert", s.tls("etcd", "server-ca.crt"), "--cert", s.tls("etcd", "client.crt"),
		"--key", s.tls("etcd", "client.key"), "--dial-timeout", "3s", "--command-timeout", s.patience(),
	}, words...)...)
	var said strings.Builder
	command.Stderr = &said
	command.Stdin = strings.NewReader(stdin)
	out, err := command.Output()
	if err != nil {
		return out, errors.New(strings.TrimSpace(said.String() + " " + string(out)))
	}
	return out, nil
}

// patience: a member that is not one yet answers nothing, and is soon asked again.
func (s *Server) patience() string {
	if s.waiting {
		return "2s"
	}
	return "15s"
}

func (s *Server) members(endpoints string) ([]Member, error) {
	out, err := s.etcdctl("", endpoints, "member", "list", "--write-out", "json")
	if err != nil {
		return nil, err
	}
	return parseMembers(out)
}

func parseMembers(data []byte) ([]Member, error) {
	var list struct{ Members []Member }
	return list.Members, json.Unmarshal(data, &list)
}

// startNewEtcd makes the first member of a new cluster.
func (s *Server) startNewEtcd() error {
	name, err := s.etcdName()
	if err != nil {
		return err
	}
	if err := s.writeEtcdConfig(name, name+"="+s.peerURL(), "new", false); err != nil {
		return err
	}
	s.keeper.start(s.etcdComponent())
	return nil
}

// startOldEtcd starts a member that has been one before.
func (s *Server) startOldEtcd() error {
	name, err := s.etcdName()
	if err != nil {
		return err
	}
	if err := s.writeEtcdConfig(name, "", "", false); err != nil {
		return err
	}
	s.keeper.start(s.etcdComponent())
	return nil
}

// joinEtcd becomes a learner: one server at a time, since etcd takes one learner only (k3s-io/k3s pkg/etcd, join).
func (s *Server) joinEtcd(info []byte) error {
	members, err := parseMembers(info)
	if err != nil {
		return err
	}
	var endpoints []string
	for _, member := range members {
		if !member.IsLearner && len(member.ClientURLs) > 0 {
			endpoints = append(endpoints, member.ClientURLs...)
		}
	}
	if len(endpoints) == 0 {
		return errors.New("no etcd endpoints found")
	}
	name, err := s.etcdName()
	if err != nil {
		return err
	}
	for {
		cluster, err := s.addMember(name, strings.Join(endpoints, ","))
		if err == nil {
			if err := s.writeEtcdConfig(name, cluster, "existing", false); err != nil {
				return err
			}
			s.keeper.start(s.etcdComponent())
			return nil
		}
		if !strings.Contains(err.Error(), "too many learner") && !strings.Contains(err.Error(), "unhealthy cluster") {
			return fmt.Errorf("ETCD join failed: %w", err)
		}
		logLine("info", "Waiting for other members to finish joining etcd cluster: %v", err)
		time.Sleep(2 * time.Second)
	}
}

func (s *Server) addMember(name, endpoints string) (string, error) {
	members, err := s.members(endpoints)
	if err != nil {
		return "", err
	}
	var cluster []string
	add := true
	for _, member := range members {
		if len(member.PeerURLs) == 0 {
			continue
		}
		peer, _ := url.Parse(member.PeerURLs[0])
		if peer != nil && peer.Hostname() == s.address && (member.Name == name || member.Name == "") {
			add = false
			member.Name = name
		}
		if hyphen := strings.LastIndex(member.Name, "-"); hyphen > 1 && member.Name != name && member.Name[:hyphen] == s.node {
			_ = os.Remove(filepath.Join(s.etcdDir(), "name"))
			return "", errors.New("duplicate node name found, please use a unique name for this node")
		}
		cluster = append(cluster, member.Name+"="+member.PeerURLs[0])
	}
	if add {
		info("Adding member %s=%s to etcd cluster %v", name, s.peerURL(), cluster)
		cluster = append(cluster, name+"="+s.peerURL())
		if _, err := s.etcdctl("", endpoints, "member", "add", name, "--learner", "--peer-urls="+s.peerURL()); err != nil {
			return "", err
		}
	}
	sort.Strings(cluster)
	return strings.Join(cluster, ","), nil
}

// waitForEtcd waits until this member answers and votes.
func (s *Server) waitForEtcd() {
	s.waiting = true
	defer func() { s.waiting = false }()
	for {
		members, err := s.members("")
		if err == nil {
			learner := false
			for _, member := range members {
				learner = learner || (member.IsLearner && strings.Join(member.PeerURLs, "") == s.peerURL())
			}
			if !learner {
				if _, err := s.etcdctl("", "", "get", "/bootstrap/health"); err == nil {
					return
				}
			} else {
				info("Waiting for this etcd member to be promoted from learner")
			}
		} else if strings.Contains(err.Error(), "not supported for learner") {
			info("Waiting for this etcd member to be promoted from learner")
		} else {
			info("Waiting for etcd server to become available")
		}
		time.Sleep(time.Second)
	}
}

// promote makes voters of learners that have caught up. Every server tries; where one is not ready, etcd says so.
func (s *Server) promote() {
	members, err := s.members("")
	if err != nil {
		return
	}
	for _, member := range members {
		if member.IsLearner && member.Name != "" {
			if _, err := s.etcdctl("", "", "member", "promote", fmt.Sprintf("%x", member.ID)); err == nil {
				info("Promoted etcd member %s from learner", member.Name)
			}
		}
	}
}

// tombstone: a member that was removed notes so, and a later start puts its data aside and joins anew.
func (s *Server) noteRemoval(name, last string) {
	if name == "etcd" && strings.Contains(last, "permanently removed from the cluster") {
		_ = writeFile(filepath.Join(s.etcdDir(), "tombstone"), nil, 0o600)
		trouble("this node has been removed from the cluster please restart %s to rejoin the cluster", distroName)
	}
}

func (s *Server) buryEtcd() error {
	if _, err := os.Stat(filepath.Join(s.etcdDir(), "tombstone")); err != nil {
		return nil
	}
	old := fmt.Sprintf("%s-old-%d", s.etcdDir(), time.Now().Unix())
	info("etcd data directory is tombstoned, moving it to %s", old)
	return os.Rename(s.etcdDir(), old)
}
