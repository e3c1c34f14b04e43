package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// links are the names under which the programs of the bundle go; each file in it holds several.
var links = map[string]string{
	"kube-apiserver": "kube", "kube-controller-manager": "kube", "kube-scheduler": "kube", "kube-proxy": "kube",
	"kubelet": "kube", "kubectl": "kube", "etcdctl": "etcd", "etcdutl": "etcd",
}

// unpack puts the programs in this executable into DATA/data/<digest>/bin, with DATA/data/current pointing at the one in use:
// k3s-io/k3s cmd/k3s/main.go (stage, extract). RKE2 has DATA/data/<version>-<digest>/bin with DATA/bin pointing at it
// (rancher/rke2 pkg/bootstrap/bootstrap.go). Here the digest is of size and version, since nothing is downloaded.
func unpack(dataDir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	archive, err := zip.OpenReader(self)
	if err != nil {
		return "", fmt.Errorf("this executable carries no programs, build it by tests/standins/build.py: %w", err)
	}
	defer archive.Close()
	folder := filepath.Join(dataDir, "data", bundleName(self))
	bin := filepath.Join(folder, "bin")
	if _, err := os.Stat(filepath.Join(folder, ".complete")); err != nil {
		info("Preparing data dir %s", folder)
		if err := extract(archive, folder); err != nil {
			return "", err
		}
	}
	if err := pointAt(dataDir, folder, bin); err != nil {
		return "", err
	}
	return bin, os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

func bundleName(self string) string {
	size := int64(0)
	if found, err := os.Stat(self); err == nil {
		size = found.Size()
	}
	digest := sha256Hex([]byte(fmt.Sprintf("%s %d", version, size)))
	if distroName == "k3s" {
		return digest
	}
	return strings.ReplaceAll(version, "+", "-") + "-" + digest[:12]
}

func pointAt(dataDir, folder, bin string) error {
	link, target := filepath.Join(dataDir, "data", "current"), folder
	if distroName == "rke2" {
		link, target = filepath.Join(dataDir, "bin"), bin
	}
	if now, _ := os.Readlink(link); now == target {
		return nil
	}
	if distroName == "k3s" {
		if now, err := os.Readlink(link); err == nil {
			previous := filepath.Join(dataDir, "data", "previous")
			_ = os.Remove(previous)
			_ = os.Symlink(now, previous)
		}
	}
	part := link + ".part"
	_ = os.Remove(part)
	if err := os.Symlink(target, part); err != nil {
		return err
	}
	return os.Rename(part, link)
}

func extract(archive *zip.ReadCloser, folder string) error {
	bin := filepath.Join(folder, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, file := range archive.File {
		if err := extractOne(file, filepath.Join(bin, filepath.Base(file.Name))); err != nil {
			return err
		}
	}
	for name, target := range links {
		link := filepath.Join(bin, name)
		_ = os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(folder, ".complete"), nil, 0o644)
}

func extractOne(file *zip.File, target string) error {
	source, err := file.Open()
	if err != nil {
		return err
	}
	defer source.Close()
	sink, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sink, source); err != nil {
		return err
	}
	return sink.Close()
}

// become replaces this process by a program of the bundle: `k3s kubectl`, `k3s ctr`.
func become(name string, args []string, env ...string) {
	bin, err := unpack(defaultDataDir())
	must(err)
	must(syscall.Exec(filepath.Join(bin, name), append([]string{name}, args...), append(os.Environ(), env...)))
}
