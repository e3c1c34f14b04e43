package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Component is one program that runs below this one.
type Component struct {
	Name    string
	Args    []string
	Env     []string
	Log     string   // file for its output, where that is not this program's
	Pod     bool     // RKE2 runs it as a static pod: it outlives the unit, and is started again when it ends
	Files   []string // beside those among its arguments: a pod is made anew where what they hold has changed
	process *os.Process
	done    chan struct{}

	replaced atomic.Bool // its end is wanted
}

// Keeper starts components, watches them, and ends them.
type Keeper struct {
	bin       string
	state     string // folder of the files with the ids of components that outlive this program
	mu        sync.Mutex
	running   []*Component
	ending    bool
	starts    chan func()
	OnRemoved func(name, last string) // before this program ends because a component did
}

func newKeeper(bin, state string) *Keeper {
	keeper := &Keeper{bin: bin, state: state, starts: make(chan func())}
	// A child with Pdeathsig dies with the *thread* that started it, so one thread that lives for good starts them all.
	go func() {
		runtime.LockOSThread()
		for work := range keeper.starts {
			work()
		}
	}()
	return keeper
}

func (k *Keeper) pidFile(name string) string { return filepath.Join(k.state, name+".pid") }

// start runs a component. Where one outlived an earlier run of this program with the very same arguments, it is kept.
func (k *Keeper) start(c *Component) {
	if c.Pod && !distro().OneProcess {
		if process := k.survivor(c); process != nil {
			info("%s is running already (process %d)", c.Name, process.Pid)
			c.process, c.done = process, make(chan struct{})
			k.add(c)
			go k.watchSurvivor(c)
			return
		}
	}
	k.add(c)
	must(k.launch(c))
}

func (k *Keeper) add(c *Component) {
	k.mu.Lock()
	k.running = append(k.running, c)
	k.mu.Unlock()
}

func (k *Keeper) launch(c *Component) error {
	command := exec.Command(filepath.Join(k.bin, c.Name), c.Args...)
	command.Env = append(os.Environ(), c.Env...)
	command.Env = append(command.Env, "NOTIFY_SOCKET=")
	tail := &Tail{}
	command.Stdout, command.Stderr = tail, tail
	outlives := c.Pod && !distro().OneProcess
	if c.Log != "" {
		sink, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer sink.Close()
		command.Stdout, command.Stderr = sink, sink
	}
	if outlives {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		command.Path, command.Args = self, k.shimWords(c)
		sink, err := os.OpenFile(k.pidFile(c.Name)+".log", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer sink.Close()
		command.Stdout, command.Stderr = sink, sink
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	}
	failed := make(chan error)
	info("Running %s %s", c.Name, strings.Join(c.Args, " "))
	k.starts <- func() { failed <- command.Start() }
	if err := <-failed; err != nil {
		return err
	}
	k.mu.Lock()
	c.process, c.done = command.Process, make(chan struct{})
	k.mu.Unlock()
	if outlives {
		_ = os.WriteFile(k.pidFile(c.Name), []byte(strconv.Itoa(command.Process.Pid)), 0o600)
		leaveUnit(command.Process.Pid)
	}
	go func() {
		err := command.Wait()
		close(c.done)
		k.ended(c, err, tail)
	}()
	return nil
}

// ended: in K3s a component's end is the program's end, which systemd starts again; kubelet starts RKE2's pods again.
func (k *Keeper) ended(c *Component, err error, tail *Tail) {
	k.mu.Lock()
	ending := k.ending || c.replaced.Load()
	k.mu.Unlock()
	if ending {
		return
	}
	last := tail.String()
	if c.Pod && !distro().OneProcess {
		data, _ := os.ReadFile(k.pidFile(c.Name) + ".log")
		last = string(data)
	}
	if k.OnRemoved != nil {
		k.OnRemoved(c.Name, last)
	}
	if !c.Pod || distro().OneProcess {
		k.endAll(true)
		fatal("%s exited: %v", c.Name, err)
	}
	warn("%s exited: %v; it is started again", c.Name, err)
	time.Sleep(2 * time.Second)
	must(k.launch(c))
}

// endAll ends the components: all of them, or only those that do not outlive this program.
func (k *Keeper) endAll(all bool) {
	k.mu.Lock()
	k.ending = true
	running := append([]*Component{}, k.running...)
	k.mu.Unlock()
	for i := len(running) - 1; i >= 0; i-- {
		c := running[i]
		if c.process == nil || (c.Pod && !distro().OneProcess && !all) {
			continue
		}
		_ = c.process.Signal(syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(5 * time.Second):
			_ = c.process.Kill()
		}
		_ = os.Remove(k.pidFile(c.Name))
	}
}

func (k *Keeper) survivor(c *Component) *os.Process {
	data, err := os.ReadFile(k.pidFile(c.Name))
	if err != nil {
		return nil
	}
	pid, _ := strconv.Atoi(string(data))
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), c.Name) {
		return nil
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	wanted := strings.Join(k.shimWords(c), "\x00")
	if strings.TrimRight(string(line), "\x00") == strings.TrimRight(wanted, "\x00") {
		return process
	}
	_ = process.Signal(syscall.SIGTERM) // of another version or other arguments: kubelet would make the pod anew
	for range 50 {
		if process.Signal(syscall.Signal(0)) != nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	_ = process.Kill()
	return nil
}

// shimWords is how a static pod looks among processes: a shim of containerd with the component below it, so that whatever ends
// RKE2's pods (rke2-killall.sh looks for shims) ends these too.
func (k *Keeper) shimWords(c *Component) []string {
	shim := []string{filepath.Join(k.bin, shimName), "-namespace", "k8s.io", "-id", c.Name, "-address", criSocket,
		"-file-hash", fileHash(c), "--"}
	return append(append(shim, filepath.Join(k.bin, c.Name)), c.Args...)
}

// fileHash is of all files that the arguments of a static pod name, and of those that a kubeconfig among them names: RKE2 writes
// it into the manifest, so that the kubelet makes the pod anew (rancher/rke2 pkg/staticpod/staticpod.go, hashFiles, readFiles).
func fileHash(c *Component) string {
	files := append([]string{}, c.Files...)
	for _, each := range c.Args {
		name, path, _ := strings.Cut(each, "=")
		if stat, err := os.Stat(path); !strings.HasPrefix(path, "/") || err != nil || stat.IsDir() || strings.Contains(path, "audit.log") {
			continue
		}
		files = append(files, path)
		if name == "--kubeconfig" {
			files = append(files, kubeconfigFiles(path)...)
		}
	}
	sort.Strings(files)
	var all []byte
	for _, file := range slices.Compact(files) {
		data, _ := os.ReadFile(file)
		all = append(all, data...)
	}
	return sha256Hex(all)
}

func kubeconfigFiles(path string) []string {
	data, _ := os.ReadFile(path)
	var found []string
	for _, line := range strings.Split(string(data), "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if key == "certificate-authority" || key == "client-certificate" || key == "client-key" {
			found = append(found, value)
		}
	}
	return found
}

