// probe is the workload of the end-to-end tests: it serves its host name, gets URLs and looks up names.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: probe serve | get URL | lookup NAME | echo TEXT")
	}
	switch os.Args[1] {
	case "serve":
		name, _ := os.Hostname()
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
		fail(http.ListenAndServe(":8080", nil).Error())
	case "get":
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(os.Args[2])
		if err != nil {
			fail(err.Error())
		}
		body, _ := io.ReadAll(answer.Body)
		fmt.Println(string(body))
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

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
