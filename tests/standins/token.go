package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A join token is `K10<sha256 of the cluster's CA file>::<user>:<password>`, or only the password, which then trusts whatever
// CA the server shows. Source: docs.k3s.io/cli/token; k3s-io/k3s pkg/clientaccess/token.go, which also has the words of the
// errors. RKE2 uses the same package.
type Token struct {
	CAHash   string
	Username string
	Password string
}

func parseToken(text string) (Token, error) {
	if text == "" {
		return Token{}, errors.New("token must not be empty")
	}
	if !strings.HasPrefix(text, "K10") {
		return Token{Password: text}, nil
	}
	hash, credentials, found := strings.Cut(strings.TrimPrefix(text, "K10"), "::")
	if !found {
		hash, credentials = "", hash
	}
	if hash != "" && len(hash) != 64 {
		return Token{}, errors.New("invalid token CA hash length")
	}
	user, password, found := strings.Cut(credentials, ":")
	if !found || password == "" {
		return Token{}, errors.New("invalid token format")
	}
	return Token{CAHash: hash, Username: user, Password: password}, nil
}

func formatToken(user, password string, caFile string) (string, error) {
	data, err := os.ReadFile(caFile)
	if err != nil {
		return "", err
	}
	return "K10" + hashCA(data) + "::" + user + ":" + password, nil
}

// hashCA is what a token says of the cluster's CA: of one certificate the digest of the file, of a bundle the fingerprint of the
// root to which its first certificate leads (docs.k3s.io/cli/token, "Secure"; k3s-io/k3s pkg/clientaccess/token.go).
func hashCA(data []byte) string {
	certs, err := parseCerts(data)
	if err != nil || len(certs) == 1 {
		return sha256Hex(data)
	}
	roots, between := sortCerts(certs[1:])
	chains, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	if err != nil {
		return sha256Hex(data)
	}
	return sha256Hex(chains[0][len(chains[0])-1].Raw)
}

// sortCerts tells roots, which name no other signer, from those between.
func sortCerts(certs []*x509.Certificate) (roots, between *x509.CertPool) {
	roots, between = x509.NewCertPool(), x509.NewCertPool()
	for _, cert := range certs {
		if len(cert.AuthorityKeyId) == 0 || bytes.Equal(cert.AuthorityKeyId, cert.SubjectKeyId) {
			roots.AddCert(cert)
		} else {
			between.AddCert(cert)
		}
	}
	return roots, between
}

// readToken takes a token from a flag or the file that another flag names. The file must hold something.
func readToken(o *Options, value, file string) (string, error) {
	if path := o.Get(file); path != "" {
		for {
			data, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			if text := strings.TrimSpace(string(data)); text != "" {
				return text, nil
			}
			return "", fmt.Errorf("token file %s is empty", path)
		}
	}
	return strings.TrimSpace(o.Get(value)), nil
}

// Access is a way to a supervisor, proven by the token's CA hash.
type Access struct {
	Token Token
	URL   string
	CA    []byte
	http  *http.Client
}

// access fetches the CA of a server and checks it against the token: k3s-io/k3s pkg/clientaccess, setAndValidateServer.
func access(url, text, user string) (*Access, error) {
	token, err := parseToken(text)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(url, "https://") {
		return nil, errors.New("only https:// URLs are supported, invalid scheme: " + url)
	}
	if user != "" {
		token.Username = user
	}
	url = strings.TrimRight(url, "/")
	blind := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	ca, err := fetch(blind, "GET", url+"/cacerts", nil, Token{}, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	if token.CAHash == "" {
		warn("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. " +
			"Use the full token from the server's node-token file to enable Cluster CA validation.")
	} else if hash := hashCA(ca); hash != token.CAHash {
		return nil, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", token.CAHash, hash)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 90 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool},
	}}
	if _, err := fetch(client, "GET", url+"/cacerts", nil, Token{}, nil); err != nil {
		return nil, fmt.Errorf("CA cert validation failed: %w", err)
	}
	return &Access{Token: token, URL: url, CA: ca, http: client}, nil
}

// v1 is a path of the supervisor: `/v1-k3s/…` or `/v1-rke2/…`.
func v1(path string) string { return "/v1-" + distroName + "/" + path }

func (a *Access) get(path string) ([]byte, error) {
	return fetch(a.http, "GET", a.URL+path, nil, a.Token, nil)
}

func (a *Access) put(path string, body []byte) error {
	_, err := fetch(a.http, "PUT", a.URL+path, body, a.Token, nil)
	return err
}

func fetch(client *http.Client, method, url string, body []byte, token Token, headers map[string]string) ([]byte, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	if token.Username != "" {
		request.SetBasicAuth(token.Username, token.Password)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		said := strings.TrimSpace(string(data))
		if method == "GET" {
			said = ""
		}
		return nil, errors.New(strings.TrimSpace(fmt.Sprintf("%s: %s %s", url, answer.Status, said)))
	}
	return data, nil
}

// writeTokens puts the cluster's tokens where both programs leave them: server/token, server/node-token (a link to it) and
// server/agent-token (docs.k3s.io/cli/token).
func (s *Server) writeTokens() error {
	ca := s.tls("server-ca.crt")
	server, err := formatToken("server", s.secret, ca)
	if err != nil {
		return err
	}
	agent := server
	if s.agentSecret != "" {
		if agent, err = formatToken("node", s.agentSecret, ca); err != nil {
			return err
		}
	}
	if err := writeFile(s.path("token"), []byte(server+"\n"), 0o600); err != nil {
		return err
	}
	if err := writeFile(s.path("agent-token"), []byte(agent+"\n"), 0o600); err != nil {
		return err
	}
	link := s.path("node-token")
	_ = os.Remove(link)
	return os.Symlink(s.path("token"), link)
}

// rememberedSecret is the server's password of an earlier start, from server/cred/passwd.
func (s *Server) rememberedSecret() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "cred", "passwd"))
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Split(line, ","); len(fields) > 1 && fields[1] == "server" {
			return fields[0]
		}
	}
	return ""
}
