"""Means, standard errors and tests for samples of independent walkers.

Walkers are independent, the frames of one walker are not. So everything is averaged over a walker's own frames first,
and the spread over walkers gives the standard error: autocorrelation in time needs no estimate and no correction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A measured value with its standard error; arrays where there are several."""

    value: Floats
    se: Floats

    @classmethod
    def stack(cls, estimates: Sequence[Estimate]) -> Estimate:
        """Several estimates along a new first axis."""
        return cls(np.array([e.value for e in estimates]), np.array([e.se for e in estimates]))


def mean(samples: Floats) -> Estimate:
    """Mean over the first axis (walkers), each row being one walker's own average."""
    n = samples.shape[0]
    return Estimate(samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(n))


def ratio(above: Floats, below: Floats) -> Estimate:
    """mean(above)/mean(below) over the first axis, paired; the error is linear in the deviations (delta method)."""
    value = above.mean(axis=0) / below.mean(axis=0)
    influence = (above - value * below) / below.mean(axis=0)
    return Estimate(value, mean(influence).se)


def jackknife(samples: Floats, estimator: Callable[[Floats], Any]) -> Estimate:
    """estimator(mean over replicates) of samples (replicate, ...), with the error from leaving each replicate out."""
    n, total = samples.shape[0], samples.sum(axis=0)
    left_out = np.array([estimator((total - one) / (n - 1)) for one in samples])
    se = np.sqrt((n - 1) * left_out.var(axis=0))
    return Estimate(np.asarray(estimator(total / n)), np.asarray(se))


class Joint(NamedTuple):
    """Several measured values with the covariance matrix of their errors, estimated from so many samples."""

    value: Floats
    covariance: Floats
    samples: float = np.inf


def joint_mean(samples: Floats) -> Joint:
    """Means over walkers of several quantities (walker, k) and the covariance of these means (k, k)."""
    covariance = np.atleast_2d(np.cov(samples, rowvar=False)) / samples.shape[0]
    return Joint(samples.mean(axis=0), covariance, samples.shape[0])


class ChiSquare(NamedTuple):
    """A statistic that is chi-square with `dof` degrees of freedom when the expectation is right.

    samples: how many the covariance was estimated from; infinite where its errors are as good as known.
    """

    statistic: float
    dof: int
    samples: float = np.inf


def chi_square(deviation: Floats, error: Floats, samples: float = np.inf) -> ChiSquare:
    """Whether deviations are zero all at once; `error` holds their standard errors (k) or their covariance (k, k).

    Directions that do not vary (occupations add up to one) carry no information and lose their degree of freedom. The
    statistic is NaN where a number is not finite, and infinite where something that cannot vary is not as expected.
    With a covariance estimated from `samples` it is Hotelling's T^2, which `Claim.chi_square` knows.
    """
    covariance = np.diag(np.square(error)) if error.ndim == 1 else error
    if not (np.isfinite(deviation).all() and np.isfinite(covariance).all()):
        return ChiSquare(np.nan, len(deviation), samples)
    scale = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), 1.0))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-9 * values[-1]
    along = vectors.T @ (deviation / scale)
    if (np.abs(along[~kept]) > 1e-3).any():  # a thousandth of a standard error: far above rounding
        return ChiSquare(np.inf, int(kept.sum()), samples)
    return ChiSquare(float((along[kept] ** 2 / values[kept]).sum()), int(kept.sum()), samples)


class Fit(NamedTuple):
    """A weighted least-squares fit: coefficients, standard errors, and the linear map from data to coefficients."""

    coefficients: Floats
    se: Floats
    hat: Floats


def fit(x: Floats, y: Floats, se: Floats, powers: tuple[float, ...]) -> Fit:
    """Fit y = sum_k c_k x^powers_k to independent measurements; `hat @ y` gives the coefficients.

    Applying `hat` to exact values at the same x shows the bias of the fitted form.
    """
    design = np.asarray(x)[:, None] ** np.asarray(powers)[None, :]
    weighted = design / np.asarray(se)[:, None]
    hat = np.linalg.pinv(weighted) / np.asarray(se)[None, :]
    return Fit(hat @ y, np.sqrt(((hat * se) ** 2).sum(axis=1)), hat)


def occupation(positions: Floats, edges: Floats) -> Floats:
    """Fraction of its frames that each walker spends in each bin: positions (frame, walker) -> (walker, bin)."""
    frames, walkers = positions.shape
    bins = len(edges) - 1
    index = np.searchsorted(edges, positions, side="right") - 1
    inside = (index >= 0) & (index < bins)
    flat = (np.arange(walkers) * bins + np.clip(index, 0, bins - 1))[inside]
    return np.bincount(flat, minlength=walkers * bins).reshape(walkers, bins) / frames


def edges_of(centres: Floats) -> Floats:
    """The edges of bins of equal width, from their centres."""
    half = (centres[1] - centres[0]) / 2
    return np.append(centres - half, centres[-1] + half)


def extrapolate(steps: Floats, values: Sequence[float] | Floats, powers: tuple[float, ...]) -> Floats:
    """Coefficients of sum_k c_k steps^powers_k through as many exact values: how a limit is reached, without noise."""
    return np.linalg.solve(np.asarray(steps)[:, None] ** np.asarray(powers)[None, :], np.asarray(values))
