"""The audit log: every call that may change a cluster, in lines that are chained by their hashes."""
