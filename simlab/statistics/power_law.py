"""Power laws with a floor, y = c + b n^-a, by least squares in y.

For a given a the law is linear in b and c (variable projection: Golub & Pereyra 1973), so that the search is over one
number. Not by least squares in ln(y - c): these residuals shrink as c moves away from the data, and the fit runs to
c = -infinity and a = 0 whatever the law. Work is on the host: a curve has a handful of points.

In the least-squares plane the law at n for a given a is ybar + b (n^-a - xbar), xbar and ybar the weighted means: two
uncorrelated numbers. c is the law at n = infinity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import chdtri, fdtri

from simlab.core import checks
from simlab.core.checks import Floats
from simlab.core.device import on_host
from simlab.linear.rank import cutoff
from simlab.statistics.arguments import LARGE_N, LARGE_Y, points

Interval = tuple[float, float]
RANGE = (0.02, 8.0)
"""The range of exponents. Below, n^-a is a logarithm for any practical sizes; above, a step after the first."""
FLATTEST = 1e-3
"""The smallest exponent that may be given: for a smaller one n^-a is a constant to most of its digits."""
PLACES = 400
"""Exponents of the first grid, evenly in ln a, and of the accepted ones that intervals are made from."""


class Projected(NamedTuple):
    """The best law for each exponent a (k): its chi-square and the parts that all else follows from.

    The law at n is mean + b (n^-a - centre), with var(mean) = 1/weight and var(b) = 1/information, uncorrelated.
    """

    a: Floats
    b: Floats
    mean: Floats
    centre: Floats
    weight: Floats
    information: Floats
    chi2: Floats

    def at(self, n: Any) -> tuple[Floats, Floats]:
        """The law and its variance at n, a number or infinity, for each exponent."""
        x = (float(n) ** -self.a if np.isfinite(n) else np.zeros_like(self.a)) - self.centre
        return self.mean + self.b * x, 1 / self.weight + x * x / self.information


class Forecast(NamedTuple):
    """The law at other n, with the ends of its profile-likelihood interval."""

    value: Floats
    low: Floats
    high: Floats


class PowerLaw(NamedTuple):
    """y = c + b n^-a with intervals from the profile likelihood, each separately at the stated level.

    An infinite end is an open one: the data do not close the interval within the range of exponents (`RANGE`).
    chi2: the weighted sum of squares, of plain residuals where no se was given. dof: points minus parameters.
    residual: root mean square of y minus the fit. accepted: exponents that no interval may leave out, with their laws.
    rise: how much chi-square may rise within an interval.
    """

    a: float
    b: float
    c: float
    a_interval: Interval
    b_interval: Interval
    c_interval: Interval
    chi2: float
    dof: int
    residual: float
    level: float
    accepted: Projected
    rise: float

    def __repr__(self) -> str:
        parts = zip("abc", (self.a_interval, self.b_interval, self.c_interval), strict=True)
        intervals = ", ".join(f"{name} in {low:.4g} ... {high:.4g}" for name, (low, high) in parts)
        return f"PowerLaw(y = {self.c:.4g} + {self.b:.4g} n^-{self.a:.4g}; at {self.level:g}: {intervals})"

    def predict(self, n: ArrayLike) -> Forecast:
        """The law at any n, also beyond the data: of the law itself, without the error of a new measurement.

        ValueError for an n that is not positive.
        """
        wanted = on_host("n", n, nan=True, infinite=True)
        if not (wanted >= 1 / LARGE_N).all():
            raise ValueError(f"n must be positive numbers of members, at least {1 / LARGE_N:g}; infinity is the limit.")
        value = self.c + self.b * wanted**-self.a
        ends = np.array([_interval(self, *self.accepted.at(one), below=one == np.inf) for one in wanted.ravel()])
        ends = ends.reshape(*wanted.shape, 2)
        return Forecast(value, ends[..., 0], ends[..., 1])


def fit_power_law(
    n: ArrayLike,
    y: ArrayLike,
    se: ArrayLike | None = None,
    *,
    covariance: ArrayLike | None = None,
    exponent: float | None = None,
    level: float = 0.95,
) -> PowerLaw:
    """Fit y = c + b n^-a to points (point) by weighted least squares in y, a in 0.02 ... 8.

    se (point): standard errors, taken as known, or `covariance` (point, point) where the points share members. With
    neither, errors are equal, unknown and measured by the residuals. exponent: fixes a (1 at a fixed temperature).
    Intervals hold the values that raise chi-square by less than its quantile of one degree of freedom, everything else
    fitted anew; with unknown errors by less than that of F. c and a are correlated and hardly distinguishable with few
    sizes. ValueError where the points are too few (three different n, or two with a fixed a, and one more without
    errors), not finite or not positive in n, where errors are not positive, or where y is the same everywhere.
    """
    n, y = (on_host(name, a, nan=True, infinite=True) for name, a in (("n", n), ("y", y)))
    level = checks.number("level", level, above=0, below=1, allowed="between 0 and 1")
    whiten = _whitening(n, y, se, covariance)
    parameters, known = 2 + (exponent is None), se is not None or covariance is not None
    if len(np.unique(n)) < parameters or len(n) < parameters + (not known):
        raise ValueError(
            f"{len(n)} points at {len(np.unique(n))} different n are too few for {parameters} parameters; measure more "
            "sizes, fix the exponent or give standard errors."
        )
    if exponent is not None:
        exponent = _exponent(exponent)
    at = _Projection(n, whiten @ y, whiten)
    best = at(np.array([_search(at) if exponent is None else exponent]))
    low, dof = float(best.chi2[0]), len(n) - parameters
    scale = 1.0 if known else low / dof
    rise = float(chdtri(1, 1 - level) if known else scale * fdtri(1, dof, level))
    a, b = float(best.a[0]), float(best.b[0])
    c = float(best.at(np.inf)[0][0])
    a_interval = (a, a) if exponent is not None else _closing(at, a, low + rise)
    accepted = best if exponent is not None else at(_between(a_interval, a))
    residual = float(np.sqrt(np.mean((y - c - b * n**-a) ** 2)))
    law = PowerLaw(a, b, c, a_interval, (b, b), (c, c), low, dof, residual, level, accepted, rise)
    return law._replace(
        b_interval=_interval(law, accepted.b, 1 / accepted.information, below=True, above=True),
        c_interval=_interval(law, *accepted.at(np.inf), below=True),
    )


class _Projection(NamedTuple):
    """The best b and c for any exponents: `_Projection(n, whitened y, whitening matrix)(a)`."""

    n: Floats
    y: Floats
    whiten: Floats

    def __call__(self, a: Floats) -> Projected:
        one = self.whiten.sum(axis=1)
        weight = one @ one
        # In units of the middle size, or large powers of large sizes would be lost to rounding.
        unit = np.exp(np.log(self.n).mean())
        x = (self.n / unit) ** -a[:, None] @ self.whiten.T
        centre, mean = x @ one / weight, self.y @ one / weight
        x, y = x - centre[:, None] * one, self.y - mean * one
        information = (x * x).sum(axis=1)
        b = x @ y / information
        rest = y - b[:, None] * x
        scale = unit**-a
        return Projected(
            a, b / scale, np.full_like(a, mean), centre * scale, np.full_like(a, weight), information * scale**2,
            (rest * rest).sum(axis=1),
        )  # fmt: skip


def _exponent(value: float) -> float:
    """A given exponent."""
    low, high = FLATTEST, RANGE[1]
    words = f"positive, and from {low:g} to {high:g}"
    return checks.number("exponent", value, at_least=low, at_most=high, allowed=words)


def _whitening(n: Floats, y: Floats, se: ArrayLike | None, covariance: ArrayLike | None) -> Floats:
    """The matrix that makes the errors of y independent and of size one."""
    if n.ndim != 1 or n.shape != y.shape:
        raise ValueError(f"n and y must have one axis and the same length, got {n.shape} and {y.shape}.")
    if not (np.isfinite(n).all() and np.isfinite(y).all() and (n > 0).all()):
        raise ValueError("n must be positive, and n and y finite; leave out members and sizes that diverged.")
    points(n, y)
    if len(y) and np.ptp(y) == 0:
        raise ValueError("y is the same at every n; no power law can be fitted to it.")
    if se is not None and covariance is not None:
        raise ValueError("give se or covariance, not both.")
    if covariance is not None:
        matrix = on_host("covariance", covariance, nan=True, infinite=True)
        if matrix.shape != (len(n), len(n)) or not _is_covariance(matrix):
            raise ValueError(f"covariance must be positive definite and of shape {(len(n), len(n))}.")
        return np.linalg.inv(np.linalg.cholesky(matrix))
    errors = np.ones_like(y) if se is None else on_host("se", se, nan=True, infinite=True)
    if errors.shape not in ((), y.shape):
        raise ValueError(f"se must be one number, or one for each of the {len(y)} points, got shape {errors.shape}.")
    errors = np.broadcast_to(errors, y.shape)
    if not ((errors >= 1 / LARGE_Y) & (errors <= LARGE_Y)).all():
        raise ValueError(
            f"se must be positive, from {1 / LARGE_Y:g} to {LARGE_Y:g}; leave se out where the errors are unknown."
        )
    return np.diag(1 / errors)


def _is_covariance(matrix: Floats) -> bool:
    """Finite, symmetric, and positive definite whatever the units."""
    variances = np.diag(matrix)
    if not (np.isfinite(matrix).all() and ((variances >= LARGE_Y**-2) & (variances <= LARGE_Y**2)).all()):
        return False
    correlation = matrix / np.sqrt(variances)[:, None] / np.sqrt(variances)
    lowest: float = np.linalg.eigvalsh(correlation)[0]
    return bool(np.abs(correlation - correlation.T).max() <= 1e-6 and lowest > cutoff(len(matrix)))


def _search(at: _Projection) -> float:
    """The exponent of least chi-square: the lowest of a grid, refined between its neighbours."""
    grid = np.geomspace(*RANGE, PLACES)
    k = int(at(grid).chi2.argmin())
    ends = np.log(grid[[max(k - 1, 0), min(k + 1, PLACES - 1)]])
    found = minimize_scalar(
        lambda s: at(np.exp([s])).chi2[0], bounds=tuple(ends), method="bounded", options={"xatol": 1e-10}
    )
    return float(np.exp(found.x)) if found.fun <= at(grid[[k]]).chi2[0] else float(grid[k])


def _closing(at: _Projection, a: float, threshold: float) -> Interval:
    """The ends of the exponents whose chi-square is at most the threshold, infinite where they reach those of `RANGE`.

    The hull where there are several such intervals.
    """
    grid = np.geomspace(*RANGE, PLACES)
    return (
        _end(at, np.append(grid[grid < a], a), threshold, -np.inf),
        _end(at, np.append(grid[grid > a][::-1], a), threshold, np.inf),
    )


def _end(at: _Projection, line: Floats, threshold: float, beyond: float) -> float:
    """Where chi-square falls to the threshold on the way from an end of the range to the best exponent."""
    inside = at(line).chi2 <= threshold
    inside[-1] = True  # up to rounding
    first = int(inside.argmax())
    if first == 0:
        return beyond

    def excess(a: float) -> float:
        return float(at(np.array([a])).chi2[0]) - threshold

    return float(line[first]) if excess(line[first]) >= 0 else float(brentq(excess, line[first - 1], line[first]))


def _between(interval: Interval, a: float) -> Floats:
    """Exponents over the interval, within the range, and the best one among them."""
    low, high = max(interval[0], RANGE[0]), min(interval[1], RANGE[1])
    return np.unique(np.append(np.geomspace(low, high, PLACES), a)) if low < high else np.array([a])


def _interval(law: PowerLaw, value: Floats, variance: Floats, below: bool = False, above: bool = False) -> Interval:
    """The profile-likelihood interval of a number that is linear in b and c, over the accepted exponents.

    For one exponent chi-square rises by the square of a deviation over its variance, so the deviation may be what is
    left of `rise`; the interval is the hull over exponents. below, above: the number has no limit as a goes to 0, or
    to infinity, so that an interval whose end is made by an end of the range is open.
    """
    left = np.maximum(law.rise - (law.accepted.chi2 - law.chi2), 0.0)
    reach = np.sqrt(left * variance)
    low, high = value - reach, value + reach
    ends = [float(low.min()), float(high.max())]
    for limitless, place in ((below and law.a_interval[0] == -np.inf, 0), (above and law.a_interval[1] == np.inf, -1)):
        if limitless and low[place] == ends[0]:
            ends[0] = -np.inf
        if limitless and high[place] == ends[1]:
            ends[1] = np.inf
    return ends[0], ends[1]
