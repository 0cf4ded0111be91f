"""The data of scene 6 as a population: the bundled digits, even against odd, or the user's own file.

Centred and scaled, with the covariance of X and the best linear predictor of y.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simlab.core.checks import Floats
from simlab.data.regression import Regression, read
from simlab.data.versions import by_version
from simlab.theory import least_squares

LARGEST = 1024
"""Largest number of columns: the covariance and its eigenvectors are computed once."""


class Population(NamedTuple):
    """X and y, the covariance's eigenvalues (d) and eigenvectors (d, d), the best linear predictor beta.

    miss: the standard deviation of what that predictor misses.
    """

    X: Floats
    y: Floats
    spectrum: Floats
    vectors: Floats
    beta: Floats
    miss: float

    def risk(self, ridges: ArrayLike, examples: int) -> Floats:
        """The theoretical excess risk of ridge regression, from the spectrum, beta and miss alone."""
        power = (self.vectors.T @ self.beta) ** 2
        return least_squares.spectrum_risk(self.spectrum, power, examples, ridges, noise=self.miss)

    def excess(self, b: Floats) -> Floats:
        """(b - beta)^T Sigma (b - beta) of coefficients (..., d)."""
        return np.asarray((((b - self.beta) @ self.vectors) ** 2 * self.spectrum).sum(axis=-1))


@by_version
def population(path: Path | None) -> Population:
    """The population of a file as it is now: one that was written anew since is read anew."""
    X, y, _ = load(path)
    spectrum, vectors = np.linalg.eigh(X.T @ X / len(X))
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    return Population(X, y, np.maximum(spectrum, 0), vectors, beta, float((y - X @ beta).std()))


def load(path: Path | None) -> Regression:
    """X with mean 0 and mean square norm d; y with mean 0 and variance 1.

    Pixels keep their relative units; the columns of a file are in units of their largest entries.
    """
    return _scale(read(path, LARGEST)) if path is not None else _digits()


def _digits() -> Regression:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    varying = bundle.data.std(axis=0) > 0  # three pixels are always empty
    names = tuple(np.array(bundle.feature_names)[varying])
    return _scale(Regression(bundle.data[:, varying], np.where(bundle.target % 2 == 0, 1.0, -1.0), names))


def _scale(raw: Regression) -> Regression:
    X = raw.X - raw.X.mean(axis=0)
    y = raw.y - raw.y.mean()
    return Regression(X / np.sqrt((X**2).sum(axis=1).mean() / X.shape[1]), y / y.std(), raw.names)
