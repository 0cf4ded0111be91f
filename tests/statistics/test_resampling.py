"""Standard errors against what is known exactly: crossed tables, resampling, blocks of members."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import ensembles as ens
from simlab import statistics
from simlab.statistics import jackknife, joint_mean, mean

ALARM = 4.9
"""Sigmas that chance exceeds once in a million."""


def tables(seed: int, draws: int, groups: int, n: int, scales: tuple[float, float, float]) -> np.ndarray:
    """Losses g_i + x_j + e_ij with these standard deviations: (draw, group, example)."""
    rng = np.random.default_rng(seed)
    by_group, by_example, pair = scales
    return (
        by_group * rng.standard_normal((draws, groups, 1))
        + by_example * rng.standard_normal((draws, 1, n))
        + pair * rng.standard_normal((draws, groups, n))
    )


@pytest.mark.parametrize("scales", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 1.0, 2.0), (1.0, 2.0, 0.5)])
def test_the_error_of_a_crossed_mean(scales: tuple[float, float, float]) -> None:
    groups, n, draws = 6, 20, 4000
    found = statistics.crossed(tables(0, draws, groups, n, scales))
    exact = scales[0] ** 2 / groups + scales[1] ** 2 / n + scales[2] ** 2 / (groups * n)
    variance = found.se**2
    assert abs(variance.mean() - exact) < ALARM * variance.std() / np.sqrt(draws)
    assert abs(found.value.mean()) < ALARM * np.sqrt(exact / draws)
    # Either error alone is too small where both matter.
    if min(scales[:2]) > 0:
        losses = tables(1, draws, groups, n, scales)
        assert (losses.mean(axis=-1).var(axis=-1, ddof=1) / groups).mean() < 0.8 * exact
        assert (losses.mean(axis=-2).var(axis=-1, ddof=1) / n).mean() < 0.8 * exact


def test_pairs_alone_are_counted_as_pairs() -> None:
    found = statistics.crossed(tables(0, 4000, 6, 20, (0.0, 0.0, 1.0)))
    floor = 1 / 120
    assert (found.se**2).mean() < 1.3 * floor  # the bound from below costs a little
    assert (found.se**2).min() > 0.4 * floor  # and no error bar is lost: chi-square of 95 degrees of freedom


@given(st.integers(0, 2**31))
def test_differences_are_paired(seed: int) -> None:
    losses = tables(seed, 2, 5, 8, (1.0, 1.0, 0.1))
    found = statistics.crossed(losses[0] - (losses[0] + 0.01))
    np.testing.assert_allclose(found.value, -0.01, rtol=1e-9)
    assert found.se < 1e-15  # of numbers of order one


def test_bootstrap_of_a_mean_is_its_error() -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((40, 3))
    found = statistics.bootstrap(samples, lambda s: s.mean(axis=0), resamples=4000)
    plain = samples.std(axis=0) / np.sqrt(40)
    np.testing.assert_array_equal(found.value, samples.mean(axis=0))
    assert (np.abs(found.se / plain - 1) < ALARM / np.sqrt(2 * 4000)).all()
    again = statistics.bootstrap(samples, lambda s: s.mean(axis=0), resamples=4000)
    np.testing.assert_array_equal(again.se, found.se)
    assert (statistics.bootstrap(samples, lambda s: s.mean(axis=0), resamples=4000, seed=1).se != found.se).all()


def test_bootstrap_over_two_axes_sees_both_and_not_too_little() -> None:
    draws, groups, n = 60, 8, 30
    exact = 1.0 / groups + 4.0 / n + 0.25 / (groups * n)
    losses = tables(2, draws, groups, n, (1.0, 2.0, 0.5))
    both = np.array([statistics.bootstrap(one, np.mean, axes=(0, 1)).se ** 2 for one in losses])
    alone = np.array([statistics.bootstrap(one, np.mean, axes=(1,)).se ** 2 for one in losses])
    # A plug-in variance is short by a factor 1 - 1/groups; the pairs count three times (Owen 2007).
    low, high = exact * (1 - 1 / groups), exact + 2 * 0.25 / (groups * n)
    error = ALARM * both.std() / np.sqrt(draws)
    assert low - error < both.mean() < high + error
    assert alone.mean() < 0.7 * both.mean()


def test_axes_are_resampled_each_by_itself() -> None:
    # Of the unit matrix: with draws of their own the mean is 1/n on average, with shared draws about 2/n.
    n, found = 30, list[float]()

    def mean_of(table: np.ndarray) -> float:
        found.append(float(table.mean()))
        return found[-1]

    statistics.bootstrap(np.eye(n), mean_of, axes=(0, 1), resamples=300)
    assert abs(np.mean(found) * n - 1) < ALARM * np.std(found) * n / np.sqrt(300)
    assert np.std(found) * n < 0.5  # so that 2/n would be seen


def test_blocks_of_members_know_that_points_of_a_curve_hang_together() -> None:
    # Members of 64 worlds, cut into 8 blocks each: errors from blocks against the spread over worlds.
    rng = np.random.default_rng(3)
    worlds, blocks, size, sizes = 150, 8, 4, [1, 2, 4]
    labels = np.arange(40) % 3
    shared = rng.standard_normal((40, 3)) + np.eye(3)[labels]
    logs = ens.calibrate(shared + rng.standard_normal((worlds, blocks, size, 40, 3)), 0.7)
    curves = ens.curve(logs, labels, sizes, (logs[..., ::2, :], labels[::2])).nll
    true = np.cov(curves.mean(axis=1), rowvar=False)
    estimated = np.mean([joint_mean(one).covariance for one in curves], axis=0)
    # A variance over 150 worlds is known to sqrt(2/150) = 0.12.
    assert (np.abs(np.diag(estimated) / np.diag(true) - 1) < 4 * 0.12).all()
    correlation = true[0, 2] / np.sqrt(true[0, 0] * true[2, 2])
    assert correlation > 0.3
    assert abs(estimated[0, 2] / np.sqrt(estimated[0, 0] * estimated[2, 2]) - correlation) < 4 / np.sqrt(worlds)
    gains = np.array([jackknife(one, lambda c: c[0] - c[2]).se ** 2 for one in curves])
    exact = np.array([mean(one[:, 0] - one[:, 2]).se ** 2 for one in curves])
    np.testing.assert_allclose(gains, exact, rtol=1e-9)  # for a linear function the two are one
