"""Random features: the numbers of the reference sheet, the source's equations in many digits, limits, ensembles."""

from __future__ import annotations

from functools import cache
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import sympy as sp
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad

from simlab.theory import least_squares
from simlab.theory import random_features as rf
from simlab.theory.activations import ACTIVATIONS, X, closed_form, moments

PSIS = st.floats(-2, 2).map(lambda x: 10.0**x)
RIDGES = st.floats(-10, 3).map(lambda x: 10.0**x)
NAMES = st.sampled_from(sorted(ACTIVATIONS))
RELU = moments("relu")


@st.composite
def widths(draw: st.DrawFn) -> tuple[float, float]:
    """psi1 and psi2, often on the peak or next to it."""
    psi2 = draw(PSIS)
    factor = draw(st.sampled_from([None, 0.0, 1e-9, -1e-5, 1e-2]))
    return (draw(PSIS) if factor is None else psi2 * (1 + factor)), psi2


@cache
def _polynomials() -> Any:
    return sp.lambdify((rf.CHI, rf.ZETA, rf.PSI1, rf.PSI2), (rf.E0, rf.E1, rf.E2), "mpmath")


def exact(psi1: float, psi2: float, ridge: float, noise: float, name: str) -> tuple[float, float, float]:
    """E_1, E_1 - E_inf and the effective ridge in 60 digits: bisection on F(p) = 0 and the polynomials of the source.

    E_inf is ridge regression of `least_squares` with the ridge of Jacot et al.
    """
    m = moments(name)
    with mpmath.workdps(60):
        a, b, x, mu1, mu2, tau = (mpmath.mpf(v) for v in (psi1, psi2, ridge, m.mu1, m.mu2, noise))
        zeta, xi2 = mu1 / mu2, a * b * x / mu2**2

        def free(p: Any) -> Any:
            return p + zeta**2 * p / (1 + zeta**2 * p)

        low, high = mpmath.mpf(0), min(a, b)
        for _ in range(190):
            p = (low + high) / 2
            g = free(p)
            low, high = (p, high) if g < min(a, b) and (a - g) * (b - g) > xi2 * p else (low, p)
        e0, e1, e2 = _polynomials()(-p, zeta, a, b)
        effective = mu2**2 * (b - free(p)) / p
        u = 1 / (1 + zeta**2 * p)  # the share not learnt; in its place the root, with no linear part there is none
        if mu1:
            gamma, kernel = 1 / b, (mu2**2 + effective) / (mu1**2 * b)
            u = (mpmath.sqrt((1 - gamma + kernel) ** 2 + 4 * gamma * kernel) - (1 - gamma + kernel)) / (2 * gamma)
        spoilt = (1 - u) ** 2 / b
        infinite = (u**2 + tau**2 * spoilt) / (1 - spoilt)
        one = (e1 + tau**2 * e2) / e0
        return float(one), float(one - infinite), float(effective)


def test_the_numbers_of_the_reference_sheet() -> None:
    # Half a unit of the last digit printed there; ReLU, signal 1, noise 0.5.
    assert (RELU.mu0, RELU.mu1, RELU.mu2) == pytest.approx((0.39894, 0.5, 0.30141), abs=5e-6)
    points = {
        (1, 3, 0.001): 0.789,
        (3, 3, 0.001): 1.316,
        (6, 3, 0.001): 0.446,
        (2, 3, 0.1): 0.445,
        (2, 2, 0.001): 2.167,
    }
    for point, expected in points.items():
        assert rf.risk(*point) == pytest.approx(expected, abs=5e-4)
    for point, one, infinite, digit in (
        ((3, 3, 0.001), 1.316, 0.1123, 1e-4), ((1, 3, 0.001), 0.789, 0.2536, 1e-4), ((2, 2, 0.1), 0.515, 0.344, 1e-3),
    ):  # fmt: skip
        assert rf.risk(*point) == pytest.approx(one, abs=5e-4)
        assert rf.risk(*point, members=np.inf) == pytest.approx(infinite, abs=digit / 2)


