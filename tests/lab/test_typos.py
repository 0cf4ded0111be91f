"""A typo in a scene is found by the type checker: quantities, fields, methods and arguments are names, not strings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "simlab" / "studies" / "langevin_drift" / "walk.py"
TYPOS = {
    "a quantity": ("EXPONENT: Theory(", "EXPONNET: Theory("),
    "a quantity that is asked for": ("found[SHARE][i], found", "found[SHARES][i], found"),
    "an axis": ("in the bin\", CALCULUS, ANGLE", "in the bin\", CALCULUS, ANGEL"),
    "a claim": ("found[SHARE][i], found[EXPONENT][i]\n",
                "found[SHARE][i], found[EXPONENT][i]\n        found[EXPONENT][i].exceds(name, \"So it is.\", 1.0)\n"),
    "a limit of a claim": ("resolution=0.5", "resolutoin=0.5"),
    "an argument of theory": ("for reading in READINGS], bias)}", "for reading in READINGS], bais=bias)}"),
    "a method of a panel": ("panel.points(", "panel.pionts("),
    "an argument of a panel": ("walkers\", color=i)", "walkers\", colour=i)"),
    "a field of the config": ("dt=config.walk_dt,", "dt=config.walk_td,"),
    "a method of the lab": ("lab.walkers(", "lab.wolkers("),
    "cells": ("lab.cells(walk, config,", "lab.cels(walk, config,"),
    "work": ("lab.cells(walk, config,", "lab.cells(wlak, config,"),
    "a field of a named tuple": ("p ~ {reading.density}", "p ~ {reading.densty}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy tells, by the project's settings, of a copy of a scene and of copies with a typo each."""
    folder = tmp_path_factory.mktemp("planted")
    right = SCENE.read_text("utf-8")
    for i, (before, after) in enumerate([("", ""), *TYPOS.values()]):
        assert not before or right.count(before) == 1, before
        text = right.replace(before, after) if before else right
        (folder / f"copy_{i}.py").write_text(text, encoding="utf-8")
    cache = ROOT / ".mypy_cache"  # where there is none, a minute
    words = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache if cache.exists() else folder)]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, "--no-error-summary", *sorted(p.name for p in folder.glob("copy_*.py"))],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_a_scene_without_typos_passes(told: str) -> None:
    assert [line for line in told.splitlines() if line.startswith("copy_0.py")] == []


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_told(told: str, typo: str) -> None:
    copy = f"copy_{list(TYPOS).index(typo) + 1}.py"
    before, after = TYPOS[typo]
    errors = [line for line in told.splitlines() if line.startswith(f"{copy}:") and " error: " in line]
    planted = set(re.findall(r"\w+", after)) - set(re.findall(r"\w+", before))
    assert any(word in re.findall(r"\w+", line) for line in errors for word in planted), errors
