"""The preparation job of the fleet benchmark: 20 steps, in the form that all three clients make theirs from.

Paths are relative to the host's home directory. The first run makes everything, a second one finds nothing to do.
"""

from __future__ import annotations

import hashlib

FACTS = {
    "kernel": "uname -sr",
    "distribution": "grep -m1 ^ID= /etc/os-release",
    "processors": "nproc",
    "room": "df -P . | tail -1",
}

DIRECTORIES = ("etc/app", "var/lib/app", "var/log/app", "opt/app/bin")

FILES: dict[str, tuple[int, str]] = {
    "etc/app/app.conf": (0o644, "".join(f"option_{n} = value {n}\n" for n in range(60))),
    "etc/app/limits.conf": (0o644, "".join(f"* soft nofile {1024 * n}\n" for n in range(1, 40))),
    "etc/app/secret.env": (0o600, "TOKEN=a-fleet-token-that-is-no-secret\n"),
    "opt/app/bin/run": (0o755, '#!/bin/sh\nexec echo running "$@"\n' + "# padding\n" * 50),
    "etc/app/unit.service": (0o644, "[Service]\nExecStart=/opt/app/bin/run\nRestart=always\n" * 8),
}

# title: (condition under which nothing is to do, command)
GUARDED: dict[str, tuple[str, str]] = {
    "link the current release": ("test -L opt/app/current", "ln -s bin opt/app/current"),
    "name the host": ("grep -qx app-host etc/hosts.app", "echo app-host >> etc/hosts.app"),
    "make the machine's id": ("test -s var/lib/app/id", "echo fleet-id > var/lib/app/id"),
    "order the options": ("test -s var/lib/app/sorted", "sort -r etc/app/app.conf > var/lib/app/sorted"),
    "start the log": ("test -e var/log/app/app.log", ": > var/log/app/app.log"),
    "enable the unit": ("test -L etc/app/enabled", "ln -s unit.service etc/app/enabled"),
}

# What the guarded steps leave behind.
LEFT = ("opt/app/current", "etc/hosts.app", "var/lib/app/id", "var/lib/app/sorted", "var/log/app/app.log", "etc/app/enabled")

CHECK = "test -x opt/app/current/run && test -L etc/app/enabled && cat etc/app/*.conf etc/app/unit.service | sha256sum"

STEPS = len(FACTS) + len(DIRECTORIES) + len(FILES) + len(GUARDED) + 1


def expected_sum() -> str:
    """What the final check prints on a host that is right."""
    names = ("etc/app/app.conf", "etc/app/limits.conf", "etc/app/unit.service")
    digest = hashlib.sha256("".join(FILES[name][1] for name in names).encode()).hexdigest()
    return f"{digest}  -"


def script() -> str:
    """The whole job as one shell script: the floor. Ends with the number of changes and the final check's line."""
    lines = ["set -e", "changed=0"]
    lines += FACTS.values()
    lines += [f"[ -d {path} ] || {{ mkdir -p {path}; changed=$((changed + 1)); }}" for path in DIRECTORIES]
    for path, (mode, content) in FILES.items():
        digest = hashlib.sha256(content.encode()).hexdigest()
        lines += [
            f'if [ "$(sha256sum < {path} 2>/dev/null)" != "{digest}  -" ] || [ "$(stat -c %a {path})" != {mode:o} ]; then',
            f"cat > {path}.new <<'END'\n{content}END",
            f"chmod {mode:o} {path}.new; mv {path}.new {path}; changed=$((changed + 1)); fi",
        ]
    for condition, command in GUARDED.values():
        lines.append(f"{condition} 2>/dev/null || {{ {command}; changed=$((changed + 1)); }}")
    lines += ["echo changed $changed", CHECK, ""]
    return "\n".join(lines)
