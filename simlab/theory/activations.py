"""Gaussian moments of activations: all that an infinitely wide random-feature model depends on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from simlab.core.checks import one_of, shown
from simlab.theory import gaussian

X = sp.Symbol("x", real=True)
ACTIVATIONS: dict[str, sp.Expr] = {
    "relu": sp.Max(X, 0), "tanh": sp.tanh(X), "erf": sp.erf(X), "cos": sp.cos(X), "sin": sp.sin(X),
    "fourier": sp.sqrt(2) * sp.cos(X + sp.pi / 4), "abs": sp.Abs(X),
}  # fmt: skip
"""Activations by name, as expressions in x."""
LINEAR = 1e-12
"""Share of the mean square below which the nonlinear part counts as rounding."""


class Moments(NamedTuple):
    """mu0 = E a(G), mu1 = E G a(G), mu2 = sqrt(E a^2 - mu0^2 - mu1^2) for a standard normal G.

    The mean, the linear part and what behaves as noise. zeta = mu1/mu2.
    """

    mu0: float
    mu1: float
    mu2: float

    @property
    def zeta(self) -> float:
        """The linear part over the rest."""
        return self.mu1 / self.mu2


def closed_form(name: str) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """E a(G), E G a(G), E a(G)^2 by sympy where it can; None for tanh, whose integrals have no closed form."""
    if one_of("name", name, list(ACTIVATIONS)) == "tanh":
        return None
    return _closed_form(name)


@cache
def _closed_form(name: str) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    weight = sp.exp(-(X**2) / 2) / sp.sqrt(2 * sp.pi)
    found = []
    for power, extra in ((1, sp.Integer(1)), (1, X), (2, sp.Integer(1))):
        integrand = ACTIVATIONS[name] ** power * extra
        if name == "erf":  # by parts (Williams 1997)
            known = {(1, sp.Integer(1)): sp.Integer(0), (1, X): 2 / sp.sqrt(3 * sp.pi)}
            found.append(known.get((power, extra), 2 / sp.pi * sp.asin(sp.Rational(2, 3))))
            continue
        if integrand.has(sp.Max, sp.Abs):
            right = integrand.subs(sp.Max(X, 0), X).subs(sp.Abs(X), X)
            left = integrand.subs(sp.Max(X, 0), 0).subs(sp.Abs(X), -X)
            value = sp.integrate(right * weight, (X, 0, sp.oo)) + sp.integrate(left * weight, (X, -sp.oo, 0))
        else:
            value = sp.integrate(sp.expand_trig(integrand).expand() * weight, (X, -sp.oo, sp.oo))
        found.append(sp.simplify(value))
    return tuple(found)


def moments(activation: str | Callable[[np.ndarray], Any]) -> Moments:
    """Moments of an activation given by name or as a function of an array.

    To rounding for names. Of a function mu0 and mu1 are right to 1e-12 of its root mean square, and mu2 by rounding of
    that size in what is left of it; kinks and jumps may lie anywhere, but structure finer than 0.01 may not be seen.
    ValueError for a name that is not known, a function whose mean square is infinite or not found to 1e-12, and an
    activation without a nonlinear part (use least_squares).
    """
    name: Any = activation
    if not (callable(name) or (isinstance(name, str) and name in ACTIVATIONS)):
        names = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation must be one of {names} or a function of an array, got {shown(activation)}.")
    try:
        return _moments(activation)
    except TypeError:  # a function that has no hash
        return _moments.__wrapped__(activation)


@cache
def _moments(activation: str | Callable[[np.ndarray], Any]) -> Moments:
    exact = closed_form(activation) if isinstance(activation, str) else None
    if exact:
        first, linear, square = exact
        return Moments(float(first), float(linear), float(sp.sqrt(sp.N(square - first**2 - linear**2, 30))))
    at = gaussian.sample("activation", np.tanh if isinstance(activation, str) else activation)
    first, linear = float((at.weight * at.a).sum()), float((at.weight * at.a * at.x).sum())
    rest = float((at.weight * (at.a - first - linear * at.x) ** 2).sum())
    if not rest > LINEAR * (first**2 + linear**2 + rest):
        raise ValueError("activation is linear: its features are the data; use simlab.theory.least_squares.")
    return Moments(first, linear, float(np.sqrt(rest)))
