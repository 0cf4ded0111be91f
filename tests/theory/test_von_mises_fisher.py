"""The law of von Mises and Fisher: Bessel functions, quadrature in the cosine, the Fokker-Planck equation, refusals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaln, ive

from simlab.theory import von_mises_fisher as vmf
from simlab.theory.fokker_planck import residual
from simlab.theory.von_mises_fisher import VonMisesFisher, mean_cosine

DIMENSIONS = st.integers(2, 120)
CONCENTRATIONS = st.one_of(st.just(0.0), st.floats(0, 8).map(lambda x: 10.0**x))
ROUNDING = 1e-12
"""A sum of a thousand nodes, and the powers of up to 120 in the density, each with errors of 2e-16."""


@given(CONCENTRATIONS.filter(bool), DIMENSIONS)
def test_the_mean_is_a_ratio_of_bessel_functions(k: float, d: int) -> None:
    bessel = ive(d / 2, k) / ive(d / 2 - 1, k)
    assert mean_cosine(k, d) == pytest.approx(bessel, rel=ROUNDING)
    variance = 1 - (d - 1) * bessel / k - bessel**2  # from I_{n-1} - I_{n+1} = (2 n/k) I_n; cancels where k is large
    assert VonMisesFisher(k, d).variance == pytest.approx(variance, abs=ROUNDING)


@pytest.mark.parametrize(
    ("k", "d"),
    [
        (1e9, 10**9), (1e12, 10**12), (1e-6, 10), (1e-300, 3), (1e-6, 10**12), (1e12, 2), (20.0, 3), (23.9, 2),
        (2.0, 10**15),
    ],
)  # fmt: skip
def test_no_digits_are_lost_at_any_size(k: float, d: int) -> None:
    law = VonMisesFisher(k, d)
    mean, variance = exact_moments(k, d)
    # The recursion from large orders subtracts numbers up to twice R = 24 times their difference.
    assert law.mean == pytest.approx(float(mean), rel=1e-14, abs=0)
    assert law.mean_deficit == pytest.approx(float(1 - mean), rel=1e-14)
    assert law.variance == pytest.approx(float(variance), rel=1e-13)
    c = law.quantile([0.02, 0.9])
    for at, below, density in zip(c, law.cdf(c), law.pdf(c), strict=True):
        exact_below, exact_density = exact_distribution(k, d, float(at))
        assert below == pytest.approx(exact_below, rel=1e-13)
        assert law.survival(at) == pytest.approx(1 - exact_below, rel=1e-12)
        assert density == pytest.approx(exact_density, rel=1e-13)


def exact_exponent(k: float, d: int) -> tuple[mpmath.mpf, mpmath.mpf, Callable[[mpmath.mpf], mpmath.mpf]]:
    """The mode of the angle, a width of the peak, and the density less its norm as a function of the angle."""
    power, k = mpmath.mpf(d - 2), mpmath.mpf(k)
    mode = mpmath.acos(2 * k / (power + mpmath.sqrt(power**2 + 4 * k**2))) if power else mpmath.mpf(0)
    top = (power * mpmath.log(mpmath.sin(mode)) if power else 0) + k * mpmath.cos(mode)

    def density(angle: mpmath.mpf) -> mpmath.mpf:
        sine = max(mpmath.sin(angle), mpmath.mpf("1e-60"))  # the end itself, rounded
        return mpmath.exp((power * mpmath.log(sine) if power else 0) + k * mpmath.cos(angle) - top)

    curvature = (power / mpmath.sin(mode) ** 2 if power else 0) + k * mpmath.cos(mode)
    return mode, 1 / mpmath.sqrt(curvature + 1), density


def exact_integral(k: float, d: int, weight: Callable[[mpmath.mpf], mpmath.mpf], low: mpmath.mpf = 0) -> mpmath.mpf:
    """The integral of weight times density over the angles from low on, in 40 digits."""
    mode, width, density = exact_exponent(k, d)
    start, end = max(low, mode - 16 * width), min(mpmath.pi, mode + 16 * width)
    count = int(mpmath.ceil((end - start) / width / 2)) + 1
    points = [start + (end - start) * i / count for i in range(count + 1)]
    return mpmath.quad(lambda t: weight(t) * density(t), points)


def exact_moments(k: float, d: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    with mpmath.workdps(40):
        norm = exact_integral(k, d, lambda t: 1)
        if k < 1e-3:
            mean = mpmath.mpf(k) / d * (1 - mpmath.mpf(k) ** 2 / (d * (d + 2)))  # the next term is k^4 of it
        else:
            mean = exact_integral(k, d, mpmath.cos) / norm
        return mean, exact_integral(k, d, lambda t: (mpmath.cos(t) - mean) ** 2) / norm


def exact_distribution(k: float, d: int, cosine: float) -> tuple[float, float]:
    """The probability of a smaller cosine and the density of the cosine."""
    with mpmath.workdps(40):
        norm, angle = exact_integral(k, d, lambda t: 1), mpmath.acos(mpmath.mpf(cosine))
        density = exact_exponent(k, d)[2](angle) / mpmath.sin(angle) / norm
        return float(exact_integral(k, d, lambda t: 1, angle) / norm), float(density)


def test_nan_stays_nan_and_tails_keep_their_digits() -> None:
    law = VonMisesFisher(3.0, 3)
    for function in (law.pdf, law.cdf, law.survival):
        assert np.isnan(function([0.1, np.nan])).tolist() == [False, True]
    assert (law.cdf([-np.inf, np.inf]) == [0, 1]).all()
    # In three dimensions survival(c) = (1 - e^-k(1 - c))/(1 - e^-2k), and cdf(c) from the other end.
    assert law.survival(1 - 2.0**-40) == pytest.approx(3 * 2.0**-40 / (1 - np.exp(-6)), rel=1e-6)
    narrow = VonMisesFisher(50.0, 3)
    assert narrow.cdf(0.0) == pytest.approx(np.exp(-50), rel=1e-12)
    assert narrow.probabilities([-0.2, -0.1])[0] == pytest.approx(np.exp(-55) - np.exp(-60), rel=1e-12)
    assert narrow.quantile(np.exp(-50)) == pytest.approx(0, abs=1e-14)


def test_large_concentrations_keep_their_digits() -> None:
    for d in (2, 3, 10, 100):
        for k in (1e7, 1e12):
            flat = (d - 1) / (2 * k)  # the sphere is flat there, the next term is (d - 3)/(4 k) of it
            tolerance = 1.1 * abs(d - 3) / (4 * k) + ROUNDING
            assert VonMisesFisher(k, d).mean_deficit == pytest.approx(flat, rel=tolerance)
    assert mean_cosine(0.0, 7) == pytest.approx(0, abs=1e-15)
    assert mean_cosine(1e-3, 1000) == pytest.approx(1e-6, rel=1e-9)  # k/d, where both Bessel functions underflow


@given(st.floats(0, 300), st.integers(3, 60))
def test_the_density_integrates_to_one_and_to_the_distribution_function(k: float, d: int) -> None:
    law = VonMisesFisher(k, d)
    nu = d / 2 - 1
    norm = gammaln(nu + 0.5) + np.log(np.pi) / 2 + nu * np.log(2 / k) + np.log(ive(nu, k)) if k > 1 else None
    points = law.quantile([0.0, 0.01, 0.1, 0.5, 0.99, 1.0])
    assert points[0] == -1
    assert points[-1] == 1
    for (a, b), share in zip(pairwise(points[1:-1]), [0.09, 0.4, 0.49], strict=True):  # the ends have roots
        assert quad(law.pdf, a, b, epsabs=1e-11)[0] == pytest.approx(share, abs=1e-10)
    if norm is not None:
        assert law.pdf(0.5) == pytest.approx(0.75 ** ((d - 3) / 2) * np.exp(-k / 2 - norm), rel=1e-10)


@given(CONCENTRATIONS, DIMENSIONS, st.integers(2, 30))
def test_bins_of_equal_probability(k: float, d: int, bins: int) -> None:
    law = VonMisesFisher(k, d)
    edges = law.quantile(np.linspace(0, 1, bins + 1))
    # An edge is a cosine rounded to 1e-16, and the density there is at most about k + d (ends of d = 2, 3: see below).
    tolerance = 1e-12 + 1e-15 * k
    if d == 2:
        tolerance = 1e-7  # the density is infinite at the ends, where the cosine resolves the angle to 1e-8
    probabilities = law.probabilities(edges)
    np.testing.assert_allclose(probabilities, 1 / bins, atol=tolerance)
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert law.cdf(-1) == pytest.approx(0, abs=1e-12)
    assert law.survival([[1.0], [-1.0]]).shape == (2, 1)


def test_samples_in_three_dimensions() -> None:
    # There cos = 1 + ln(v + (1 - v) e^-2k)/k for a uniform v (Ulrich 1984): the quantiles are known.
    k = 2.5
    v = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(
        VonMisesFisher(k, 3).quantile(v), 1 + np.log(v + (1 - v) * np.exp(-2 * k)) / k, rtol=1e-12, atol=1e-13
    )


def test_two_dimensions_and_outside() -> None:
    law = VonMisesFisher(0.0, 2)
    assert law.pdf(0.5) == pytest.approx(1 / (np.pi * np.sqrt(0.75)), rel=ROUNDING)
    assert law.pdf(1.0) == np.inf
    assert VonMisesFisher(1.0, 3).pdf([-1.5, 1.5]).tolist() == [0, 0]
    assert VonMisesFisher(1.0, 5).pdf(1.0) == 0
    assert law.cdf(0.0) == pytest.approx(0.5, rel=ROUNDING)


def test_the_stationary_law_on_the_sphere() -> None:
    t, d = sp.symbols("T d", positive=True)
    any_loss = sp.Function("L")(vmf.ANGLE)
    assert vmf.zonal_residual(any_loss, t, d) == 0
    # With another power of the sine it is not stationary, so that the zero above says something.
    wrong = vmf.zonal_density(any_loss, t, d + 1)
    assert sp.simplify(residual(vmf.diffusion(any_loss, t, d), wrong).subs(d, 3).doit()) != 0


def test_a_general_loss_on_the_sphere_of_three_dimensions() -> None:
    # Divergence of p grad L + T grad p in polar coordinates, for a loss of both angles.
    t, polar, around = sp.symbols("T theta phi", positive=True)
    loss = sp.Function("L")(polar, around)
    p = sp.exp(-loss / t)
    flux_polar = p * sp.diff(loss, polar) + t * sp.diff(p, polar)
    flux_around = (p * sp.diff(loss, around) + t * sp.diff(p, around)) / sp.sin(polar)
    divergence = (sp.diff(sp.sin(polar) * flux_polar, polar) + sp.diff(flux_around, around)) / sp.sin(polar)
    assert sp.simplify(divergence) == 0


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: VonMisesFisher(-1.0, 3), "concentration must be a number of at least 0 and at most"),
        (lambda: VonMisesFisher(float("nan"), 3), "concentration must be a number of at least 0 and at most"),
        (lambda: VonMisesFisher(1.0, 1), "dimension must be a whole number"),
        (lambda: mean_cosine(1.0, 2.5), "dimension must be a whole number"),
        (lambda: VonMisesFisher(1.0, 3).probabilities([0.5, 0.2]), "edges must be a row"),
        (lambda: VonMisesFisher(1.0, 3).quantile(1.5), "probability must be numbers of at least 0 and at most 1"),
    ],
)  # fmt: skip
def test_bad_numbers_are_refused(call: Callable[[], object], fragment: str) -> None:
    with pytest.raises(ValueError, match=fragment):
        call()


def test_a_loss_of_another_symbol_of_the_same_name_is_refused() -> None:
    theta = sp.Symbol("theta", real=True)
    with pytest.raises(ValueError, match="loss holds a symbol theta with other assumptions"):
        vmf.diffusion(-sp.cos(theta), 1, 3)
    assert vmf.diffusion("-cos(theta)", 1, 3) == vmf.diffusion(-sp.cos(vmf.ANGLE), 1, 3)
