"""The apply engine: manifests from wherever they are, compared with the cluster, carried out in stages, kept as a set.

`sources` reads, `manifests` takes apart, `schemas` and `validate` check, `plan` compares, `run` carries out, `inventory` and
`history` remember.
"""
