"""A study that lives in a package of its own: installed beside simlab, run by name, held to what every study owes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SKELETON = ROOT / "examples" / "skeleton"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Python that has the package; nothing is downloaded for it."""
    source, site = (tmp_path_factory.mktemp(name) for name in ("source", "site"))
    for path in SKELETON.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = source / path.relative_to(SKELETON)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    install = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target")
    subprocess.run([sys.executable, "-m", *install, str(site), str(source)], check=True, capture_output=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}


def python(installed: dict[str, str], *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=installed, cwd=cwd, capture_output=True, text=True, timeout=600)


def test_the_skeleton_is_short() -> None:
    assert sum(len(p.read_text("utf-8").splitlines()) for p in (SKELETON / "simlab_skeleton").glob("*.py")) <= 60


def test_it_is_listed_and_runs_as_the_others_do(installed: dict[str, str], tmp_path: Path) -> None:
    assert "\nskeleton " in python(installed, "-m", "simlab", "list", cwd=tmp_path).stdout
    done = python(installed, "-m", "simlab", "run", "skeleton", "--preset", "smoke", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 claims hold" in done.stdout
    assert {"result.nc", "figure.png", "width.svg"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_it_owes_what_every_study_owes(installed: dict[str, str], tmp_path: Path) -> None:
    words = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
        f"--basetemp={tmp_path / 'base'}",
    )
    done = python(installed, *words, "--study", "skeleton", "tests/studies/test_conformance.py", cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_a_study_that_cannot_be_imported_is_refused_in_one_sentence(tmp_path: Path) -> None:
    site = tmp_path / "broken-1.dist-info"
    site.mkdir()
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (site / "entry_points.txt").write_text("[simlab.studies]\nbroken = no_such_package:STUDY\nwrong = math:pi\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    for name, words in (("broken", "cannot be imported from no_such_package:STUDY"), ("wrong", "must be a Study")):
        done = python(env, "-m", "simlab", "run", name, cwd=tmp_path)
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
