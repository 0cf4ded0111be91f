"""Norm, angle and direction under SGD with weight decay: reference numbers, identities, and simulations of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import norm_dynamics as nd
from simlab.theory import scale_invariant as si
from simlab.theory import three_regimes as toy
from simlab.theory.sgd import LR
from simlab.theory.von_mises_fisher import VonMisesFisher, mean_cosine

LRS = st.floats(-3, 0).map(lambda x: 10.0**x)
SHARES = st.floats(-6, -0.5).map(lambda x: 10.0**x)
"""lr wd."""
GRADIENTS = st.floats(-3, 3).map(lambda x: 10.0**x)
MOMENTA = st.floats(0, 0.95)
ROUNDING = 1e-13
"""Relative: some hundred operations of 2e-16 each."""


def test_the_numbers_of_the_reference_sheet() -> None:
    # Half a unit of the last digit printed there.
    assert si.equilibrium_norm(0.1, 0.01, 49) ** 4 == pytest.approx(245.12, abs=5e-3)
    assert si.angle(0.1, 0.01) == pytest.approx(0.04472, abs=1e-5)  # the sheet has sqrt(2 lr wd), 2e-4 of it less
    assert si.equilibrium_norm(0.02, 0.01, 49, [0.5, 0.9]) ** 4 == pytest.approx([98.01, 490.0], abs=5e-2)
    assert si.angle(0.02, 0.01, [0.5, 0.9]) == pytest.approx([0.016330, 0.014510], abs=1e-6)
    assert si.effective_lr(0.1, si.equilibrium_norm(0.1, 0.01, 49)) == pytest.approx(0.006389, abs=3e-6)
    k = si.concentration(3, 1, 0.05, 0.02, 10)
    assert mean_cosine(k, 10) == pytest.approx(0.9889, abs=5e-5)
    assert toy.threshold([0.2, 0.5, 1, 2]) == pytest.approx(0.2703, abs=5e-5)
    assert toy.random_value([0.2, 0.5, 1, 2]) == pytest.approx(1.85, rel=ROUNDING)


@given(LRS, SHARES, GRADIENTS)
def test_the_equilibrium_is_the_fixed_point_of_the_step(lr: float, share: float, g: float) -> None:
    wd = share / lr
    rho = si.equilibrium_norm(lr, wd, g)
    grown = np.sqrt((1 - lr * wd) ** 2 * rho**2 + lr**2 * g / rho**2)  # typed here a second time, on purpose
    assert grown == pytest.approx(rho, rel=ROUNDING)
    assert np.tan(si.angle(lr, wd)) == pytest.approx(lr * np.sqrt(g) / (rho**2 * (1 - lr * wd)), rel=1e-12)
    np.testing.assert_allclose(si.relaxation(rho, lr, wd, g, 20), rho, rtol=20 * ROUNDING)


@given(LRS, SHARES, GRADIENTS, MOMENTA)
def test_the_laws_with_momentum(lr: float, share: float, g: float, m: float) -> None:
    wd = share / lr
    fourth = lr * g / (wd * (1 - m) * (2 - lr * wd / (1 + m)))  # the sheet's form
    assert si.equilibrium_norm(lr, wd, g, m) ** 4 == pytest.approx(fourth, rel=ROUNDING)
    # 1 - cos = lr wd/(1 + m): by half angles, which lose no digits
    assert 2 * np.sin(si.angle(lr, wd, m) / 2) ** 2 == pytest.approx(lr * wd / (1 + m), rel=1e-12)


@given(LRS, SHARES, GRADIENTS, st.floats(-2, 2))
def test_the_norm_relaxes_to_its_equilibrium(lr: float, share: float, g: float, start: float) -> None:
    share = max(share, 1e-2)  # so that 1000 steps are enough
    end = si.equilibrium_norm(lr, share / lr, g)
    path = si.relaxation(end * 10**start, lr, share / lr, g, 2000)
    assert path.shape == (2001,)
    assert path[-1] == pytest.approx(end, rel=1e-9)  # e^-80 or less of the start is left; 2000 roundings remain


def test_the_continuous_limit_is_first_order() -> None:
    # From a multiple of the equilibrium, lr wd and lr^2 G/rho^4 halve with lr; then so must the error.
    errors = []
    for lr in (0.08, 0.04, 0.02, 0.01):
        steps = round(8 / lr)
        rho0 = 0.5 * si.equilibrium_norm(lr, 0.1, 2.0)
        exact = si.relaxation(rho0, lr, 0.1, 2.0, steps)
        limit = si.relaxation_limit(rho0, lr, 0.1, 2.0, np.arange(steps + 1))
        errors.append(np.abs(limit / exact - 1).max())
    orders = -np.diff(np.log2(errors))
    assert np.all(np.abs(orders - 1) < 0.1)  # the next term is of the relative order lr = .08, and shrinks
    assert abs(orders[-1] - 1) < abs(orders[0] - 1)


@pytest.mark.parametrize("m", [0.5, 0.9])
def test_momentum_acts_as_a_larger_learning_rate(m: float) -> None:
    # The second moments of the heavy ball, step by step from rest; as above the error must halve with lr.
    weights, velocity = nd.heavy_ball()
    moments = [nd.mean_product(a, b) for a, b in ((weights, weights), (weights, velocity), (velocity, velocity))]
    advance = sp.lambdify((nd.RHO, nd.CROSS, nd.SPEED, LR, nd.WD, nd.G, nd.MOMENTUM), moments)
    errors = []
    for lr in (0.01, 0.005, 0.0025):
        rho0 = 2 * si.equilibrium_norm(lr, 0.1, 2.0, m)
        now, path = (rho0**2, 0.0, 0.0), [rho0]
        for _ in range(int(2 * si.relaxation_time(lr, 0.1, m))):
            now = advance(np.sqrt(now[0]), *now[1:], lr, 0.1, 2.0, m)
            path.append(np.sqrt(now[0]))
        limit = si.relaxation_limit(rho0, lr, 0.1, 2.0, np.arange(len(path)), m)
        errors.append(np.abs(limit / path - 1).max())
    orders = -np.diff(np.log2(errors))
    # The next term is of the order of what moves while the velocity settles: lr wd/(1 - m)^2, at most a tenth; over 2.
    assert np.all(np.abs(orders - 1) < 0.2)
    assert np.all(np.diff(orders) > 0)


def test_the_solution_solves_the_bernoulli_equation_and_has_the_known_limits() -> None:
    q = sp.sqrt(nd.norm_solution())
    assert sp.simplify(sp.diff(q, nd.TIME) - nd.norm_flow().subs(nd.RHO, sp.sqrt(q))) == 0
    assert sp.simplify(nd.norm_solution().subs(nd.TIME, 0) - nd.RHO0**4) == 0
    assert sp.expand(nd.norm_flow() - (nd.G * LR**2 / nd.RHO**2 - 2 * nd.WD * LR * nd.RHO**2)) == 0
    assert nd.relaxation_rate() == 4 * LR * nd.WD
    end = si.equilibrium_norm(0.01, 1e-6, 3.0)
    late = si.relaxation_limit([0.1, 300.0], 0.01, 1e-6, 3.0, 40 * si.relaxation_time(0.01, 1e-6))
    np.testing.assert_allclose(late, end, rtol=1e-8)  # lr wd = 1e-8 parts the two equilibria
    time = si.relaxation_time(0.01, 0.1, 0.8)
    start, middle, end = si.relaxation_limit(3.0, 0.01, 0.1, 3.0, time * np.array([0, 1, 50]), 0.8) ** 4
    assert (start - end) / (middle - end) == pytest.approx(np.e, rel=1e-12)
    assert si.effective_lr(0.01, 3.0, 0.8) == pytest.approx(0.05 / 9, rel=ROUNDING)
    t = np.array([0, 1, 1e3])
    np.testing.assert_allclose(si.relaxation_limit(0.5, 0.1, 0, 2.0, t) ** 4, 0.5**4 + 2 * 0.01 * 2 * t, rtol=ROUNDING)
    nearly = si.relaxation_limit(0.5, 0.1, 1e-12, 2.0, t)  # no digits lost where decay has hardly begun
    np.testing.assert_allclose(nearly, si.relaxation_limit(0.5, 0.1, 0, 2.0, t), rtol=1e-9)


def sphere_gradient(rng: np.random.Generator, w: Any, sigma: float, kappa: float = 0.0) -> Any:
    """rho times the gradient of -kappa w_0/|w| with isotropic tangential noise, for each row."""
    g = sigma * rng.standard_normal(w.shape)
    g[:, 0] -= kappa
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    return g - (g * u).sum(1, keepdims=True) * u


@pytest.mark.parametrize(("lr", "wd", "m"), [(0.1, 0.05, 0.0), (0.05, 0.05, 0.5), (0.05, 0.02, 0.8)])
def test_norm_and_angle_of_simulated_sgd(lr: float, wd: float, m: float) -> None:
    rng, d = np.random.default_rng(5), 50
    end = si.equilibrium_norm(lr, wd, d - 1, m)
    w, v = np.zeros((400, d)), np.zeros((400, d))
    w[:, 0] = end
    fourth, cosine = [], []
    relax = si.relaxation_time(lr, wd, m)
    for step in range(int(12 * relax)):
        rho = np.linalg.norm(w, axis=1)
        v = m * v + sphere_gradient(rng, w, 1.0) / rho[:, None] + wd * w
        new = w - lr * v
        if step > 6 * relax:
            fourth.append(rho**4)
            cosine.append((w * new).sum(1) / rho / np.linalg.norm(new, axis=1))
        w = new
    deficit = 1 - np.asarray(cosine)
    # Finite-size bias: V lr wd of rho^4 (V = 2/49) with lr/(1 - m) in place of lr, and as much of the angle.
    bias = 2 / 49 * lr * wd / (1 - m)
    for path, expected in ((np.asarray(fourth), end**4), (deficit, 1 - np.cos(si.angle(lr, wd, m)))):
        mean = path.mean(0)  # of each walker over time: walkers are independent
        error = mean.std() / np.sqrt(len(mean)) / expected
        assert abs(mean.mean() / expected - 1) < 4 * error + 2 * bias  # 4 standard errors: once in 16000
        assert 4 * error < 0.02  # the test can tell: without the factor 1/(1 - m), or 1/(1 + m), it fails


def test_fluctuations_of_the_norm() -> None:
    rng, lr, wd, walkers = np.random.default_rng(2), 0.1, 0.1, 4000
    for d in (2, 5):
        end = si.equilibrium_norm(lr, wd, d - 1) ** 2
        q, path = np.full(walkers, end), []
        for step in range(1200):
            q = (1 - lr * wd) ** 2 * q + lr**2 * rng.chisquare(d - 1, walkers) / q
            if step > 300:
                path.append(q)
        squares = np.asarray(path)
        v = 2 / (d - 1)
        spread = squares.var(0) / squares.mean() ** 2
        error = spread.std() / np.sqrt(walkers)
        own = squares.mean(0).var() / squares.mean() ** 2  # a walker's own mean takes this much of its variance
        first_order = si.norm_variance(lr, wd, v)
        assert abs(spread.mean() + own - first_order) < 4 * error + 2 * lr * wd * v * first_order
        excess = (squares**2).mean(0) / end**2 - 1
        error = excess.std() / np.sqrt(walkers)
        assert abs(excess.mean() - lr * wd * v) < 4 * error + 5 * (lr * wd * v) ** 2 + 2 * (lr * wd) ** 2 * v
        assert excess.mean() > 4 * error  # so there is something to explain


@given(st.floats(0.01, 0.3), st.floats(0.001, 0.3), st.integers(0, 2**31))
def test_decay_is_a_growing_learning_rate(lr: float, wd: float, seed: int) -> None:
    rng, scales = np.random.default_rng(seed), np.array([0.3, 1.0])
    w = v = rng.standard_normal((2, 2))
    rates = si.growing_lr(lr, wd, np.arange(300))
    for rate in rates:
        w = (1 - lr * wd) * w - lr * toy.loss_gradient(w, scales)
        v = v - rate * toy.loss_gradient(v, scales)
        # Rounding is all that parts them, as long as no pair comes near its edge, where differences grow.
        if (lr * scales > 0.5 * (w**2).sum(0)).any():
            break
        np.testing.assert_allclose(w / np.linalg.norm(w), v / np.linalg.norm(v), atol=300 * 2e-16 * 4)
    symbolic = sp.lambdify((LR, nd.WD, nd.TIME), nd.growing_lr())
    np.testing.assert_allclose(symbolic(lr, wd, np.arange(300)), rates, rtol=600 * 2e-16 * 2)  # errors of 1 - lr wd


def test_growing_learning_rate_over_three_hundred_steps() -> None:
    rng, scales, lr, wd = np.random.default_rng(3), np.array([0.5, 1.0]), 0.05, 0.02
    w = v = rng.standard_normal((2, 2))
    start = w / np.linalg.norm(w)
    for rate in si.growing_lr(lr, wd, np.arange(300)):
        w = (1 - lr * wd) * w - lr * toy.loss_gradient(w, scales)
        v = v - rate * toy.loss_gradient(v, scales)
    u = w / np.linalg.norm(w)
    assert np.abs(u - v / np.linalg.norm(v)).max() < 300 * 2e-16  # a rounding a step, on a path that contracts
    assert np.abs(u - start).max() > 0.1


@pytest.mark.parametrize(("d", "kappa", "lr", "wd"), [(10, 3.0, 0.05, 0.02), (4, 2.0, 0.1, 0.02)])
def test_the_direction_of_simulated_sgd(d: int, kappa: float, lr: float, wd: float) -> None:
    rng, walkers = np.random.default_rng(11), 1000
    w = np.zeros((walkers, d))
    w[:, 0] = si.equilibrium_norm(lr, wd, d - 1)
    deficits = []
    for step in range(1800):
        rho = np.linalg.norm(w, axis=1, keepdims=True)
        if step > 600:  # many relaxation times of norm (250 steps at most) and direction (tens)
            deficits.append(1 - w[:, 0] / rho[:, 0])
        w = (1 - lr * wd) * w - lr * sphere_gradient(rng, w, 1.0, kappa) / rho
    mean = np.asarray(deficits).mean(0)
    share = float(si.concentration_error(kappa, 1, lr, wd, d))
    law = VonMisesFisher(float(si.concentration(kappa, 1, lr, wd, d)), d)
    expected, error = law.mean_deficit, mean.std() / np.sqrt(walkers)
    assert abs(mean.mean() - expected * (1 + share)) < 4 * error + 2 * lr * wd * expected  # what is left is O(lr wd)
    assert abs(mean.mean() - expected) > 2 * error  # the share is seen


@given(LRS, SHARES, st.integers(2, 100), GRADIENTS)
def test_the_temperature_depends_on_the_product_alone(lr: float, share: float, d: int, sigma: float) -> None:
    at = [si.concentration(sigma, sigma, f * lr, share / lr / f, d) for f in (1.0, 7.0)]
    assert at[0] == pytest.approx(at[1], rel=ROUNDING)
    rho = si.equilibrium_norm(lr, share / lr, (d - 1) * sigma**2)
    assert sigma / si.temperature(sigma, lr, rho) == pytest.approx(at[0], rel=ROUNDING)
    assert si.concentration_error(sigma, sigma, lr, share / lr, d) == pytest.approx(sigma * lr / (4 * rho**2))


@given(LRS, SHARES, st.floats(0.1, 100), st.floats(1, 1000))
def test_edge_and_period(lr: float, share: float, sharpness: float, jump: float) -> None:
    low = si.critical_norm(lr, sharpness)
    assert si.edge(lr, low) == pytest.approx(sharpness, rel=ROUNDING)
    assert si.effective_lr(lr, low) * sharpness == pytest.approx(2, rel=ROUNDING)
    steps = si.period(lr, share / lr, jump * low, low)
    assert steps == pytest.approx(np.log(jump**2) / (2 * share), rel=1e-9, abs=1e-9)
    # without a gradient the norm falls just there, in the limit of small steps
    assert si.relaxation_limit(jump * low, lr, share / lr, 0, steps) == pytest.approx(low, rel=1e-9)


def test_a_quadratic_minimum_repels_beyond_the_edge() -> None:
    # Two weights, loss h/2 sin^2: curvature h on the unit circle. At radius rho without decay, one step from near 0.
    lr, rho = 0.3, 2.0
    for factor, holds in ((0.99, True), (1.01, False)):
        h, x = factor * si.edge(lr, rho), 1e-6
        w = np.array([rho, rho * x])
        g = h * w[0] * w[1] / (w @ w) ** 2 * np.array([-w[1], w[0]])
        w = w - lr * g
        assert (abs(w[1] / w[0]) < x) == holds


def test_the_width_of_a_minimum_changes_with_the_norm() -> None:
    hessian = sp.lambdify((toy.X, toy.Y, toy.SCALE), sp.hessian(toy.PAIR, (toy.X, toy.Y)))
    u = np.array([0.28, 0.96])
    for rho in (0.1, 3.0):
        far, near = hessian(*(rho * u), 1.7), hessian(*u, 1.7)
        np.testing.assert_allclose(far, si.curvature(near, rho), rtol=1e-12, atol=1e-12)
        trace = si.relative_sharpness(np.trace(far), rho)
        assert trace == pytest.approx(np.trace(near), rel=1e-12)


def test_arguments_broadcast() -> None:
    lr, wd = np.array([[0.1], [0.2]]), np.array([0.01, 0.02, 0.03])
    assert si.equilibrium_norm(lr, wd, 1.0).shape == (2, 3)
    path = si.relaxation(1.0, lr, wd, 2.0, 7)
    assert path.shape == (2, 3, 8)
    np.testing.assert_array_equal(path[1, 2], si.relaxation(1.0, 0.2, 0.03, 2.0, 7))
    np.testing.assert_array_equal(si.relaxation(1.0, 0.1, 0.1, 2.0, 0), [1.0])


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: si.equilibrium_norm(0, 0.1, 1), "lr must be positive"),
        (lambda: si.equilibrium_norm(0.1, 0, 1), "weight_decay must be positive"),
        (lambda: si.equilibrium_norm(0.1, 0.1, -1), "gradient_square must be zero or positive"),
        (lambda: si.equilibrium_norm(0.1, 0.1, float("nan")), "gradient_square must be zero or positive"),
        (lambda: si.equilibrium_norm(0.1, 0.1, 1, 1.0), "momentum must be numbers of at least 0 and below 1"),
        (lambda: si.equilibrium_norm(2, 0.5, 1), "lr weight_decay must be below 1"),
        (lambda: si.equilibrium_norm([0.1, 0.2], [0.1, 0.2, 0.3], 1), "do not broadcast"),
        (lambda: si.relaxation(0, 0.1, 0.1, 1, 5), "rho0 must be positive"),
        (lambda: si.relaxation(1, 0.1, 0.1, 1, -1), "steps must be a whole number"),
        (lambda: si.relaxation_time(0.1, 0), "weight_decay must be positive"),
        (lambda: si.growing_lr(0.1, 0.1, 1e6), "take fewer steps"),
        (lambda: si.concentration(1, 0, 0.1, 0.1, 5), "sigma must be positive"),
        (lambda: si.concentration(1, 1, 0.1, 0.1, 1), "dimension must be a whole number"),
        (lambda: si.concentration(1, 1, 0.1, 0.1, 2.5), "dimension must be a whole number"),
        (lambda: si.period(0.1, 0, 2, 1), "weight_decay must be positive"),
        (lambda: si.period(0.1, 0.1, 1, 2), "rho_max must be at least rho_crit"),
        (lambda: si.curvature(1, 0), "rho must be positive"),
    ],
)  # fmt: skip
def test_bad_numbers_are_refused(call: Callable[[], object], fragment: str) -> None:
    with pytest.raises(ValueError, match=fragment) as caught:
        call()
    assert str(caught.value).endswith(".")
