"""The links from quantities, and so from claims, to the equations behind them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simlab.lab.quantity import names_of
from simlab.studies import STUDIES, load
from simlab.theory import document

THEORY = Path(__file__).resolve().parents[2] / "theory"


def headings(page: str) -> set[str]:
    """The anchors of a page, as Markdown viewers make them: in lower case, without punctuation, joined by hyphens."""
    lines = re.findall(r"^#+ (.*)$", (THEORY / f"{page}.md").read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("name", STUDIES)
def test_every_equation_that_a_quantity_names_is_derived_in_theory(name: str) -> None:
    study = load(name)
    named = {q.equation for scene in study.scenes for q in names_of(study.scene(scene)) if q.equation}
    assert named
    for equation in named:
        page, _, heading = equation.partition("#")
        assert page in document.names(), equation
        assert heading in headings(page), equation
