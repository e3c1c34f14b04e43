"""`sloth kube get --clusters a,b` and `--all-clusters`: the same question to several clusters side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sloth.cli.kube_get import Answer, Question, ask, rendered
from sloth.cli.kube_where import Where
from sloth.errors import ManyErrors, SlothError, UsageError, raise_all
from sloth.kube import show
from sloth.kube.wire import Object
from sloth.model.options import Outcome

WIDE = 16  # clusters at once
MARK = "sloth.dev/cluster"  # the annotation that says, in whole objects, where they are from


@dataclass(frozen=True)
class Result:
    """What one cluster answered, or why it did not."""

    name: str
    answer: Answer | None = None
    error: SlothError | ManyErrors | None = None


def names_of(where: Where, text: str, every: bool) -> list[str]:
    """The clusters that are meant: those that sloth knows, else the contexts of the kubeconfig. Raises UsageError."""
    if where.context or where.options.cluster:
        raise UsageError("kube/which-clusters", "one cluster or several: not both", hint="leave --context and --cluster out")
    found = _known(where) if every else [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise UsageError("kube/which-clusters", "no cluster is known", hint="--clusters NAME,NAME or --kubeconfig FILE")
    return list(dict.fromkeys(found))


def _known(where: Where) -> list[str]:
    from sloth.kube import kubeconfig

    ours = [] if where.kubeconfig else [*_of_sloth(where), *_kept(where)]
    return ours or list(kubeconfig.load(where.kubeconfig).contexts)


def _of_sloth(where: Where) -> list[str]:
    from sloth.app import known_clusters

    return where.shared("known clusters", lambda: known_clusters(where.options))


def _kept(where: Where) -> list[str]:
    from sloth.cli.kube_stored import vault

    return where.shared("kept clusters", lambda: vault(where.options).names())


def place(where: Where, name: str) -> Where:
    """The way to one of them: a cluster of sloth, else one that is kept, else a context of the kubeconfig."""
    if not where.kubeconfig and (name in _of_sloth(where) or name in _kept(where)):
        return replace(where, options=replace(where.options, cluster=name))
    return replace(where, context=name)


def get_everywhere(where: Where, names: Sequence[str], question: Question) -> Outcome:
    """Ask all of them. What failed is said, and does not hide the others; the exit code is the first failure's.

    Raises SlothError if none answered.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(WIDE, len(names)), "cluster") as pool:
        results = list(pool.map(lambda name: _one(where, name, question), names))
    failed = [each for each in results if each.error]
    if len(failed) == len(results):
        raise_all("no cluster answered", [each.error for each in failed if each.error])
    for each in failed:
        where.say(f"{each.name}: {_said(each.error)}")
    answers = [(each.name, each.answer) for each in results if each.answer]
    outcome = _tables(answers, question) if question.tables else _whole(answers, question)
    first = failed[0].error if failed else None
    return replace(outcome, exit=first.exit if first else 0)


def _one(where: Where, name: str, question: Question) -> Result:
    try:
        with place(where, name).client() as client:
            return Result(name, ask(client, question, where))
    except (SlothError, ManyErrors) as error:
        return Result(name, error=error)


def _said(error: SlothError | ManyErrors | None) -> str:
    if isinstance(error, SlothError):
        return f"{error.summary} ({error.code})"
    return str(error)


def _tables(answers: Sequence[tuple[str, Answer]], question: Question) -> Outcome:
    """One table a kind: the columns are the first cluster's, whatever version the others have."""
    texts = []
    kinds = list(dict.fromkeys(each.resource.full_name for _, answer in answers for each in answer.parts))
    for kind in kinds:
        parts = [(name, each) for name, answer in answers for each in answer.parts if each.resource.full_name == kind]
        rows: list[list[str]] = []
        for name, each in parts:
            found = each.rows(question, several=len(kinds) > 1)
            rows = rows or ([["CLUSTER", *found[0]]] if len(found) > 1 else [])
            rows += [[name, *fitted(row, found[0], rows[0][1:])] for row in found[1:]]
        if rows:
            texts.append(show.aligned(rows if question.head else rows[1:]))
    return Outcome("KubeGet", text="\n\n".join(texts))


def fitted(row: Sequence[str], titles: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The cells of a row under the titles that are wanted: another version of a server may have others."""
    cells = dict(zip(titles, row, strict=True))
    return [cells.get(title, "") for title in wanted]


def _whole(answers: Sequence[tuple[str, Answer]], question: Question) -> Outcome:
    if question.form == "name":
        rows = [[name, line] for name, answer in answers for line in answer.names(question)]
        return Outcome("KubeGet", text=show.aligned(rows) if rows else "")
    items = [marked(name, item) for name, answer in answers for item in answer.items(question)]
    return rendered(question, items, single=False)


def marked(name: str, item: Object) -> Object:
    """The object with the annotation that says where it is from."""
    meta = item.get("metadata") or {}
    return {**item, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), MARK: name}}}
