"""Means, standard errors and tests for samples of independent walkers.

Walkers are independent, the frames of one walker are not. So everything is averaged over a walker's own frames first,
and the scatter over walkers gives the standard error: autocorrelation in time needs no estimate and no correction.

Numbers of any kind and of either device are taken, work is in float64 on the host. NaN among them gives NaN in the
results, and an error that cannot be estimated, such as that of a single sample, is NaN. ValueError for what is not an
array of real numbers, and for shapes that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simlab.core import checks
from simlab.core.checks import Floats
from simlab.core.device import on_host, stored
from simlab.linear.rank import cutoff, precision

NOTHING = 1e-9
"""Share of the largest eigenvalue of a correlation matrix below which a direction counts as constant."""


class Estimate(NamedTuple):
    """A measured value with its standard error; arrays where there are several."""

    value: Floats
    se: Floats

    @classmethod
    def stack(cls, estimates: Sequence[Estimate]) -> Estimate:
        """Several estimates along a new first axis."""
        return cls(np.array([e.value for e in estimates]), np.array([e.se for e in estimates]))


def mean(samples: ArrayLike) -> Estimate:
    """Mean over the first axis (walkers), each row being one walker's own average."""
    return _mean(_rows("samples", samples))


def ratio(above: ArrayLike, below: ArrayLike) -> Estimate:
    """mean(above)/mean(below) over the first axis, paired; the error is of first order in deviations (delta method).

    NaN where the mean of `below` is 0.
    """
    above, below = _rows("above", above), _rows("below", below)
    if above.shape != below.shape:
        raise ValueError(f"above and below must have one shape, got {above.shape} and {below.shape}.")
    middle = below.mean(axis=0)
    middle = np.where(middle == 0, np.nan, middle)
    with np.errstate(invalid="ignore"):
        value = above.mean(axis=0) / middle
        return Estimate(value, _mean((above - value * below) / middle).se)


def jackknife(samples: ArrayLike, estimator: Callable[[Floats], Any]) -> Estimate:
    """estimator(mean over replicates) of samples (replicate, ...), with the error from leaving each replicate out."""
    samples = _rows("samples", samples)
    if not callable(estimator):
        raise ValueError(f"estimator must be a function of the mean, got {checks.shown(estimator)}.")
    n, total = samples.shape[0], samples.sum(axis=0)
    value = np.asarray(estimator(total / n))
    if n == 1:
        return Estimate(value, np.full(value.shape, np.nan))
    left_out = np.array([estimator((total - one) / (n - 1)) for one in samples])
    with np.errstate(invalid="ignore"):
        return Estimate(value, np.asarray(np.sqrt((n - 1) * left_out.var(axis=0))))


class Joint(NamedTuple):
    """Several measured values with the covariance matrix of their errors, estimated from so many samples."""

    value: Floats
    covariance: Floats
    samples: float = np.inf


def joint_mean(samples: ArrayLike) -> Joint:
    """Means over walkers of several quantities (walker, k) and the covariance of these means (k, k)."""
    samples = _rows("samples", samples)
    if samples.ndim > 2 or not samples.size:
        raise ValueError(f"samples must have shape (walker, k), got {samples.shape}.")
    n, k = samples.shape[0], samples[0].size
    with np.errstate(invalid="ignore"):
        covariance = np.full((k, k), np.nan) if n == 1 else np.atleast_2d(np.cov(samples, rowvar=False)) / n
        return Joint(samples.mean(axis=0), covariance, n)


class ChiSquare(NamedTuple):
    """A statistic that is chi-square with `dof` degrees of freedom when the expectation is right.

    samples: how many the covariance was estimated from; infinite where its errors are as good as known.
    """

    statistic: float
    dof: int
    samples: float = np.inf


