"""Curves of losses: the power law fitted to one, its residual, and the claim that a curve follows it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from simlab.core.checks import Floats
from simlab.lab.claim import quantity
from simlab.lab.scene import Claim, Measured
from simlab.statistics import power_laws

VISIBLE = 0.03
"""Allowed deviation from a power law, over the range of the curve: the size of a point in a figure of it."""


def fitted(n: ArrayLike, losses: ArrayLike, at: ArrayLike) -> Floats:
    """The power law of each curve (..., size) at other sizes."""
    law = power_laws(n, np.asarray(losses, float))
    return law.c[..., None] + law.b[..., None] * np.asarray(at, float) ** -law.a[..., None]


def exponents(n: ArrayLike, losses: Floats) -> Floats:
    """The exponent a of c + b n^-a for each curve (..., size)."""
    return power_laws(n, losses).a


def residual(n: ArrayLike, losses: Floats) -> Floats:
    """Root-mean-square residual of each curve (..., size) from its power law, over the curve's range."""
    return power_laws(n, losses).residual / np.ptp(losses, axis=-1)


def residual_of_line(x: Floats, losses: Floats) -> Floats:
    """The same from a straight line in x (size): 1/n is the power law of a = 1, ln n that of a -> 0."""
    x = np.asarray(x, float) - np.mean(x)
    y = losses - losses.mean(axis=-1, keepdims=True)
    rest = y - (y @ x / (x @ x))[..., None] * x
    return np.sqrt((rest**2).mean(axis=-1)) / np.ptp(losses, axis=-1)


def follows(rest: Measured, exponent: Measured, name: str, text: str, samples: int, *, share: float = VISIBLE) -> Claim:
    """The claim that a curve follows its power law: the residual is at most this share of the range."""
    a = quantity(float(exponent), float(exponent.se))
    text = f"{text} with a = {a}, up to {100 * share:g} % of its range."
    return rest.equals(name, text, 0.0, bias=share, samples=samples)
