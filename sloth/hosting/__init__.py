"""What a host needs around Kubernetes, whichever distribution it runs: packages, kernel settings, units, balancer, pod network.

Pure: functions that give steps and texts. Distributions reach it through `sloth.api`; the texts of `files/` go onto nodes.
"""
