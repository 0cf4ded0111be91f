"""The regression data of scene 4, standardised: the bundled diabetes data or the user's own file."""

from __future__ import annotations

from pathlib import Path

from simlab.data.regression import Regression, read
from simlab.data.versions import by_version

LARGEST = 16
"""Largest number of columns: the kernels hold a walker's coordinates in registers."""


@by_version
def load(path: Path | None) -> Regression:
    """Every column with mean 0 and standard deviation 1, so that one prior suits all weights."""
    return _standardise(read(path, LARGEST)) if path is not None else _diabetes()


def _diabetes() -> Regression:
    from sklearn.datasets import load_diabetes

    bundle = load_diabetes()
    return _standardise(Regression(bundle.data, bundle.target, tuple(bundle.feature_names)))


def _standardise(raw: Regression) -> Regression:
    X, y, names = raw
    return Regression((X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std(), names)
