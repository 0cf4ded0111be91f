"""The law of ensembles at a fixed temperature, against exact integrals, and predicted from members without a fit."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import digamma, hyp1f1, log_softmax

from simlab import ensembles as library
from simlab import statistics
from simlab.theory import ensembles as en
from simlab.theory.derivations.ensembles import A, B, beta_cumulants

ALARM = 4.9
"""Sigmas that chance exceeds once in a million."""
SHAPES = st.tuples(st.floats(0.7, 6), st.floats(0.7, 6))


def exact(alpha: float, beta: float, n: int) -> float:
    return en.exact_nll(lambda t: hyp1f1(alpha, alpha + beta, -t), n)


def beta_law(alpha: float, beta: float) -> en.Law:
    return en.law(*(float(c.subs({A: alpha, B: beta})) for c in beta_cumulants()))


@given(SHAPES)
def test_the_integral_is_exact_for_one_member(shape: tuple[float, float]) -> None:
    alpha, beta = shape
    # E -ln p = psi(alpha + beta) - psi(alpha); 1e-9 is what SciPy's 1F1 is good for at these shapes.
    assert exact(alpha, beta, 1) == pytest.approx(digamma(alpha + beta) - digamma(alpha), abs=1e-9)


def test_the_numbers_of_the_reference_sheet() -> None:
    # Beta(2, 1) with ten members: half a unit of the last digit there, and the series to 1/n beside it.
    assert beta_law(2, 1)._replace(d=0.0).at(10) == pytest.approx(0.4117, abs=5e-5)
    assert exact(2, 1, 10) == pytest.approx(0.4119, abs=5e-5)


@pytest.mark.parametrize("shape", [(2.0, 1.0), (5.0, 2.0), (1.0, 3.0)])
def test_each_order_gains_a_power(shape: tuple[float, float]) -> None:
    law, n = beta_law(*shape), np.array([40, 80])
    errors = np.array([exact(*shape, int(k)) for k in n])
    for order, kept in enumerate((law._replace(b=0.0, d=0.0), law._replace(d=0.0), law), 1):
        rest = np.abs(errors - kept.at(n))
        # The next term falls by 2^order when n doubles; the one after it is 1/n smaller.
        assert np.log2(rest[0] / rest[1]) == pytest.approx(order, abs=0.1)


def test_a_law_from_members_is_that_of_their_distribution() -> None:
    rng = np.random.default_rng(0)
    members, examples = 30, 40_000
    p = rng.beta(5, 2, (members, examples))
    found, law = en.law_of_members(p), beta_law(5, 2)
    parts = np.array([en.law_of_members(part) for part in np.split(p, 20, axis=1)])
    error = ALARM * parts.std(axis=0, ddof=1) / np.sqrt(20)
    # c is free of bias to 1/M^2; b and d are ratios, biased by a few parts in M.
    assert abs(found.c - law.c) < error[0] + law.b / members**2
    assert abs(found.b - law.b) < error[1] + 3 * law.b / members
    assert abs(found.d - law.d) < error[2] + 10 * law.d / members


def test_cumulants_are_unbiased() -> None:
    # Every triple of a finite population: its cumulants to rounding.
    kinds = np.random.default_rng(0).random((4, 5))
    mean = kinds.mean(axis=0)
    triples = [en.cumulants(kinds[list(some)]) for some in itertools.product(range(4), repeat=3)]
    found = np.mean(triples, axis=0)
    for order, own in zip((2, 3), found[1:], strict=True):
        np.testing.assert_allclose(own, ((kinds - mean) ** order).mean(axis=0), rtol=1e-10, atol=1e-14)


def test_a_curve_is_predicted_without_a_fit() -> None:
    # Worlds of their own: examples that differ in how certain and how right the members are.
    rng, worlds, members, examples = np.random.default_rng(1), 60, 48, 60
    labels = np.arange(examples) % 4
    centre = 1.5 * rng.standard_normal((worlds, 1, examples, 4)) + 2 * np.eye(4)[labels]
    logs = log_softmax(centre + 0.8 * rng.standard_normal((worlds, members, examples, 4)), axis=-1)
    sizes = np.array([4, 6, 12, 24])
    measured = np.array([library.nll(library.ensembles(logs, int(n)), labels).mean(axis=-1) for n in sizes])
    laws = [en.law_of_members(np.exp(world[:, np.arange(examples), labels])) for world in logs]
    predicted = np.array([law.at(sizes) for law in laws]).T
    apart = measured - predicted
    gain = np.mean([law.b for law in laws]) / sizes
    error = ALARM * apart.std(axis=1, ddof=1) / np.sqrt(worlds)
    # The next order is d/n^2 times about 1/n, and the bias of b is a few parts in M.
    allowed = np.mean([abs(law.d) for law in laws]) * 3 / sizes**3 + gain * 2 / members
    assert (np.abs(apart.mean(axis=1)) < error + allowed).all()
    assert (allowed + error < gain / 4).all()  # so that a wrong b would be seen
    found = statistics.fit_power_law(sizes, measured.mean(axis=1), exponent=1.0)
    assert found.b == pytest.approx(gain[0] * sizes[0], rel=0.2)


def test_the_law_of_the_brier_score_is_exact() -> None:
    # A finite population, every n-tuple of it counted: no expansion and no noise.
    rng = np.random.default_rng(2)
    kinds = log_softmax(2 * rng.standard_normal((4, 9, 3)), axis=-1)
    labels = np.arange(9) % 3
    p = np.exp(kinds)
    variance = float(p.var(axis=0).sum(axis=-1).mean())
    c = float(((p.mean(axis=0) - np.eye(3)[labels]) ** 2).sum(axis=-1).mean())
    for n in (1, 2, 3, 4):
        tuples = [kinds[list(some)] for some in itertools.product(range(4), repeat=n)]
        found = np.mean([library.brier(library.average(some), labels) for some in tuples])
        assert found == pytest.approx(c + variance / n, rel=1e-12)
    # From a sample of members it is unbiased: the mean over all pairs of the population is the law.
    laws = [en.brier_law(p[list(some)], labels) for some in itertools.product(range(4), repeat=2)]
    assert np.mean([law.b for law in laws]) == pytest.approx(variance, rel=1e-12)
    assert np.mean([law.c for law in laws]) == pytest.approx(c, rel=1e-12)


def test_a_fitted_temperature_bends_the_curve_downwards() -> None:
    # The lower envelope over temperatures of laws that are linear in 1/n: concave in 1/n, and fitted by a < 1.
    tau, n = np.linspace(-1, 1, 20_001), np.array([1, 2, 4, 8, 16, 32, 64])
    laws = 0.7 + tau[:, None] ** 2 / 2 + (0.3 + 0.5 * tau[:, None]) / n
    envelope = laws.min(axis=0)
    np.testing.assert_allclose(envelope, 0.7 + 0.3 / n - 0.125 / n**2, atol=1e-8)  # the grid of tau
    assert statistics.fit_power_law(n, envelope).a < 0.95
    assert statistics.fit_power_law(n, 0.7 + 0.3 / n).a == pytest.approx(1, rel=1e-6)


def test_bad_members_are_refused() -> None:
    with pytest.raises(ValueError, match="at least three members"):
        en.law_of_members(np.full((2, 5), 0.5))
    with pytest.raises(ValueError, match="must be positive"):
        en.law_of_members(np.zeros((4, 5)))


def gamma_transform(k: float, t: np.ndarray) -> np.ndarray:
    return (1 + t / 4) ** -k


@pytest.mark.parametrize("n", [1, 10, 1000])
def test_the_integral_has_twelve_digits_up_to_a_thousand_members(n: int) -> None:
    # Gamma variables of shape k and mean k/4: the mean of n is one of shape n k, E ln of which is psi(n k) - ln(4 n).
    for k in (0.5, 2.0):
        found = en.exact_nll(partial(gamma_transform, k), n)
        assert found == pytest.approx(np.log(4 * n) - digamma(n * k), abs=1e-12)
    with pytest.raises(ValueError, match=r"^n must be a whole number from 1 to 1000"):
        en.exact_nll(lambda t: 1 / (1 + t), 1001)


def test_members_that_are_nearly_sure_of_a_wrong_class_keep_their_numbers() -> None:
    # Probabilities of 1e-100, whose fourth powers are no floats: the law in units of their mean.
    p = np.array([[1.0], [2.0], [3.0], [6.0]])
    tiny, large = en.law_of_members(1e-100 * p), en.law_of_members(p / 8)
    assert tiny[1:] == pytest.approx(large[1:], rel=1e-13)
    assert tiny.c - large.c == pytest.approx(100 * np.log(10) - np.log(8), rel=1e-13)


def test_nan_stays_nan_and_what_is_no_probability_is_refused() -> None:
    p = np.full((4, 5), 0.5)
    p[1, 2] = np.nan
    assert np.isnan(en.law_of_members(p)).all()
    assert np.isnan(en.cumulants(p)[0]).tolist() == [False, False, True, False, False]
    softmax = np.full((3, 2, 2), 0.5)
    softmax[0, 0] = np.nan
    assert np.isnan(en.brier_law(softmax, [0, 1])[0])
    logits = np.random.default_rng(0).standard_normal((4, 5, 3))
    with pytest.raises(ValueError, match=r"^p must be"):
        en.law_of_members(logits[..., 0])
    with pytest.raises(ValueError, match=r"^p must be"):
        en.brier_law(logits, [0, 1, 2, 0, 1])
