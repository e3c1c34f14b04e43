"""What both clients have beyond single objects: workloads, rollouts, logs, waiting, drains, apply sets.

`logs`, `waits` and `applying` are calls without I/O; `verbs` and `averbs` are the clients' methods; `rollout` and
`manifests` their groups; `gather` and `agather` read many logs at once.
"""
