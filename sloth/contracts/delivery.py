"""How one artifact gets onto one node: pure steps, the same for every distribution.

A binary is fetched aside, compared with its pinned SHA-256 and renamed into place; an image archive is fetched, compared and
imported. `/var/lib/sloth/artifacts` remembers what was verified, so that a second run reads one line instead of 80 MB.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from shlex import quote

from sloth.errors import StepError
from sloth.model.artifact import Artifact, Delivery
from sloth.model.step import Do, Retry, Step, Upload

FOLDER = "/var/lib/sloth/artifacts"
_MARK = "sloth-error"  # begins the line on stderr that says why
_LINE = re.compile(rf"^{_MARK} (artifacts/[a-z-]+) (\S+)(.*)$", re.MULTILINE)
_TIMEOUT = 900.0  # seconds, for 100 MB over a slow line
_RETRY = Retry(attempts=2, delay=2.0, reason="a mirror may be restarting")
_HINT = "sloth mirror create makes the mirror complete"


def deliver(artifact: Artifact, delivery: Delivery, *, baked: bool = False) -> list[Step]:
    """Steps that make the node have this artifact. `baked`: trust a file of the right size or an image of the right name."""
    if artifact.kind == "binary":
        return _binary(artifact, delivery, baked)
    return _image(artifact, delivery, baked)


def _binary(artifact: Artifact, delivery: Delivery, baked: bool) -> list[Step]:
    path = artifact.path
    if not delivery.base and not baked:
        return [Upload(path=path, source=f"{delivery.store}/{artifact.file}", sha256=artifact.sha256, timeout=_TIMEOUT)]
    stamp = f'"{artifact.sha256} $(stat -c %s:%Y {quote(path)} 2>/dev/null)"'
    remember = f"printf '%s\\n' {stamp} >{_stamp(artifact)}"
    if baked:
        have = f'[ -x {quote(path)} ] && [ "$(stat -c %s {quote(path)})" = {artifact.size} ]'
    else:
        have = f'[ "$(cat {_stamp(artifact)} 2>/dev/null)" = {stamp} ]'
    folder = quote(str(PurePosixPath(path).parent))
    place = f'chmod 755 "$part" && mv -fT "$part" {quote(path)} && {remember}'
    known = f"if {_right(artifact, quote(path))}; then {remember}; exit; fi"
    text = f"mkdir -p {FOLDER} {folder} || exit\n{known}\npart={quote(path)}.part-$$\n{_fetch(artifact, delivery)}\n{place}"
    return [_do(f"install {path}", text, have)]


def _image(artifact: Artifact, delivery: Delivery, baked: bool) -> list[Step]:
    archive = f"{FOLDER}/{artifact.name}.tar"
    here = f"ctr -n k8s.io images ls -q name=={quote(artifact.ref)} 2>/dev/null | grep -q ."
    have = here if baked else f'[ "$(cat {_stamp(artifact)} 2>/dev/null)" = {artifact.sha256} ] && {here}'
    # Pinned: the kubelet must not collect an image that no registry may give back.
    load = (
        f'ctr -n k8s.io images import --label io.cri-containerd.pinned=pinned "$part" >/dev/null'
        f" && echo {artifact.sha256} >{_stamp(artifact)}"
    )
    title = f"import {artifact.ref}"
    if not delivery.base and not baked:
        source = f"{delivery.store}/{artifact.file}"
        # The archive stays on the node: an upload of 100 MB is not repeated because something else has changed.
        upload = Upload(path=archive, source=source, sha256=artifact.sha256, mode=0o600, timeout=_TIMEOUT)
        return [upload, _do(title, f"part={archive}\n{load}", have)]
    text = f"mkdir -p {FOLDER} || exit\npart={archive}.part-$$\n{_fetch(artifact, delivery)}\n{load}"
    return [_do(title, text, have)]


def _do(title: str, text: str, have: str) -> Do:
    return Do(title=title, run=f"(\n{text}\n)", unless=have, timeout=_TIMEOUT, retry=_RETRY, hint=_HINT)


def _fetch(artifact: Artifact, delivery: Delivery) -> str:
    """Shell text that makes `$part` the verified file, or leaves the subshell with a marked line on stderr."""
    if not delivery.base:
        return f"{_say('artifacts/not-baked', artifact, 'is not in this machine image')}; exit 66"
    url = quote(f"{delivery.base.rstrip('/')}/{artifact.file}")
    missing = _say("artifacts/missing-in-mirror", artifact, f"is not at {delivery.base}")
    unreachable = _say("artifacts/mirror-unreachable", artifact, f"cannot be fetched from {delivery.base} (curl: $code)")
    return (
        "trap 'rm -f \"$part\"' EXIT\n"
        f'curl -fsS --connect-timeout 10 --speed-limit 1024 --speed-time 30 --retry 2 -o "$part" {url} || {{ code=$?\n'
        f"[ $code = 22 ] && {missing} || {unreachable}; exit 66; }}\n"
        f"{_right(artifact, _PART)} || {{ {_say('artifacts/digest-mismatch', artifact, _NOT_PINNED)}; exit 66; }}"
    )


_PART = '"$part"'
_NOT_PINNED = "has not the content that is pinned: sha256 $(sha256sum <\"$part\" | cut -d' ' -f1)"


def _right(artifact: Artifact, path: str) -> str:
    return f'[ "$(sha256sum <{path} 2>/dev/null)" = "{artifact.sha256}  -" ]'


def _say(code: str, artifact: Artifact, text: str) -> str:
    return f'echo "{_MARK} {code} {artifact.file} {text}" >&2'


def _stamp(artifact: Artifact) -> str:
    return quote(f"{FOLDER}/{artifact.name}.{artifact.kind}")


def delivery_error(stderr: str, node: str) -> StepError | None:
    """The failure that a step of `deliver` told of on its stderr, naming node and file; None if it told of none."""
    found = _LINE.search(stderr)
    if found is None:
        return None
    code, file, rest = found.groups()
    summary = f"{file}{rest} (wanted by {node})"
    evidence: dict[str, str] = {"detail": stderr, "where": node}
    if code == "artifacts/missing-in-mirror":
        return StepError("artifacts/missing-in-mirror", summary, hint=_HINT, **evidence)
    if code == "artifacts/digest-mismatch":
        hint = "delete that file of the mirror, then run `sloth mirror create`"
        return StepError("artifacts/digest-mismatch", summary, hint=hint, **evidence)
    if code == "artifacts/not-baked":
        hint = f"delete the machine {node}, then run `sloth up` to have it made anew"
        return StepError("artifacts/not-baked", summary, hint=hint, **evidence)
    hint = "sloth mirror serve --bind ADDRESS with an address that nodes reach"
    return StepError("artifacts/mirror-unreachable", summary, hint=hint, **evidence)
