"""Whether controllers and scheduler are at work, asked of a kubectl whose leases move as the test says."""

import subprocess

import pytest

from sloth.nodes.api import wait_led

# Each call prints the next line of the file `leases`; the last one stays.
FAKE = """#!/bin/sh
case "$*" in
*' lease '*kube-controller-manager*kube-scheduler*) ;;
*) echo "unexpected: $*" >&2; exit 64 ;;
esac
head -n 1 leases
[ "$(wc -l <leases)" = 1 ] || sed -i 1d leases
"""


@pytest.mark.parametrize(
    ("leases", "led"),
    [
        (["10 20", "11 21"], True),
        (["10 20", "11 20", "11 20", "12 21"], True),
        (["10 20"], False),
        (["10 20", "11 20"], False),
        (["10 20", "10 21"], False),
        ([""], True),
    ],
    ids=["both move", "one is late", "none moves", "no scheduler", "no controllers", "nothing is elected"],
)
def test_evictions_wait_for_leaders_that_renew(tmp_path, leases, led):
    (tmp_path / "kubectl").write_text(FAKE)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "sleep").write_text("#!/bin/sh\n")  # the looks follow one another, not the clock
    (tmp_path / "sleep").chmod(0o755)
    (tmp_path / "leases").write_text("".join(f"{line}\n" for line in leases))
    text = f"PATH=$PWD:$PATH; {wait_led('kubectl').until}"
    assert (subprocess.run(["sh", "-c", text], cwd=tmp_path, check=False).returncode == 0) == led
