"""The reference page is what the docstrings say now."""

from pathlib import Path

from sloth import kube
from tests.kube.reference import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "kube-api.md"


def test_the_page_is_current(golden):
    golden(PAGE, markdown())


def test_everything_that_can_be_imported_is_on_it():
    text = markdown()
    assert [name for name in kube.__all__ if f"`{name}`" not in text] == []
    for name in ("scale", "wait", "logs", "drain", "get_many", "exec", "forward"):
        assert f"### Client.{name}\n" in text
    for name in ("client.rollout.undo", "client.manifests.plan"):
        assert f"### {name}\n" in text


def test_every_name_of_the_package_is_there():
    for name in kube.__all__:
        assert getattr(kube, name) is not None
