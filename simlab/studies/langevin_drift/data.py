"""The regression data of scene 4: the bundled diabetes set or the user's own file, checked before anything runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simlab.errors import InputError

LARGEST = 16


class Regression(NamedTuple):
    """X (n, d) and y (n), every column with mean 0 and standard deviation 1; names of the columns."""

    X: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]


@cache
def load(path: Path | None) -> Regression:
    """Read and standardise; InputError says what is wrong with the file and what is wanted."""
    if path is None:
        from sklearn.datasets import load_diabetes

        bundle = load_diabetes()
        return _standardise(bundle.data, bundle.target, tuple(bundle.feature_names))
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = {"X", "y"} - set(file.files)
            if missing:
                raise InputError(
                    f"data: {path} has no array {' and '.join(sorted(missing))}; it must hold X (n, d) and y (n)."
                )
            X, y = file["X"], file["y"]
    except FileNotFoundError as error:
        raise InputError(f"data: there is no file {path}.") from error
    except InputError:
        raise
    except Exception as error:  # a broken zip, a pickle, a folder: NumPy raises half a dozen types
        raise InputError(
            f"data: {path} is not a readable .npz file of plain arrays ({type(error).__name__})."
        ) from error
    return _standardise(*_check(path, X, y), tuple(f"x{i}" for i in range(X.shape[1])))


def _check(path: Path, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapes, numbers, rank."""
    if X.ndim != 2 or y.ndim != 1 or X.shape[0] != y.shape[0]:
        raise InputError(f"data: {path} has X {X.shape} and y {y.shape}; X must be (n, d) and y (n) with the same n.")
    try:
        X, y = X.astype(float), y.astype(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"data: X and y in {path} must be numbers, got {X.dtype} and {y.dtype}.") from error
    n, d = X.shape
    if not 1 <= d <= LARGEST or n < d + 2:
        raise InputError(
            f"data: {path} has n = {n}, d = {d}; kernels take 1 to {LARGEST} columns and at least d + 2 rows."
        )
    bad = int((~np.isfinite(X)).sum() + (~np.isfinite(y)).sum())
    if bad:
        raise InputError(f"data: {path} has {bad} entries that are NaN or infinite; fill or drop them first.")
    if (np.ptp(X, axis=0) == 0).any() or np.ptp(y) == 0:
        raise InputError(f"data: {path} has a constant column; drop it, the fit has no use for it.")
    return X, y


def _standardise(X: np.ndarray, y: np.ndarray, names: tuple[str, ...]) -> Regression:
    """Mean 0 and standard deviation 1, so that one prior fits all weights."""
    return Regression((X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std(), names)
