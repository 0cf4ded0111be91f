"""Gaussian moments of functions with kinks, jumps and growth: closed forms, and refusals where there is no moment."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from simlab.theory import random_features as rf
from simlab.theory.activations import moments

PHI = 1 / math.sqrt(2 * math.pi)
"""The normal density at 0."""
ROUNDING = 1e-14
"""Relative: sums of a few thousand nodes."""


def test_the_moments_of_the_issue() -> None:
    # E sign = 0, E G sign = sqrt(2/pi), and all of a^2 = 1 that is left; half of that for the step.
    assert moments(np.sign) == pytest.approx((0, 2 * PHI, math.sqrt(1 - 4 * PHI**2)), rel=ROUNDING, abs=1e-15)
    step = moments(lambda x: np.heaviside(x, 0.5))
    assert step == pytest.approx((0.5, PHI, math.sqrt(0.25 - PHI**2)), rel=ROUNDING)
    relu = (PHI, 0.5, math.sqrt(0.25 - PHI**2))
    assert moments(lambda x: np.maximum(x, 0)) == pytest.approx(relu, rel=ROUNDING)


@given(st.floats(-4, 4))
def test_a_jump_or_a_kink_may_lie_anywhere(c: float) -> None:
    # E 1(G > c) = N(-c), E G 1(G > c) = n(c); E (G - c)+ = n(c) - c N(-c), E G (G - c)+ = N(-c).
    tail, density = float(ndtr(-c)), PHI * math.exp(-c * c / 2)
    jump, kink = moments(lambda x: x > c), moments(lambda x: np.maximum(x - c, 0))
    # A panel as narrow as floats are apart holds 64 times 1e-16 of the place: below the promise of 1e-12.
    assert jump[:2] == pytest.approx((tail, density), abs=1e-13)
    assert jump.mu2**2 == pytest.approx(tail - tail**2 - density**2, abs=1e-13)
    assert kink[:2] == pytest.approx((density - c * tail, tail), abs=1e-13)


@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0, 8.0])
def test_an_exponential_has_its_moments(rate: float) -> None:
    mean, square = math.exp(rate**2 / 2), math.exp(2 * rate**2)
    expected = (mean, rate * mean, math.sqrt(square - mean**2 * (1 + rate**2)))
    # Of the root mean square; where the rate is small mu2 is what is left of it, rate^2/sqrt(2) of 1.
    assert moments(lambda x: np.exp(rate * x)) == pytest.approx(expected, rel=1e-12, abs=1e-14 * math.sqrt(square))


def test_growth_just_below_the_limit_is_integrated() -> None:
    # E exp(s G^2) = (1 - 2 s)^(-1/2): finite for s < 1/2, so that of the square needs s < 1/4.
    found = moments(lambda x: np.exp(0.2 * x * x))
    assert found.mu0 == pytest.approx(0.6**-0.5, rel=ROUNDING)
    assert found.mu2 == pytest.approx(math.sqrt(0.2**-0.5 - 1 / 0.6), rel=ROUNDING)


def test_little_that_is_not_linear_keeps_its_digits() -> None:
    # x + s x^2 = s + x + s (x^2 - 1), and E (G^2 - 1)^2 = 2; rounding of x is 1e-16/s of the last part.
    assert moments(lambda x: x + 1e-5 * x * x).mu2 == pytest.approx(1e-5 * math.sqrt(2), rel=1e-10)


REFUSED: list[tuple[str, Any, str]] = [
    ("exp of a square", lambda x: np.exp(x**2), "finite"),
    ("a Gaussian of infinite square", lambda x: np.exp(x**2 / 4), "grows too fast"),
    ("nearly infinite", lambda x: np.exp(0.249 * x**2), "grows too fast"),
    ("infinite far out", lambda x: np.exp(0.001 * np.abs(x) ** 3), "outgrows"),
    ("a pole", lambda x: 1 / (x - 0.3), "finite"),
    ("poles between floats", np.tan, "infinite"),
    ("NaN", lambda x: x * np.nan, "finite"),
    ("no function of x", lambda x: np.random.default_rng(0).random(x.shape), "does not find"),
    ("another shape", lambda x: x[:3], "entry by entry"),
    ("a function of a number", math.tanh, "function of an array"),
    ("text", lambda x: "1", "real numbers"),
    ("complex", lambda x: 1j * x, "real numbers"),
    ("a constant", lambda x: 2.0, "linear"),
    ("a line", lambda x: 3 * x + 1, "linear"),
]


@pytest.mark.parametrize(("function", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_moments_that_are_not_there_are_refused(function: Callable[[Any], Any], why: str) -> None:
    for call in (lambda: moments(function), lambda: rf.risk(1.0, 2.0, 0.1, activation=function)):
        with pytest.raises(ValueError, match=why) as caught:
            call()
        assert str(caught.value).startswith("activation")
        assert str(caught.value).endswith(".")


def test_a_function_without_a_hash_is_taken() -> None:
    class Callable_(list):  # type: ignore[type-arg]
        def __call__(self, x: Any) -> Any:
            return np.tanh(x)

    assert moments(Callable_()) == moments("tanh")


def test_hundreds_of_jumps_are_found() -> None:
    # floor(s x) = s x - 1/2 + a sawtooth of variance 1/12; for s = 50.1 its Fourier series is e^(-2 pi^2 s^2): nothing.
    found = moments(lambda x: np.floor(50.1 * x))
    assert found == pytest.approx((-0.5, 50.1, math.sqrt(1 / 12)), rel=1e-12)
