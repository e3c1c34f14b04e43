"""Composition root: from the shared options to a spec, its state, its adapters and its views.

Verbs ask this module for what they need; nothing else builds adapters. Everything heavy is imported inside functions.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sloth import registry
from sloth.contracts.provider import LoginOptions
from sloth.errors import InternalError, Interrupted, ManyErrors, SlothError, UsageError
from sloth.model.node import Login, Machine, Node
from sloth.model.options import Options
from sloth.model.record import Record
from sloth.model.secret import Secret
from sloth.model.spec import ClusterSpec
from sloth.phases.connect import accepted

if TYPE_CHECKING:
    from sloth.config.load import Loaded
    from sloth.contracts.state import Kept

DEFAULT_SPEC = Path("sloth.yaml")


def data_root(options: Options) -> Path:
    """The directory of sloth on this machine: records (unless they are shared), the key, journals and logs."""
    from sloth.adapters.paths import data_dir

    return data_dir(options.state_dir)


def load(options: Options) -> Loaded:
    """The spec that `-f` or ./sloth.yaml names. Raises UsageError or ConfigError."""
    from sloth.config.load import load as load_files

    files = options.files or ((DEFAULT_SPEC,) if DEFAULT_SPEC.is_file() else ())
    if not files:
        raise UsageError("usage/no-spec", "there is no sloth.yaml here, and no --file was given", hint="sloth init > sloth.yaml")
    return load_files(files, env=options.env or None)


def mirror_spec() -> Loaded:
    """A spec for verbs that need none: what `sloth init` prints."""
    import yaml

    from sloth.config.load import first_spec, from_document

    return from_document(yaml.safe_load(first_spec("demo")))


def known_spec(options: Options) -> Loaded:
    """The spec by file, or by `--cluster` from that cluster's record, for verbs that work without the file."""
    from sloth.config.load import from_document

    if not options.cluster:
        return load(options)
    record = state_of(options, options.cluster).load()
    if record is None or not record.document:
        raise UsageError(
            "usage/unknown-cluster",
            f"no cluster `{options.cluster}` is known under {options.state or data_root(options)}",
            detail=f"known: {', '.join(known_clusters(options)) or 'none'}",
            hint="sloth status -f sloth.yaml",
        )
    return from_document(record.document)


def cluster_name(options: Options) -> str:
    """The name of the cluster that the options mean."""
    return options.cluster or load(options).spec.name


def known_clusters(options: Options) -> list[str]:
    """Names of all clusters that something is remembered of. Raises UsageError, StateError."""
    from sloth.adapters.state_place import clusters_at

    return clusters_at(options.state, data_root(options))


def state_of(options: Options, name: str) -> Kept:
    """That cluster's record and lock. Raises UsageError, StateError."""
    from sloth.adapters.state_place import state_at

    return state_at(options.state, data_root(options), name)


def make_seed() -> Secret:
    """256 random bits, for the mesh's preshared keys."""
    return Secret(secrets.token_hex(32))


def make_key(comment: str) -> tuple[Secret, str]:
    """A new SSH key pair."""
    from sloth.adapters.ssh_keys import new_pair

    pair = new_pair(comment)
    return pair.private, pair.public


def login_for(node: Node, record: Record, spec: ClusterSpec) -> Login:
    """The cluster's own key and user, or what the provider says for existing hosts. Host keys are added by the caller."""
    machine = node.machine
    jump = machine.jump
    bastion = replace(_plain_login(jump.name, jump, record), host_keys=accepted(record.node(jump.name))) if jump else None
    login = replace(_plain_login(node.name, machine, record), bastion=bastion)
    plugin = registry.provider(node.lease.provider)
    return replace(login, **plugin.login(spec, machine)) if isinstance(plugin, LoginOptions) else login


def _plain_login(name: str, machine: Machine, record: Record) -> Login:
    return Login(
        node=name,
        address=machine.address,
        port=machine.port,
        user=machine.user,
        key=record.ssh_key,
        sudo=machine.user != "root",
    )


def say(text: str) -> None:
    """One line of progress on stderr."""
    sys.stderr.write(text + "\n")


def need_terminal(question: str) -> None:
    """Nobody is asked where nobody can answer: not in CI, not in a pipe. Raises UsageError."""
    if not sys.stdin.isatty():
        raise UsageError(
            "usage/no-terminal",
            "this has to be asked, and there is no terminal to ask on: nothing was done",
            detail=question,
            hint="add --yes",
        )


def ask(question: str) -> bool:
    """Ask yes or no on the terminal. Raises UsageError where there is none."""
    need_terminal(question)
    say(f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def confirm(question: str) -> None:
    """Go on only after a yes. Raises UsageError."""
    if not ask(question):
        raise UsageError("usage/not-confirmed", "nothing was done: the question was not answered with yes", hint="add --yes")


def type_name(name: str, going: list[str]) -> None:
    """List what will go and go on only when the cluster's name was typed. Raises UsageError."""
    listed = f"These {len(going)} resources of {name} will be deleted:\n  " + "\n  ".join(going)
    need_terminal(listed)
    say(f"{listed}\nType the cluster's name to delete it ({name}): ")
    if sys.stdin.readline().strip() == name:
        return
    raise UsageError("down/not-confirmed", "nothing was deleted: the cluster's name was not typed", hint="sloth down --yes")


def type_cluster(name: str, text: str) -> None:
    """Say what will be lost and go on only when the cluster's name was typed. Raises UsageError."""
    need_terminal(text)
    say(f"{text}\nType the cluster's name to go on ({name}): ")
    if sys.stdin.readline().strip() != name:
        raise UsageError("usage/not-confirmed", "nothing was done: the cluster's name was not typed", hint="add --yes")


def report(error: BaseException, options: Options) -> int:
    """Show a failure in the chosen form and return its exit code."""
    from contextlib import nullcontext

    from sloth.ui.actions_view import annotate, no_commands, on_actions

    failure = as_failure(error)
    actions = options.log_format == "text" and on_actions(sys.stderr)
    if options.output == "json":
        from sloth.ui.json_view import envelope

        sys.stdout.write(envelope("Error", error=failure) + "\n")
    else:
        from sloth.ui.error_panel import show

        with no_commands(sys.stderr) if actions else nullcontext():
            show(failure, options, log_path=getattr(error, "log_path", ""), debug=options.debug)
    if actions:
        annotate(failure, sys.stderr)
    return failure.exit


def as_failure(error: BaseException) -> SlothError | ManyErrors:
    """Any exception as one of ours: Ctrl-C is Interrupted, everything foreign is a defect."""
    if isinstance(error, (SlothError, ManyErrors)):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("run/interrupted", "stopped by Ctrl-C", hint="run the same command again to go on")
    import traceback

    return InternalError(
        "internal/defect",
        f"a defect of sloth: {type(error).__name__}: {error}",
        detail="".join(traceback.format_exception(error)[-6:]),
        hint="run it again with --debug and report the log file",
    )
