"""Power laws: recovery, coverage of the intervals, open ends, and why the residuals are not taken in the logarithm."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import curve_fit, minimize

from simlab.statistics import PowerLaw, compare_exponent, fit_power_law, power_laws
from simlab.statistics.power_law import RANGE

N = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
TRUTH = {"a": 0.7, "b": 0.25, "c": 0.75}
ALARM = 4.9
"""Sigmas that chance exceeds once in a million."""


def law(n: Any, a: float = 0.7, b: float = 0.25, c: float = 0.75) -> np.ndarray:
    return c + b * np.asarray(n, float) ** -a


def hits(found: PowerLaw, **truth: float) -> list[bool]:
    """Whether each interval holds the truth, and that of a forecast beyond the data."""
    ahead = found.predict(256)
    inside = [getattr(found, f"{k}_interval")[0] <= v <= getattr(found, f"{k}_interval")[1] for k, v in truth.items()]
    return [*inside, bool(ahead.low <= law(256, **truth) <= ahead.high)]


@given(st.floats(0.2, 3), st.floats(-2, 2).filter(lambda b: abs(b) > 0.01), st.floats(-2, 2), st.floats(-3, 3))
def test_exact_laws_are_recovered(a: float, b: float, c: float, unit: float) -> None:
    n = 10**unit * N  # numbers of parameters are as good as numbers of members
    found = fit_power_law(n, law(n / 10**unit, a, b, c), np.full(len(n), 1e-3))
    # The exponent is searched to 1e-10 in ln a; rounding of y over b limits it too.
    tolerance = 1e-5 + 1e-8 / abs(b)
    np.testing.assert_allclose(found.a, a, rtol=tolerance)
    np.testing.assert_allclose(found.c, c, atol=10 * tolerance * (1 + abs(b)))
    np.testing.assert_allclose(found.b * 10 ** (-unit * a), b, rtol=20 * tolerance * (1 + abs(unit)))
    assert found.residual < 1e-6
    np.testing.assert_allclose(found.predict(n).value, law(N, a, b, c), atol=1e-6)


@pytest.mark.parametrize("level", [0.68, 0.95])
@pytest.mark.parametrize("known", ["se", "covariance", "nothing"])
def test_intervals_hold_the_truth_as_often_as_they_say(level: float, known: str) -> None:
    rng, draws = np.random.default_rng(0), 600
    se = 0.002 * np.linspace(1, 2, len(N))
    covariance = np.diag(se**2) + np.outer(se, se) / 2  # a shift shared by all points
    root = np.linalg.cholesky(covariance)
    held = []
    for _ in range(draws):
        z = rng.standard_normal(len(N))
        if known == "se":
            found = fit_power_law(N, law(N) + se * z, se, level=level)
        elif known == "covariance":
            found = fit_power_law(N, law(N) + root @ z, covariance=covariance, level=level)
        else:
            found = fit_power_law(N, law(N) + 0.002 * z, level=level)
        held.append(hits(found, **TRUTH))
    share = np.mean(held, axis=0)
    # Four intervals in six cases: 4 sigmas of a binomial share fail once in 700 runs with other seeds.
    assert (np.abs(share - level) < 4 * np.sqrt(level * (1 - level) / draws)).all(), share


def test_intervals_of_a_fixed_exponent_are_those_of_linear_least_squares() -> None:
    rng = np.random.default_rng(1)
    se = np.full(len(N), 0.01)
    y = law(N, a=1.0) + se * rng.standard_normal(len(N))
    found = fit_power_law(N, y, se, exponent=1.0, level=0.95)
    design = np.stack([1 / N, np.ones(len(N))], axis=1)
    covariance = np.linalg.inv(design.T @ design / 0.01**2)
    b, c = covariance @ design.T @ y / 0.01**2
    reach = stats.norm.ppf(0.975) * np.sqrt(np.diag(covariance))
    np.testing.assert_allclose([found.b, found.c], [b, c], rtol=1e-9)
    np.testing.assert_allclose(found.b_interval, [b - reach[0], b + reach[0]], rtol=1e-9)
    np.testing.assert_allclose(found.c_interval, [c - reach[1], c + reach[1]], rtol=1e-9)
    assert found.a_interval == (1.0, 1.0)
    unknown = fit_power_law(N, y, exponent=1.0)
    size = stats.t.ppf(0.975, len(N) - 2) * np.sqrt(unknown.chi2 / (len(N) - 2)) / 0.01
    np.testing.assert_allclose(np.diff(unknown.c_interval)[0], 2 * size * np.sqrt(covariance[1, 1]), rtol=1e-9)


def test_intervals_are_the_profile_of_the_likelihood() -> None:
    rng = np.random.default_rng(2)
    se = np.full(6, 0.02)
    n, y = N[:6], law(N[:6]) + 0.02 * rng.standard_normal(6)
    found = fit_power_law(n, y, se, level=0.5)

    def least(c: float) -> float:
        """Chi-square with this floor, by a general minimiser."""
        start = [np.log(found.a), found.b]
        options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
        best = minimize(lambda p: (((y - c - p[1] * n ** -np.exp(p[0])) / se) ** 2).sum(), start,
                        method="Nelder-Mead", options=options)  # fmt: skip
        return float(best.fun)

    rise = stats.chi2.ppf(0.5, 1)
    assert np.isfinite(found.c_interval).all()
    for end in found.c_interval:
        np.testing.assert_allclose(least(end) - found.chi2, rise, rtol=1e-3)  # exponents are 400 places apart
    a = found.a_interval[1]
    np.testing.assert_allclose(fit_power_law(n, y, se, exponent=a).chi2 - found.chi2, rise, rtol=1e-6)


def test_the_fit_agrees_with_a_general_one() -> None:
    rng = np.random.default_rng(3)
    se = 0.002 * np.linspace(1, 3, len(N))
    y = law(N) + se * rng.standard_normal(len(N))
    found = fit_power_law(N, y, se)
    (a, b, c), _ = curve_fit(law, N, y, p0=(0.7, 0.25, 0.75), sigma=se, absolute_sigma=True)
    np.testing.assert_allclose([found.a, found.b, found.c], [a, b, c], rtol=1e-6)


def test_open_intervals_are_said_to_be_open() -> None:
    rng = np.random.default_rng(0)
    n = N[:4]
    y = law(n) + 0.03 * rng.standard_normal(4)
    found = fit_power_law(n, y, np.full(4, 0.03))
    assert found.a_interval[0] == -np.inf
    assert found.c_interval[0] == -np.inf
    assert found.b_interval[1] == np.inf
    assert found.c_interval[1] < y.max()
    # At any n the law has limits as a goes to 0, and a forecast is finite; at infinity it is c.
    assert np.isfinite(found.predict(1000)).all()
    np.testing.assert_array_equal(found.predict(np.inf), [found.c, *found.c_interval])
    logarithm = fit_power_law(N, 1 - 0.1 * np.log(N), np.full(len(N), 1e-3))
    assert logarithm.a_interval[0] == -np.inf
    assert logarithm.a == pytest.approx(RANGE[0])


def test_least_squares_in_the_logarithm_is_degenerate() -> None:
    # A law with noise of a thousandth, fitted by least squares of ln(y - c) = ln b - a ln n over a, b and c < min y.
    rng = np.random.default_rng(4)
    y = law(N) + 0.001 * rng.standard_normal(len(N))
    design = np.stack([np.ones(len(N)), np.log(N)], axis=1)

    def residual(c: float) -> tuple[float, float]:
        """Sum of squared residuals in the logarithm, and the exponent, at the best a and b for this c."""
        logs = np.log(y - c)
        solution = np.linalg.lstsq(design, logs, rcond=None)[0]
        return float(((logs - design @ solution) ** 2).sum()), -float(solution[1])

    at_truth = residual(TRUTH["c"])[0]
    floors = [-1e2, -1e3, -1e4, -1e5]
    found = [residual(c) for c in floors]
    # The residuals shrink like 1/|c|, their squares by 100 a decade without end, below the truth's; a goes to 0.
    assert found[0][0] < at_truth / 10
    for (before, steep), (after, flat) in pairwise(found):
        assert after < before / 50
        assert 0 < flat < steep / 5
    # In y itself the same data close the interval around the truth.
    assert hits(fit_power_law(N, y, np.full(len(N), 0.001)), **TRUTH) == [True] * 4


def test_exponents_are_compared() -> None:
    rng, se = np.random.default_rng(5), np.full(len(N), 0.002)
    one = [compare_exponent(N, law(N, a=1.0) + se * rng.standard_normal(len(N)), se).p_value for _ in range(400)]
    assert stats.kstest(one, "uniform").pvalue > 1e-4  # the rate at which other seeds fail
    unknown = [compare_exponent(N, law(N, a=1.0) + se * rng.standard_normal(len(N))).p_value for _ in range(400)]
    assert stats.kstest(unknown, "uniform").pvalue > 1e-4
    other = compare_exponent(N, law(N), se)
    assert other.p_value < 1e-6
    assert other.fixed.a == 1
    assert other.fixed.chi2 - other.free.chi2 == pytest.approx(other.rise)


def test_a_law_shows_itself_in_a_line() -> None:
    text = repr(fit_power_law(N, law(N), np.full(len(N), 0.01)))
    assert "y = 0.75 + 0.25 n^-0.7" in text
    assert "\n" not in text


def test_many_laws_at_once_are_those_of_the_fit() -> None:
    rng = np.random.default_rng(2)
    n = np.array([1, 2, 3, 4, 8, 16])
    y = 0.8 + 0.2 * n ** -rng.uniform(0.3, 1.2, (4, 1)) + 0.002 * rng.normal(size=(4, 6))
    found = power_laws(n, y)
    for k, curve in enumerate(y):
        fit = fit_power_law(n, curve)
        # The last grid is 1e-8 apart, and b and c follow a.
        np.testing.assert_allclose([found.a[k], found.b[k], found.c[k]], [fit.a, fit.b, fit.c], rtol=1e-6)
