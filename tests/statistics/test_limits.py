"""Statistics where numbers end: units, precision, NaN, infinity, single samples, and what determines nothing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.statistics import (
    chi_square,
    edges_of,
    extrapolate,
    fit,
    jackknife,
    joint_mean,
    mean,
    occupation,
    ratio,
    vertex,
)
from tests.sde import host_cuda

SAMPLES = np.arange(12.0).reshape(6, 2) % 5


@given(st.integers(-70, 70), st.integers(-100, 100))
def test_a_fit_does_not_depend_on_units(of_x: int, of_y: int) -> None:
    x, size = np.arange(1, 6.0), 10.0**of_y
    y = 1 + 2 * x + 3 * x**2
    expected = fit(x, y, np.full(5, 0.1), (0.0, 1.0, 2.0))
    np.testing.assert_allclose(expected.coefficients, [1, 2, 3], rtol=1e-12)
    found = fit(10.0**of_x * x, size * y, size * np.full(5, 0.1), (0.0, 1.0, 2.0))
    units = size / 10.0 ** (of_x * np.arange(3))
    # Scaled columns have a condition number of a hundred.
    np.testing.assert_allclose(found.coefficients / units, [1, 2, 3], rtol=1e-11)
    np.testing.assert_allclose(found.se / units, expected.se, rtol=1e-11)


def test_the_fit_of_the_issue() -> None:
    x = 1e-8 * np.arange(1, 6)
    np.testing.assert_allclose(fit(x, 1 + 2 * x + 3 * x**2, np.ones(5), (0, 1, 2)).coefficients[:2], [1, 2], rtol=1e-7)
    np.testing.assert_allclose(fit(x, 3 * x**2, np.ones(5), (0, 1, 2)).coefficients[2], 3, rtol=1e-11)


@pytest.mark.parametrize(
    ("x", "powers"),
    [
        ([1, 2], (0, 1, 2)), ([3, 3, 3, 3], (0, 1)), ([1, 2, 1, 2], (0, 1, 2)), ([0, 0], (1,)), ([1, 2, 3], (1, 1)),
        (1e9 + np.arange(5) * 1e-6, (0, 1, 2)), (1e-170 * np.arange(1, 6), (0, 1, 2)),
    ],
)  # fmt: skip
def test_a_fit_that_nothing_determines_is_refused(x: Any, powers: Any) -> None:
    with pytest.raises(ValueError, match="x must hold enough different values"):
        fit(x, np.ones(len(x)), np.ones(len(x)), powers)


def test_an_extrapolation_does_not_depend_on_units() -> None:
    steps = np.array([1.0, 2, 4])
    values = 1 + 2 * steps + 3 * steps**2
    for unit in (1e-60, 1e-8, 1.0, 1e60):
        found = extrapolate(unit * steps, values, (0, 1, 2)) * unit ** np.arange(3)
        np.testing.assert_allclose(found, [1, 2, 3], rtol=1e-12)
    with pytest.raises(ValueError, match="must differ from each other"):
        extrapolate([1.0, 1.0, 2.0], values, (0, 1, 2))


def test_nan_in_nan_out() -> None:
    some = SAMPLES.copy()
    some[1, 0] = np.nan
    nan = [True, False]
    for found in (mean(some), ratio(some, SAMPLES + 1), ratio(SAMPLES, some), jackknife(some, lambda m: m)):
        assert np.isnan(found.value).tolist() == np.isnan(found.se).tolist() == nan
    joint = joint_mean(some)
    assert np.isnan(joint.value).tolist() == nan
    assert np.isnan(joint.covariance).tolist() == [[True, True], [True, False]]
    assert np.isnan(chi_square([np.nan, 0], [1.0, 1.0]).statistic)
    x, y = np.arange(1, 5.0), np.array([1, np.nan, 2, 3])
    assert np.isnan(fit(x, y, 1.0, (0, 1)).coefficients).all()
    assert np.isnan(fit(x, x, y, (0, 1)).se).all()
    assert np.isnan(fit(y, x, 1.0, (0, 1)).coefficients).all()
    assert np.isnan(extrapolate(x[:2], y[:2], (0, 1))).all()
    share = occupation(some, [0.0, 2.0, 5.0])
    assert np.isnan(share).any(axis=1).tolist() == nan
    assert share[1].sum() == 1


def test_infinity_makes_no_finite_error_and_no_warning() -> None:
    some = SAMPLES.copy()
    some[1, 0] = np.inf
    found = mean(some)
    assert found.value[0] == np.inf
    assert np.isnan(found.se[0])
    assert np.isfinite(found.se[1])
    assert not np.isfinite(joint_mean(some).covariance[0]).any()
    assert not np.isfinite(ratio(some, SAMPLES + 1).se[0])
    assert np.isnan(chi_square([np.inf, 0], [1.0, 1.0]).statistic)
    assert occupation([[np.inf], [0.5], [-np.inf]], [0.0, 1.0]).tolist() == [[1 / 3]]


def test_one_sample_has_no_error_and_a_ratio_over_nothing_is_none() -> None:
    for found in (mean([[1.0, 2.0]]), ratio([[1.0, 2.0]], [[2.0, 4.0]]), jackknife([[1.0, 2.0]], lambda m: m)):
        assert np.isfinite(found.value).all()
        assert np.isnan(found.se).all()
    joint = joint_mean([[1.0, 2.0]])
    assert joint.value.tolist() == [1, 2]
    assert np.isnan(joint.covariance).all()
    assert np.isnan(ratio([1.0, 2.0], [1.0, -1.0]).value)


def test_a_covariance_in_single_precision_loses_the_same_direction() -> None:
    expected = np.array([0.2, 0.3, 0.1, 0.4])
    error = (np.diag(expected) - np.outer(expected, expected)) / 1000
    deviation = np.array([0.01, -0.02, 0.005, 0.005])
    exact = chi_square(deviation, error)
    single = chi_square(deviation, error.astype(np.float32))
    assert exact.dof == single.dof == 3
    assert single.statistic == pytest.approx(exact.statistic, rel=1e-4)  # eps of float32 over the smallest eigenvalue


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_a_chi_square_does_not_depend_on_units(unit: float) -> None:
    found = chi_square([unit, 2.0], [unit, 1.0])
    assert found.dof == 2
    assert found.statistic == pytest.approx(5)


def test_samples_of_a_card_are_brought_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    card = host_cuda.install(monkeypatch)
    own = card.asarray(SAMPLES.astype(np.float32))
    for found, expected in ((mean(own), mean(SAMPLES)), (ratio(own, own + 1), ratio(SAMPLES, SAMPLES + 1))):
        assert type(found.value) is np.ndarray
        np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(occupation(own, edges_of([0.5, 1.5])), occupation(SAMPLES, [0.0, 1.0, 2.0]))


def test_many_small_numbers_in_single_precision_are_added_in_double() -> None:
    samples = np.full(2**20, 0.1, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mean(samples).value == pytest.approx(float(np.float32(0.1)), rel=1e-13)


def test_the_vertex_of_a_parabola_is_found_up_or_down_in_any_order() -> None:
    x = np.random.default_rng(2).permutation(np.log(np.arange(80, 121)))
    middle = np.log([91.0, 100.0, 113.0])[:, None]
    curves = 1.7 + np.array([-3.0, 2.0, -40.0])[:, None] * (x - middle) ** 2
    tops, bottoms = vertex(x, curves), vertex(x, curves, top=False)
    np.testing.assert_allclose(tops, [middle[0, 0], np.nan, middle[2, 0]], rtol=0, atol=1e-10)
    np.testing.assert_allclose(bottoms, [np.nan, middle[1, 0], np.nan], rtol=0, atol=1e-10)
    assert abs(vertex(x, -((x - 4.6) ** 2)) - 4.6) < 1e-10
    assert np.isnan(vertex(x, -((x - 5.0) ** 2))), "beyond the points"
    assert np.isnan(vertex(x, 2 * x + 1)), "a line"
    assert np.isnan(vertex(x, np.full(len(x), np.nan)))


def test_the_vertex_through_noise_is_that_of_polyfit() -> None:
    x, y = np.array([0.3, 1.0, 1.2, 2.0]), np.array([1.0, 3.0, 2.5, 0.1])
    a, b, _ = np.polyfit(x, y, 2)
    assert abs(vertex(x, y) + b / (2 * a)) < 1e-12
