package main

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

// The supervisor's HTTPS listener: joining, and, in K3s, the Kubernetes API itself on the same port. Paths as in k3s-io/k3s
// pkg/server/router.go. The real K3s has the API server in its own process; here it is a process behind this listener, which
// tells it who the client is as an aggregator does (front-proxy certificate, X-Remote-User and X-Remote-Group).
func (s *Server) serve(listener net.Listener) {
	s.kube = s.newKube()
	pool := x509.NewCertPool()
	data, err := os.ReadFile(s.tls("client-ca.crt"))
	must(err)
	pool.AppendCertsFromPEM(data)
	cert, err := tls.LoadX509KeyPair(s.tls("dynamic-cert.crt"), s.tls("dynamic-cert.key"))
	must(err)
	server := &http.Server{
		Handler: s.router(), ErrorLog: nil, ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12,
		},
	}
	go func() { must(server.ServeTLS(listener, "", "")) }()
}

func (s *Server) router() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cacerts", s.file("server-ca.crt"))
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "pong") })
	server, node := s.auth("server"), s.auth("node", "server")
	mux.Handle("GET "+v1("server-bootstrap"), server(s.sendBootstrap))
	mux.Handle("GET /db/info", server(s.sendMembers))
	mux.Handle("PUT "+v1("token"), server(s.rotateToken))
	mux.Handle("PUT "+v1("cert/cacerts"), server(s.replaceCAs))
	mux.Handle("GET "+v1("encrypt/status"), server(s.sendEncryption))
	mux.Handle("PUT "+v1("encrypt/config"), server(s.changeEncryption))
	mux.Handle("GET "+v1("config"), node(s.sendConfig))
	mux.Handle("GET "+v1("apiservers"), node(s.sendAPIServers))
	mux.Handle("GET "+v1("client-ca.crt"), node(s.file("client-ca.crt")))
	mux.Handle("GET "+v1("server-ca.crt"), node(s.file("server-ca.crt")))
	mux.Handle("GET "+v1("readyz"), node(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	mux.Handle("POST "+v1("serving-kubelet.crt"), node(s.signKubelet(true)))
	mux.Handle("POST "+v1("client-kubelet.crt"), node(s.signKubelet(false)))
	mux.Handle("POST "+v1("client-kube-proxy.crt"), node(s.signClient("system:kube-proxy")))
	mux.Handle("POST "+v1("client-"+distroName+"-controller.crt"), node(s.signClient("system:"+distroName+"-controller")))
	if distro().OneProcess {
		mux.Handle("/", s.apiProxy())
	}
	return mux
}

// auth lets users of the password file in: `server` by the server token, `node` by the agent token.
func (s *Server) auth(users ...string) func(http.HandlerFunc) http.Handler {
	return func(next http.HandlerFunc) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			for _, allowed := range users {
				expected := s.secret
				if allowed == "node" && s.agentSecret != "" {
					expected = s.agentSecret
				}
				if user == allowed && subtle.ConstantTimeCompare([]byte(password), []byte(expected)) == 1 {
					next(w, r)
					return
				}
			}
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
		})
	}
}

func (s *Server) file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		data, err := os.ReadFile(s.tls(name))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(data)
	}
}

