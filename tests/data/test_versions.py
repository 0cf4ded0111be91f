"""Files that change while they are in use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from simlab.core.errors import InputError
from simlab.data.versions import by_version
from simlab.studies.ensemble_power_laws import task
from simlab.studies.langevin_drift import data as regression
from simlab.studies.random_features import data as population
from simlab.studies.scale_invariance import problem


@pytest.fixture
def calls() -> list[Path | None]:
    return []


def test_a_file_is_read_once_for_each_of_its_versions(tmp_path: Path, calls: list[Path | None]) -> None:
    @by_version
    def text(path: Path | None) -> str:
        """Of a file."""
        calls.append(path)
        return "bundled" if path is None else path.read_text("utf-8")

    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("old", "utf-8")
    other.write_text("else", "utf-8")
    assert [text(p) for p in (path, other, path, None, None)] == ["old", "else", "old", "bundled", "bundled"]
    assert calls == [path, other, None]
    about = path.stat()
    path.write_text("newer", "utf-8")
    assert text(path) == "newer"
    (tmp_path / "c").write_text("third", "utf-8")
    os.utime(tmp_path / "c", ns=(about.st_atime_ns, path.stat().st_mtime_ns))
    (tmp_path / "c").replace(path)
    assert text(path) == "third", "another file of this size and time"
    text.cache_clear()
    assert text(path) == "third"
    assert calls == [path, other, None, path, path, path]
    assert text.__doc__ == "Of a file."


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    @by_version
    def text(path: Path | None) -> str:
        assert path is not None
        return path.read_text("utf-8")

    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            text(tmp_path / "a")
    (tmp_path / "a").write_text("now", "utf-8")
    assert text(tmp_path / "a") == "now"
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError):
        text(tmp_path / "a")


@pytest.mark.parametrize(
    "load", [task.load, regression.load, population.population, problem._source],
    ids=["ensemble_power_laws", "langevin_drift", "random_features", "scale_invariance"],
)  # fmt: skip
def test_every_study_reads_a_file_that_has_changed(tmp_path: Path, load: by_version[object]) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "a.npz"
    X, y = rng.standard_normal((700, 4)), rng.integers(0, 2, 700)
    np.savez(path, X=X, y=y)
    first = load(path)
    assert load(path) is first
    np.savez(path, X=X[:650], y=y[:650])
    assert load(path) is not first
    path.unlink()
    with pytest.raises(InputError):
        load(path)
