"""What the pages say is so: links lead somewhere, commands exist, tables equal the code, dated things are dated."""

import re
from functools import cache
from pathlib import Path

import pytest

from sloth import errors

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(path for kind in ("providers", "distributions", "addons") for path in (ROOT / kind).glob("*/README.md")),
    ]
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def named(path):
    return str(path.relative_to(ROOT))


def prose(path):
    """A page without its code, in which nothing is a link."""
    return SPAN.sub("", FENCE.sub("", path.read_text()))


def anchors(path):
    """Anchors of a page's headings, as Markdown renderers make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(path):
    """Every line of code of a page: of its blocks and its spans."""
    text = path.read_text()
    blocks = FENCE.findall(text)
    return [line for block in blocks for line in block.splitlines()] + SPAN.findall(FENCE.sub("", text))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page):
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_linked():
    """From README or from another page; a link to its folder counts."""
    linked = set()
    for page in PAGES:
        for link in LINK.findall(prose(page)):
            path = (page.parent / link.partition("#")[0]).resolve()
            linked |= {path} if path.is_file() else set(path.glob("*.md")) if path.is_dir() and path != page.parent else set()
    assert [named(path) for path in (ROOT / "docs").rglob("*.md") if path not in linked] == []


@cache
def command():
    from typer.main import get_command

    from sloth.cli.main import app

    return get_command(app)


def test_every_verb_is_shown():
    words = {word for name in ("README.md", "docs/quick-start.md") for line in code(ROOT / name) for word in line.split()}
    assert [verb for verb in command().commands if verb not in words] == []


def options(verb):
    return {name for parameter in verb.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}


def wrong(line):
    """What of a `sloth …` command line does not exist; nothing if all of it does."""
    words = re.split(r"[#|>;,…]| — ", line)[0].split()[1:]
    found, group = command(), ""
    while words and hasattr(found, "commands") and not words[0].startswith(("-", "…")):
        if words[0] not in found.commands:
            return f"no verb `{group}{words[0]}`"
        group += f"{words[0]} "
        found = found.commands[words.pop(0)]
    words = words[: words.index("--")] if "--" in words else words
    known = options(found)
    missing = [word for word in words if re.match(r"--?[a-z]", word) and not _known(word.split("=")[0].rstrip("."), known)]
    return f"`{group.strip()}` has no {', '.join(missing)}" if missing and missing != ["--install-completion"] else ""


def _known(word, options):
    """Short options may stand together: `-it`."""
    together = re.fullmatch(r"-[a-z]{2,}", word)
    return word in options or bool(together and {f"-{letter}" for letter in word[1:]} <= options)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page):
    commands = [line.strip().removeprefix("$ ") for line in code(page)]
    found = {line: wrong(line) for line in commands if re.match(r"sloth( [a-z-]|$)", line) and "create|serve" not in line}
    assert {line: what for line, what in found.items() if what} == {}


def test_wrong_commands_are_noticed():
    assert wrong("sloth upp") == "no verb `upp`"
    assert wrong("sloth mirror make --bind 1.2.3.4") == "no verb `mirror make`"
    assert wrong("sloth kube exec -ix pod") == "`kube exec` has no -ix"
    assert wrong("sloth up --yess") == "`up` has no --yess"
    assert wrong("sloth ssh work-1 -- ls --color") == wrong("sloth mirror create --from-source   # once") == ""


def subclasses(kind):
    return [kind, *(each for child in kind.__subclasses__() for each in subclasses(child))]


def test_exit_codes_are_those_of_the_code():
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", (ROOT / "docs/reference/exit-codes.md").read_text(), re.M))
    kinds = [
        kind for kind in subclasses(errors.SlothError) if kind.__module__ == "sloth.errors" and kind is not errors.SlothError
    ]
    news = {"0", "3", "4", "5"}  # 3: there is something to do; 4 and 5: what was looked at is not well, or not known
    assert set(rows) == {*news, *(str(kind.exit) for kind in kinds)}
    for kind in kinds:
        said = kind.__doc__.split(".")[0].lower()
        assert rows[str(kind.exit)].lower().startswith(said), kind.__name__


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("*.md")), ids=named)
def test_decisions_are_numbered_dated_and_decided(page):
    lines = page.read_text().splitlines()
    number = re.fullmatch(r"(\d{4})-[a-z0-9-]+\.md", page.name)[1]
    assert re.fullmatch(rf"# {int(number)}\. \S.*", lines[0])
    assert re.fullmatch(r"\*20\d\d-(0[1-9]|1[0-2])-[0-3]\d, (proposed|accepted|rejected|superseded by \[.+\]\(.+\))\*", lines[2])
    assert len(lines) > 4


def test_decisions_are_numbered_without_gaps():
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_changes_are_named_as_their_page_says():
    kinds = re.search(r"KIND one of (.+?)\.", (ROOT / "changes/README.md").read_text())[1]
    known = "|".join(re.findall(r"`(\w+)`", kinds))
    names = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(rf"\d+(-[a-z]+)?\.({known})\.md", name)] == []
    assert [name for name in names if not (ROOT / "changes" / name).read_text().strip()] == []


def specs():
    for page in PAGES:
        for number, block in enumerate(FENCE.findall(page.read_text())):
            if block.startswith("apiVersion: sloth.dev/"):
                yield pytest.param(block, id=f"{named(page)}-{number}")


@pytest.mark.parametrize("text", list(specs()))
def test_specs_that_are_shown_are_valid(text, tmp_path):
    from sloth.config.load import load

    path = tmp_path / "sloth.yaml"
    path.write_text(text)
    assert load([path]).spec.name