func answer(w http.ResponseWriter, data []byte, err error) {
	if err != nil {
		trouble("%v", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(data)
}

func (s *Server) sendBootstrap(w http.ResponseWriter, _ *http.Request) {
	data, err := s.readBootstrap()
	answer(w, data, err)
}

func (s *Server) sendMembers(w http.ResponseWriter, _ *http.Request) {
	data, err := s.etcdctl("", "", "member", "list", "--write-out", "json")
	answer(w, data, err)
}

// AgentConfig is what an agent must know of the cluster.
type AgentConfig struct {
	ClusterDNS    string
	ClusterDomain string
	ClusterCIDR   string
	APIPort       int
	KubeProxy     bool
}

func (s *Server) agentConfig() AgentConfig {
	return AgentConfig{ClusterDNS: s.clusterDNS(), ClusterDomain: s.o.Get("cluster-domain"), ClusterCIDR: s.clusterCIDR(),
		APIPort: s.apiPort(), KubeProxy: !s.o.Bool("disable-kube-proxy")}
}

func (s *Server) sendConfig(w http.ResponseWriter, _ *http.Request) {
	data, err := json.Marshal(s.agentConfig())
	answer(w, data, err)
}

func (s *Server) sendAPIServers(w http.ResponseWriter, _ *http.Request) {
	data, err := json.Marshal(s.apiServers())
	answer(w, data, err)
}

// signKubelet signs a kubelet's request, if the node is who it says: the first who comes under a name leaves its password, and
// everybody after must know it (docs.k3s.io/architecture, "How Agent Node Registration Works").
func (s *Server) signKubelet(serving bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, password := r.Header.Get(distroName+"-Node-Name"), r.Header.Get(distroName+"-Node-Password")
		if name == "" || password == "" {
			http.Error(w, "node name or password not set", http.StatusBadRequest)
			return
		}
		if err := s.kube.nodePassword(name, password); err != nil {
			trouble("unable to verify password for node %s: %v", name, err)
			code := http.StatusServiceUnavailable
			if errors.Is(err, errPassword) {
				code = http.StatusForbidden
			}
			http.Error(w, err.Error(), code)
			return
		}
		if serving {
			hosts := append([]string{name, "localhost", "127.0.0.1"}, strings.Split(r.Header.Get(distroName+"-Node-IP"), ",")...)
			s.signRequest(w, r, "server-ca", Leaf{Name: name, Hosts: hosts, Server: true})
			return
		}
		s.signRequest(w, r, "client-ca", Leaf{Name: "system:node:" + name, Groups: []string{"system:nodes"}, Client: true})
	}
}

func (s *Server) signClient(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.signRequest(w, r, "client-ca", Leaf{Name: name, Client: true})
	}
}

func (s *Server) signRequest(w http.ResponseWriter, r *http.Request, authority string, leaf Leaf) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	block, _ := pem.Decode(body)
	if block == nil {
		http.Error(w, "no certificate request", http.StatusBadRequest)
		return
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil {
		http.Error(w, "bad certificate request", http.StatusBadRequest)
		return
	}
	signer, err := loadAuthority(s.tls(authority+".crt"), s.tls(authority+".key"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	cert, err := signer.sign(leaf, request.PublicKey)
	answer(w, append(cert, signer.bundle()...), err)
}

// apiProxy passes requests to kube-apiserver. A client with a certificate is named to it by the front-proxy certificate; one
// with a token, or nothing, is passed on as it is.
func (s *Server) apiProxy() http.Handler {
	target := &url.URL{Scheme: "https", Host: fmt.Sprintf("127.0.0.1:%d", distro().LocalAPIPort)}
	plain, vouched := s.proxy(target, false), s.proxy(target, true)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.HasPrefix(strings.ToLower(name), "x-remote-") {
				r.Header.Del(name)
			}
		}
		if len(r.TLS.PeerCertificates) == 0 {
			plain.ServeHTTP(w, r)
			return
		}
		subject := r.TLS.PeerCertificates[0].Subject
		r.Header.Set("X-Remote-User", subject.CommonName)
		for _, group := range subject.Organization {
			r.Header.Add("X-Remote-Group", group)
		}
		vouched.ServeHTTP(w, r)
	})
}

func (s *Server) proxy(target *url.URL, vouched bool) http.Handler {
	pool := x509.NewCertPool()
	data, err := os.ReadFile(s.tls("server-ca.crt"))
	must(err)
	pool.AppendCertsFromPEM(data)
	config := &tls.Config{RootCAs: pool}
	if vouched {
		cert, err := tls.LoadX509KeyPair(s.tls("client-auth-proxy.crt"), s.tls("client-auth-proxy.key"))
		must(err)
		config.Certificates = []tls.Certificate{cert}
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		FlushInterval: -1,
		Transport:     &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 100},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "apiserver not ready", http.StatusServiceUnavailable)
		},
	}
}
