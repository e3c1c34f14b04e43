// probe is the workload of the end-to-end tests: it serves its host name, gets URLs, looks up names and makes load.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: probe serve | get URL | load URL | lookup NAME | echo TEXT")
	}
	switch os.Args[1] {
	case "serve":
		name, _ := os.Hostname()
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost { // what was written is what comes back
				io.Copy(w, r.Body)
				return
			}
			fmt.Fprint(w, name)
		})
		fail(http.ListenAndServe(":8080", nil).Error())
	case "get":
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(os.Args[2])
		if err != nil {
			fail(err.Error())
		}
		body, _ := io.ReadAll(answer.Body)
		fmt.Println(string(body))
	case "load":
		load(os.Args[2])
	case "lookup":
		ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
		defer stop()
		found, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, os.Args[2])
		if err != nil {
			fail(err.Error())
		}
		fmt.Println(found[0])
	case "echo":
		fmt.Println(os.Args[2])
	default:
		fail("unknown: " + os.Args[1])
	}
}

// load reads and writes for ever, each time over a new connection, and says once a second how many of them failed in all.
func load(url string) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reads, writes, failed, said := 0, 0, 0, time.Now()
	count := func(what string, done *int, answer *http.Response, err error, good func(string) bool) {
		*done++
		body := ""
		if err == nil {
			raw, broken := io.ReadAll(answer.Body)
			answer.Body.Close()
			body, err = string(raw), broken
			if err == nil && (answer.StatusCode != 200 || !good(body)) {
				err = fmt.Errorf("status %d, %q", answer.StatusCode, body)
			}
		}
		if err != nil {
			failed++
			fmt.Println(time.Now().UTC().Format("15:04:05.000"), what, err)
		}
	}
	for {
		answer, err := client.Get(url)
		count("read", &reads, answer, err, func(body string) bool { return body != "" })
		text := fmt.Sprint("row ", writes)
		answer, err = client.Post(url, "text/plain", strings.NewReader(text))
		count("write", &writes, answer, err, func(body string) bool { return body == text })
		if time.Since(said) > time.Second {
			fmt.Println("reads", reads, "writes", writes, "failed", failed)
			said = time.Now()
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
