package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Encryption of Secrets at rest: docs.k3s.io/cli/secrets-encrypt; k3s-io/k3s pkg/server/secrets-encrypt.go, pkg/secretsencrypt,
// pkg/cli/secretsencrypt/secrets_encrypt.go (output). Files: server/cred/encryption-config.json and encryption-state.json.
type cipherKey struct {
	Name   string `json:"name"`
	Secret string `json:"secret"`
}

type cipherConfig struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Resources  []struct {
		Resources []string         `json:"resources"`
		Providers []map[string]any `json:"providers"`
	} `json:"resources"`
}

// EncryptionState is what `secrets-encrypt status` shows.
type EncryptionState struct {
	Stage        string   `json:"stage"`
	ActiveKey    string   `json:"activekey"`
	Enable       *bool    `json:"enable,omitempty"`
	HashMatch    bool     `json:"hashmatch,omitempty"`
	HashError    string   `json:"hasherror,omitempty"`
	InactiveKeys []string `json:"inactivekeys,omitempty"`
}

func (s *Server) encrypts() bool {
	if s.o.Bool("secrets-encryption") || distro().AlwaysEncrypt {
		return true
	}
	_, err := os.Stat(s.cred("encryption-config.json"))
	return err == nil
}

func newCipherKey() cipherKey {
	data := make([]byte, 32)
	_, _ = rand.Read(data)
	return cipherKey{Name: "aescbckey-" + time.Now().UTC().Format(time.RFC3339), Secret: base64.StdEncoding.EncodeToString(data)}
}

// writeCiphers writes the configuration: the first key encrypts, unless plain text comes first.
func (s *Server) writeCiphers(keys []cipherKey, enabled bool) error {
	provider := map[string]any{"aescbc": map[string]any{"keys": keys}}
	plain := map[string]any{"identity": map[string]any{}}
	providers := []map[string]any{provider, plain}
	if !enabled {
		providers = []map[string]any{plain, provider}
	}
	data, err := json.Marshal(map[string]any{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []any{map[string]any{"resources": []string{"secrets"}, "providers": providers}},
	})
	if err != nil {
		return err
	}
	return writeFile(s.cred("encryption-config.json"), data, 0o600)
}

func (s *Server) readCiphers() (keys []cipherKey, enabled bool, err error) {
	data, err := os.ReadFile(s.cred("encryption-config.json"))
	if err != nil {
		return nil, false, err
	}
	var config cipherConfig
	if err := json.Unmarshal(data, &config); err != nil || len(config.Resources) == 0 {
		return nil, false, errors.New("encryption configuration is damaged")
	}
	for i, provider := range config.Resources[0].Providers {
		if body, is := provider["aescbc"]; is {
			text, _ := json.Marshal(body)
			var found struct{ Keys []cipherKey }
			_ = json.Unmarshal(text, &found)
			return found.Keys, i == 0, nil
		}
	}
	return nil, false, nil
}

func (s *Server) ensureEncryption() error {
	if !s.encrypts() {
		return nil
	}
	if _, err := os.Stat(s.cred("encryption-config.json")); err == nil {
		return nil
	}
	if err := s.writeCiphers([]cipherKey{newCipherKey()}, true); err != nil {
		return err
	}
	return s.noteStage("start")
}

// noteStage keeps `STAGE-HASH of the configuration`, as the real annotation and file do.
func (s *Server) noteStage(stage string) error {
	data, err := os.ReadFile(s.cred("encryption-config.json"))
	if err != nil {
		return err
	}
	return writeFile(s.cred("encryption-state.json"), []byte(stage+"-"+sha256Hex(data)), 0o600)
}

func (s *Server) stage() string {
	data, _ := os.ReadFile(s.cred("encryption-state.json"))
	stage, _, _ := strings.Cut(string(data), "-")
	return stage
}

func (s *Server) sendEncryption(w http.ResponseWriter, _ *http.Request) {
	state := EncryptionState{HashMatch: true}
	if keys, enabled, err := s.readCiphers(); err == nil {
		state.Enable, state.Stage = &enabled, s.stage()
		for i, key := range keys {
			if i == 0 {
				state.ActiveKey = key.Name
			} else {
				state.InactiveKeys = append(state.InactiveKeys, key.Name)
			}
		}
	}
	data, err := json.Marshal(state)
	answer(w, data, err)
}

type encryptionRequest struct {
	Stage  string `json:"stage,omitempty"`
	Enable *bool  `json:"enable,omitempty"`
	Force  bool   `json:"force,omitempty"`
	Skip   bool   `json:"skip,omitempty"`
}

