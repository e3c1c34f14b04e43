package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Options are the values of one command's flags, from defaults, configuration files, environment and command line.
type Options struct {
	values map[string][]string
	given  map[string]bool
	Rest   []string
}

func (o *Options) Get(name string) string {
	if all := o.values[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// List has comma-separated words as one entry each, as all list flags of both programs take them.
func (o *Options) List(name string) []string {
	var found []string
	for _, each := range o.values[name] {
		for _, word := range strings.Split(each, ",") {
			if word = strings.TrimSpace(word); word != "" {
				found = append(found, word)
			}
		}
	}
	return found
}

// Raw is a list flag whose values hold commas of their own (arguments of components).
func (o *Options) Raw(name string) []string { return o.values[name] }
func (o *Options) Bool(name string) bool    { return o.Get(name) == "true" }
func (o *Options) Given(name string) bool   { return o.given[name] }
func (o *Options) Int(name string) int {
	number, _ := strconv.Atoi(o.Get(name))
	return number
}

// errUnknownFlag has the words of Go's flag package, which urfave/cli passes on.
func errUnknownFlag(name string) error { return fmt.Errorf("flag provided but not defined: -%s", name) }

// parseOptions reads the configuration file and its drop-ins, then environment, then arguments: each wins over the one before
// it, and lists of the command line add to those of the file (docs.k3s.io/installation/configuration; k3s-io/k3s
// pkg/configfilearg/parser.go).
func parseOptions(command string, args []string) (*Options, error) {
	flags := tables()[command]
	options := &Options{values: map[string][]string{}, given: map[string]bool{}}
	fromArgs := &Options{values: map[string][]string{}, given: map[string]bool{}}
	rest, err := parseArgs(flags, args, fromArgs)
	if err != nil {
		return nil, err
	}
	options.Rest = rest
	for _, flag := range flags {
		if value := os.Getenv(flag.Env); flag.Env != "" && value != "" && !fromArgs.given[flag.Name] {
			if err := fromArgs.set(flag, value); err != nil {
				return nil, err
			}
		}
	}
	if err := options.readConfig(command, flags, fromArgs); err != nil {
		return nil, err
	}
	for _, flag := range flags {
		if values, here := fromArgs.values[flag.Name]; here {
			if flag.Kind != 'l' {
				options.values[flag.Name] = nil
			}
			options.values[flag.Name] = append(options.values[flag.Name], values...)
			options.given[flag.Name] = true
		}
		if len(options.values[flag.Name]) == 0 {
			options.fallback(flag)
		}
	}
	return options, nil
}

func (o *Options) fallback(flag Flag) {
	switch {
	case flag.Value != "":
		o.values[flag.Name] = []string{flag.Value}
	case flag.Kind == 't':
		o.values[flag.Name] = []string{"true"}
	case flag.Name == "data-dir":
		o.values[flag.Name] = []string{defaultDataDir()}
	}
}

func parseArgs(flags []Flag, args []string, into *Options) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			return append(rest, args[i+1:]...), nil
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			rest = append(rest, word)
			continue
		}
		name, value, has := strings.Cut(strings.TrimLeft(word, "-"), "=")
		flag, known := find(flags, name)
		if !known {
			return nil, errUnknownFlag(name)
		}
		if !has {
			if flag.Kind == 'b' || flag.Kind == 't' {
				value = "true"
			} else if i+1 < len(args) {
				i++
				value = args[i]
			} else {
				return nil, fmt.Errorf("flag needs an argument: -%s", name)
			}
		}
		if err := into.set(flag, value); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (o *Options) set(flag Flag, value string) error {
	var err error
	switch flag.Kind {
	case 'b', 't':
		var yes bool
		if yes, err = strconv.ParseBool(value); err == nil {
			value = strconv.FormatBool(yes)
		}
	case 'i':
		_, err = strconv.Atoi(value)
	case 'd':
		_, err = time.ParseDuration(value)
	}
	if err != nil {
		return fmt.Errorf("invalid value %q for flag -%s: parse error", value, flag.Name)
	}
	if flag.Kind != 'l' {
		o.values[flag.Name] = nil
	}
	o.values[flag.Name] = append(o.values[flag.Name], value)
	o.given[flag.Name] = true
	return nil
}

func find(flags []Flag, name string) (Flag, bool) {
	for _, flag := range flags {
		if flag.Name == name || (flag.Alias != "" && flag.Alias == name) {
			return flag, true
		}
	}
	return Flag{}, false
}

// readConfig reads config.yaml, then config.yaml.d/*.yaml in order of their names; a later value replaces an earlier one,
// and `key+` adds to it (docs.k3s.io/installation/configuration, "Multiple Config Files").
func (o *Options) readConfig(command string, flags []Flag, args *Options) error {
	path := filepath.Join(configDir(), "config.yaml")
	if args.Given("config") {
		path = args.Get("config")
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	files, _ := filepath.Glob(path + ".d/*")
	sort.Strings(files)
	for _, file := range append([]string{path}, files...) {
		if !strings.HasSuffix(file, ".yaml") && !strings.HasSuffix(file, ".yml") {
			continue
		}
		if err := o.readFile(command, flags, file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (o *Options) readFile(command string, flags []Flag, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	if len(document.Content) == 0 {
		return nil
	}
	pairs := document.Content[0].Content
	if document.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("yaml: unmarshal errors:\n  %s: cannot unmarshal into yaml.MapSlice", file)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, adds := strings.CutSuffix(pairs[i].Value, "+")
		flag, known := find(flags, key)
		if !known {
			if err := unknownKey(command, key); err != nil {
				return err
			}
			continue
		}
		if !adds {
			o.values[flag.Name] = nil
		}
		for _, value := range scalars(pairs[i+1]) {
			if err := o.set(flag, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// unknownKey: the real ones warn and go on (k3s-io/k3s pkg/configfilearg/parser.go, stripInvalidFlags), which hides a
// misspelt key of a plugin from every test. So the stand-in warns in the same words and then refuses a key that no command
// knows; STANDIN_LENIENT=1 makes it go on.
func unknownKey(command, key string) error {
	warn("Unknown flag --%s found in config.yaml, skipping\n", key)
	if os.Getenv("STANDIN_LENIENT") == "1" {
		return nil
	}
	for _, other := range []string{"server", "agent"} {
		if _, known := find(tables()[other], key); known && (command != "server" && command != "agent" || command == other) {
			return nil
		}
	}
	if command == "server" || command == "agent" {
		return fmt.Errorf("stand-in: key %q of config.yaml is none of `%s %s` and would have no effect", key, distroName, command)
	}
	return nil
}

func scalars(node *yaml.Node) []string {
	if node.Kind == yaml.SequenceNode {
		var found []string
		for _, item := range node.Content {
			found = append(found, item.Value)
		}
		return found
	}
	return []string{node.Value}
}
