"""systemd units that know which configuration they run with, so that a run killed between a write and a restart is healed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from sloth.hosting.text import HOSTING, Texts
from sloth.model.step import Do, Put, Step


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One service: its text in `texts`, the files it reads, the binary whose replacement calls for a restart."""

    name: str
    reads: Sequence[str]  # paths; a change of any of them takes effect by restart or reload
    binary: str
    reload: bool = False  # the service takes new configuration without dropping what it serves
    when: str = ""  # shell condition under which it must run at all; otherwise being enabled is enough
    restart: str = ""  # shell text that restarts it; "" = `systemctl restart NAME`
    timeout: float = 300.0  # seconds for a start or restart
    texts: Texts = HOSTING
    template: str = ""  # name of its text; "" = NAME.service

    @property
    def path(self) -> str:
        """Where the unit file goes."""
        return f"/etc/systemd/system/{self.name}.service"

    @property
    def _loaded(self) -> str:
        return f"/run/sloth/{self.name}.loaded"

    def steps(self, **values: str) -> list[Step]:
        """Write the unit file and have the service run with exactly what its files say now."""
        files = " ".join([self.path, *self.reads])
        note = f"/bin/sh -c 'mkdir -p /run/sloth && sha256sum {files} >{self._loaded}'"
        lines = [f"ExecStartPost={note}"] + ([f"ExecReload={note}"] if self.reload else [])
        content = self.texts.text(self.template or f"{self.name}.service", LOADED="\n".join(lines), **values)
        return [Put(path=self.path, content=content), self._run()]

    def current(self) -> str:
        """Shell condition: it runs, with the files and the binary that are there now."""
        return (
            f"systemctl is-active -q {self.name} && sha256sum -c --status {self._loaded} 2>/dev/null"
            f" && ! [ {self.binary} -nt {self._loaded} ]"
        )

    def _run(self) -> Do:
        """Start, restart or reload, whichever is needed; with the unit's last words when it does not come up."""
        start = self.restart or f"systemctl restart {self.name}"
        if self.reload:
            same_unit = f"grep -F {quote(self.path)} {self._loaded} 2>/dev/null | sha256sum -c --status"
            start = f"if systemctl is-active -q {self.name} && {same_unit}; then systemctl reload {self.name}; else {start}; fi"
        if self.when:
            start = f"if {self.when}; then {start}; fi"
        enabled = f"systemctl is-enabled -q {self.name} 2>/dev/null"
        current = f"{{ ! {{ {self.when}; }} || {{ {self.current()}; }}; }}" if self.when else self.current()
        # A unit that systemd knows as it is on disk needs no reload of all units, which costs a quarter of a second.
        known = f"systemctl show -p NeedDaemonReload,LoadState {self.name} | sort | tr '\\n' ' '"
        reload = f'[ "$({known})" = "LoadState=loaded NeedDaemonReload=no " ] || systemctl daemon-reload'
        why = f"journalctl -u {self.name} -n 15 --no-pager -o cat >&2"
        return Do(
            title=f"run {self.name}",
            unless=f"{enabled} && {current}",
            run=f"{reload}; systemctl enable -q --no-reload {self.name} && {{ {start}; }} || {{ {why}; false; }}",
            timeout=self.timeout,
            hint=f"journalctl -u {self.name} -n 50 on the node says why it does not run",
        )