@given(widths(), RIDGES, NAMES)
def test_the_two_coupled_equations_of_the_source_are_solved(psi: tuple[float, float], ridge: float, name: str) -> None:
    m = moments(name)
    found, xi, z2 = rf.solve(*psi, ridge, m), np.sqrt(psi[0] * psi[1] * ridge) / m.mu2, m.zeta**2
    m1, m2 = found.a / xi, found.b / xi
    # A dozen roundings each.
    assert m1 * (xi + m2 + z2 * m2 / (1 + z2 * m1 * m2)) == pytest.approx(psi[0], rel=1e-13)
    assert m2 * (xi + m1 + z2 * m1 / (1 + z2 * m1 * m2)) == pytest.approx(psi[1], rel=1e-13)
    assert m1 * m2 == pytest.approx(found.p, rel=1e-13)


@given(widths(), RIDGES, st.floats(0, 3), NAMES)
@example((1.0, 1.0), 1e-10, 0.5, "relu")
@example((100.0, 100.0), 1e-10, 0.0, "tanh")
def test_the_risk_and_its_parts_keep_their_digits(
    psi: tuple[float, float], ridge: float, noise: float, name: str
) -> None:
    one, features, effective = exact(*psi, ridge, noise, name)
    found = rf.parts(*psi, ridge, noise=noise, activation=name)
    # Sums and products of positive terms: some 30 roundings of 1e-16 each.
    assert rf.risk(*psi, ridge, noise=noise, activation=name) == pytest.approx(one, rel=1e-13)
    assert found.features == pytest.approx(features, rel=1e-13)
    assert rf.effective_ridge(*psi, ridge, moments(name)) == pytest.approx(effective, rel=1e-13)


@given(widths(), st.one_of(st.just(0.0), RIDGES), st.floats(0, 3), st.floats(0, 2), st.floats(0, 2), st.integers(1, 99))
def test_the_parts_are_not_negative_and_add_up_and_shrink_with_members(
    psi: tuple[float, float], ridge: float, signal: float, noise: float, nonlinear: float, members: int
) -> None:
    model: dict[str, Any] = {"signal": signal, "noise": noise, "nonlinear": nonlinear}
    found = rf.parts(*psi, ridge, members=members, **model)
    assert min(found) >= 0
    risk = rf.risk(*psi, ridge, members=members, **model)
    assert risk == sum(found)
    one, infinite = (rf.risk(*psi, ridge, members=k, **model) for k in (1, np.inf))
    assert np.isfinite(infinite)
    if np.isfinite(one):  # E_K = E_inf + (E_1 - E_inf)/K; the difference loses what one has above infinite
        assert risk == pytest.approx(infinite + (one - infinite) / members, rel=1e-14, abs=1e-14 * float(one))
    else:
        assert psi[0] == psi[1]
        assert ridge == 0


@given(widths(), st.one_of(st.just(0.0), RIDGES), st.floats(0, 3), NAMES.filter(lambda name: moments(name).mu1 != 0))
def test_infinitely_many_networks_are_ridge_regression_at_the_effective_ridge(
    psi: tuple[float, float], ridge: float, noise: float, name: str
) -> None:
    m = moments(name)
    kernel = (m.mu2**2 + rf.effective_ridge(*psi, ridge, m)) / (m.mu1**2 * psi[1])
    found = rf.parts(*psi, ridge, noise=noise, activation=name, members=np.inf)
    expected = least_squares.parts(1 / psi[1], kernel, noise=noise)
    np.testing.assert_allclose(found[:3], expected, rtol=1e-12)


@given(widths(), RIDGES)
def test_the_effective_ridge_is_the_fixed_point_of_jacot(psi: tuple[float, float], ridge: float) -> None:
    (psi1, psi2), m = psi, RELU
    tilde = rf.effective_ridge(psi1, psi2, ridge, m)
    # The eigenvalues of K: d of mu1^2 psi2 l + mu2^2 with l from the law at gamma = 1/psi2, the other n - d are mu2^2.
    kernel = (m.mu2**2 + tilde) / (m.mu1**2 * psi2)
    b = 1 - 1 / psi2 + kernel
    share = 2 * kernel / (np.sqrt(b**2 + 4 * kernel / psi2) + b)
    resolvent = (share + psi2 - 1) / kernel / (m.mu1**2 * psi2)  # tr (K + tilde)^-1/d
    trace = psi2 - tilde * resolvent
    # Differences of terms up to tilde and psi2: 1e-16 of them, times psi2/psi1 of up to 1e4.
    assert tilde == pytest.approx(psi2 * ridge + tilde * trace / psi1, rel=1e-10)


