"""Every width and every sample size at once are what a solve at each would give; solutions and spectra are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import linear
from simlab.random import key
from simlab.theory.activations import moments
from tests.sde import host_cuda

SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 300), st.integers(1, 9), st.integers(0, 2**31))
"""Examples, features, test examples, seed: on both sides of the switch, in one block and in several."""


def data(shape: tuple[int, int, int, int]) -> tuple[np.ndarray, ...]:
    n, width, m, seed = shape
    normal = np.random.default_rng(seed).standard_normal
    return normal((n, width)), normal(n), normal((m, width)), normal(m)


def direct(z: np.ndarray, y: np.ndarray, t: np.ndarray, t_y: np.ndarray, a: float) -> float:
    return float(((t @ linear.ridge(z, y, a) - t_y) ** 2).mean())


@given(SHAPES, st.floats(-3, 3))
def test_the_curve_over_widths_is_a_solve_at_each_width(shape: tuple[int, int, int, int], log_ridge: float) -> None:
    z, y, t, t_y = data(shape)
    curve = linear.width_curve(z, y, t, t_y, 10**log_ridge)
    assert curve.shape == (shape[1],)
    for width in {1, shape[1], shape[0], min(shape[0] + 1, shape[1]), min(129, shape[1]), (shape[1] + 1) // 2}:
        if width <= shape[1]:
            expected = direct(z[:, :width], y, t[:, :width], t_y, 10**log_ridge)
            assert curve[width - 1] == pytest.approx(expected, rel=1e-8)  # what the docstring promises


@given(SHAPES, st.floats(-3, 3))
def test_the_curve_over_samples_is_a_solve_at_each_size(shape: tuple[int, int, int, int], log_ridge: float) -> None:
    z, y, t, t_y = data(shape)
    curve = linear.sample_curve(z, y, t, t_y, 10**log_ridge)
    for n in {1, shape[0], (shape[0] + 1) // 2}:
        assert curve[n - 1] == pytest.approx(direct(z[:n], y[:n], t, t_y, 10**log_ridge), rel=1e-8)


def test_replicates_are_separate_runs_and_may_share_a_test_set() -> None:
    z, y, t, t_y = (np.stack([data((20, 50, 5, seed))[k] for seed in range(3)]) for k in range(4))
    together = linear.width_curve(z, y, t, t_y, 0.1)
    shared = linear.width_curve(z, y, t[0], t_y[0], 0.1)
    for i in range(3):
        np.testing.assert_array_equal(together[i], linear.width_curve(z[i], y[i], t[i], t_y[i], 0.1))
        np.testing.assert_array_equal(shared[i], linear.width_curve(z[i], y[i], t[0], t_y[0], 0.1))


def test_a_ridge_too_small_for_double_precision_is_refused_and_the_smallest_allowed_is_good() -> None:
    z, y, t, t_y = data((80, 200, 40, 1))
    largest = np.linalg.eigvalsh(z @ z.T)[-1]
    with pytest.raises(ValueError, match="too small for double precision: with these features take at least"):
        linear.width_curve(z, y, t, t_y, 1e-11 * largest)
    a = 2.1e-10 * largest
    curve = linear.width_curve(z, y, t, t_y, a)
    for width in (79, 80, 81, 150):  # at the peak the solve itself is good to 1e-7 only: a longer float decides
        one = z[:, :width].astype(np.longdouble)
        gram = one.T @ one + a * np.eye(width) if width <= 80 else one @ one.T + a * np.eye(80)
        right = one.T @ y if width <= 80 else y.astype(np.longdouble)
        found = np.linalg.solve(gram.astype(float), right.astype(float)).astype(np.longdouble)
        for _ in range(5):  # iterative refinement
            found += np.linalg.solve(gram.astype(float), (right - gram @ found).astype(float))
        b = found if width <= 80 else one.T @ found
        expected = float(((t[:, :width] @ b - t_y) ** 2).mean())
        assert curve[width - 1] == pytest.approx(expected, rel=1e-6)  # eps times the condition 5e9, at the peak


@pytest.mark.parametrize(
    ("change", "message"),
    [({"ridge": 0.0}, "ridge must be positive"), ({"ridge": -1.0}, "ridge must be positive"),
     ({"ridge": np.nan}, "ridge must be positive"), ({"targets": np.zeros(3)}, "shapes do not match"),
     ({"test_features": np.zeros((5, 3))}, "shapes do not match"), ({"features": np.zeros(3)}, "features must be"),
     ({"targets": np.full(20, np.nan)}, "targets holds NaN")],
)  # fmt: skip
def test_nonsense_is_refused(change: dict[str, Any], message: str) -> None:
    z, y, t, t_y = data((20, 50, 5, 0))
    arguments = {"features": z, "targets": y, "test_features": t, "test_targets": t_y, "ridge": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        linear.width_curve(**arguments)


@given(SHAPES)
def test_min_norm_is_the_pseudoinverse_and_the_limit_of_ridge(shape: tuple[int, int, int, int]) -> None:
    n, width = shape[0], shape[1]
    if abs(n - width) < 3:
        return  # at the peak the condition number is anything: the next test looks there
    z, y, _, _ = data(shape)
    found = linear.min_norm(z, y)
    condition = np.linalg.cond(z)
    # Solutions by normal equations or QR differ by eps times the condition number, squared for the former.
    np.testing.assert_allclose(found, np.linalg.pinv(z) @ y, atol=1e-13 * condition**2 * np.abs(y).max())
    assert (
        np.abs(linear.decompose(z, y).ridge(np.array([0.0]))[0] - found).max() < 1e-13 * condition**2 * np.abs(y).max()
    )


def test_min_norm_keeps_a_small_singular_value_and_refuses_a_missing_one() -> None:
    z = np.diag([1.0, 1e-13])
    np.testing.assert_allclose(linear.min_norm(z, np.array([0.0, 1.0])), [0, 1e13], rtol=1e-3)
    with pytest.raises(ValueError, match="linearly dependent"):
        linear.min_norm(np.ones((3, 2)), np.ones(3))


@given(SHAPES, st.integers(0, 50))
def test_one_decomposition_gives_every_ridge_and_every_epoch(shape: tuple[int, int, int, int], steps: int) -> None:
    z, y, _, _ = data(shape)
    spectrum = linear.decompose(z, y)
    ridges = np.array([0.1, 1.0, 30.0])
    for found, a in zip(spectrum.ridge(ridges), ridges, strict=True):
        np.testing.assert_allclose(found, linear.ridge(z, y, a), atol=1e-9 * (1 + np.abs(y).max()))
    lr = 0.9 / spectrum.values.max()
    b = np.zeros(shape[1])
    for _ in range(steps):
        b -= lr * z.T @ (z @ b - y)
    np.testing.assert_allclose(spectrum.descent(np.array([steps]), lr)[0], b, atol=1e-10 * (1 + np.abs(y).max()))
    with pytest.raises(ValueError, match="unstable"):
        spectrum.descent(np.array([1]), 2.1 / spectrum.values.max())


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf", "cos", "sin", "abs", "fourier"])
def test_random_features_have_the_moments_of_their_activation(activation: str) -> None:
    d, count = 400, 4000
    x = linear.sphere(key(0), 1, d)
    theta = linear.sphere(key(0), count, d, stream=1)
    np.testing.assert_allclose((x**2).sum(axis=1), d)
    features = linear.random_features(x, theta, activation)[0] * np.sqrt(d)
    m = moments(activation)
    # Standard error of a mean of numbers of size one, 4.9 of them, and 1/d because a sphere is not quite Gaussian.
    assert features.mean() == pytest.approx(m.mu0, abs=4.9 / np.sqrt(count) + 1 / d)
    square = m.mu0**2 + m.mu1**2 + m.mu2**2
    assert (features**2).mean() == pytest.approx(square, abs=4.9 * 2 / np.sqrt(count) + 3 / d)


def test_rows_of_the_sphere_do_not_depend_on_how_many_are_asked_for() -> None:
    np.testing.assert_array_equal(linear.sphere(key(1), 5, 7), linear.sphere(key(1), 9, 7)[:5])
    with pytest.raises(ValueError, match="activation must be one of"):
        linear.random_features(np.ones((2, 3)), np.ones((2, 3)), "step")


def test_curves_run_on_a_card_s_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    card = host_cuda.install(monkeypatch)
    z, y, t, t_y = data((20, 50, 5, 0))
    on_card = linear.width_curve(card.asarray(z), card.asarray(y), card.asarray(t), card.asarray(t_y), 0.1)
    monkeypatch.undo()
    np.testing.assert_allclose(card.to_host(on_card), linear.width_curve(z, y, t, t_y, 0.1), rtol=1e-12)
