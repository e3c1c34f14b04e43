"""Manifests that another tool renders: `kustomize build` (or `kubectl kustomize`) and `helm template`.

The command lines are those of kustomize 5 (`kustomize build --help`), kubectl 1.36 and Helm 3 and 4 (helm.sh/docs, "helm
template"). Hooks and tests are of Helm's own life cycle and mean nothing to an apply: they are left out.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from sloth.errors import KubernetesError

log = logging.getLogger(__name__)
SECONDS = 300.0  # a chart may have to be fetched first
_MUCH = 2000  # characters of what a tool says


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: folder, archive, `oci://` address or REPOSITORY/NAME, with the release's name and its values."""

    chart: str
    release: str
    namespace: str = ""
    version: str = ""
    values: Sequence[str] = ()
    settings: Sequence[str] = ()


def kustomize(folder: str) -> tuple[str, bytes]:
    """The manifests of a kustomize folder. Raises KubernetesError."""
    tool = shutil.which("kustomize")
    kubectl = shutil.which("kubectl")
    if tool:
        return f"kustomize {folder}", _run([tool, "build", folder])
    if kubectl:
        return f"kustomize {folder}", _run([kubectl, "kustomize", folder])
    raise _missing("kustomize", "neither kustomize nor kubectl is")


def helm(chart: Chart) -> tuple[str, bytes]:
    """The manifests of a chart, custom kinds included, hooks and tests left out. Raises KubernetesError."""
    tool = shutil.which("helm")
    if not tool:
        raise _missing("helm", "helm is not")
    command = [tool, "template", chart.release, chart.chart, "--include-crds", "--no-hooks", "--skip-tests"]
    if chart.namespace:
        command += ["--namespace", chart.namespace]
    if chart.version:
        command += ["--version", chart.version]
    for file in chart.values:
        command += ["--values", file]
    for setting in chart.settings:
        command += ["--set", setting]
    return f"helm {chart.chart}", _run(command)


def _missing(tool: str, what: str) -> KubernetesError:
    return KubernetesError(
        "kube/no-tool",
        f"{what} installed, and this source is rendered by it",
        hint=f"install {tool}, or render elsewhere and pipe the result: … | sloth kube apply --filename -",
    )


def _run(command: Sequence[str]) -> bytes:
    """What the tool prints. Its messages are shown if it fails: they name files and lines of the source."""
    log.debug("running %s", " ".join(command[:3]))
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _failed(command, f"no end after {SECONDS:g} s") from error
    except OSError as error:
        raise _failed(command, str(error)) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise _failed(command, f"exit code {done.returncode}\n{said[-_MUCH:]}")
    return done.stdout


def _failed(command: Sequence[str], why: str) -> KubernetesError:
    words = " ".join([command[0].rpartition("/")[2], *command[1:3]])
    return KubernetesError("kube/render", f"`{words}` failed", detail=why, hint=f"run it by itself: {words}")
