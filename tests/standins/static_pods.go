package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// The control plane of RKE2 are static pods in agent/pod-manifests (docs.rke2.io/architecture, "Process Lifecycle"; rancher/rke2
// pkg/staticpod/staticpod.go). Here the components are processes of this program, and a pod stands beside each, which is ready while
// the component is well: so the API has the mirror pods that the real ones have.
var staticPods = []struct {
	name, scheme, path string
	port               int
}{
	{"etcd", "HTTP", "/health?serializable=true", 2381},
	{"kube-apiserver", "HTTPS", "/readyz", 6443},
	{"kube-controller-manager", "HTTPS", "/healthz", 10257},
	{"kube-scheduler", "HTTPS", "/healthz", 10259},
}

func (a *Agent) writeStaticPods() error {
	if a.server == nil || distro().OneProcess || os.Getenv("STANDIN_ROOT") != "" {
		return nil
	}
	for _, each := range staticPods {
		probe := map[string]any{
			"httpGet":       map[string]any{"host": "127.0.0.1", "scheme": each.scheme, "path": each.path, "port": each.port},
			"periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 3,
		}
		pod := map[string]any{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{
				"name": each.name, "namespace": "kube-system",
				"labels": map[string]string{"component": each.name, "tier": "control-plane"},
			},
			"spec": map[string]any{
				"hostNetwork": true, "priorityClassName": "system-node-critical",
				"containers": []any{map[string]any{
					"name": each.name, "image": a.pauseImage(), "imagePullPolicy": "IfNotPresent", "readinessProbe": probe,
				}},
			},
		}
		data, err := json.MarshalIndent(pod, "", "  ")
		if err != nil {
			return err
		}
		// The kubelet reads whatever is in its folder, half a file too.
		whole, final := filepath.Join(a.path("static-pods"), each.name), filepath.Join(a.path("pod-manifests"), each.name+".yaml")
		if err := writeFile(whole, data, 0o600); err != nil {
			return err
		}
		if err := os.Rename(whole, final); err != nil {
			return err
		}
	}
	return nil
}
