"""Least squares: the numbers of the reference sheet, sympy's own root at 40 digits, limits, gradient flow, spectra."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from simlab.theory import least_squares as ls

GAMMAS = st.floats(-2, 2).map(lambda x: 10.0**x)
RIDGES = st.floats(-10, 3).map(lambda x: 10.0**x)
SIGNALS = st.floats(0, 5)
NOISES = st.floats(0, 5)


@cache
def _exact_function() -> Any:
    """signal^2 lambda^2 m' + noise^2 gamma (m - lambda m') with the root and the derivative that sympy finds."""
    m = ls.transform()
    return sp.lambdify((ls.GAMMA, ls.RIDGE), (m, -sp.diff(m, ls.RIDGE)), "mpmath")


def exact(gamma: float, ridge: float, signal: float, noise: float) -> float:
    with mpmath.workdps(60):  # the root cancels 14 digits or so at the smallest ridge: 40 are left
        g, x, r, s = (mpmath.mpf(a) for a in (gamma, ridge, signal, noise))
        m, slope = _exact_function()(g, x)
        return float(r**2 * x**2 * slope + s**2 * g * (m - x * slope))


def minima(curve: np.ndarray) -> int:
    """Local minima inside a sampled curve, steps lost in rounding apart."""
    steps = np.diff(curve)
    signs = np.sign(steps[np.abs(steps) > 1e-14 * curve.max()])
    return int(((signs[:-1] < 0) & (signs[1:] > 0)).sum())


def test_the_numbers_of_the_reference_sheet() -> None:
    # Half a unit of the last digit printed there.
    assert ls.risk(0.5, 0.0) == pytest.approx(0.250, abs=5e-4)
    assert ls.risk(3.0, 0.0) == pytest.approx(0.792, abs=5e-4)
    assert ls.risk(2.0, 0.1) == pytest.approx(0.687, abs=5e-4)


@given(GAMMAS, RIDGES, SIGNALS, NOISES)
def test_the_risk_is_that_of_the_root_of_the_marchenko_pastur_quadratic(
    gamma: float, ridge: float, signal: float, noise: float
) -> None:
    # A dozen roundings of positive terms: 1e-12 leaves room, and a cancellation would show. The subnormal part: abs.
    expected = exact(gamma, ridge, signal, noise)
    assert ls.risk(gamma, ridge, signal=signal, noise=noise) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("gamma", [1 - 1e-9, 1.0, 1 + 1e-9])
@pytest.mark.parametrize("ridge", [1e-10, 1e-5, 1.0, 1e3])
def test_no_digits_are_lost_at_the_peak(gamma: float, ridge: float) -> None:
    assert ls.risk(gamma, ridge) == pytest.approx(exact(gamma, ridge, 1, 0.5), rel=1e-12)


@given(st.floats(-8, 8), st.one_of(st.just(0.0), st.floats(-20, 20).map(lambda x: 10.0**x)), SIGNALS, NOISES)
def test_the_parts_are_not_negative_and_add_up_to_the_risk(
    log_gamma: float, ridge: float, signal: float, noise: float
) -> None:
    parts = ls.parts(10.0**log_gamma, ridge, signal=signal, noise=noise)
    assert min(parts) >= 0
    assert sum(parts) == ls.risk(10.0**log_gamma, ridge, signal=signal, noise=noise)


@given(GAMMAS, SIGNALS, NOISES)
def test_an_infinite_ridge_learns_nothing(gamma: float, signal: float, noise: float) -> None:
    # The risk is signal^2 + O((signal^2 + gamma noise^2)/ridge).
    scale = signal**2 + gamma * noise**2
    assert ls.risk(gamma, 1e12, signal=signal, noise=noise) == pytest.approx(signal**2, abs=4e-12 * scale + 1e-300)


@given(GAMMAS.filter(lambda g: abs(g - 1) > 1e-2), SIGNALS, NOISES)
def test_without_a_ridge_the_risk_is_the_minimum_norm_limit(gamma: float, signal: float, noise: float) -> None:
    limit = ls.risk(gamma, 0.0, signal=signal, noise=noise)
    if gamma < 1:
        expected = noise**2 * gamma / (1 - gamma)
    else:
        expected = signal**2 * (1 - 1 / gamma) + noise**2 / (gamma - 1)
    assert limit == pytest.approx(expected, rel=1e-12, abs=1e-300)
    # At |gamma - 1| > 0.01 the risk moves with the ridge at a relative rate below 1e6.
    scale = signal**2 + noise**2
    assert ls.risk(gamma, 1e-14, signal=signal, noise=noise) == pytest.approx(limit, rel=1e-7, abs=1e-7 * scale)


def test_without_a_ridge_the_peak_is_infinite_unless_there_is_no_noise() -> None:
    assert ls.risk(1.0, 0.0) == np.inf
    assert ls.risk(1.0, 0.0, noise=0.0) == 0
    assert ls.risk(1.0, 1e-16) == pytest.approx(0.25 / 2e-8, rel=1e-6)  # noise^2/(2 sqrt(ridge)) + O(1)


@given(GAMMAS, st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.05, 3))
def test_the_best_ridge_is_a_minimum_and_has_no_peak(gamma: float, signal: float, noise: float, step: float) -> None:
    best = ls.optimal_ridge(gamma, signal=signal, noise=noise)
    lowest = ls.risk(gamma, best, signal=signal, noise=noise)
    for ridge in (best * np.exp(step), best * np.exp(-step)):
        assert lowest <= ls.risk(gamma, ridge, signal=signal, noise=noise) * (1 + 1e-14)
    more = ls.optimal_ridge(gamma * np.exp(step), signal=signal, noise=noise)
    assert lowest <= ls.risk(gamma * np.exp(step), more, signal=signal, noise=noise)


def test_without_signal_the_best_ridge_is_infinite() -> None:
    assert ls.optimal_ridge(2.0, signal=0.0) == np.inf


@given(st.integers(1, 300), st.integers(1, 300), st.one_of(st.just(0.0), RIDGES), SIGNALS, NOISES)
def test_an_isotropic_spectrum_has_the_isotropic_risk(
    p: int, n: int, ridge: float, signal: float, noise: float
) -> None:
    found = ls.spectrum_risk(np.ones(p), np.full(p, signal**2 / p), n, ridge, noise=noise)
    expected = ls.risk(p / n, ridge, signal=signal, noise=noise)
    if np.isinf(expected):
        assert found == np.inf
    else:
        # Sums of positive terms of up to 300 numbers; kappa is right to 1e-14 of itself.
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-11 * (signal**2 + 1e-290))


@given(
    st.lists(st.floats(-6, 6).map(lambda x: 10.0**x), min_size=1, max_size=30),
    st.floats(0.5, 100),
    st.one_of(st.just(0.0), st.floats(-12, 6).map(lambda x: 10.0**x)),
)
def test_the_effective_ridge_solves_its_equation(spectrum: list[float], examples: float, ridge: float) -> None:
    s = np.array(spectrum)
    kappa = float(ls.effective_ridge(s, examples, ridge))
    if ridge == 0 and len(s) <= examples:
        assert kappa == 0
    else:
        # Each term is right to 1e-15; a flat equation moves kappa, not its residual. kappa itself moves by 700 ulp.
        assert ridge / kappa + (s / (s + kappa)).sum() / examples == pytest.approx(1, abs=1e-12)
        assert ridge <= kappa * (1 + 1e-12)


def test_the_effective_ridge_broadcasts() -> None:
    spectrum, power = np.geomspace(0.01, 1, 20), np.ones(20)
    n, ridge = np.array([5, 20, 50.0]), np.array([[0.01], [1.0]])
    risks = ls.spectrum_risk(spectrum, power, n, ridge)
    assert risks.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert risks[i, j] == pytest.approx(ls.spectrum_risk(spectrum, power, n[j], ridge[i, 0]), rel=1e-12)
    assert ls.risk(n / 10, ridge, noise=np.ones((4, 1, 1))).shape == (4, 2, 3)


@given(st.sampled_from([0.05, 0.5, 0.9, 1.1, 2.0, 20.0]), SIGNALS, NOISES)
def test_gradient_flow_goes_from_nothing_to_the_minimum_norm(gamma: float, signal: float, noise: float) -> None:
    start, end = ls.gradient_flow(gamma, [0.0, 1e5], signal=signal, noise=noise)
    # 4096 nodes integrate functions smooth in the angle to rounding.
    assert start == pytest.approx(signal**2, rel=1e-11, abs=1e-300)
    assert end == pytest.approx(ls.risk(gamma, 0.0, signal=signal, noise=noise), rel=1e-9, abs=1e-100)
    assert minima(ls.gradient_flow(gamma, np.geomspace(1e-3, 1e4, 500), signal=signal, noise=noise)) <= 1


def test_the_law_has_the_moments_of_marchenko_and_pastur() -> None:
    for gamma in (0.3, 1.0, 4.0):
        nodes, weights, at_zero = ls.marchenko_pastur(gamma)
        moments = [(weights * nodes**k).sum() for k in (0, 1, 2)]
        assert moments == pytest.approx([1 - at_zero, 1, 1 + gamma], abs=1e-13)  # a thousand nodes
        m = ((weights / (nodes + 0.1)).sum() + at_zero / 0.1) * 0.1  # and their transform is the root
        with mpmath.workdps(30):
            assert m == pytest.approx(float(0.1 * _exact_function()(mpmath.mpf(gamma), mpmath.mpf(0.1))[0]), rel=1e-9)


def test_gradient_descent_tends_to_gradient_flow_at_first_order_in_the_step() -> None:
    times = np.array([0.5, 2.0, 10.0])
    flow = ls.gradient_flow(2.0, times)
    gaps = [np.abs(ls.gradient_descent(2.0, times / lr, lr) - flow).max() for lr in (1e-2, 1e-3, 1e-4)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.05)  # the next order is 1e-2 times smaller, with a factor
    assert gaps[1] / gaps[2] == pytest.approx(10, rel=0.05)
    assert ls.gradient_descent(2.0, 0, 0.1) == pytest.approx(1, rel=1e-12)


def integrated(gamma: float, signal: float, noise: float, kept: Any) -> float:
    """The risk where a direction of eigenvalue l keeps the share kept(l), in 30 digits."""
    with mpmath.workdps(30):
        root, ends = mpmath.sqrt(gamma), [mpmath.mpf(0), *(mpmath.pi / 2**k for k in range(26, 0, -1))]

        def at(angle: Any) -> Any:
            level = (1 - root) ** 2 + 4 * root * mpmath.sin(angle / 2) ** 2
            share = kept(level)
            risk = signal**2 * share**2 + gamma * noise**2 * (1 - share) ** 2 / level
            return 2 / mpmath.pi * mpmath.sin(angle) ** 2 / level * risk

        parts = [mpmath.quad(at, ends), mpmath.quad(lambda angle: at(mpmath.pi - angle), ends)]
        return float(sum(parts) + signal**2 * max(0, 1 - 1 / mpmath.mpf(gamma)))


@pytest.mark.parametrize(
    ("gamma", "steps", "lr", "noise"),
    [(1.0, 10**8, 0.1, 0.5), (1 + 1e-4, 10**7, 0.4, 0.0), (0.5, 101, 0.686, 0.5), (2.0, 3, 0.3, 0.5)],
)
def test_any_number_of_steps_is_integrated(gamma: float, steps: int, lr: float, noise: float) -> None:
    exact = integrated(gamma, 1, noise, lambda level: (1 - mpmath.mpf(lr) * level) ** steps)
    assert ls.gradient_descent(gamma, steps, lr, noise=noise) == pytest.approx(exact, rel=1e-12)
    flow = integrated(gamma, 1, noise, lambda level: mpmath.exp(-level * steps))
    assert ls.gradient_flow(gamma, steps, noise=noise) == pytest.approx(flow, rel=1e-12)


def test_a_learning_rate_just_below_the_edge_keeps_its_digits() -> None:
    # All eigenvalues are at 1 to within 2e-3, and each keeps (-1)^t exp(-t (2 - lr l)).
    gamma, steps, lr = 1e-6, 10**6, 2 / (1 + 1e-3) ** 2 * (1 - 1e-9)
    exact = integrated(gamma, 1, 0.5, lambda level: (1 - mpmath.mpf(lr) * level) ** steps)
    assert ls.gradient_descent(gamma, steps, lr) == pytest.approx(exact, rel=1e-12)


def test_as_many_features_as_examples_keep_their_digits() -> None:
    # At p = n and a small ridge, ridge/kappa = (1/n) sum kappa/(s + kappa), so kappa is about sqrt(ridge/mean(1/s)).
    s, ridge = np.geomspace(0.1, 10, 20), 1e-20
    inverse = np.mean(1 / s)
    kappa = np.sqrt(ridge / inverse)
    assert ls.effective_ridge(s, 20, ridge) == pytest.approx(kappa, rel=5 * kappa)
    # Of the two terms of 1 - df2/n each is kappa times the mean of 1/s.
    assert ls.spectrum_risk(s, 0.0, 20, ridge, noise=1.0) == pytest.approx(1 / (2 * kappa * inverse), rel=1e-8)


def test_two_speeds_are_for_few_features_and_stable_steps() -> None:
    many = ls.two_speeds(np.ones(4), 0.25, 0.1, 10**6, 4000, noise=0.5)
    assert many == pytest.approx(ls.risk(1e-3, 0.0), rel=2e-3)  # p/n, and as much of room
    for lr, examples, name in ((0.1, 8, "examples"), (2.1, 4000, "lr"), (0.9, 16, "lr")):
        with pytest.raises(ValueError, match=f"^{name}"):
            ls.two_speeds(np.ones(4), 0.25, lr, 10, examples)


def test_two_speeds_have_two_descents_and_matched_step_sizes_one() -> None:
    spectrum, power = np.repeat([1.0, 0.01], 10), np.repeat([0.01, 5.0], 10)
    steps = np.unique(np.round(np.geomspace(1, 1e5, 3000)))
    matched = ls.matching_steps(spectrum, power, 0.05, 100, noise=1.0)
    equal, one = (ls.two_speeds(spectrum, power, lr, steps, 100, noise=1.0) for lr in (0.05, matched))
    assert minima(equal) == 2
    assert minima(one) == 1
    # The sum of the minima, s P v/(s P + v) for each direction, is attained up to rounding the steps to whole numbers.
    v, signal = 0.01, spectrum * power
    assert one.min() == pytest.approx((signal * v / (signal + v)).sum(), rel=1e-3)
    assert equal.min() > 1.3 * one.min()


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=8), st.floats(0.01, 0.5), st.integers(10, 1000))
def test_matched_step_sizes_bring_all_minima_to_one_time(spectrum: list[float], lr: float, n: int) -> None:
    s = np.array(spectrum)
    power = np.linspace(0.1, 2, len(s))
    matched = ls.matching_steps(s, power, lr, n)
    kept = 0.25 / n / (0.25 / n + s * power)
    assert matched[0] == pytest.approx(lr, rel=1e-9)
    np.testing.assert_allclose(np.log(kept) / np.log1p(-matched * s), np.log(kept[0]) / np.log1p(-lr * s[0]), rtol=1e-9)


def test_a_simulation_of_finite_size_agrees() -> None:
    n, p, ridge, replicates = 80, 160, 0.1, 150
    rng = np.random.default_rng(3)
    x = rng.standard_normal((replicates, n, p))
    beta = np.zeros(p)
    beta[0] = 1
    y = x @ beta + 0.5 * rng.standard_normal((replicates, n))
    gram = np.swapaxes(x, 1, 2) @ x / n + ridge * np.eye(p)
    found = np.linalg.solve(gram, (np.swapaxes(x, 1, 2) @ y[..., None]) / n)[..., 0]
    errors = ((found - beta) ** 2).sum(1)
    standard_error = errors.std(ddof=1) / np.sqrt(replicates)
    # z < 4.9 is a false alarm in a million; the finite size adds at most 1/n (0.3/n was seen at n = 40 and 80).
    assert abs(errors.mean() - ls.risk(p / n, ridge)) < 4.9 * standard_error + 1 / n


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: ls.risk(0.0, 1.0), "gamma"), (lambda: ls.risk(-1.0, 1.0), "gamma"),
        (lambda: ls.risk(1.0, -1e-9), "ridge"), (lambda: ls.risk(1.0, np.nan), "ridge"),
        (lambda: ls.risk(1.0, 1.0, noise=-1), "noise"), (lambda: ls.risk(1.0, 1.0, signal=[1, np.inf]), "signal"),
        (lambda: ls.optimal_ridge(np.nan), "gamma"), (lambda: ls.risk(np.ones(2), np.ones(3)), r"gamma \(2,\)"),
        (lambda: ls.spectrum_risk([1.0, -1.0], 1.0, 5, 0.1), "spectrum"),
        (lambda: ls.spectrum_risk([1.0], [np.nan], 5, 0.1), "power"),
        (lambda: ls.spectrum_risk([1.0], 1.0, 0, 0.1), "examples"),
        (lambda: ls.spectrum_risk([1.0], 1.0, 5, -0.1), "ridge"),
        (lambda: ls.gradient_descent(1.0, 5, 0.6), "lr"), (lambda: ls.gradient_flow(-1.0, 5), "gamma"),
    ],
)  # fmt: skip
def test_an_argument_that_makes_no_sense_is_named_in_one_sentence(call: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^[^\n]*\b{name}[^\n]*\.$"):
        call()
