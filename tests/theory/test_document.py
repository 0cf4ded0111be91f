"""The derivations in /theory are those that the code would write now, and hold no code."""

from __future__ import annotations

from pathlib import Path

import pytest

from simlab.theory import document

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("name", document.names())
def test_a_page_is_not_stale(name: str) -> None:
    assert (ROOT / "theory" / f"{name}.md").read_text("utf-8") == document.render(name), "run `python -m simlab.theory`"


@pytest.mark.parametrize("folder", ["theory", "studies"])
def test_there_is_no_code_outside_the_package(folder: str) -> None:
    assert not list((ROOT / folder).rglob("*.py"))
