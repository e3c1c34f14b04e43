"""A `go` command that builds nothing: it writes down how it was called, and makes files named as `go build` names them."""

import json
import sys
from pathlib import Path

STUB = """#!{python}
import json, os, sys, time
from pathlib import Path
home = Path({home!r})
settings = json.loads((home / "settings.json").read_text())
with (home / "calls").open("a") as calls:
    names = ("CGO_ENABLED", "GOTOOLCHAIN", "GOFLAGS", "GOARCH", "GOOS", "GOSUMDB", "GOINSECURE")
    calls.write(json.dumps([sys.argv[1:], os.getcwd(), {{name: os.environ.get(name) for name in names}}]) + "\\n")
verb, words = sys.argv[1], sys.argv[2:]
if verb == "env":
    print(settings["version"])
    sys.exit(settings.get("env", 0))
packages = [word for word in words if "/" in word and not word.startswith("-") and not word.endswith("/")]
if verb == "list":
    print("\\n".join(["fmt", "os", *packages]))
    sys.exit(settings.get("list", 0))
target = Path(words[words.index("-o") + 1])
for name in ("fmt", "os", *packages):
    print(name, file=sys.stderr, flush=True)
if settings.get("fail"):
    print(settings["fail"], file=sys.stderr)
    sys.exit(1)
for package in packages:
    names = [name for name in package.split("/") if not (name[0] == "v" and name[1:].isdigit())]
    (target / names[-1]).write_text("program " + package + " " + settings["version"])
time.sleep(settings.get("sleep", 0))
"""


class GoStub:
    def __init__(self, home: Path):
        self.home = home
        home.mkdir()
        (home / "calls").touch()
        self.set(version="go1.26.8")
        program = home / "go"
        program.write_text(STUB.format(python=sys.executable, home=str(home)))
        program.chmod(0o755)

    def set(self, **settings):
        (self.home / "settings.json").write_text(json.dumps({"version": "go1.26.8", **settings}))

    def calls(self, verb):
        lines = map(json.loads, (self.home / "calls").read_text().splitlines())
        return [line for line in lines if line[0][0] == verb]
