"""Rank is decided by precision and scale, once for all: dependent columns, any units, any kind of number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import linear
from simlab.core.device import Device
from simlab.linear.rank import cutoff, rank
from tests.sde import host_cuda

SEEDS = st.integers(0, 2**31)
SHAPES = st.sampled_from([(30, 8), (8, 30), (12, 12), (1, 5), (5, 1), (1, 1)])
FLOATS = pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])


def data(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal(shape[0])


def least_norm(z: np.ndarray, y: np.ndarray, kept: int) -> np.ndarray:
    """The solution of least norm from so many singular values."""
    u, s, v_t = np.linalg.svd(z.astype(float), full_matrices=False)
    return v_t[:kept].T @ ((u.T @ y)[:kept] / s[:kept])


@FLOATS
@given(SEEDS)
def test_of_a_column_given_twice_the_solution_has_least_norm(dtype: type, seed: int) -> None:
    z, y = data(seed, (30, 8))
    twice: np.ndarray = np.concatenate([z, z[:, :1]], axis=1).astype(dtype)
    expected = least_norm(twice, y, 8)
    # Eight directions of normal numbers are well conditioned: rounding, or a ridge of that size over eigenvalues >= 1.
    np.testing.assert_allclose(linear.decompose(twice, y).ridge([0.0])[0], expected, atol=1e-12)
    for small in (1e-13, 1e-30, 1e-300):
        np.testing.assert_allclose(linear.ridge(twice, y, small), expected, atol=1e-12)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(twice, y)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(np.tile(twice[:4], (2, 1)), y[:8])


@given(SEEDS)
def test_what_single_precision_rounded_is_still_the_same_column(seed: int) -> None:
    z, y = data(seed, (40, 6))
    rounded = np.concatenate([z, 3.3 * z[:, :1], z[:, 1:2] + z[:, 2:3]], axis=1).astype(np.float32)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(rounded, y)
    found = linear.decompose(rounded, y)
    assert (found.values > 0).sum() == 6
    np.testing.assert_allclose(found.ridge([0.0])[0], least_norm(rounded, y, 6), atol=1e-12)
    # The same numbers given in double precision are another matter: there they differ.
    assert (linear.decompose(rounded.astype(float), y).values > 0).sum() > 6


def test_nearly_the_same_column_counts_in_double_precision() -> None:
    z, y = data(0, (30, 3))
    z[:, 1] = z[:, 0] + 1e-9 * z[:, 1]
    # A few eps times the condition number 3e9: rounding of the data themselves moves the solution by as much.
    np.testing.assert_allclose(linear.decompose(z, y).ridge([0.0])[0], linear.min_norm(z, y), rtol=1e-5)
    assert np.abs(linear.min_norm(z, y)[0]) > 1e6


@given(SEEDS, SHAPES, st.sampled_from([1e-300, 1e-150, 1e-20, 1e20, 1e150, 1e300]))
def test_units_of_the_features_do_not_matter(seed: int, shape: tuple[int, int], unit: float) -> None:
    z, y = data(seed, shape)
    if np.linalg.cond(z) > 1e6:
        return
    expected = linear.min_norm(z, y)
    size = 1e-9 * np.abs(expected).max()  # eps times the condition number
    np.testing.assert_allclose(linear.min_norm(z * unit, y) * unit, expected, atol=size)
    if unit > 1:
        np.testing.assert_allclose(linear.ridge(z * unit, y, 1e-300) * unit, expected, atol=size)
    if 1e-100 < unit < 1e100:
        np.testing.assert_allclose(linear.decompose(z * unit, y).ridge([0.0])[0] * unit, expected, atol=size)
        scaled = linear.ridge(z * unit, y, 0.1 * unit**2) * unit
        np.testing.assert_allclose(scaled, linear.ridge(z, y, 0.1), rtol=1e-9, atol=1e-12)


@given(SEEDS, st.sampled_from([3, 8, 20, 60]))
def test_columns_may_have_units_of_their_own(seed: int, decades: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = data(seed, (30, 8))
    units = 10.0 ** rng.uniform(-decades, decades, 8)
    expected = linear.min_norm(z, y)
    tolerance = {"rtol": 1e-7, "atol": 1e-9 * np.abs(expected).max()}  # CAREFUL: a share 1e-8 is exact to eps over it
    np.testing.assert_allclose(linear.min_norm(z * units, y) * units, expected, **tolerance)
    np.testing.assert_allclose(linear.decompose(z * units, y).ridge([0.0])[0] * units, expected, **tolerance)


def test_small_columns_beside_dependent_large_ones_are_refused() -> None:
    z, y = data(0, (30, 3))
    z = np.concatenate([z, z[:, :1]], axis=1) * [1.0, 1.0, 1e-20, 1.0]
    with pytest.raises(ValueError, match="divide each column by its length"):
        linear.decompose(z, y)


def test_columns_of_zeros_add_nothing() -> None:
    z, y = data(0, (30, 4))
    z[:, 2] = 0
    expected = np.insert(linear.min_norm(z[:, [0, 1, 3]], y), 2, 0)
    np.testing.assert_allclose(linear.decompose(z, y).ridge([0.0])[0], expected, atol=1e-14)
    np.testing.assert_allclose(linear.ridge(z, y, 1e-20), expected, atol=1e-14)
    nothing = linear.decompose(0 * z, y)
    np.testing.assert_array_equal(nothing.ridge([0.0, 1.0]), 0)
    np.testing.assert_array_equal(nothing.descent([0, 5], 1.0), 0)
    np.testing.assert_array_equal(linear.ridge(0 * z, y, 1e-3), 0)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(0 * z, y)


def test_batches_and_several_targets_are_solved_each_by_itself() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((2, 3, 9, 4)), rng.standard_normal((1, 3, 9, 5))
    z[1, 2, :, 3] = z[1, 2, :, 0]  # one of them dependent
    small = linear.ridge(z, y, 1e-20)
    assert small.shape == (2, 3, 4, 5)
    for i, j in np.ndindex(2, 3):
        for k in range(5):
            np.testing.assert_allclose(small[i, j, :, k], linear.ridge(z[i, j], y[0, j, :, k], 1e-20), atol=1e-12)
    np.testing.assert_allclose(linear.min_norm(z[0], y[0]), small[0], atol=1e-12)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(z, y)


def test_the_ridge_between_the_two_ways_is_one() -> None:
    # Least squares of Z stacked on sqrt(ridge) I, which squares nothing.
    z, y = data(3, (30, 8))
    z[:, 7] = z[:, 0] + 1e-5 * z[:, 7]
    for small in 10.0 ** np.arange(-14, 1.0):
        stacked = np.concatenate([z, np.sqrt(small) * np.eye(8)])
        expected = np.linalg.lstsq(stacked, np.concatenate([y, np.zeros(8)]), rcond=None)[0]
        # Normal equations keep eight digits, as NORMAL says; rounding of this reference is far below.
        np.testing.assert_allclose(linear.ridge(z, y, small), expected, rtol=1e-6, atol=1e-6)


def test_the_smallest_ridge_does_not_hang_on_the_sum_of_the_features() -> None:
    z = np.array([[1.0, -1.0]] * 5)  # power iterations from the sum of the columns stay at 0
    with pytest.raises(ValueError, match="too small for double precision"):
        linear.width_curve(z, np.ones(5), z, np.ones(5), 1e-13)


def test_the_rule_itself() -> None:
    assert cutoff(2) == 8 * 2.0**-52
    assert cutoff(1000) == 1000 * 2.0**-52
    assert cutoff(1000, 2.0**-23) == 8 * 2.0**-23
    z = np.diag([1.0, 1e-30, 0.0])
    assert rank(z) == 2
    np.testing.assert_array_equal(rank(np.stack([z, np.ones((3, 3)), np.eye(3), 0 * z])), [2, 1, 3, 0])


def test_rank_is_decided_on_a_card_s_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    z, y = data(1, (30, 8))
    cases = {"twice": np.concatenate([z, z[:, :1]], axis=1), "graded": z * 10.0 ** np.arange(-12, 12, 3)}
    calls: dict[str, Callable[..., np.ndarray]] = {
        "decompose": lambda a, b: linear.decompose(a, b).ridge([0.0]),
        "ridge": lambda a, b: linear.ridge(a, b, 1e-20),
    }
    expected = {(name, call): calls[call](a, y) for name, a in cases.items() for call in calls}
    least = linear.min_norm(cases["graded"], y)
    card: Device = host_cuda.install(monkeypatch)
    for (name, call), wanted in expected.items():
        found = calls[call](card.asarray(cases[name]), card.asarray(y))
        assert type(found) is host_cuda.DeviceArray
        np.testing.assert_allclose(card.to_host(found), wanted, rtol=1e-9, atol=1e-12)
    found = linear.min_norm(card.asarray(cases["graded"]), y)  # what is on the host is brought over
    np.testing.assert_allclose(card.to_host(found), least, rtol=1e-12)
    with pytest.raises(ValueError, match="targets must be on the cpu"):
        linear.min_norm(z, card.asarray(y))
