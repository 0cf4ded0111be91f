"""Estimates against NumPy and SciPy, error bars against what is known exactly, tests against their own distribution.

Seeds are fixed, so a test that passes keeps passing; the stated rates say how many other seeds would fail.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from simlab.statistics import Estimate, chi_square, fit, jackknife, joint_mean, mean, occupation, ratio

EPS = float(np.finfo(float).eps)
ALARM = 4.9
"""Sigmas that chance exceeds once in a million."""
SEEDS = st.integers(0, 2**32 - 1)
SAMPLES = arrays.arrays(np.float64, st.tuples(st.integers(2, 30), st.integers(1, 4)), elements=st.floats(-1e3, 1e3))


def covariance(rng: np.random.Generator, k: int) -> np.ndarray:
    """A random covariance with a condition number of 100 at most, in units between 0.1 and 10."""
    q, _ = np.linalg.qr(rng.normal(size=(k, k)))
    scale = 10 ** rng.uniform(-1, 1, k)
    return np.outer(scale, scale) * (q @ np.diag(10 ** rng.uniform(-1, 1, k)) @ q.T)


def is_standard_normal(z: np.ndarray) -> None:
    """Mean 0 and variance 1, two false alarms in a million."""
    assert abs(z.mean()) < ALARM / np.sqrt(z.size)
    assert abs((z**2).mean() - 1) < ALARM * np.sqrt(2 / z.size)


@given(SAMPLES)
def test_a_mean_and_its_error_are_those_of_scipy(samples: np.ndarray) -> None:
    found = mean(samples)
    rounding = 4 * samples.shape[0] * EPS * np.abs(samples).max()  # a sum of n numbers
    np.testing.assert_allclose(found.value, np.mean(samples, axis=0), rtol=0, atol=rounding)
    np.testing.assert_allclose(found.se, stats.sem(samples, axis=0), rtol=0, atol=rounding)


@given(SAMPLES)
def test_means_taken_jointly_are_the_means_and_their_errors(samples: np.ndarray) -> None:
    found, single = joint_mean(samples), mean(samples)
    n, k = samples.shape
    assert found.covariance.shape == (k, k)
    np.testing.assert_array_equal(found.value, single.value)
    centred = samples - samples.mean(axis=0)
    expected = sum(np.outer(row, row) for row in centred) / (n - 1) / n
    np.testing.assert_allclose(found.covariance, expected, rtol=0, atol=4 * n * EPS * np.abs(samples).max() ** 2)
    np.testing.assert_allclose(
        np.diag(found.covariance), single.se**2, rtol=0, atol=4 * n * EPS * np.abs(samples).max() ** 2
    )


def test_estimates_stack_along_a_new_axis() -> None:
    one, two = mean(np.array([[1.0, 2.0], [3.0, 5.0]])), mean(np.array([[0.0, 1.0], [4.0, 1.0]]))
    both = Estimate.stack([one, two])
    np.testing.assert_array_equal(both.value, [one.value, two.value])
    np.testing.assert_array_equal(both.se, [one.se, two.se])


def test_the_error_of_a_mean_over_walkers_knows_that_frames_are_correlated() -> None:
    rng, walkers, frames, memory = np.random.default_rng(1), 4096, 50, 0.9
    x = np.empty((frames, walkers))
    x[0] = rng.normal(size=walkers)
    for before, after in pairwise(x):
        after[:] = memory * before + np.sqrt(1 - memory**2) * rng.normal(size=walkers)
    lags = np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
    exact = np.sqrt((memory**lags).mean() / walkers)  # of a stationary AR(1) walk
    found = mean(x.mean(axis=0))
    assert abs(found.se / exact - 1) < ALARM / np.sqrt(2 * (walkers - 1))  # how well a spread is known
    assert abs(found.value) < ALARM * exact
    naive = x.std() / np.sqrt(x.size)
    assert naive < exact / 3


@given(SEEDS, st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_ratio_scales_as_its_parts_and_is_certain_where_they_are_proportional(seed: int, a: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    above, below = rng.normal(size=40), rng.uniform(1, 2, 40)
    plain, scaled = ratio(above, below), ratio(a * above, b * below)
    rounding = 400 * EPS * a / b * np.abs(above).max()  # sums of 40 numbers
    assert abs(scaled.value - plain.value * a / b) <= rounding
    assert abs(scaled.se - plain.se * a / b) <= rounding
    certain = ratio(a * below, below)
    assert abs(certain.value - a) <= 400 * EPS * a
    assert certain.se <= 400 * EPS * a


def test_the_error_of_a_ratio_is_that_of_repeated_experiments() -> None:
    # above - below/2 is independent of below, so the value has no bias and the error is exact up to 1/walkers.
    rng, walkers, experiments = np.random.default_rng(2), 500, 3000
    below = 2 + rng.normal(size=(walkers, experiments))
    above = below / 2 + 0.3 * rng.normal(size=below.shape)
    found = ratio(above, below)
    is_standard_normal((found.value - 0.5) / found.se)


@given(SEEDS, st.integers(1, 6))
def test_chi_square_is_the_quadratic_form_of_the_inverse_covariance_in_any_coordinates(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    error = covariance(rng, k)
    deviation = np.linalg.cholesky(error) @ rng.normal(size=k)
    found = chi_square(deviation, error)
    assert found.dof == k
    rounding = 1e3 * EPS * np.linalg.cond(error) * found.statistic
    assert abs(found.statistic - deviation @ np.linalg.solve(error, deviation)) <= rounding
    mixing = rng.normal(size=(k, k)) + 3 * np.sqrt(k) * np.eye(k)
    mixed = chi_square(mixing @ deviation, mixing @ error @ mixing.T)
    worse = np.linalg.cond(mixing @ error @ mixing.T)
    assert mixed.dof == k
    assert abs(mixed.statistic - found.statistic) <= 1e3 * EPS * worse * found.statistic
    alone = chi_square(deviation, np.sqrt(np.diag(error)))
    assert abs(alone.statistic - (deviation**2 / np.diag(error)).sum()) <= 1e3 * EPS * alone.statistic


def test_chi_square_of_gaussian_deviations_is_chi_square_distributed() -> None:
    rng, k, experiments = np.random.default_rng(3), 6, 4000
    error = covariance(rng, k)
    deviations = rng.multivariate_normal(np.zeros(k), error, size=experiments, method="cholesky")
    found = [chi_square(d, error).statistic for d in deviations]
    assert stats.kstest(found, stats.chi2(k).cdf).pvalue > 1e-4  # which one seed in 10,000 is below


def test_chi_square_with_a_measured_covariance_is_hotelling_s() -> None:
    rng, k, walkers, experiments = np.random.default_rng(4), 5, 60, 2000
    root = np.linalg.cholesky(covariance(rng, k))
    found = []
    for _ in range(experiments):
        joint = joint_mean(rng.normal(size=(walkers, k)) @ root.T)
        found.append(chi_square(joint.value, joint.covariance).statistic * (walkers - k) / (k * (walkers - 1)))
    assert stats.kstest(found, stats.f(k, walkers - k).cdf).pvalue > 1e-4  # which one seed in 10,000 is below


@given(SEEDS, st.integers(2, 8))
def test_shares_that_add_up_to_one_lose_a_degree_of_freedom_and_give_pearson_s_statistic(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    expected = rng.dirichlet(np.full(k, 5.0))
    counts = rng.multinomial(1000, expected)
    error = (np.diag(expected) - np.outer(expected, expected)) / 1000
    found = chi_square(counts / 1000 - expected, error)
    pearson = ((counts - 1000 * expected) ** 2 / (1000 * expected)).sum()
    assert found.dof == k - 1
    assert abs(found.statistic - pearson) <= 1e4 * EPS / expected.min() * max(pearson, 1)  # of numbers near 1/expected


def test_an_entry_that_does_not_vary_loses_its_degree_of_freedom() -> None:
    assert chi_square(np.array([2.0, 0.0]), np.array([1.0, 0.0])) == (4.0, 1, np.inf)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_makes_the_statistic_nan(bad: float) -> None:
    found = chi_square(np.array([bad, 0.0]), np.ones(2)), chi_square(np.zeros(2), np.diag([1.0, bad]))
    assert [np.isnan(f.statistic) for f in found] == [True, True]
    assert [f.dof for f in found] == [2, 2]


@given(SEEDS, st.integers(0, 3))
def test_a_fit_is_numpy_s_weighted_polynomial_and_a_linear_map_of_the_data(seed: int, degree: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.linspace(0.1, 1, degree + 4) + rng.uniform(-0.03, 0.03, degree + 4)
    y, se = rng.normal(size=x.size), rng.uniform(0.1, 1, x.size)
    found = fit(x, y, se, tuple(map(float, range(degree + 1))))
    np.testing.assert_array_equal(found.hat @ y, found.coefficients)
    coefficients, covariance = np.polyfit(x, y, degree, w=1 / se, cov="unscaled")
    expected, errors = coefficients[::-1], np.sqrt(np.diag(covariance)[::-1])
    weighted = np.vander(x, degree + 1) / se[:, None]
    rounding = 1e2 * EPS * np.linalg.cond(weighted) ** 2  # of least squares, in units of the terms of hat @ y
    scale = (np.abs(found.hat) @ np.abs(y)).max()
    np.testing.assert_allclose(found.coefficients, expected, rtol=0, atol=rounding * scale)
    np.testing.assert_allclose(found.se, errors, rtol=0, atol=rounding * errors.max())


@given(SEEDS, st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=3, unique=True))
def test_a_fit_finds_the_powers_that_data_are_made_of(seed: int, powers: list[float]) -> None:
    rng = np.random.default_rng(seed)
    x, true = rng.uniform(0.2, 0.3, 6) + 0.3 * np.arange(6), rng.normal(size=len(powers))
    y = sum(c * x**p for c, p in zip(true, powers, strict=True))
    found = fit(x, y, rng.uniform(0.5, 1, 6), tuple(powers))
    design = x[:, None] ** np.array(powers)
    rounding = 1e2 * EPS * np.linalg.cond(design) ** 2  # of least squares, in units of the terms of hat @ y
    np.testing.assert_allclose(found.coefficients, true, rtol=0, atol=rounding * (np.abs(found.hat) @ np.abs(y)).max())


def test_the_errors_of_a_fit_are_those_of_repeated_experiments() -> None:
    rng, true, experiments = np.random.default_rng(5), np.array([1.0, -2.0, 0.5]), 4000
    x, se, powers = np.linspace(0.1, 1, 7), np.linspace(0.1, 0.5, 7), (0.0, 1.0, 2.0)
    exact = x[:, None] ** np.array(powers) @ true
    data = exact + se * rng.normal(size=(experiments, 7))
    first = fit(x, data[0], se, powers)
    for coefficients, value, error in zip((first.hat @ data.T), true, first.se, strict=True):
        is_standard_normal((coefficients - value) / error)


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-2, 2) | st.just(np.nan)
    ),
    st.lists(st.sampled_from([-1.5, -1.0, -0.25, 0.0, 0.1, 1.0, 1.75]), min_size=2, unique=True).map(sorted),
)
def test_occupation_counts_frames_walker_by_walker_in_half_open_bins(positions: np.ndarray, edges: list[float]) -> None:
    found = occupation(positions, np.array(edges))
    frames, walkers = positions.shape
    for walker in range(walkers):
        lost = np.isnan(positions[:, walker]).any()
        for i, (low, high) in enumerate(pairwise(edges)):
            inside = [low <= x < high for x in positions[:, walker]]
            assert np.isnan(found[walker, i]) if lost else found[walker, i] == sum(inside) / frames
    assert found.shape == (walkers, len(edges) - 1)


@given(SAMPLES)
def test_a_jackknife_of_the_mean_itself_is_the_mean_and_its_error(samples: np.ndarray) -> None:
    found, expected = jackknife(samples, lambda m: m), mean(samples)
    # Deviations of sums less one of n numbers; and squares of numbers below 1e-154 are not normal numbers.
    rounding = 16 * samples.shape[0] ** 2 * EPS * np.abs(samples).max() + 1e-150
    np.testing.assert_allclose(found.value, expected.value, rtol=0, atol=rounding)
    np.testing.assert_allclose(found.se, expected.se, rtol=0, atol=rounding)


def test_the_jackknife_error_of_a_ratio_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(6)
    below = rng.uniform(1, 2, 4000)
    above = 3 * below + rng.normal(size=4000)
    found, expected = jackknife(np.column_stack([above, below]), lambda m: m[0] / m[1]), ratio(above, below)
    assert abs(found.value - expected.value) <= 1e-12
    assert abs(found.se / expected.se - 1) < 10 / 4000  # both are right to order 1/n
