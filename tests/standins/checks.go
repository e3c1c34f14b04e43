package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// checkServer refuses what the real ones refuse before they start anything: k3s-io/k3s pkg/cli/server/server.go (words of the
// errors), rancher/rke2 pkg/cli/cmds/{server,profile_linux}.go. What follows after `stand-in:` is what this one cannot imitate.
func checkServer(o *Options) error {
	if os.Getuid() != 0 && !o.Bool("disable-agent") {
		return errors.New("must run as root unless --disable-agent is specified")
	}
	if o.Get("cluster-reset-restore-path") != "" && !o.Bool("cluster-reset") {
		return errors.New("invalid flag use; --cluster-reset required with --cluster-reset-restore-path")
	}
	if o.Bool("disable-etcd") && o.Get("server") == "" {
		return errors.New("invalid flag use; --server is required with --disable-etcd")
	}
	for _, name := range []string{"cluster-cidr", "service-cidr"} {
		for _, cidr := range o.List(name) {
			if _, _, err := net.ParseCIDR(cidr); err != nil {
				return fmt.Errorf("invalid %s %s: %w", name, cidr, err)
			}
		}
	}
	for _, address := range o.List("cluster-dns") {
		if net.ParseIP(address) == nil {
			return fmt.Errorf("invalid cluster-dns address %s", address)
		}
	}
	if err := checkNode(o, true); err != nil {
		return err
	}
	if distroName == "k3s" {
		return checkFlannel(o)
	}
	return checkCNI(o)
}

// checkNode has what servers and agents share.
func checkNode(o *Options, server bool) error {
	for _, address := range o.List("node-ip") {
		if net.ParseIP(address) == nil {
			return fmt.Errorf("invalid node-ip: failed to parse node-ip %s", address)
		}
	}
	for _, name := range []string{"docker", "rootless", "embedded-registry", "disable-etcd", "disable-apiserver", "etcd-s3",
		"disable-controller-manager", "selinux"} {
		if o.Bool(name) {
			return fmt.Errorf("stand-in: --%s is not imitated", name)
		}
	}
	for _, name := range []string{"datastore-endpoint", "container-runtime-endpoint", "vpn-auth", "vpn-auth-file"} {
		if o.Get(name) != "" {
			return fmt.Errorf("stand-in: --%s is not imitated", name)
		}
	}
	if distroName == "rke2" {
		return checkProfile(o, server)
	}
	return nil
}

func checkFlannel(o *Options) error {
	backend := o.Get("flannel-backend")
	if !slices.Contains([]string{"none", "vxlan", "host-gw", "wireguard-native"}, backend) {
		return fmt.Errorf("unknown flannel backend %q", backend)
	}
	if backend != "none" {
		return fmt.Errorf("stand-in: there is no flannel here, --flannel-backend=%s is not imitated", backend)
	}
	return checkDisabled(o, "coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")
}

// checkDisabled: a packaged component's manifest has one of these names (docs.k3s.io/installation/packaged-components,
// docs.rke2.io/reference/server_config). The real ones take any name; a wrong one has no effect.
func checkDisabled(o *Options, known ...string) error {
	for _, name := range o.List("disable") {
		if !slices.Contains(known, name) {
			return fmt.Errorf("stand-in: --disable=%s would have no effect; valid items: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func checkCNI(o *Options) error {
	values := o.List("cni")
	if len(values) == 0 {
		values = []string{"canal"}
	}
	if values[0] == "multus" && len(values) == 1 {
		return errors.New("Failed to validate --cni flag: multus must be used alongside another primary cni selection")
	}
	if len(values) > 1 && values[0] != "multus" {
		return errors.New("Failed to validate --cni flag: may only provide multiple values if multus is the first value")
	}
	items := []string{"calico", "canal", "cilium", "flannel"}
	for _, value := range values {
		if value != "none" && value != "multus" && !slices.Contains(items, value) {
			return fmt.Errorf("Invalid value %s for --cni flag: must be one of %s", value, strings.Join(items, ","))
		}
	}
	if values[0] != "none" {
		return fmt.Errorf("stand-in: --cni=%s is not imitated", values[0])
	}
	return checkDisabled(o, "rke2-coredns", "rke2-metrics-server", "rke2-ingress-nginx", "rke2-snapshot-controller",
		"rke2-snapshot-controller-crd", "rke2-snapshot-validation-webhook", "rke2-runtimeclasses", "rke2-traefik",
		"rke2-traefik-crd")
}

// kernelParameters must have these values where `profile: cis` is asked for.
var kernelParameters = map[string]int{
	"vm.overcommit_memory": 1, "vm.panic_on_oom": 0, "kernel.panic": 10, "kernel.panic_on_oops": 1,
}

// checkProfile: docs.rke2.io/security/hardening_guide; rancher/rke2 pkg/cli/cmds/profile_linux.go.
func checkProfile(o *Options, server bool) error {
	profile := o.Get("profile")
	switch profile {
	case "":
		warn("not running in CIS mode")
		return nil
	case "cis":
		var wrong []string
		for _, name := range sortedKeys(kernelParameters) {
			data, err := os.ReadFile(root("/proc/sys/" + strings.ReplaceAll(name, ".", "/")))
			if err != nil {
				return err
			}
			value, _ := strconv.Atoi(string(bytes.TrimSpace(data)))
			if expected := kernelParameters[name]; value != expected {
				wrong = append(wrong, fmt.Sprintf("invalid kernel parameter value %s=%d - expected %d\n", name, value, expected))
			}
		}
		if len(wrong) > 0 {
			return errors.New(strings.Join(wrong, ""))
		}
		if o.Given("protect-kernel-defaults") && !o.Bool("protect-kernel-defaults") {
			return errors.New("--protect-kernel-defaults must be true when using --profile=cis")
		}
		o.values["protect-kernel-defaults"] = []string{"true"}
	case "etcd":
	default:
		return errors.New("invalid value provided for --profile flag")
	}
	if !server {
		return nil
	}
	if _, err := user.Lookup("etcd"); err != nil {
		return fmt.Errorf("missing required: %w", err)
	}
	if _, err := user.LookupGroup("etcd"); err != nil {
		return fmt.Errorf("missing required: %w", err)
	}
	return nil
}
