package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Leaves live a year and are made anew at a start within 120 days of their end (docs.k3s.io/cli/certificate); authorities
// live ten years.
const (
	leafLife   = 365 * 24 * time.Hour
	renewSpan  = 120 * 24 * time.Hour
	authorLife = 10 * 365 * 24 * time.Hour
)

// Authority signs certificates.
type Authority struct {
	cert  *x509.Certificate // the first one of the file signs
	chain []*x509.Certificate
	key   *ecdsa.PrivateKey
}

// bundle is what goes with everything that it signs, in the same file (k3s-io/k3s pkg/daemons/control/deps/deps.go,
// createClientCertKey; pkg/server/handlers).
func (a *Authority) bundle() []byte {
	var text []byte
	for _, cert := range a.chain {
		text = append(text, pemBlock("CERTIFICATE", cert.Raw)...)
	}
	return text
}

// ensureAuthority reads an authority, or makes one where there is none.
func ensureAuthority(name, certFile, keyFile string) error {
	if _, err := os.Stat(certFile); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(authorLife), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return errors.Join(writeKey(keyFile, key), writeFile(certFile, pemBlock("CERTIFICATE", der), 0o644))
}

func loadAuthority(certFile, keyFile string) (*Authority, error) {
	certs, err := readCerts(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	return &Authority{cert: certs[0], chain: certs, key: key}, nil
}

// Leaf is what a certificate is to say.
type Leaf struct {
	Name   string
	Groups []string
	Hosts  []string // names and addresses
	Server bool
	Client bool
}

func (a *Authority) sign(leaf Leaf, public any) ([]byte, error) {
	now := time.Now().UTC()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: leaf.Name, Organization: leaf.Groups},
		NotBefore: a.cert.NotBefore, NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if leaf.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if leaf.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range leaf.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else if host != "" {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	return pemBlock("CERTIFICATE", der), err
}

// ensureLeaf makes a certificate where there is none, where another authority signed it, where it ends soon, or where it
// lacks a name.
func ensureLeaf(author *Authority, leaf Leaf, certFile, keyFile string) error {
	if certs, err := readCerts(certFile); err == nil && leafFits(author, leaf, certs[0]) {
		if _, err := os.Stat(keyFile); err == nil {
			return nil
		}
	}
	key, err := readKey(keyFile)
	if err != nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	cert, err := author.sign(leaf, key.Public())
	if err != nil {
		return err
	}
	return errors.Join(writeKey(keyFile, key), writeFile(certFile, append(cert, author.bundle()...), 0o644))
}

func leafFits(author *Authority, leaf Leaf, cert *x509.Certificate) bool {
	if !bytes.Equal(cert.AuthorityKeyId, author.cert.SubjectKeyId) || cert.CheckSignatureFrom(author.cert) != nil || time.Until(cert.NotAfter) < renewSpan {
		return false
	}
	for _, host := range leaf.Hosts {
		if host != "" && cert.VerifyHostname(host) != nil {
			return false
		}
	}
	return true
}

func serial() *big.Int {
	number, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	return number
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(path, pemBlock("EC PRIVATE KEY", der), 0o600)
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func readCerts(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseCerts(data)
}

func parseCerts(data []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, cert)
	}
	if len(found) == 0 {
		return nil, errors.New("no certificate found")
	}
	return found, nil
}

// ensureServiceKey is the key of service accounts (RSA, server/tls/service.key and service.current.key).
func ensureServiceKey(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return writeFile(path, pemBlock("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), 0o600)
}

// writeFile replaces a file whole, and makes its folder.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(part, mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}

func randomHex(bytes int) string {
	data := make([]byte, bytes)
	_, _ = rand.Read(data)
	return hex.EncodeToString(data)
}

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
