package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"
)

// `certificate check|rotate|rotate-ca`: docs.k3s.io/cli/certificate; k3s-io/k3s pkg/cli/cert/cert.go (words and formats),
// pkg/util/services/services.go (names of services).
type certificate struct {
	Filename     string
	Subject      string
	Issuer       string
	Usages       []string
	ExpiryTime   time.Time
	ResidualTime time.Duration
	Status       string
}

// serviceFiles are the certificates of each service, below DATA.
func serviceFiles() map[string][]string {
	tls := func(names ...string) []string {
		var files []string
		for _, name := range names {
			files = append(files, "server/tls/"+name+".crt", "server/tls/"+name+".key")
		}
		return files
	}
	agent := func(names ...string) []string {
		var files []string
		for _, name := range names {
			files = append(files, "agent/"+name+".crt", "agent/"+name+".key")
		}
		return files
	}
	controller := "client-" + distroName + "-controller"
	return map[string][]string{
		"admin": tls("client-admin"), "api-server": tls("client-kube-apiserver", "serving-kube-apiserver"),
		"controller-manager": tls("client-controller"), "scheduler": tls("client-scheduler"),
		"supervisor": tls("client-supervisor"), "auth-proxy": tls("client-auth-proxy"), "cloud-controller": nil,
		"etcd":                     tls("etcd/client", "etcd/server-client", "etcd/peer-server-client"),
		distroName + "-server":     tls("dynamic-cert"),
		distroName + "-controller": append(tls(controller), agent(controller)...),
		"kubelet":                  agent("client-kubelet", "serving-kubelet"),
		"kube-proxy":               append(tls("client-kube-proxy"), agent("client-kube-proxy")...),
	}
}

func runCertificate(args []string) {
	verb := subcommand("certificate", args, nil)
	o, err := parseOptions("certificate "+verb, args[1:])
	usage(err)
	s := newServer(o)
	if verb == "rotate-ca" {
		must(s.sendCAs())
		return
	}
	services := o.List("service")
	for _, name := range services {
		if _, known := serviceFiles()[name]; !known {
			fatal("service %s is not recognized", name)
		}
	}
	word := map[string]string{"check": "checking", "rotate": "rotating"}[verb]
	if len(services) == 0 {
		if _, err := os.Stat(s.dir); err == nil {
			info("Server detected, %s agent and server certificates", word)
			services = sortedKeys(serviceFiles())
		} else {
			info("Agent detected, %s agent certificates", word)
			services = []string{"kube-proxy", "kubelet", distroName + "-controller"}
		}
	}
	if verb == "check" {
		must(s.checkCertificates(services))
		return
	}
	must(s.rotateCertificates(services))
}

func (s *Server) checkCertificates(services []string) error {
	now := time.Now()
	var found []certificate
	for _, service := range services {
		for _, file := range serviceFiles()[service] {
			if !strings.HasSuffix(file, ".crt") {
				continue
			}
			certs, err := readCerts(filepath.Join(s.dataDir, file))
			if err != nil {
				continue
			}
			for _, cert := range certs {
				found = append(found, describe(filepath.Base(file), cert, now))
			}
		}
	}
	switch format := first(s.o.Get("output"), "text"); format {
	case "text":
		for _, each := range found {
			usages := strings.Join(each.Usages, ",")
			switch each.Status {
			case "EXPIRED":
				trouble("%s: certificate %s (%s) expired at %s", each.Filename, each.Subject, usages, each.ExpiryTime.Format(time.RFC3339))
			case "WARNING":
				warn("%s: certificate %s (%s) will expire within 120 days at %s", each.Filename, each.Subject, usages,
					each.ExpiryTime.Format(time.RFC3339))
			default:
				info("%s: certificate %s (%s) is ok, expires at %s", each.Filename, each.Subject, usages,
					each.ExpiryTime.Format(time.RFC3339))
			}
		}
		return nil
	case "table":
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
		fmt.Fprintf(w, "\nFILENAME\tSUBJECT\tUSAGES\tEXPIRES\tRESIDUAL TIME\tSTATUS\n")
		fmt.Fprintf(w, "--------\t-------\t------\t-------\t-------------\t------\n")
		for _, each := range found {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d days\t%s\n", each.Filename, each.Subject, strings.Join(each.Usages, ","),
				each.ExpiryTime.Format("Jan 02, 2006 15:04 MST"), int(each.ResidualTime.Hours()/24), each.Status)
		}
		return w.Flush()
	case "json":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"Certificates": found})
	case "yaml":
		return yaml.NewEncoder(os.Stdout).Encode(map[string]any{"certificates": found})
	default:
		return fmt.Errorf("invalid output format %s", format)
	}
}

func describe(file string, cert *x509.Certificate, now time.Time) certificate {
	status := "OK"
	if now.After(cert.NotAfter) {
		status = "EXPIRED"
	} else if cert.NotAfter.Sub(now) < renewSpan {
		status = "WARNING"
	}
	var usages []string
	for _, usage := range cert.ExtKeyUsage {
		usages = append(usages, map[x509.ExtKeyUsage]string{
			x509.ExtKeyUsageClientAuth: "ClientAuth", x509.ExtKeyUsageServerAuth: "ServerAuth"}[usage])
	}
	if cert.IsCA {
		usages = append(usages, "CertSign")
	}
	return certificate{Filename: file, Subject: cert.Subject.CommonName, Issuer: cert.Issuer.CommonName, Usages: usages,
		ExpiryTime: cert.NotAfter, ResidualTime: cert.NotAfter.Sub(now), Status: status}
}

