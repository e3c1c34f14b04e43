package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Server is one `server` process: control plane, supervisor and, unless disabled, an agent of its own.
type Server struct {
	o           *Options
	dir         string // DATA/server
	dataDir     string
	bin         string
	node        string
	address     string
	secret      string
	agentSecret string
	keeper      *Keeper
	kube        *Kube
	joins       *Access // the server by which this one joins
	waiting     bool    // for etcd to come up
}

func (s *Server) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}
func (s *Server) tls(parts ...string) string { return s.path(append([]string{"tls"}, parts...)...) }
func (s *Server) cred(name string) string    { return s.path("cred", name) }

func sortedKeys[V any](values map[string]V) []string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func newServer(o *Options) *Server {
	dataDir := o.Get("data-dir")
	s := &Server{o: o, dir: filepath.Join(dataDir, "server"), dataDir: dataDir}
	s.node, s.address = nodeName(o), nodeAddress(o)
	return s
}

func nodeName(o *Options) string {
	if name := o.Get("node-name"); name != "" {
		return name
	}
	name, _ := os.Hostname()
	return strings.ToLower(name)
}

// nodeAddress is `node-ip`, else the address of the interface with the default route.
func nodeAddress(o *Options) string {
	if all := o.List("node-ip"); len(all) > 0 {
		return all[0]
	}
	probe, err := net.Dial("udp", "192.0.2.1:9") // sends nothing
	if err != nil {
		return "127.0.0.1"
	}
	defer probe.Close()
	return probe.LocalAddr().(*net.UDPAddr).IP.String()
}

// runServer is `k3s server` and `rke2 server` from flags to the end (k3s-io/k3s pkg/cli/server/server.go).
func runServer(args []string) {
	o, err := parseOptions("server", args)
	usage(err)
	must(checkServer(o))
	s := newServer(o)
	token, err := readToken(o, "token", "token-file")
	must(err)
	s.agentSecret, err = readToken(o, "agent-token", "agent-token-file")
	must(err)
	info("Starting %s %s", distroName, version)
	if o.Bool("cluster-reset") {
		must(s.mayReset())
	}
	must(s.buryEtcd())
	if url := o.Get("server"); url != "" && !s.etcdInitialized() && !o.Bool("cluster-reset") {
		if s.joins, err = access(url, token, "server"); err != nil {
			fatal("starting kubernetes: preparing server: %v", err)
		}
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", o.Get("bind-address"), s.supervisorPort()))
	if err != nil {
		fatal("starting kubernetes: preparing server: init cluster datastore and https: %v", err)
	}
	s.bin, err = unpack(s.dataDir)
	must(err)
	s.keeper = newKeeper(s.bin, s.path())
	must(os.MkdirAll(s.path(), 0o700))
	s.keeper.OnRemoved = s.noteRemoval
	stopOnSignal(s.keeper)
	if o.Bool("cluster-reset") {
		must(s.reset(token))
		s.keeper.endAll(true)
		info("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
			"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
		return
	}
	if err := s.bootstrap(token); err != nil {
		s.keeper.endAll(true)
		fatal("starting kubernetes: preparing server: %v", err)
	}
	s.serve(listener)
	s.startControlPlane()
	go s.controllers()
	if !o.Bool("disable-agent") {
		agent := newAgent(o, fmt.Sprintf("https://127.0.0.1:%d", s.supervisorPort()), s.localToken(), s.keeper)
		agent.server = s
		agent.start()
	}
	info("%s is up and running", distroName)
	notify("READY=1")
	select {}
}

func (s *Server) localToken() string {
	token, err := formatToken("server", s.secret, s.tls("server-ca.crt"))
	must(err)
	return token
}

func (s *Server) supervisorPort() int {
	if distroName == "k3s" && s.o.Int("https-listen-port") != 0 {
		return s.o.Int("https-listen-port")
	}
	return distro().SupervisorPort
}

func (s *Server) apiPort() int {
	if distro().OneProcess {
		return s.supervisorPort()
	}
	return distro().APIPort
}

// bootstrap brings secrets, certificates and etcd to where the control plane can start: as first server, as one that joins,
// or as one that was here before.
func (s *Server) bootstrap(text string) error {
	_ = os.Remove(s.resetFlag())
	switch {
	case s.etcdInitialized():
		info("Managed etcd cluster bootstrap already complete and initialized")
		if err := s.adopt(text); err != nil {
			return err
		}
		if err := s.makeCerts(); err != nil {
			return err
		}
		if err := s.startOldEtcd(); err != nil {
			return err
		}
		return s.reconcile()
	case s.joins != nil:
		return s.join(s.joins)
	case s.o.Bool("cluster-init") || distro().AlwaysEtcd:
		info("Managed etcd cluster initializing")
		if err := s.adopt(text); err != nil {
			return err
		}
		if err := s.makeCerts(); err != nil {
			return err
		}
		if err := s.startNewEtcd(); err != nil {
			return err
		}
		s.waitForEtcd()
		return errors.Join(s.writeUsers(), s.saveBootstrap())
	}
	return fmt.Errorf("stand-in: no datastore but embedded etcd is imitated; give --cluster-init or --server")
}

// adopt takes the cluster's secret from the token that was given, else from an earlier start, else makes one.
func (s *Server) adopt(text string) error {
	s.secret = s.rememberedSecret()
	if text == "" {
		if s.secret == "" {
			s.secret = randomHex(16)
		}
		return nil
	}
	token, err := parseToken(text)
	if err != nil {
		return fmt.Errorf("failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
	}
	s.secret = token.Password
	return nil
}

// join takes secrets from a running server, then joins its etcd.
func (s *Server) join(access *Access) error {
	data, err := access.get(v1("server-bootstrap"))
	if err != nil {
		return err
	}
	if s.secret = access.Token.Password; s.secret == "" {
		return fmt.Errorf("token must not be empty")
	}
	if err := s.writeBootstrap(data); err != nil {
		return err
	}
	if err := s.makeCerts(); err != nil {
		return err
	}
	members, err := access.get("/db/info")
	if err != nil {
		return err
	}
	if err := s.joinEtcd(members); err != nil {
		return err
	}
	s.waitForEtcd()
	return s.writeUsers()
}

// controllers keep what the real ones keep by controllers in the cluster.
func (s *Server) controllers() {
	s.addons()
	for {
		s.promote()
		s.labelOwnNode()
		s.forgetRemovedNodes()
		s.publishAPIServers()
		s.scheduledSnapshot()
		time.Sleep(2 * time.Second)
	}
}
