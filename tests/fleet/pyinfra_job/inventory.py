"""The simulated fleet as a pyinfra inventory; the file with its hosts is named by the environment variable FLEET."""

import json
import os
from pathlib import Path

_fleet = json.loads(Path(os.environ["FLEET"]).read_text())

fleet = [
    (
        host["name"],
        {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": host["port"],
            "ssh_user": _fleet["user"],
            "ssh_key": _fleet["key"],
            "ssh_known_hosts_file": _fleet["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
            "ssh_look_for_keys": False,
            "ssh_allow_agent": False,
        },
    )
    for host in _fleet["hosts"]
]
