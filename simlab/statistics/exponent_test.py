"""Likelihood-ratio test of a given exponent of a power law."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import ArrayLike
from scipy.special import chdtrc, fdtrc

from simlab.statistics.power_law import PowerLaw, fit_power_law


class Comparison(NamedTuple):
    """A given exponent compared with the best one: by how much chi-square rises, and the p-value."""

    fixed: PowerLaw
    free: PowerLaw
    rise: float
    p_value: float


def compare_exponent(
    n: ArrayLike, y: ArrayLike, se: ArrayLike | None = None, *, exponent: float = 1.0, **options: Any
) -> Comparison:
    """Likelihood-ratio test of a given exponent: the rise of chi-square over the best exponent, and its p-value.

    Where the exponent is right the rise has a chi-square distribution of one degree of freedom (Wilks 1938); where the
    errors are unknown it has, over the mean square of the free fit, an F distribution. `options` and errors are as in
    `fit_power_law`.
    """
    free = fit_power_law(n, y, se, **options)
    fixed = fit_power_law(n, y, se, exponent=exponent, **options)
    rise = max(fixed.chi2 - free.chi2, 0.0)
    if se is not None or options.get("covariance") is not None:
        return Comparison(fixed, free, rise, float(chdtrc(1, rise)))
    return Comparison(fixed, free, rise, float(fdtrc(1, free.dof, rise * free.dof / free.chi2)))
