package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// `server --cluster-reset [--cluster-reset-restore-path=FILE]`: docs.k3s.io/datastore/backup-restore, docs.rke2.io/datastore/
// backup_restore; k3s-io/k3s pkg/etcd/etcd.go (Reset, Restore), pkg/cluster/managed.go.
func (s *Server) resetFlag() string { return s.path("db", "reset-flag") }

func (s *Server) mayReset() error {
	if _, err := os.Stat(s.resetFlag()); err == nil {
		return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start %s "+
			"normally. If you need to perform another cluster reset, you must first manually delete the file at %s",
			distroName, s.resetFlag())
	}
	path := s.o.Get("cluster-reset-restore-path")
	if path == "" {
		if !s.etcdInitialized() {
			return errors.New("unable to reset: etcd database not found in " + s.path("db"))
		}
		return nil
	}
	if _, err := os.Stat(s.snapshotFile(path)); err != nil {
		return fmt.Errorf("etcd: snapshot path does not exist: %s", path)
	}
	return nil
}

// snapshotFile: a bare name means a file in the snapshot directory.
func (s *Server) snapshotFile(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.snapshotDir(), filepath.Base(path))
}

// reset makes this server the only member of its cluster, with the data it has or those of a snapshot. The token must be the
// one that the data was made with: they hold the authorities, encrypted with it.
func (s *Server) reset(text string) error {
	if err := s.adopt(text); err != nil {
		return err
	}
	if path := s.o.Get("cluster-reset-restore-path"); path != "" {
		if err := s.restore(s.snapshotFile(path)); err != nil {
			return err
		}
	}
	if err := s.makeCerts(); err != nil {
		return err
	}
	name, err := s.etcdName()
	if err != nil {
		return err
	}
	if err := s.writeEtcdConfig(name, "", "", true); err != nil {
		return err
	}
	s.keeper.start(s.etcdComponent())
	info("Reconciling bootstrap data between datastore and disk")
	s.waitForEtcd()
	data, err := s.loadBootstrap()
	if err != nil {
		s.keeper.endAll(true)
		return err
	}
	if data != nil {
		backup := fmt.Sprintf("%s-%d", s.tls(), time.Now().Unix())
		info("Cluster reset: backing up certificates directory to %s", backup)
		if out, err := exec.Command("cp", "-a", s.tls(), backup).CombinedOutput(); err != nil {
			return errors.New(string(out))
		}
		warn("Updating bootstrap data on disk from datastore")
		if err := s.writeBootstrap(data); err != nil {
			return err
		}
		if err := s.makeCerts(); err != nil {
			return err
		}
	}
	return errors.Join(s.writeUsers(), writeFile(s.resetFlag(), nil, 0o600))
}

// restore lays a snapshot's data down as those of a member of its own; what was there is put aside.
func (s *Server) restore(snapshot string) error {
	name, err := s.etcdName()
	if err != nil {
		return err
	}
	if strings.HasSuffix(snapshot, ".zip") {
		if snapshot, err = unzip(snapshot, s.path("db")); err != nil {
			return err
		}
	}
	old := fmt.Sprintf("%s-old-%d", s.etcdDir(), time.Now().Unix())
	info("Pre-restore etcd database moved to %s", old)
	if err := os.Rename(s.etcdDir(), old); err != nil {
		return err
	}
	command := exec.Command(filepath.Join(s.bin, "etcdutl"), "snapshot", "restore", snapshot, "--data-dir", s.etcdDir(),
		"--name", name, "--initial-cluster", name+"="+s.peerURL(), "--initial-advertise-peer-urls", s.peerURL())
	out, err := command.CombinedOutput()
	if err != nil {
		_ = os.RemoveAll(s.etcdDir())
		_ = os.Rename(old, s.etcdDir())
		return fmt.Errorf("etcd: restore of %s failed: %s", snapshot, strings.TrimSpace(string(out)))
	}
	return writeFile(filepath.Join(s.etcdDir(), "name"), []byte(name), 0o600)
}

func unzip(file, folder string) (string, error) {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	if len(archive.File) != 1 {
		return "", errors.New("a compressed snapshot holds one file")
	}
	source, err := archive.File[0].Open()
	if err != nil {
		return "", err
	}
	defer source.Close()
	target := filepath.Join(folder, "decompressed-"+filepath.Base(archive.File[0].Name))
	sink, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer sink.Close()
	_, err = io.Copy(sink, source)
	return target, err
}
