"""x and y of a user's own file, .npz or .csv: one reader for everything that takes `data`.

An .npz file holds an array x and an array y, a .csv file a first line of names, one of them y, and numbers below it;
the names may be capitals. Nothing in a file is ever run: .npz files of Python objects are refused.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.core import files
from simlab.core.errors import InputError


class Table(NamedTuple):
    """x and y as they are stored, and the names of the columns of x where the file has any."""

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...] | None


def read(path: str | Path, label: str = "") -> Table:
    """X and y of an .npz or .csv file; messages begin with the path, or with `label` where it is given.

    InputError where there is no such file, it is neither, or it lacks x or y.
    """
    path = Path(path)
    raw = _bytes(path, label or str(path))
    text = path.suffix.lower() in (".csv", ".tsv", ".txt") and not raw.startswith(b"PK")
    return (_csv if text else _npz)(raw, label or str(path))


def read_npz(path: Path) -> Table:
    """The same of an .npz file, whatever its name."""
    return _npz(_bytes(path, str(path)), str(path))


def _bytes(path: Path, label: str) -> bytes:
    try:
        return files.read_bytes(path)
    except FileNotFoundError as error:
        raise InputError(f"{label}: there is no such file; give the path of one.") from error
    except IsADirectoryError as error:
        raise InputError(f"{label}: it is not a readable .npz file but a folder; give a file in it.") from error
    except (OSError, ValueError) as error:  # not ours to read, or a name that no file can have
        raise InputError(f"{label}: it cannot be read ({getattr(error, 'strerror', error)}); give a file.") from error


def _npz(raw: bytes, label: str) -> Table:
    try:
        arrays = np.load(io.BytesIO(raw), allow_pickle=False)
        names = getattr(arrays, "files", ())
        x, y = ([name for name in names if name in (letter, letter.upper())] for letter in "xy")
        if len(x) == len(y) == 1:
            return Table(arrays[x[0]], arrays[y[0]], None)
    except Exception as error:  # a broken zip, a pickle: NumPy raises half a dozen types
        raise InputError(f"{label}: it is not a readable .npz file of plain arrays.") from error
    missing = " and ".join(name for name, found in (("X", x), ("y", y)) if not found)
    doubled = " and ".join(name for name, found in (("X", x), ("y", y)) if len(found) > 1)
    wrong = f"it has no {missing}" if missing else f"it has two of {doubled}"
    held = ", ".join(names) if names else "one array without a name"
    wanted = "it must hold the arrays x (or X) and y (or Y), just one of each"
    raise InputError(f"{label}: {wrong}; {wanted}, and holds {held}.")


def _csv(raw: bytes, label: str) -> Table:
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{label}: it is not text in UTF-8; save it as CSV in UTF-8.") from error
    head = lines[0] if lines else ""
    try:
        rows = [row for row in csv.reader(lines, delimiter=max(",;\t", key=head.count), strict=True) if row]
    except csv.Error as error:
        raise InputError(f"{label}: it is not CSV ({error}); save it anew.") from error
    names = [name.strip() for name in rows[0]] if rows else []
    at = [i for i, name in enumerate(names) if name in ("y", "Y")]
    if len(at) != 1 or len(names) < 2:
        wanted = "its first line must name the columns, one of them y and the others those of x"
        raise InputError(f"{label}: {wanted}; it begins {head[:40]!r}.")
    uneven = next((i for i, row in enumerate(rows) if len(row) != len(names)), None)
    if uneven is not None:
        found = f"row {uneven} has {len(rows[uneven])} entries and the first line {len(names)} names"
        raise InputError(f"{label}: {found}; give every line as many.")
    columns = [[row[i].strip() for row in rows[1:]] for i in range(len(names))]
    y = columns.pop(at[0])
    names.pop(at[0])
    x = [_numbers(label, name, column) for name, column in zip(names, columns, strict=True)]
    return Table(np.stack(x, axis=1), _target(y), tuple(names))


def _numbers(label: str, name: str, column: list[str]) -> np.ndarray:
    try:
        return np.array([float(value) if value else np.nan for value in column], float)
    except ValueError as error:
        raise InputError(f"{label}: column {name} holds text; turn it into numbers first.") from error


def _target(column: list[str]) -> np.ndarray:
    """Whole numbers where all are, numbers where all are, text otherwise."""
    for kind in (int, float):
        try:
            return np.array([kind(value) if value or kind is int else np.nan for value in column], kind)
        except (ValueError, OverflowError):
            continue
    return np.array(column, np.str_)
