"""The data of scene 6: the bundled digits, even against odd, or the user's own file; centred, in units of their own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from simlab.data.regression import Regression, read

LARGEST = 1024
"""Columns at most: the covariance and its eigenvectors are computed once."""


def load(path: Path | None) -> Regression:
    """X with mean 0 and mean square norm d; y with mean 0 and variance 1.

    Pixels keep their relative units; the columns of a file come in units of their largest entries.
    """
    return _scale(read(path, LARGEST)) if path is not None else _digits()


@cache
def _digits() -> Regression:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    some = bundle.data.std(axis=0) > 0  # three pixels are always empty
    names = tuple(np.array(bundle.feature_names)[some])
    return _scale(Regression(bundle.data[:, some], np.where(bundle.target % 2 == 0, 1.0, -1.0), names))


def _scale(raw: Regression) -> Regression:
    X = raw.X - raw.X.mean(axis=0)
    y = raw.y - raw.y.mean()
    return Regression(X / np.sqrt((X**2).sum(axis=1).mean() / X.shape[1]), y / y.std(), raw.names)