def test_an_ensemble_has_no_peak() -> None:
    psi1 = np.geomspace(0.1, 30, 3001)
    for noise in (0.2, 0.5, 1.0):
        for ridge in (1e-8, 1e-3):
            one, infinite = (np.sign(np.diff(rf.risk(psi1, 3.0, ridge, noise=noise, members=k))) for k in (1, np.inf))
            peaks = [((s[:-1] > 0) & (s[1:] < 0)).sum() for s in (one, infinite)]
            assert peaks == [1, 0]


@pytest.mark.parametrize("ridge", [1e-6, 1e-3, 0.1, 10.0])
def test_infinite_width_is_the_kernel_machine(ridge: float) -> None:
    psi2 = np.array([0.1, 1.0, 3.0, 20.0])
    kernel = (RELU.mu2**2 + psi2 * ridge) / (RELU.mu1**2 * psi2)
    expected = least_squares.risk(1 / psi2, kernel)
    gaps = [np.abs(rf.risk(psi1, psi2, ridge) - expected).max() for psi1 in (1e5, 1e6)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.01)  # what is left falls as 1/psi1
    np.testing.assert_allclose(rf.risk(1e9, psi2, ridge, members=np.inf), expected, rtol=1e-6)


@given(PSIS, PSIS, st.floats(0, 2), NAMES)
def test_no_ridge_is_the_limit_of_tiny_ridges_off_the_peak(psi1: float, psi2: float, noise: float, name: str) -> None:
    if abs(np.log(psi1 / psi2)) < 0.05:
        psi1 = psi2 * 1.1
    limit = rf.risk(psi1, psi2, 0.0, noise=noise, activation=name)
    # At 5 % from the peak the risk moves with the ridge at a relative rate of less than 1e7.
    assert rf.risk(psi1, psi2, 1e-14, noise=noise, activation=name) == pytest.approx(limit, rel=1e-7)
    assert np.isfinite(limit)


@given(PSIS, st.floats(0.1, 2), NAMES)
def test_no_ridge_is_infinite_on_the_peak(psi: float, noise: float, name: str) -> None:
    assert rf.risk(psi, psi, 0.0, noise=noise, activation=name) == np.inf
    assert np.isfinite(rf.risk(psi, psi, 0.0, noise=noise, activation=name, members=np.inf))
    assert rf.risk(psi, psi, 0.0, signal=0, noise=0, activation=name) == 0
    low, lower = (rf.parts(psi, psi, x, noise=noise, activation=name).features for x in (1e-12, 1e-14))
    assert lower / low == pytest.approx(10, rel=0.01)  # as 1/sqrt(ridge)


@given(PSIS, PSIS, st.floats(0, 3), st.floats(0, 3), st.floats(0, 3))
def test_an_infinite_ridge_learns_nothing(
    psi1: float, psi2: float, signal: float, noise: float, nonlinear: float
) -> None:
    found = rf.risk(psi1, psi2, 1e13, signal=signal, noise=noise, nonlinear=nonlinear)
    # What is left is of order (signal^2 + labels)/ridge times mu^2 (1 + psi2): below 1e-9 in all.
    assert found == pytest.approx(signal**2 + nonlinear**2, abs=1e-9)


