package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Balancer is an agent's own TCP balancer on the loopback address: 6444 for the supervisor, and 6443 for the API where the two
// have different ports (docs.k3s.io/architecture, "Fixed Registration Address for Agent Nodes"; --lb-server-port). Its servers
// are kept in agent/etc/k3s-agent-load-balancer.json, so that an agent finds them again when the address it was given is gone.
type Balancer struct {
	file    string
	mu      sync.Mutex
	servers []string
}

func newBalancer(file, first string) *Balancer {
	b := &Balancer{file: file, servers: []string{first}}
	var kept struct{ ServerAddresses []string }
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &kept) == nil {
		for _, each := range kept.ServerAddresses {
			if each != first {
				b.servers = append(b.servers, each)
			}
		}
	}
	return b
}

func (b *Balancer) set(servers []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(servers) == 0 || strings.Join(servers, " ") == strings.Join(b.servers, " ") {
		return
	}
	b.servers = append([]string{}, servers...)
	data, _ := json.Marshal(map[string]any{"ServerURL": "", "ServerAddresses": servers})
	_ = writeFile(b.file, data, 0o644)
}

func (b *Balancer) listen(port int) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go b.pass(client)
		}
	}()
	return nil
}

// pass joins a client with the first server that answers; the one that worked is tried first next time.
func (b *Balancer) pass(client net.Conn) {
	defer client.Close()
	b.mu.Lock()
	servers := append([]string{}, b.servers...)
	b.mu.Unlock()
	for i, address := range servers {
		server, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			continue
		}
		if i > 0 {
			b.mu.Lock()
			b.servers = append([]string{address}, without(b.servers, address)...)
			b.mu.Unlock()
		}
		defer server.Close()
		go func() { _, _ = io.Copy(server, client); server.Close() }()
		_, _ = io.Copy(client, server)
		return
	}
}

func without(all []string, one string) []string {
	var left []string
	for _, each := range all {
		if each != one {
			left = append(left, each)
		}
	}
	return left
}

var supervisors, apis *Balancer

// balance starts the balancers of a node that is no server, and gives the supervisor's address for this node.
func (a *Agent) balance() string {
	if a.server != nil {
		a.api = fmt.Sprintf("https://127.0.0.1:%d", a.server.apiPort())
		return a.url
	}
	given, err := url.Parse(a.url)
	if err != nil || given.Scheme != "https" {
		fatal("only https:// URLs are supported, invalid scheme: %s", a.url)
	}
	port := a.o.Int("lb-server-port")
	host := given.Host
	if given.Port() == "" {
		host = net.JoinHostPort(given.Hostname(), "443")
	}
	supervisors = newBalancer(filepath.Join(a.dir, "etc", distroName+"-agent-load-balancer.json"), host)
	if err := supervisors.listen(port); err != nil {
		fatal("%v", err)
	}
	a.api = fmt.Sprintf("https://127.0.0.1:%d", port)
	if !distro().OneProcess {
		file := filepath.Join(a.dir, "etc", distroName+"-api-server-agent-load-balancer.json")
		apis = newBalancer(file, net.JoinHostPort(given.Hostname(), fmt.Sprint(distro().APIPort)))
		if err := apis.listen(port - 1); err != nil {
			fatal("%v", err)
		}
		a.api = fmt.Sprintf("https://127.0.0.1:%d", port-1)
	}
	return fmt.Sprintf("https://127.0.0.1:%d", port)
}

// keepServers follows the servers as they come and go.
func (a *Agent) keepServers() {
	if a.server != nil {
		return
	}
	update := func() {
		data, err := a.access.get(v1("apiservers"))
		var found []string
		if err != nil || json.Unmarshal(data, &found) != nil {
			return
		}
		if apis == nil {
			supervisors.set(found)
			return
		}
		apis.set(found)
		var joins []string
		for _, each := range found {
			host, _, _ := net.SplitHostPort(each)
			joins = append(joins, net.JoinHostPort(host, fmt.Sprint(distro().SupervisorPort)))
		}
		supervisors.set(joins)
	}
	update()
	go func() {
		for {
			time.Sleep(5 * time.Second)
			update()
		}
	}()
}
