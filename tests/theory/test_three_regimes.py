"""Gradient descent on the sphere of the sum of pairs: its gradient, its threshold, its levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import three_regimes as toy
from simlab.theory.sgd import LR

SCALES = np.array([0.2, 0.5, 1.0, 2.0])


def start(count: int, seed: int = 1) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((count, 2, 4))
    return z / np.sqrt((z**2).sum((-2, -1), keepdims=True))


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_the_loss_is_scale_invariant_and_the_gradient_its_derivative(seed: int, c: float) -> None:
    z = start(1, seed)[0]
    g = toy.loss_gradient(z, SCALES)
    # The gradient of a pair is at most 2 a/r, and r may be small: errors are measured by that.
    size = (2 * SCALES / np.linalg.norm(z, axis=0)).max()
    assert toy.loss(c * z, SCALES) == pytest.approx(toy.loss(z, SCALES), rel=1e-13)
    assert np.abs((z * g).sum(0)).max() < 1e-14
    np.testing.assert_allclose(toy.loss_gradient(c * z, SCALES), g / c, atol=1e-14 * size / c)
    direction = np.random.default_rng(seed).standard_normal(z.shape) * np.linalg.norm(z, axis=0)
    h = 1e-5  # of the radius of each pair: central differences err by h^2 a and by rounding/h
    slope = (toy.loss(z + h * direction, SCALES) - toy.loss(z - h * direction, SCALES)) / (2 * h)
    assert slope == pytest.approx((g * direction).sum(), abs=1e-8)


def test_the_three_regimes() -> None:
    lr = np.array([0.26, 0.28, 0.35, 0.5, 20.0])
    z, levels, radii = start(len(lr)), [], []
    for step in range(20000):
        z = toy.step(z, SCALES, lr)
        if step >= 10000:
            levels.append(toy.loss(z, SCALES))
            radii.append((z[1] ** 2).sum(0))
    assert np.abs((z**2).sum((1, 2)) - 1).max() < 1e-15
    assert (lr < toy.threshold(SCALES)).tolist() == [True, False, False, False, False]
    assert levels[-1][0] < 1e-284  # .26: the reference sheet has 1e-285
    path = np.asarray(levels)[:, 1:].reshape(20, 500, 4).mean(1)  # 20 blocks, for errors of correlated levels
    error = path.std(0) / np.sqrt(len(path))
    expected, digit = np.array([0.064, 0.42, 0.84, 1.83]), np.array([5e-4, 5e-3, 5e-3, 5e-3])  # the sheet's levels
    assert np.all(np.abs(path.mean(0) - expected) < digit + 4 * error)
    assert abs(path.mean(0)[-1] - toy.random_value(SCALES)) < 1 / lr[-1] + 4 * error[-1]  # what is left is O(1/lr)
    shares = np.asarray(radii).reshape(20, 500, 4).mean(1)
    error = shares.std(0) / np.sqrt(len(shares))
    assert np.all(np.abs(shares.mean(0) - toy.mean_shares(SCALES)) < 4 * error)  # 4 tests of 4 standard errors
    assert np.all(4 * error < 0.01 * toy.mean_shares(SCALES))


def test_below_the_threshold_the_pairs_make_room_for_each_other() -> None:
    # Converged, every pair is stable: r^2 >= lr a.
    lr = np.linspace(0.02, 0.98, 40) * toy.threshold(SCALES)
    z = start(len(lr), 7)
    for _ in range(5000):
        z = toy.step(z, SCALES, lr)
    edge = sp.lambdify((toy.SCALE, LR), toy.edge_square())(SCALES, lr[:, None])
    assert np.all((z**2).sum(1) >= edge * (1 - 1e-12))  # the norms of 5000 steps, each rounded
    assert toy.loss(z, SCALES).max() < 1e-20


def test_the_mean_over_random_angles() -> None:
    assert toy.random_share() == sp.Rational(1, 2)
    assert sp.simplify(toy.multiplier() - (1 - 2 * LR * toy.SCALE / toy.RADIUS**2)) == 0


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: toy.threshold([1.0, -1.0]), "scales must be positive"),
        (lambda: toy.loss(np.ones((2, 3)), SCALES), "state must have shape"),
        (lambda: toy.step(start(1), SCALES, 0.0), "lr must be positive"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call: Callable[[], object], fragment: str) -> None:
    with pytest.raises(ValueError, match=fragment):
        call()


def test_nan_stays_nan_and_the_origin_is_refused() -> None:
    state = start(2)
    state[0, 0, 0] = np.nan
    assert np.isnan(toy.loss(state, SCALES)).tolist() == [True, False]
    assert np.isnan(toy.step(state, SCALES, 0.1)).any(axis=(1, 2)).tolist() == [True, False]
    state[1, :, 2] = 0.0
    with pytest.raises(ValueError, match=r"^state must have pairs of a norm between 1e-30 and 1e30, got 0\.$"):
        toy.loss(state, SCALES)
