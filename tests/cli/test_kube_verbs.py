"""Each verb below `sloth kube` is found where the table says, and is the same there as among all of them."""

import subprocess
import sys

import typer
from typer.main import get_group

from sloth.cli import kube
from sloth.cli.kube_verbs import HOMES
from sloth.cli.lazily import _registered


def shape(command):
    return command.help, [(each.name, each.opts, each.required, each.default) for each in command.params]


def test_the_table_has_every_verb_where_it_is():
    whole = typer.Typer()
    kube.register(whole)
    verbs = get_group(whole).commands
    assert set(verbs) - set(HOMES) == {"get"}  # it is in the module that has all others
    assert set(HOMES) <= set(verbs)
    for name, home in HOMES.items():
        assert shape(_registered(home)[name]) == shape(verbs[name]), name


def test_one_verb_loads_no_other():
    code = (
        "import sys\nsys.argv = ['sloth', 'kube', 'cp', '--help']\nfrom sloth.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name in ('sloth.cli.kube', 'sloth.cli.kube_apply', 'sloth.cli.kube_get')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Copy a file or folder" in done.stdout
