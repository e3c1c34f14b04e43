"""Checks across fields: each a small function from a built spec to findings. `ALL` runs them in one go."""

from sloth.config.rules import backup, clouds, kubernetes, names, networks, pools
from sloth.config.rules.desk import Rule

ALL: tuple[Rule, ...] = (*names.RULES, *pools.RULES, *networks.RULES, *kubernetes.RULES, *clouds.RULES, *backup.RULES)
