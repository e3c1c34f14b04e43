package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// corednsTag is of the image beside this executable; set when linked.
var corednsTag = "v0.0.0"

// addons writes the packaged components that are imitated (CoreDNS) to server/manifests, and applies every file there whenever
// it changes: docs.k3s.io/installation/packaged-components ("Auto-Deploying Manifests").
func (s *Server) addons() {
	folder := s.path("manifests")
	must(os.MkdirAll(folder, 0o700))
	name := "coredns"
	if distroName == "rke2" {
		name = "rke2-coredns"
	}
	file := filepath.Join(folder, name+".yaml")
	if contains(s.o.List("disable"), name) {
		_ = os.Remove(file)
	} else {
		must(writeFile(file, []byte(s.coredns()), 0o600))
	}
	go func() {
		applied := map[string]string{}
		for {
			files, _ := filepath.Glob(filepath.Join(folder, "*.yaml"))
			for _, file := range files {
				data, err := os.ReadFile(file)
				digest := sha256Hex(data)
				if err != nil || applied[file] == digest {
					continue
				}
				if _, err := os.Stat(file + ".skip"); err == nil {
					continue
				}
				if err := s.apply(file); err != nil {
					trouble("Failed to process config: failed to process %s: %v", file, err)
					continue
				}
				applied[file] = digest
			}
			time.Sleep(3 * time.Second)
		}
	}()
}

func (s *Server) coredns() string {
	image, name, service := "rancher/mirrored-coredns-coredns:"+corednsTag, "coredns", "kube-dns"
	if distroName == "rke2" { // its chart names things RELEASE-CHART
		name = "rke2-coredns-rke2-coredns"
		image, service = "rancher/hardened-coredns:"+corednsTag, name
	}
	return strings.NewReplacer("%{IMAGE}", image, "%{NAME}", name, "%{SERVICE}", service, "%{DNS}", s.clusterDNS(), "%{DOMAIN}", s.o.Get("cluster-domain")).
		Replace(corednsManifest)
}

var corednsManifest = strings.TrimSpace(fmt.Sprint(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: coredns, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: system:coredns}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: system:coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:coredns}
subjects: [{kind: ServiceAccount, name: coredns, namespace: kube-system}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns, namespace: kube-system}
data:
  Corefile: |
    .:53 {
        errors
        health
        ready
        kubernetes %{DOMAIN} in-addr.arpa ip6.arpa {
          pods insecure
          fallthrough in-addr.arpa ip6.arpa
        }
        forward . /etc/resolv.conf
        cache 30
        loop
        reload
        loadbalance
    }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: %{NAME}
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/name: CoreDNS}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      priorityClassName: system-cluster-critical
      serviceAccountName: coredns
      nodeSelector: {kubernetes.io/os: linux}
      dnsPolicy: Default
      tolerations:
      - {key: CriticalAddonsOnly, operator: Exists}
      - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
      containers:
      - name: coredns
        image: "%{IMAGE}"
        imagePullPolicy: IfNotPresent
        args: ["-conf", "/etc/coredns/Corefile"]
        resources: {limits: {memory: 170Mi}, requests: {cpu: 100m, memory: 70Mi}}
        volumeMounts: [{name: config, mountPath: /etc/coredns, readOnly: true}]
        ports:
        - {containerPort: 53, name: dns, protocol: UDP}
        - {containerPort: 53, name: dns-tcp, protocol: TCP}
        readinessProbe: {httpGet: {path: /ready, port: 8181}, periodSeconds: 2}
        livenessProbe: {httpGet: {path: /health, port: 8080}, initialDelaySeconds: 60}
      volumes: [{name: config, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata:
  name: %{SERVICE}
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: "true", kubernetes.io/name: CoreDNS}
spec:
  selector: {k8s-app: kube-dns}
  clusterIP: %{DNS}
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
`))
