package main

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"
)

// `etcd-snapshot save|ls|delete|prune`: docs.k3s.io/cli/etcd-snapshot; k3s-io/k3s pkg/cli/etcdsnapshot/etcd_snapshot.go.
// The real ones of today ask the running server (--etcd-server, --etcd-token); so this one refuses where none answers.
type Snapshot struct {
	Name      string    `json:"name"`
	NodeName  string    `json:"nodeName"`
	Location  string    `json:"location"`
	Size      int64     `json:"size"`
	CreatedAt time.Time `json:"createdAt"`
}

func (s *Server) snapshotDir() string {
	return first(s.o.Get("etcd-snapshot-dir"), s.o.Get("dir"), s.path("db", "snapshots"))
}

func runSnapshot(args []string) {
	verb := subcommand("etcd-snapshot", args, map[string]string{"list": "ls", "l": "ls"})
	o, err := parseOptions("etcd-snapshot "+verb, args[1:])
	usage(err)
	s := newServer(o)
	if verb == "save" || verb == "prune" {
		if len(o.Rest) > 0 {
			fatal("this command does not take any arguments")
		}
	}
	switch verb {
	case "ls":
		must(s.listSnapshots())
	case "save":
		if !s.etcdInitialized() {
			fatal("etcd database not found in %s", s.dir)
		}
		s.bin, err = unpack(s.dataDir)
		must(err)
		must(s.serverAnswers())
		name, err := s.saveSnapshot(o.Get("name"), o.Bool("snapshot-compress") || o.Bool("etcd-snapshot-compress"))
		must(err)
		info("Snapshot %s saved.", name)
	case "delete":
		if len(o.Rest) == 0 {
			fatal("no snapshots given for removal")
		}
		must(s.serverAnswers())
		for _, name := range o.Rest {
			if err := os.Remove(filepath.Join(s.snapshotDir(), filepath.Base(name))); err != nil {
				fatal("unable to delete snapshot %s: %v", name, err)
			}
			info("Snapshot %s deleted.", name)
		}
	case "prune":
		must(s.serverAnswers())
		keep := o.Int("snapshot-retention")
		if o.Given("etcd-snapshot-retention") {
			keep = o.Int("etcd-snapshot-retention")
		}
		must(s.pruneSnapshots(o.Get("name"), keep))
	}
}

// serverAnswers: without a token of its own the command takes server/token.
func (s *Server) serverAnswers() error {
	text := s.o.Get("etcd-token")
	if text == "" {
		data, err := os.ReadFile(s.path("token"))
		if err != nil {
			return err
		}
		text = strings.TrimSpace(string(data))
	}
	found, err := access(s.serverURL("etcd-server"), text, "server")
	if err != nil {
		return err
	}
	_, err = found.get("/db/info")
	return err
}

// serverURL: RKE2's supervisor is at another port than K3s'.
func (s *Server) serverURL(flag string) string {
	if s.o.Given(flag) {
		return s.o.Get(flag)
	}
	return fmt.Sprintf("https://127.0.0.1:%d", distro().SupervisorPort)
}

func (s *Server) saveSnapshot(base string, compress bool) (string, error) {
	name := fmt.Sprintf("%s-%s-%d", base, s.node, time.Now().Unix())
	if err := os.MkdirAll(s.snapshotDir(), 0o700); err != nil {
		return "", err
	}
	target := filepath.Join(s.snapshotDir(), name)
	if _, err := s.etcdctl("", "", "snapshot", "save", target); err != nil {
		return "", fmt.Errorf("failed to save snapshot: %w", err)
	}
	if !compress {
		return name, os.Chmod(target, 0o600)
	}
	return name + ".zip", zipAway(target)
}

