// This program stands in for K3s or RKE2 in tests: the documented command line, files, ports, tokens and failures of each, with
// real upstream Kubernetes below. What it is, what it is not, and where each behaviour comes from: README.md in this folder.
package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	name := filepath.Base(os.Args[0])
	if distroName == "k3s" && (name == "kubectl" || name == "ctr" || name == "crictl") { // links of install.sh
		os.Args = append([]string{"k3s", name}, os.Args[1:]...)
	}
	if name == shimName {
		runShim(os.Args)
		return
	}
	if len(os.Args) < 2 {
		help()
		return
	}
	command, args := os.Args[1], os.Args[2:]
	switch command {
	case "--version", "-v":
		// Like "k3s version v1.30.0+k3s1 (14549535)": k3s-io/k3s pkg/cli/cmds/root.go, rancher/rke2 pkg/cli/cmds/root.go.
		fmt.Printf("%s version %s (standin)\ngo version %s\n", distroName, version, goVersion)
	case "--help", "-h", "help":
		help()
	case "server":
		runServer(args)
	case "agent":
		runAgent(args)
	case "etcd-snapshot":
		runSnapshot(args)
	case "secrets-encrypt":
		runEncrypt(args)
	case "certificate":
		runCertificate(args)
	case "token":
		runToken(args)
	case "kubectl", "ctr", "crictl":
		runTool(command, args)
	default:
		fmt.Printf("No help topic for '%s'\n", command)
		os.Exit(3)
	}
}

// runTool: K3s carries kubectl, crictl and ctr as subcommands; RKE2 has them as files in DATA/bin.
func runTool(command string, args []string) {
	if distroName != "k3s" {
		fmt.Printf("No help topic for '%s'\n", command)
		os.Exit(3)
	}
	switch command {
	case "kubectl":
		var env []string
		if os.Getenv("KUBECONFIG") == "" {
			env = []string{"KUBECONFIG=" + kubeconfigPath()}
		}
		become(command, args, env...)
	case "ctr":
		become(command, args, "CONTAINERD_ADDRESS="+criSocket, "CONTAINERD_NAMESPACE=k8s.io")
	default:
		fatal("stand-in: crictl is not imitated")
	}
}

func help() {
	fmt.Printf("NAME:\n   %s\n\nUSAGE:\n   %s [global options] command [command options] [arguments...]\n\nVERSION:\n   %s\n\n",
		distroName, distroName, version)
	fmt.Println("COMMANDS:\n   server\n   agent\n   etcd-snapshot\n   secrets-encrypt\n   certificate\n   token")
}

// subcommand finds the verb of a command that has several, by name or alias.
func subcommand(command string, args []string, aliases map[string]string) string {
	if len(args) == 0 {
		fmt.Printf("NAME:\n   %s %s\n", distroName, command)
		os.Exit(0)
	}
	verb := args[0]
	if other, known := aliases[verb]; known {
		verb = other
	}
	if _, known := tables()[command+" "+verb]; !known {
		fmt.Printf("No help topic for '%s'\n", verb)
		os.Exit(3)
	}
	return verb
}

// usage ends the program on a flag that does not exist, as urfave/cli and the real programs' main do.
func usage(err error) {
	if err == nil {
		return
	}
	if strings.HasPrefix(err.Error(), "flag ") || strings.HasPrefix(err.Error(), "invalid value") {
		fmt.Printf("Incorrect Usage: %v\n\n", err)
	}
	fatal("%v", err)
}

// notify tells systemd: both units are of Type=notify (k3s-io/k3s install.sh, rancher/rke2 bundle/lib/systemd/system).
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = connection.Write([]byte(state))
}

// stopOnSignal: containers go on running; killall scripts end them. Of RKE2 the static pods go on as well.
func stopOnSignal(keeper *Keeper) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		keeper.endAll(false)
		os.Exit(0)
	}()
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
