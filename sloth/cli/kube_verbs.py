"""In which module each verb below `sloth kube` is, so that one verb does not wait for all others to be registered.

A verb that is not named here is found by loading all of them.
"""

HOMES = {
    "api-resources": "sloth.cli.kube_kinds",
    "apply": "sloth.cli.kube_apply",
    "attach": "sloth.cli.kube_exec",
    "can-i": "sloth.cli.kube_can",
    "clusters": "sloth.cli.kube_stored",
    "cordon": "sloth.cli.kube_drain",
    "cp": "sloth.cli.kube_cp",
    "delete": "sloth.cli.kube_delete",
    "describe": "sloth.cli.kube_describe",
    "diff": "sloth.cli.kube_apply",
    "drain": "sloth.cli.kube_drain",
    "events": "sloth.cli.kube_events",
    "exec": "sloth.cli.kube_exec",
    "history": "sloth.cli.kube_history",
    "logs": "sloth.cli.kube_logs",
    "port-forward": "sloth.cli.kube_forward",
    "rollback": "sloth.cli.kube_history",
    "rollout": "sloth.cli.kube_rollout",
    "scale": "sloth.cli.kube_scale",
    "top": "sloth.cli.kube_top",
    "uncordon": "sloth.cli.kube_drain",
    "validate": "sloth.cli.kube_validate",
    "wait": "sloth.cli.kube_wait",
    "whoami": "sloth.cli.kube_can",
}