func zipAway(file string) error {
	source, err := os.Open(file)
	if err != nil {
		return err
	}
	defer source.Close()
	sink, err := os.OpenFile(file+".zip", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer sink.Close()
	archive := zip.NewWriter(sink)
	entry, err := archive.Create(filepath.Base(file))
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, source); err != nil {
		return err
	}
	return errors.Join(archive.Close(), os.Remove(file))
}

func (s *Server) snapshots() ([]Snapshot, error) {
	entries, err := os.ReadDir(s.snapshotDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var found []Snapshot
	for _, entry := range entries {
		about, err := entry.Info()
		if err != nil || entry.IsDir() || strings.HasSuffix(entry.Name(), ".part") {
			continue
		}
		found = append(found, Snapshot{Name: entry.Name(), NodeName: s.node, Size: about.Size(), CreatedAt: about.ModTime().UTC(),
			Location: "file://" + filepath.Join(s.snapshotDir(), entry.Name())})
	}
	sort.Slice(found, func(i, j int) bool { return found[i].CreatedAt.Before(found[j].CreatedAt) })
	return found, nil
}

func (s *Server) listSnapshots() error {
	found, err := s.snapshots()
	if err != nil {
		return err
	}
	switch format := strings.ToLower(s.o.Get("output")); format {
	case "json":
		return json.NewEncoder(os.Stdout).Encode(found)
	case "yaml":
		return yaml.NewEncoder(os.Stdout).Encode(found)
	case "", "table":
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
		fmt.Fprint(w, "Name\tLocation\tSize\tCreated\n")
		for _, each := range found {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", each.Name, each.Location, each.Size, each.CreatedAt.Format(time.RFC3339))
		}
		return w.Flush()
	default:
		return errors.New("invalid output format: " + format)
	}
}

func (s *Server) pruneSnapshots(base string, keep int) error {
	found, err := s.snapshots()
	if err != nil {
		return err
	}
	var own []Snapshot
	for _, each := range found {
		if strings.HasPrefix(each.Name, base+"-"+s.node) {
			own = append(own, each)
		}
	}
	for i := 0; i < len(own)-keep; i++ {
		if err := os.Remove(filepath.Join(s.snapshotDir(), own[i].Name)); err != nil {
			return err
		}
		info("Removing local snapshot %s", own[i].Location)
	}
	return nil
}

var lastScheduled string

// scheduledSnapshot takes one when the schedule (five fields of cron, in local time) says so, and prunes.
func (s *Server) scheduledSnapshot() {
	now := time.Now()
	minute := now.Format("2006-01-02 15:04")
	schedule := first(s.o.Get("etcd-snapshot-schedule-cron"), "0 */12 * * *")
	if s.o.Bool("etcd-disable-snapshots") || minute == lastScheduled || !cronMatches(schedule, now) {
		return
	}
	lastScheduled = minute
	base := s.o.Get("etcd-snapshot-name")
	if _, err := s.saveSnapshot(base, s.o.Bool("etcd-snapshot-compress")); err != nil {
		trouble("failed to take scheduled snapshot: %v", err)
		return
	}
	_ = s.pruneSnapshots(base, s.o.Int("etcd-snapshot-retention"))
}

func cronMatches(schedule string, now time.Time) bool {
	fields := strings.Fields(schedule)
	values := []int{now.Minute(), now.Hour(), now.Day(), int(now.Month()), int(now.Weekday())}
	if len(fields) != len(values) {
		return false
	}
	for i, field := range fields {
		if !fieldMatches(field, values[i]) {
			return false
		}
	}
	return true
}

func fieldMatches(field string, value int) bool {
	for _, part := range strings.Split(field, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			every, _ = strconv.Atoi(step)
		}
		low, high := 0, 99
		if span != "*" {
			from, to, ranged := strings.Cut(span, "-")
			low, _ = strconv.Atoi(from)
			high = low
			if ranged {
				high, _ = strconv.Atoi(to)
			}
		}
		if every > 0 && value >= low && value <= high && (value-low)%every == 0 {
			return true
		}
	}
	return false
}
