"""The sources of one `apply`, `diff` or `validate`, read in their order into named texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloth.adapters.manifests.download import LIMIT, download
from sloth.adapters.manifests.rendered import Chart, helm, kustomize
from sloth.errors import UsageError

Text = tuple[str, bytes]
ENDINGS = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the command line names. `digests` are SHA-256 of the web addresses among `files`, in their order."""

    files: Sequence[str] = ()
    kustomize: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    digests: Sequence[str] = ()
    plain_http: bool = False

    @property
    def named(self) -> bool:
        """Whether there is any."""
        return bool(self.files or self.kustomize or self.charts)

    def read(self) -> list[Text]:
        """All texts. Raises UsageError, KubernetesError."""
        if not self.named:
            raise UsageError("kube/no-file", "nothing is named that could be applied", hint="--filename FILE")
        web = [name for name in self.files if _web(name)]
        if self.digests and len(self.digests) != len(web):
            raise UsageError(
                "kube/checksum",
                f"there are {len(web)} web addresses and {len(self.digests)} checksums",
                hint="give --sha256 once for each address, in the same order",
            )
        digest = dict(zip(web, self.digests, strict=True)) if self.digests else {}
        found = [text for name in self.files for text in self._of(name, digest.get(name, ""))]
        found += [kustomize(folder) for folder in self.kustomize]
        return found + [helm(chart) for chart in self.charts]

    def _of(self, name: str, digest: str) -> Iterator[Text]:
        path = Path(name)
        if name == "-":
            yield "stdin", _standard_input()
        elif _web(name):
            yield name, download(name, digest, plain_http=self.plain_http)
        elif path.is_dir():
            yield from _folder(path)
        elif path.is_file():
            yield name, _content(path)
        else:
            raise UsageError("kube/no-file", f"there is no file or folder {name}", hint=f"ls {name}")


def _web(name: str) -> bool:
    return name.startswith(("https://", "http://"))


def _folder(path: Path) -> Iterator[Text]:
    """Every manifest below, folders included, by path; not what is hidden, and not through links to folders."""
    for name, option in (*((each, "--kustomize") for each in _KUSTOMIZATIONS), ("Chart.yaml", "--helm")):
        if (path / name).is_file():
            raise UsageError(
                "kube/other-source",
                f"{path} has a {name}: its files are no manifests before they are rendered",
                hint=f"{option} {path}",
            )
    found = [
        each
        for each in path.rglob("*")
        if each.suffix in ENDINGS and each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts)
    ]
    if not found:
        raise UsageError("kube/no-file", f"{path} has no file that ends in {', '.join(ENDINGS)}", hint=f"ls -R {path}")
    for each in sorted(found):
        yield str(each), _content(each)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            "kube/no-file", f"{path} cannot be read: {error.strerror or error}", where=str(path), hint=f"ls -l {path}"
        ) from error


def _standard_input() -> bytes:
    found = sys.stdin.buffer.read(LIMIT + 1)
    if len(found) > LIMIT:
        raise UsageError("kube/too-large", f"stdin is larger than {LIMIT >> 20} MiB", hint="apply it in parts")
    return found
