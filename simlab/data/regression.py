"""Regression data of the user's own: X and y of a file, checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simlab.core.errors import InputError
from simlab.data import tables


class Regression(NamedTuple):
    """X (n, d) and y (n), and names of the columns."""

    X: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]


def read(path: Path, largest: int) -> Regression:
    """X and y of a file, in units of their largest entries; d is at most `largest`.

    InputError says what is wrong with the file and what is wanted.
    """
    X, y, names = tables.read(path, f"data = {path}")
    X, y = _check(path, X, y, largest)
    # A dollar sign would begin mathematics in a figure.
    return Regression(X, y, tuple(n.replace("$", "") for n in names or [f"x{i}" for i in range(X.shape[1])]))


def _check(path: Path, X: Any, y: Any, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """X and y as floats; InputError for shapes that do not fit, constant columns, and a y without noise."""
    for name, array in (("X", X), ("y", y)):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
            kind = getattr(array, "dtype", type(array).__name__)
            raise InputError(f"data = {path}: {name} must be real numbers, got {kind}.")
    if X.ndim != 2 or y.ndim != 1 or X.shape[0] != y.shape[0]:
        raise InputError(f"data = {path}: X is {X.shape} and y {y.shape}; X must be (n, d) and y (n) with the same n.")
    X, y = X.astype(float), y.astype(float)
    n, d = X.shape
    if not 1 <= d <= largest or n < d + 2:
        raise InputError(
            f"data = {path}: n = {n}, d = {d}; this study takes 1 to {largest} columns and at least d + 2 rows."
        )
    bad = int((~np.isfinite(X)).sum() + (~np.isfinite(y)).sum())
    if bad:
        raise InputError(f"data = {path}: {bad} entries are NaN or infinite; fill or drop them first.")
    X, y = X / np.maximum(np.abs(X).max(axis=0), 1e-300), y / max(np.abs(y).max(), 1e-300)  # any unit will do
    if y.std() < 1e-12:
        raise InputError(f"data = {path}: y is constant; there is nothing to learn.")
    if (X.std(axis=0) < 1e-12).any():
        raise InputError(f"data = {path}: a column is constant; drop it, the fit has no use for it.")
    design = np.column_stack([np.ones(n), X])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    if rest.std() < 1e-9 * y.std():
        raise InputError(f"data = {path}: y is an exact linear function of X; there is no noise to infer.")
    return X, y