// restart ends a component of this name, and has it run anew.
func (k *Keeper) restart(name string) {
	k.mu.Lock()
	var found *Component
	for i, each := range k.running {
		if each.Name == name {
			found = each
			k.running = append(k.running[:i], k.running[i+1:]...)
			break
		}
	}
	k.mu.Unlock()
	if found == nil {
		return
	}
	found.replaced.Store(true)
	_ = found.process.Signal(syscall.SIGTERM)
	select {
	case <-found.done:
	case <-time.After(20 * time.Second):
		_ = found.process.Kill()
		<-found.done
	}
	k.start(&Component{Name: found.Name, Args: found.Args, Env: found.Env, Log: found.Log, Pod: found.Pod, Files: found.Files})
}

const shimName = "containerd-shim-runc-v2"

// runShim is this program under the name of a shim: it starts the component, which dies with it, and ends when that ends.
func runShim(words []string) {
	for i, word := range words {
		if word == "--" {
			words = words[i+1:]
			break
		}
	}
	runtime.LockOSThread()
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(command.Start())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for each := range signals {
			_ = command.Process.Signal(each)
		}
	}()
	if command.Wait() != nil {
		os.Exit(1)
	}
}

func (k *Keeper) watchSurvivor(c *Component) {
	for c.process.Signal(syscall.Signal(0)) == nil {
		time.Sleep(500 * time.Millisecond)
	}
	close(c.done)
	k.ended(c, nil, &Tail{})
}

// leaveUnit moves a process out of this unit's control group, as a pod's process is in a group of kubelet's.
func leaveUnit(pid int) {
	for _, base := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(base, "cgroup.procs")); err == nil {
			group := filepath.Join(base, "static-pods")
			_ = os.MkdirAll(group, 0o755)
			_ = os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
		}
	}
}

// Tail passes output on and remembers its end.
type Tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *Tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	t.data = append(t.data, data...)
	if len(t.data) > 8192 {
		t.data = append([]byte{}, t.data[len(t.data)-8192:]...)
	}
	t.mu.Unlock()
	return os.Stderr.Write(data)
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}

// componentArgs joins flags of ours with those of the user, which win: `NAME=VALUE`, with or without dashes
// (k3s-io/k3s pkg/daemons/config/types.go, GetArgs; a name with a trailing + or - is not imitated).
func componentArgs(ours map[string]string, theirs []string) []string {
	merged := map[string][]string{}
	for name, value := range ours {
		merged[name] = []string{value}
	}
	seen := map[string]bool{}
	for _, each := range theirs {
		name, value, has := strings.Cut(strings.TrimLeft(each, "-"), "=")
		if !has {
			value = "true"
		}
		if !seen[name] {
			merged[name] = nil
		}
		seen[name] = true
		merged[name] = append(merged[name], value)
	}
	var args []string
	for _, name := range sortedKeys(merged) {
		for _, value := range merged[name] {
			args = append(args, "--"+name+"="+value)
		}
	}
	return args
}
