"""`python -OO`, which drops docstrings and asserts, changes nothing that a user sees."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from simlab import studies
from simlab.lab.study import BaseConfig, _docstring
from tests.cli_helpers import WALK, Answer, process

ROOT = Path(__file__).parents[1]


def both(*argv: str, cwd: Path) -> tuple[Answer, Answer]:
    """What a command says without and with -OO, each in a folder of its own."""
    answers = []
    for flags in ((), ("-OO",)):
        folder = cwd / "".join(["run", *flags])
        folder.mkdir()
        answers.append(process(*flags, *argv, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}))
    return answers[0], answers[1]


@pytest.mark.parametrize("name", studies.STUDIES)
def test_the_help_of_a_study_is_the_same(name: str, tmp_path: Path) -> None:
    plain, stripped = both("-m", "simlab", "run", name, "--help", cwd=tmp_path)
    assert stripped == plain
    assert plain.status == 0
    assert " ".join(studies.load(name).question.split()) in " ".join(plain.out.split())


def test_a_walk_and_a_training_are_the_same(tmp_path: Path) -> None:
    plain, stripped = both("-m", "tests.small_run", "walked", "trained", cwd=tmp_path)
    assert stripped.status == 0, stripped.err
    for work in ("walked", "trained"):
        assert json.loads(stripped.out)[work] == json.loads(plain.out)[work]


def test_a_study_runs(tmp_path: Path) -> None:
    plain, stripped = both("-m", "simlab", "run", "langevin_drift", *WALK, cwd=tmp_path)
    table = [answer.out.partition("verdict")[2] for answer in (plain, stripped)]
    assert table[0] == table[1] != ""
    assert (stripped.status, plain.status) == (0, 0)


def test_a_config_without_a_question_asks_nothing() -> None:
    class Silent(BaseConfig):
        pass

    assert _docstring(Silent) == ""
    made = type("Made", (BaseConfig,), {"__module__": __name__})
    assert _docstring(made) == ""