def chi_square(deviation: ArrayLike, error: ArrayLike, samples: float = np.inf) -> ChiSquare:
    """Whether deviations are zero all at once; `error` holds their standard errors (k) or their covariance (k, k).

    Directions that do not vary (occupations add up to one) carry no information and lose their degree of freedom. The
    statistic is NaN where a number is not finite, and infinite where something of zero variance deviates.
    With a covariance estimated from `samples` it is Hotelling's T^2, which `Claim.chi_square` accounts for.
    ValueError for an error that is negative, or a covariance that is not symmetric or not positive semidefinite.
    """
    eps = precision(stored("error", error))
    deviation = on_host("deviation", deviation, nan=True, infinite=True)
    error = on_host("error", error, nan=True, infinite=True)
    samples = checks.number("samples", samples, above=0, infinite=True)
    if deviation.ndim != 1 or not len(deviation):
        raise ValueError(f"deviation must be a row of numbers, got shape {deviation.shape}.")
    if error.shape not in ((len(deviation),), 2 * (len(deviation),)):
        raise ValueError(f"error must hold a standard error for each deviation or their covariance, got {error.shape}.")
    if (error if error.ndim == 1 else np.diag(error)).min() < 0:
        raise ValueError("error must hold standard errors, or variances on its diagonal, that are not negative.")
    covariance = np.diag(np.square(error)) if error.ndim == 1 else error
    if not (np.isfinite(deviation).all() and np.isfinite(covariance).all()):
        return ChiSquare(np.nan, len(deviation), samples)
    scale = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), 1.0))
    correlation = covariance / scale[:, None] / scale
    values, vectors = np.linalg.eigh(correlation)
    rounding = max(NOTHING, cutoff(len(deviation), eps))
    if np.abs(correlation - correlation.T).max() > 1e-6 or values[0] < -1e3 * rounding * max(values[-1], 1):
        raise ValueError("error must be a covariance matrix: symmetric, and positive semidefinite.")
    kept = values > rounding * values[-1]
    along = vectors.T @ (deviation / scale)
    if (np.abs(along[~kept]) > 1e-3).any():  # a thousandth of a standard error: far above rounding
        return ChiSquare(np.inf, int(kept.sum()), samples)
    return ChiSquare(float((along[kept] ** 2 / values[kept]).sum()), int(kept.sum()), samples)


def occupation(positions: ArrayLike, edges: ArrayLike) -> Floats:
    """Fraction of its frames that each walker spends in each bin: positions (frame, walker) -> (walker, bin).

    Bins hold their lower edge; what is outside of all counts as a frame. NaN for a walker whose position is NaN at any
    time. ValueError unless there are two edges or more, and they rise.
    """
    positions = on_host("positions", positions, nan=True, infinite=True, ndim=2)
    edges = on_host("edges", edges, infinite=True, ndim=1)
    if not len(positions):
        raise ValueError(f"positions must hold at least one frame, got shape {positions.shape}.")
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError(f"edges must be two numbers or more, each above the one before, got {checks.shown(edges)}.")
    frames, walkers = positions.shape
    bins = len(edges) - 1
    index = np.searchsorted(edges, positions, side="right") - 1
    inside = (index >= 0) & (index < bins)
    flat = (np.arange(walkers) * bins + np.clip(index, 0, bins - 1))[inside]
    share = np.bincount(flat, minlength=walkers * bins).reshape(walkers, bins) / frames
    share[np.isnan(positions).any(axis=0)] = np.nan
    return share


def edges_of(centres: ArrayLike) -> Floats:
    """The edges of bins of equal width, from their centres; ValueError unless these rise by equal steps, to 1e-6."""
    centres = on_host("centres", centres, ndim=1)
    steps = np.diff(centres)
    if not len(steps) or not steps[0] > 0 or np.abs(steps - steps[0]).max() > 1e-6 * steps[0]:
        raise ValueError("centres must be two numbers or more that rise by equal steps.")
    half = (centres[1] - centres[0]) / 2
    return np.append(centres - half, centres[-1] + half)


def _mean(samples: Floats) -> Estimate:
    """The mean over rows of float64, and its error."""
    n = samples.shape[0]
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite samples the error is NaN
        value = samples.mean(axis=0)
        deviation = samples.std(axis=0, ddof=1) if n > 1 else np.full(samples.shape[1:], np.nan)
    return Estimate(value, deviation / np.sqrt(n))


def _rows(name: str, values: Any) -> Floats:
    """Samples, one in each row."""
    found: Floats = on_host(name, values, nan=True, infinite=True)
    if not found.ndim or not found.shape[0]:
        raise ValueError(f"{name} must hold at least one sample along its first axis, got shape {found.shape}.")
    return found
