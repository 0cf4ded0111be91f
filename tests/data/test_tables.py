"""A user's own data: one reader for .npz and .csv, whoever asks, and a dry run opens them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simlab import data, studies
from simlab.core.errors import InputError
from simlab.data import tables
from simlab.data.regression import read
from simlab.lab import cli
from tests.refusals import refused_in_one_sentence

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1200, 3))
TARGETS = X @ [1.0, 2.0, 3.0] + RNG.standard_normal(1200)
LABELS = (X @ RNG.standard_normal((3, 3))).argmax(axis=1)


def npz(path: Path, y: np.ndarray, names: str = "Xy") -> Path:
    arrays: Any = {names[0]: X, names[1]: y}
    np.savez(path, **arrays)
    return path


def csv(path: Path, y: np.ndarray, head: str = "a,b,c,y", comma: str = ",", end: str = "\n", first: int = 3) -> Path:
    """Every number in its shortest form, y after `first` of the features."""
    rows = [
        [*map(repr, map(float, x[:first])), str(t), *map(repr, map(float, x[first:]))]
        for x, t in zip(X, y, strict=True)
    ]
    path.write_bytes(end.join([head, *map(comma.join, rows), ""]).encode("utf-8"))
    return path


WRITERS: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "Xy": lambda folder, y: npz(folder / "a.npz", y),
    "xy": lambda folder, y: npz(folder / "a.npz", y, "xy"),
    "XY": lambda folder, y: npz(folder / "a.npz", y, "XY"),
    "xY": lambda folder, y: npz(folder / "a.npz", y, "xY"),
    "csv": lambda folder, y: csv(folder / "a.csv", y),
    "CSV": lambda folder, y: csv(folder / "a.CSV", y, "a,b,c,Y"),
    "semicolons": lambda folder, y: csv(folder / "a.csv", y, "a;b;c;y", ";"),
    "tabs": lambda folder, y: csv(folder / "a.tsv", y, "a\tb\tc\ty", "\t"),
    "Windows": lambda folder, y: csv(folder / "a.csv", y, "\ufeffa,b,c,y", end="\r\n"),
    "quotes": lambda folder, y: csv(folder / "a.csv", y, '"a","b, too",c,"y"'),
    "blanks": lambda folder, y: csv(folder / "a.csv", y, "a, b, c, y", ", "),
    "y first": lambda folder, y: csv(folder / "a.csv", y, "y,x,X,c", first=0),
}


@pytest.mark.parametrize("way", WRITERS)
def test_the_numbers_come_back_whoever_reads_them(way: str, tmp_path: Path) -> None:
    path = WRITERS[way](tmp_path, TARGETS)
    found, kept = tables.read(path), read(path, 16)
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y, TARGETS)
    np.testing.assert_array_equal(kept.X, X / abs(X).max(axis=0))
    np.testing.assert_array_equal(kept.y, TARGETS / abs(TARGETS).max())
    assert len(kept.names) == 3
    assert data.read(path).classes is None
    np.testing.assert_array_equal(data.read(path).x, X)


@pytest.mark.parametrize("way", WRITERS)
@pytest.mark.parametrize("words", [False, True], ids=["numbers", "words"])
def test_labels_come_back(way: str, words: bool, tmp_path: Path) -> None:
    names = np.array(["ape", "bee", "cat"])
    found = data.read(WRITERS[way](tmp_path, names[LABELS] if words else LABELS))
    np.testing.assert_array_equal(found.y, LABELS)
    assert found.classes == (tuple(names) if words else ("0", "1", "2"))


def written(folder: Path, content: str | bytes, name: str = "a.csv") -> Path:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no file": (lambda f: f / "none.csv", "there is no such file"),
    "a folder": (lambda f: f, "folder"),
    "nothing": (lambda f: written(f, ""), "its first line must name the columns"),
    "no names": (lambda f: written(f, "1,2,3\n4,5,6\n"), "its first line must name the columns"),
    "no y": (lambda f: written(f, "a,b\n1,2\n"), "its first line must name the columns"),
    "two of y": (lambda f: written(f, "a,y,Y\n1,2,3\n"), "its first line must name the columns"),
    "y alone": (lambda f: written(f, "y\n1\n"), "its first line must name the columns"),
    "a short row": (lambda f: written(f, "a,b,y\n1,2,3\n1,2\n"), "row 2 has 2 entries"),
    "text": (lambda f: written(f, "a,y\nx,1\n"), "column a holds text"),
    "an open quote": (lambda f: written(f, 'a,y\n"1,2\n'), "is not CSV"),
    "another alphabet": (lambda f: written(f, b"a,y\n\xff\xfe,1\n"), "not text in UTF-8"),
    "no text": (lambda f: written(f, bytes(range(256))), "not text in UTF-8"),
    "csv by the name of npz": (lambda f: written(f, "a,y\n1,2\n", "a.npz"), "not a readable .npz file"),
    "a lone array": (lambda f: _saved(f, X), "has no X and y"),
    "two of x": (lambda f: _saved(f, x=X, X=X, y=TARGETS), "two of X"),
    "two of y in npz": (lambda f: _saved(f, x=X, Y=TARGETS, y=TARGETS), "two of y"),
    "objects": (lambda f: _saved(f, x=np.array([{}], object), y=TARGETS), "not a readable .npz file"),
    "half a file": (lambda f: written(f, npz(f / "b.npz", LABELS).read_bytes()[:-99], "a.npz"), "not a readable .npz"),
}


def _saved(folder: Path, lone: Any = None, **arrays: Any) -> Path:
    with (folder / "a.npz").open("wb") as file:
        np.save(file, lone) if lone is not None else np.savez(file, **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_by_all_in_the_same_words(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    path = make(tmp_path)
    for reader in (tables.read, data.read, partial(read, largest=16)):
        refused_in_one_sentence(lambda reader=reader: reader(path), message, InputError)  # type: ignore[misc]


def test_gaps_of_a_csv_file_are_not_filled(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n" + "1,2\n,3\n4,5\n" * 9)
    refused_in_one_sentence(lambda: data.read(path), "x holds 9 NaN", InputError)
    refused_in_one_sentence(lambda: read(path, 16), "9 entries are NaN", InputError)


STUDIES = {
    "langevin_drift": TARGETS,
    "random_features": TARGETS,
    "scale_invariance": LABELS,
    "ensemble_power_laws": LABELS,
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_dry_run_opens_the_data(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = studies.load(name)
    for path in (npz(tmp_path / "own.npz", STUDIES[name], "xY"), csv(tmp_path / "own.csv", STUDIES[name])):
        assert cli.main(study, ["--preset", "smoke", "--dry-run", "--data", str(path)]) == 0
        assert str(path) in capsys.readouterr().out
    wrong = {
        tmp_path / "none.npz": "there is no such file",
        written(tmp_path, "1,2,3\n", "bad.csv"): "its first line",
        written(tmp_path, "a,b,y\n1,2,3\n4,5,6\n", "few.csv"): "few.csv" if STUDIES[name] is TARGETS else "",
    }
    for path, message in wrong.items():
        assert cli.main(study, ["--dry-run", "--data", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("simlab: ")
        assert len(err.splitlines()) == 1
        assert message in err
    assert [p.suffix for p in tmp_path.iterdir() if p.is_dir()] == []


def test_a_dry_run_without_data_stays_light() -> None:
    script = "import sys; from simlab import studies; from simlab.lab import cli; "
    script += "cli.main(studies.load('langevin_drift'), ['--dry-run']); assert 'numpy' not in sys.modules"
    import subprocess

    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match=r"it cannot be read \(it is a pipe or a device\); give a file\.$"):
            tables.read(path)
        with pytest.raises(InputError, match=r"it is a pipe or a device"):
            data.idx(path, path)
