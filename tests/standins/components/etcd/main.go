// etcd is the server with its two tools, as one program that goes by the name it is called by: K3s links the server and the
// library of etcdutl (github.com/k3s-io/k3s: go.mod, pkg/etcd), which one file stands for here.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "etcdctl":
		ctlv3.MustStart()
	case "etcdutl":
		tool := &cobra.Command{Use: "etcdutl"}
		tool.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple", "set the output format")
		tool.AddCommand(etcdutl.NewSnapshotCommand(), etcdutl.NewHashKVCommand())
		if tool.Execute() != nil {
			os.Exit(1)
		}
	default:
		fmt.Fprintln(os.Stderr, "etcd: no program of the name", name)
		os.Exit(2)
	}
}
