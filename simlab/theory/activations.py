"""Gaussian moments of activations: all that an infinitely wide random-feature model knows of its nonlinearity."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import sympy as sp

X = sp.Symbol("x", real=True)
ACTIVATIONS: dict[str, sp.Expr] = {
    "relu": sp.Max(X, 0), "tanh": sp.tanh(X), "erf": sp.erf(X), "cos": sp.cos(X), "sin": sp.sin(X),
    "fourier": sp.sqrt(2) * sp.cos(X + sp.pi / 4), "abs": sp.Abs(X),
}  # fmt: skip
"""Activations by name, as expressions in x."""
NODES, RANGE = 20001, 12.0


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


@cache
def closed_form(name: str) -> tuple[sp.Expr, sp.Expr, sp.Expr] | None:
    """E a(G), E G a(G), E a(G)^2 by sympy where it can; None for tanh, whose integrals have no closed form."""
    if name == "tanh":
        return None
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


@cache
def moments(activation: str | Callable[[np.ndarray], np.ndarray]) -> Moments:
    """Moments of an activation given by name or as a function of an array.

    ValueError for a name that is not known, and for an activation without a nonlinear part (use least_squares).
    """
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)} or a function, got {activation!r}.")
        exact = closed_form(activation)
        first, linear, square = map(float, exact) if exact else _by_quadrature(np.tanh)
    else:
        first, linear, square = _by_quadrature(activation)
    rest = square - first**2 - linear**2
    if not rest > 1e-12 * square:
        raise ValueError("the activation is linear: its features are the data; use simlab.theory.least_squares.")
    return Moments(first, linear, float(np.sqrt(rest)))


def _by_quadrature(function: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float, float]:
    """The trapezoidal rule: exact to rounding for smooth activations, to 1e-8 for those with a kink."""
    x = np.linspace(-RANGE, RANGE, NODES)
    weight = np.exp(-(x**2) / 2)
    weight /= weight.sum()
    a = np.asarray(function(x), float)
    return float(weight @ a), float(weight @ (a * x)), float(weight @ a**2)
