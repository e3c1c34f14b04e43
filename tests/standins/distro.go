package main

import (
	"os"
	"path/filepath"
)

// Set when linked: which of the two this executable stands for, and its version (`v1.36.3+k3s1`, `v1.36.3+rke2r1`).
var (
	distroName = "k3s"
	version    = "v0.0.0+k3s1"
	goVersion  = "go1.26"
)

// Distro is what differs between the two. Sources: docs.k3s.io (cli/server, cli/agent, installation/requirements: ports),
// docs.rke2.io (reference/server_config, install/requirements: ports), rancher/rke2 pkg/cli/cmds/{root,server,k3sopts}.go.
type Distro struct {
	Name           string
	EnvPrefix      string
	SupervisorPort int  // where nodes join
	APIPort        int  // where clients reach the Kubernetes API
	LocalAPIPort   int  // where kube-apiserver itself listens
	OneProcess     bool // components end with the program (k3s); else they are pods that outlive it (rke2)
	AlwaysEtcd     bool // embedded etcd needs no --cluster-init
	AlwaysEncrypt  bool // Secrets are encrypted at rest without being asked
	ImagePrefix    string
}

var distros = map[string]Distro{
	"k3s": {
		Name: "k3s", EnvPrefix: "K3S", SupervisorPort: 6443, APIPort: 6443, LocalAPIPort: 6444, OneProcess: true,
	},
	"rke2": {
		Name: "rke2", EnvPrefix: "RKE2", SupervisorPort: 9345, APIPort: 6443, LocalAPIPort: 6443,
		AlwaysEtcd: true, AlwaysEncrypt: true,
	},
}

func distro() Distro { return distros[distroName] }

// defaultDataDir is where all state is: docs.k3s.io/cli/server (data-dir), docs.rke2.io/reference/server_config.
func defaultDataDir() string { return root("/var/lib/rancher/" + distroName) }

func configDir() string { return root("/etc/rancher/" + distroName) }

// kubeconfigPath is written by every server: docs.k3s.io/cluster-access, docs.rke2.io/cluster_access.
func kubeconfigPath() string { return filepath.Join(configDir(), distroName+".yaml") }

// nodePasswordPath is shared by both: docs.k3s.io/architecture (how agent node registration works).
func nodePasswordPath() string { return root("/etc/rancher/node/password") }

// root moves every fixed path below a folder, so that refusals are tested without a container. Not a feature of the real ones.
func root(path string) string { return filepath.Join(os.Getenv("STANDIN_ROOT"), path) }
