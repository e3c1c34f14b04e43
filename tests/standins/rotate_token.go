package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// `token generate|rotate`: docs.k3s.io/cli/token. `rotate` gives the cluster another server token: its bootstrap data are
// encrypted anew, and every server must then be restarted with the new one. Bootstrap tokens (`create`, `list`, `delete`) are
// kubeadm's and not imitated.
func runToken(args []string) {
	verb := subcommand("token", args, nil)
	o, err := parseOptions("token "+verb, args[1:])
	usage(err)
	switch verb {
	case "generate":
		fmt.Println(randomHex(3) + "." + randomHex(8))
	case "rotate":
		must(newServer(o).askRotation())
	default:
		fatal("stand-in: `%s token %s` is not imitated", distroName, verb)
	}
}

func (s *Server) askRotation() error {
	found, err := s.localAccess()
	if err != nil {
		return err
	}
	next := s.o.Get("new-token")
	if next == "" {
		next = randomHex(16)
		warn("Using random token; it is in %s", s.path("token"))
	}
	if token, err := parseToken(next); err == nil {
		next = token.Password
	}
	body, _ := json.Marshal(map[string]string{"newToken": next})
	if err := found.put(v1("token"), body); err != nil {
		return fmt.Errorf("see server log for details: %w", err)
	}
	fmt.Printf("Token rotated, restart %s nodes with new token\n", distroName)
	return nil
}

func (s *Server) rotateToken(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		NewToken string `json:"newToken"`
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	err := json.Unmarshal(body, &asked)
	if err == nil && asked.NewToken == "" {
		err = errors.New("new token must not be empty")
	}
	if err == nil {
		err = s.changeSecret(asked.NewToken)
	}
	answer(w, nil, err)
}

func (s *Server) changeSecret(next string) error {
	before := s.secret
	if next == before {
		return errors.New("new token is the old one")
	}
	if err := s.changePasswd(before, next); err != nil {
		return err
	}
	s.secret = next
	if err := errors.Join(s.writeTokens(), s.saveBootstrap()); err != nil {
		return err
	}
	_, err := s.etcdctl("", "", "del", bootstrapKey(before))
	return err
}

// changePasswd gives servers another password in the file as it lies on the disk. Agents keep theirs, unless it was the servers'
// (k3s-io/k3s pkg/server/handlers/token.go).
func (s *Server) changePasswd(before, next string) error {
	data, err := os.ReadFile(s.cred("passwd"))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, line := range lines {
		password, rest, _ := strings.Cut(line, ",")
		shared := strings.HasPrefix(rest, "node,") && password == before && s.agentSecret == ""
		if strings.HasPrefix(rest, "server,") || shared {
			lines[i] = next + "," + rest
		}
	}
	return writeFile(s.cred("passwd"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}
