"""Objects of many kinds as people write them: defaults left out, quantities in odd forms, sets, atomic lists, a custom kind.

`CORPUS` maps a name to the object and to what it becomes: fields gone, items reordered, values changed.
"""

from __future__ import annotations

import copy
from typing import Any

import yaml

TEXT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {note: "a: b"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: "25%"}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: init, image: "init:1", command: [sh, -c, "true"]}]
      containers:
        - name: app
          image: app:1
          args: ["--x", "--y"]
          ports: [{containerPort: 80, name: http}, {containerPort: 53, protocol: UDP}, {containerPort: 53, protocol: TCP}]
          env: [{name: A, value: "1"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          resources: {requests: {cpu: 1000m, memory: 1024Mi}, limits: {memory: 2Gi}}
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 5}
          volumeMounts: [{name: tmp, mountPath: /tmp}]
          securityContext: {capabilities: {drop: [ALL]}, runAsNonRoot: true}
        - {name: side, image: "side:1"}
      volumes: [{name: tmp, emptyDir: {}}, {name: cfg, configMap: {name: c, defaultMode: 0644}}]
      tolerations: [{key: a, operator: Exists}]
---
apiVersion: v1
kind: Service
metadata: {name: svc}
spec: {selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {a: "1", "b.yaml": "x: 1\\n", empty: ""}
binaryData: {blob: AAEC}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
type: Opaque
data: {password: cGFzcw==}
---
apiVersion: v1
kind: Secret
metadata: {name: plain}
stringData: {password: text}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: account}
automountServiceAccountToken: false
imagePullSecrets: [{name: pull}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: role}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}
subjects: [{kind: ServiceAccount, name: account, namespace: default}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {a: b}}}], ports: [{port: 80}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ingress}
spec:
  rules:
    - host: a.example.org
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: svc, port: {number: 80}}}}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budget}
spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: scaler}
spec:
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: other}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: state}
spec:
  serviceName: svc
  selector: {matchLabels: {app: state}}
  template: {metadata: {labels: {app: state}}, spec: {containers: [{name: a, image: "a:1"}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemon}
spec:
  selector: {matchLabels: {app: daemon}}
  template: {metadata: {labels: {app: daemon}}, spec: {hostNetwork: true, containers: [{name: a, image: "a:1"}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, default: {cpu: 0.5}}]}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {pods: "10"}}
"""


def items() -> list[dict[str, Any]]:
    """The objects, anew each time."""
    return [item for item in yaml.safe_load_all(TEXT) if item]


def changed() -> list[dict[str, Any]]:
    """What they become."""
    by_name = {item["metadata"]["name"]: copy.deepcopy(item) for item in items()}
    web = by_name["web"]
    del web["metadata"]["annotations"], web["spec"]["strategy"]
    pod = web["spec"]["template"]["spec"]
    pod["containers"].reverse()
    pod["containers"][1]["env"] = [{"name": "C", "value": "3"}, {"name": "A", "value": "9"}]
    pod["containers"][1]["ports"].pop(1)
    pod["containers"][1]["args"] = ["--z"]
    pod["tolerations"] = []
    by_name["svc"]["spec"]["ports"][0]["port"] = 8080
    by_name["cm"]["data"] = {"a": "2", "new": "1"}
    by_name["secret"]["data"] = {"other": "cGFzcw=="}
    by_name["role"]["rules"][0]["verbs"].append("watch")
    by_name["policy"]["spec"]["policyTypes"] = ["Egress", "Ingress"]
    by_name["budget"]["spec"]["minAvailable"] = 1
    by_name["scaler"]["spec"]["maxReplicas"] = 7
    by_name["cron"]["spec"]["suspend"] = True
    by_name["daemon"]["spec"]["template"]["spec"]["hostNetwork"] = False
    by_name["quota"]["spec"]["hard"]["services"] = 3
    return list(by_name.values())