func (s *Server) changeEncryption(w http.ResponseWriter, r *http.Request) {
	var asked encryptionRequest
	data, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err := json.Unmarshal(data, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.encryption(asked); err != nil {
		trouble("%v", err)
		http.Error(w, "secrets-encrypt error: "+err.Error(), http.StatusBadRequest)
	}
}

func (s *Server) encryption(asked encryptionRequest) error {
	keys, enabled, err := s.readCiphers()
	if err != nil {
		return errors.New("secrets encryption is not enabled on this server")
	}
	if asked.Enable != nil {
		return s.applyCiphers(keys, *asked.Enable, "start")
	}
	switch asked.Stage {
	case "prepare":
		if s.stage() != "start" && s.stage() != "reencrypt_finished" && !asked.Force {
			return fmt.Errorf("error, incorrect stage: %s found with %d keys", s.stage(), len(keys))
		}
		return s.applyCiphers(append(keys, newCipherKey()), enabled, "prepare")
	case "rotate":
		if s.stage() != "prepare" && !asked.Force {
			return fmt.Errorf("error, incorrect stage: %s found with %d keys", s.stage(), len(keys))
		}
		return s.applyCiphers(append([]cipherKey{keys[len(keys)-1]}, keys[:len(keys)-1]...), enabled, "rotate")
	case "reencrypt_active":
		if s.stage() != "rotate" && !asked.Force {
			return fmt.Errorf("error, incorrect stage: %s found with %d keys", s.stage(), len(keys))
		}
		go s.reencrypt(keys, enabled)
		return nil
	case "rotate_keys":
		if !enabled {
			return errors.New("encryption is disabled")
		}
		keys = append([]cipherKey{newCipherKey()}, keys...)
		before := s.reloads()
		if err := s.applyCiphers(keys, true, "reencrypt_request"); err != nil {
			return err
		}
		if err := s.waitForReload(before); err != nil {
			return err
		}
		go s.reencrypt(keys, true)
		return nil
	}
	return fmt.Errorf("unknown stage %s requested", asked.Stage)
}

func (s *Server) applyCiphers(keys []cipherKey, enabled bool, stage string) error {
	if err := s.writeCiphers(keys, enabled); err != nil {
		return err
	}
	if err := s.noteStage(stage); err != nil {
		return err
	}
	return s.saveBootstrap()
}

// reloads counts how often kube-apiserver has taken a changed configuration: it looks once a minute.
func (s *Server) reloads() (count int) {
	var text rawText
	if s.kube.call("GET", "/metrics", nil, &text) != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "apiserver_encryption_config_controller_automatic_reloads_total") && strings.Contains(line, "success") {
			number, _ := strconv.Atoi(line[strings.LastIndex(line, " ")+1:])
			count += number
		}
	}
	return count
}

func (s *Server) waitForReload(before int) error {
	for range 140 {
		if s.reloads() > before {
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return errors.New("timed out waiting for kube-apiserver to reload the encryption configuration")
}

// rawText is an answer that is no JSON.
type rawText string

// reencrypt writes every Secret again, then drops the old keys.
func (s *Server) reencrypt(keys []cipherKey, enabled bool) {
	_ = s.noteStage("reencrypt_active")
	var list struct {
		Items []struct {
			Metadata struct{ Name, Namespace string } `json:"metadata"`
		}
	}
	if err := s.kube.call("GET", "/api/v1/secrets", nil, &list); err != nil {
		trouble("reencryption failed: %v", err)
		return
	}
	for _, item := range list.Items {
		path := "/api/v1/namespaces/" + item.Metadata.Namespace + "/secrets/" + item.Metadata.Name
		var secret map[string]any
		if s.kube.call("GET", path, nil, &secret) == nil {
			if err := s.kube.call("PUT", path, secret, nil); err != nil {
				trouble("reencryption of %s failed: %v", path, err)
			}
		}
	}
	if err := s.applyCiphers(keys[:1], enabled, "reencrypt_finished"); err != nil {
		trouble("reencryption failed: %v", err)
		return
	}
	info("Reencrypted %d secrets", len(list.Items))
}

// runEncrypt is `secrets-encrypt VERB`, which asks the running server.
func runEncrypt(args []string) {
	verb := subcommand("secrets-encrypt", args, nil)
	o, err := parseOptions("secrets-encrypt "+verb, args[1:])
	usage(err)
	s := newServer(o)
	found, err := s.localAccess()
	must(err)
	yes, no := true, false
	requests := map[string]encryptionRequest{
		"enable": {Enable: &yes}, "disable": {Enable: &no}, "prepare": {Stage: "prepare", Force: o.Bool("force")},
		"rotate": {Stage: "rotate", Force: o.Bool("force")}, "rotate-keys": {Stage: "rotate_keys"},
		"reencrypt": {Stage: "reencrypt_active", Force: o.Bool("force"), Skip: o.Bool("skip")},
	}
	said := map[string]string{
		"enable": "secrets-encryption enabled", "disable": "secrets-encryption disabled",
		"prepare": "prepare completed successfully", "rotate": "rotate completed successfully",
		"rotate-keys": "keys rotated, reencryption started", "reencrypt": "reencryption started",
	}
	if verb == "status" {
		must(showEncryption(found, o))
		return
	}
	body, _ := json.Marshal(requests[verb])
	if err := found.put(v1("encrypt/config"), body); err != nil {
		fatal("see server log for details: %v", err)
	}
	fmt.Println(said[verb])
}

func (s *Server) localAccess() (*Access, error) {
	text := s.o.Get("token")
	if text == "" {
		data, err := os.ReadFile(s.path("token"))
		if err != nil {
			return nil, err
		}
		text = strings.TrimSpace(string(data))
	}
	return access(s.serverURL("server"), text, "server")
}

func showEncryption(found *Access, o *Options) error {
	data, err := found.get(v1("encrypt/status"))
	if err != nil {
		return fmt.Errorf("see server log for details: %w", err)
	}
	var state EncryptionState
	if err := json.Unmarshal(data, &state); err != nil {
		return err
	}
	if strings.EqualFold(o.Get("output"), "json") {
		text, err := json.MarshalIndent(state, "", "\t")
		fmt.Println(string(text))
		return err
	}
	if state.Enable == nil {
		fmt.Println("Encryption Status: Disabled, no configuration file found")
		return nil
	}
	fmt.Printf("Encryption Status: %s\n", map[bool]string{true: "Enabled", false: "Disabled"}[*state.Enable])
	fmt.Println("Current Rotation Stage:", state.Stage)
	fmt.Println("Server Encryption Hashes: All hashes match")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nActive\tKey Type\tName\n------\t--------\t----\n *\tAES-CBC\t%s\n", state.ActiveKey)
	for _, key := range state.InactiveKeys {
		fmt.Fprintf(w, "\tAES-CBC\t%s\n", key)
	}
	return w.Flush()
}