def test_arguments_broadcast_and_ten_thousand_points_are_finite() -> None:
    psi1, psi2 = np.geomspace(0.01, 100, 25)[:, None, None], np.geomspace(0.01, 100, 20)[:, None]
    ridge = 10.0 ** np.arange(-16, 4)
    risks = rf.risk(psi1, psi2, ridge)
    assert risks.shape == (25, 20, 20)
    assert np.isfinite(risks).all()
    for i, j, k in ((0, 0, 0), (24, 19, 19), (24, 19, 0), (12, 7, 3)):
        assert risks[i, j, k] == pytest.approx(rf.risk(psi1[i, 0, 0], psi2[j, 0], ridge[k]), rel=1e-14)
    assert np.ndim(rf.risk(1, 2, 3)) == 0
    assert rf.parts(1.0, 2.0, 0.1, noise=np.ones(3), members=np.ones((4, 1))).features.shape == (4, 3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_moments_in_closed_form_are_those_of_quadrature(name: str) -> None:
    function = sp.lambdify(X, ACTIVATIONS[name], ["scipy", "numpy"])

    def mean(f: Any) -> float:
        density = lambda x: f(x) * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)  # noqa: E731
        return sum(quad(density, *ends, epsabs=1e-13)[0] for ends in ((-12, 0), (0, 12)))  # a kink at 0 is an end

    first, linear = mean(function), mean(lambda x: x * function(x))
    rest = np.sqrt(mean(lambda x: function(x) ** 2) - first**2 - linear**2)
    assert moments(name) == pytest.approx((first, linear, rest), abs=1e-11)
    assert (closed_form(name) is None) == (name == "tanh")


def test_an_activation_may_be_a_function_but_not_a_linear_one() -> None:
    assert moments(np.tanh) == moments("tanh")
    assert moments(lambda x: np.maximum(x, 0)) == pytest.approx(RELU, rel=1e-14)  # sums of some thousand nodes
    assert rf.risk(2, 3, 0.1, activation=np.tanh) == rf.risk(2, 3, 0.1, activation="tanh")
    with pytest.raises(ValueError, match="least_squares"):
        moments(lambda x: 3 * x + 1)


def test_a_simulation_of_finite_size_agrees_for_one_network_and_for_infinitely_many() -> None:
    d, psi1, psi2, ridge, noise, replicates = 40, 2, 3, 0.1, 0.5, 800
    rng = np.random.default_rng(1)

    def sphere(*shape: int) -> np.ndarray:
        x = rng.standard_normal((*shape, d))
        return x * np.sqrt(d) / np.linalg.norm(x, axis=-1, keepdims=True)

    found = []
    for _ in range(replicates):
        x, tests = sphere(psi2 * d), sphere(200)
        y, rest = x[:, 0] + noise * rng.standard_normal(len(x)), []
        for theta in sphere(2, psi1 * d):
            z, t = (np.maximum(v @ theta.T, 0) / d for v in (x, tests))
            a = np.linalg.solve(z.T @ z + psi1 * psi2 * ridge * np.eye(len(theta)), z.T @ y)
            rest.append(t @ a - tests[:, 0])
        # Two networks: their mean square, and their product, which is the square of the average over features.
        found.append([np.mean(np.square(rest)), np.mean(rest[0] * rest[1])])
    standard_errors = np.std(found, axis=0, ddof=1) / np.sqrt(replicates)
    expected = [rf.risk(psi1, psi2, ridge, noise=noise, members=k) for k in (1, np.inf)]
    # z < 4.9 is a false alarm in a million. The finite size adds 0.1/d and 0.2/d (seen at d = 20); 0.5/d is declared.
    assert (np.abs(np.mean(found, axis=0) - expected) < 4.9 * standard_errors + 0.5 / d).all()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"psi1": 0}, "psi1"), ({"psi1": np.inf}, "psi1"), ({"psi2": -1}, "psi2"), ({"ridge": -1e-12}, "ridge"),
        ({"ridge": np.nan}, "ridge"), ({"signal": -1}, "signal"), ({"nonlinear": np.inf}, "nonlinear"),
        ({"noise": [0.1, np.nan]}, "noise"), ({"members": 0.5}, "members"), ({"members": np.nan}, "members"),
        ({"activation": "swish"}, "activation"), ({"psi1": np.ones(2), "noise": np.ones(3)}, r"psi1 \(2,\)"),
    ],
)  # fmt: skip
def test_an_argument_that_makes_no_sense_is_named_in_one_sentence(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^[^\n]*\b{name}[^\n]*\.$"):
        rf.risk(**{"psi1": 1.0, "psi2": 1.0, "ridge": 0.1, **arguments})
