"""The job of tests/fleet/job.py with pyinfra's own operations and facts: the same 20 steps."""

import importlib.util
import os
from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import files, server

_spec = importlib.util.spec_from_file_location("job", Path(os.environ["FLEET_JOB"]))
job = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(job)

for _command in job.FACTS.values():
    host.get_fact(Command, command=_command)

for _path in job.DIRECTORIES:
    files.directory(name=f"make {_path}", path=_path)

for _path, (_mode, _content) in job.FILES.items():
    files.put(name=f"write {_path}", src=StringIO(_content), dest=_path, mode=f"{_mode:o}")

files.link(name="link the current release", path="opt/app/current", target="bin")
files.line(name="name the host", path="etc/hosts.app", line="app-host")
files.file(name="start the log", path="var/log/app/app.log")
files.link(name="enable the unit", path="etc/app/enabled", target="unit.service")

for _title in ("make the machine's id", "order the options"):
    _test, _command = job.GUARDED[_title]
    if host.get_fact(Command, command=f"{_test} && echo yes || echo no") != "yes":
        server.shell(name=_title, commands=[_command])

server.shell(name="check", commands=[job.CHECK])