// rotateCertificates backs up and deletes; the next start makes them anew.
func (s *Server) rotateCertificates(services []string) error {
	stamp := time.Now().Unix()
	backup := filepath.Join(s.dataDir, "agent", fmt.Sprintf("tls-%d", stamp))
	if _, err := os.Stat(s.tls()); err == nil {
		backup = fmt.Sprintf("%s-%d", s.tls(), stamp)
		if out, err := exec.Command("cp", "-a", s.tls(), backup).CombinedOutput(); err != nil {
			return errors.New(string(out))
		}
	}
	for _, service := range services {
		info("Rotating certificates for %s", service)
		for _, file := range serviceFiles()[service] {
			path := filepath.Join(s.dataDir, file)
			if strings.HasPrefix(file, "agent/") {
				if data, err := os.ReadFile(path); err == nil {
					if err := writeFile(filepath.Join(backup, filepath.Base(file)), data, 0o600); err != nil {
						return err
					}
				}
			}
			_ = os.Remove(path)
		}
	}
	info("Successfully backed up certificates to %s, please restart %s server or agent to rotate certificates", backup, distroName)
	return nil
}

// sendCAs is `certificate rotate-ca --path=DIR`: DIR has the layout of the server folder (DIR/tls/…).
func (s *Server) sendCAs() error {
	if s.o.Get("path") == "" {
		return errors.New("Required flag \"path\" not set")
	}
	found, err := s.localAccess()
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for name, parts := range bootstrapFiles {
		if parts[0] != "tls" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(append([]string{s.o.Get("path")}, parts...)...))
		if err == nil {
			files[name] = data
		}
	}
	if len(files) == 0 {
		return errors.New("see server log for details: no certificates found in " + s.o.Get("path"))
	}
	body, _ := json.Marshal(files)
	if err := found.put(fmt.Sprintf("%s?force=%t", v1("cert/cacerts"), s.o.Bool("force")), body); err != nil {
		return fmt.Errorf("see server log for details: %w", err)
	}
	fmt.Println("certificates saved to datastore")
	return nil
}

// replaceCAs takes new authorities into the datastore; servers read them at their next start. What was not given stays. Without
// force, each must lead to the one in use (docs.k3s.io/cli/certificate; k3s-io/k3s pkg/server/handlers/cert.go).
func (s *Server) replaceCAs(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	err := s.takeCAs(body, r.URL.Query().Get("force") == "true")
	answer(w, nil, err)
}

// validateCA: the first certificate of the new bundle is verified by the old bundle, the rest of the new one being between them.
func validateCA(old, offered, key []byte) error {
	if _, err := tls.X509KeyPair(offered, key); err != nil {
		return fmt.Errorf("new CA cert and key cannot be loaded as X590KeyPair: %w", err)
	}
	olds, err := parseCerts(old)
	if err != nil {
		return err
	}
	news, err := parseCerts(offered)
	if err != nil {
		return err
	}
	if len(news) == 1 {
		return errors.New("new CA bundle contains only a single certificate but should include root or intermediate CA certificates")
	}
	roots, between := sortCerts(olds)
	for _, cert := range news[1:] {
		if len(cert.AuthorityKeyId) > 0 {
			between.AddCert(cert)
		}
	}
	if _, err := news[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return fmt.Errorf("new CA cert cannot be verified using old CA chain: %w", err)
	}
	return nil
}

func (s *Server) takeCAs(body []byte, force bool) error {
	offered := map[string][]byte{}
	if err := json.Unmarshal(body, &offered); err != nil {
		return err
	}
	for _, name := range []string{"ServerCA", "ClientCA", "RequestHeaderCA", "ETCDServerCA", "ETCDPeerCA"} {
		data, given := offered[name]
		if !given {
			continue
		}
		old, err := os.ReadFile(s.path(bootstrapFiles[name]...))
		if err != nil {
			return err
		}
		key, given := offered[name+"Key"]
		if !given { // a key that was not given stays
			if key, err = os.ReadFile(s.path(bootstrapFiles[name+"Key"]...)); err != nil {
				return err
			}
		}
		if err := validateCA(old, data, key); err != nil {
			if !force {
				return fmt.Errorf("failed to validate new CA certificates and keys: %s: %w", name, err)
			}
			warn("Save of CA certificates and keys forced, ignoring validation errors: %v", err)
		}
	}
	now, err := s.readBootstrap()
	if err != nil {
		return err
	}
	merged := map[string]kept{}
	_ = json.Unmarshal(now, &merged)
	for name, data := range offered {
		merged[name] = kept{time.Now(), data}
	}
	data, _ := json.Marshal(merged)
	sealed, err := seal(s.secret, data)
	if err != nil {
		return err
	}
	_, err = s.etcdctl(sealed, "", "put", bootstrapKey(s.secret))
	return err
}
