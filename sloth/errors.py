"""Every failure that a user can meet, as one tree.

    SlothError                    code, summary, detail, where, hint, exit
    ├── UsageError          2     the command line is wrong
    ├── ConfigError        10     the cluster spec is wrong (carries every problem found)
    ├── CredentialsError   11     a secret is missing or refused
    ├── MachinesError      12     a machine could not be made, found or deleted
    ├── ConnectError       13     a node does not answer, or is not who it should be
    ├── StepError          14     a step on a node failed
    ├── KubernetesError    15     Kubernetes is not as it should be
    ├── StateError         16     the record or its lock is not usable
    ├── Interrupted       130     Ctrl-C
    └── InternalError      70     a defect of sloth itself

`code` is a stable slug such as `mesh/pair-unreachable`; docs/troubleshooting.md has an entry for each (a test checks it).
`summary` says what happened, `detail` is the evidence, `hint` is one thing to type or do next.
"""

from __future__ import annotations

from collections.abc import Sequence

from sloth.model.secret import mask


class SlothError(Exception):
    """A failure with everything its reader needs. All texts are masked on the way in."""

    exit: int = 70

    def __init__(self, code: str, summary: str, *, hint: str, detail: str = "", where: str = "") -> None:
        super().__init__(mask(summary))
        self.code = code
        self.summary = mask(summary)
        self.detail = mask(detail)
        self.where = where
        self.hint = mask(hint)

    def as_dict(self) -> dict[str, object]:
        """The JSON form, as printed in the `errors` list of `--output json`."""
        return {
            "code": self.code,
            "summary": self.summary,
            "detail": self.detail,
            "where": self.where,
            "hint": self.hint,
            "exit": self.exit,
        }


class UsageError(SlothError):
    """The command line is wrong."""

    exit = 2


class ConfigError(SlothError):
    """The cluster spec is wrong. `problems` holds each finding on its own (empty if there is just this one)."""

    exit = 10

    def __init__(
        self,
        code: str,
        summary: str,
        *,
        hint: str,
        detail: str = "",
        where: str = "",
        problems: tuple[ConfigError, ...] = (),
    ) -> None:
        super().__init__(code, summary, hint=hint, detail=detail, where=where)
        self.problems = problems


class CredentialsError(SlothError):
    """A secret is missing or refused."""

    exit = 11


class MachinesError(SlothError):
    """A machine could not be made, found or deleted."""

    exit = 12


class ConnectError(SlothError):
    """A node does not answer, or is not who it should be."""

    exit = 13


class StepError(SlothError):
    """A step on a node failed."""

    exit = 14


class KubernetesError(SlothError):
    """Kubernetes is not as it should be."""

    exit = 15


class StateError(SlothError):
    """The record or its lock is not usable."""

    exit = 16


class Interrupted(SlothError):
    """The user pressed Ctrl-C."""

    exit = 130


class InternalError(SlothError):
    """A defect of sloth itself."""

    exit = 70


class ManyErrors(ExceptionGroup[SlothError]):
    """Failures of several nodes at once; the panel groups them by code."""

    @property
    def exit(self) -> int:
        """The exit code of the first failure: groups are of one kind in practice."""
        first = self.exceptions[0]
        return first.exit if isinstance(first, (SlothError, ManyErrors)) else 70


def raise_all(title: str, errors: Sequence[BaseException]) -> None:
    """Raise the one error as itself, several as ManyErrors; nothing if there is none. Foreign exceptions come first."""
    foreign = [error for error in errors if not isinstance(error, (SlothError, ManyErrors))]
    if foreign:
        raise foreign[0]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ManyErrors(title, flat(errors))


def flat(errors: Sequence[BaseException]) -> list[SlothError]:
    """Our own errors among these, groups taken apart."""
    found: list[SlothError] = []
    for error in errors:
        if isinstance(error, ManyErrors):
            found += flat(error.exceptions)
        elif isinstance(error, SlothError):
            found.append(error)
    return found
