package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Lines look as logrus writes them where standard error is no terminal, which is what a unit's journal gets.
func logLine(level, format string, values ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, values...), "\n")
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%s\n", time.Now().UTC().Format(time.RFC3339), level, strconv.Quote(text))
}

func info(format string, values ...any)    { logLine("info", format, values...) }
func warn(format string, values ...any)    { logLine("warning", format, values...) }
func trouble(format string, values ...any) { logLine("error", format, values...) }

// fatal is logrus.Fatal: exit code 1 (k3s-io/k3s cmd/server/main.go: whatever the command returns ends there).
func fatal(format string, values ...any) {
	logLine("fatal", format, values...)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fatal("%v", err)
	}
}
