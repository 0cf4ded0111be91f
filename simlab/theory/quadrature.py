"""Integrals and running integrals on Gauss-Legendre panels whose ends lie on the kinks of the integrand.

A rule of high order is exact to rounding where a function is smooth and poor where it is not: |x|, a Piecewise, a Max
change their formula at isolated points, and no panel may reach across one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.optimize import brentq
from sympy.core.relational import Relational

Floats = NDArray[np.float64]
Values = Mapping[sp.Symbol, float]
Function = Callable[[Floats], Floats]
PANELS, ORDER = 512, 16
SCAN = 20001
"""Points at which a change of formula is looked for."""

_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
_TO_LEGENDRE = np.linalg.inv(np.polynomial.legendre.legvander(_GAUSS, ORDER - 1))
_INTEGRALS = np.array([np.polynomial.legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)])
"""Legendre coefficients of the integral from -1 of each Legendre polynomial."""


@dataclass(frozen=True)
class Panels:
    """Intervals between `edges`, each with ORDER Gauss-Legendre nodes."""

    edges: Floats

    @property
    def half(self) -> Floats:
        """Half the width of each panel."""
        return np.diff(self.edges) / 2

    @cached_property
    def nodes(self) -> Floats:
        """All nodes, from left to right."""
        return (self.edges[:-1, None] + self.half[:, None] * (_GAUSS + 1)).ravel()

    @cached_property
    def weights(self) -> Floats:
        """Their weights."""
        return (self.half[:, None] * _WEIGHTS).ravel()

    def running(self, samples: Floats) -> Floats:
        """The integral from the left end up to every node of a function given at the nodes."""
        return self._running(np.tile(_GAUSS, len(self.half)), np.repeat(np.arange(len(self.half)), ORDER), samples)

    def integral_to(self, x: Floats, samples: Floats) -> Floats:
        """The integral from the left end up to each x, which is taken into the range."""
        x = np.clip(x, self.edges[0], self.edges[-1])
        panel = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.half) - 1)
        return self._running((x - self.edges[panel]) / self.half[panel] - 1, panel, samples)

    def _running(self, t: Floats, panel: NDArray[np.int_], samples: Floats) -> Floats:
        """The integral up to the place t in [-1, 1] of each panel named: through the polynomials of the panels."""
        coefficients = samples.reshape(-1, ORDER) @ _TO_LEGENDRE.T @ _INTEGRALS
        before = np.concatenate([[0.0], np.cumsum(coefficients.sum(axis=1) * self.half)])  # P_n(1) = 1
        within = (np.polynomial.legendre.legvander(t, ORDER) * coefficients[panel]).sum(axis=1)
        return before[panel] + within * self.half[panel]


def panels(low: float, high: float, breaks: Iterable[float] = (), count: int = PANELS) -> Panels:
    """About `count` panels on [low, high], of equal width between the breaks."""
    ends = [low, *sorted(b for b in breaks if low < b < high), high]
    shares = [max(1, round(count * (b - a) / (high - low))) for a, b in pairwise(ends)]
    pieces = [np.linspace(a, b, n, endpoint=False) for (a, b), n in zip(pairwise(ends), shares, strict=True)]
    return Panels(np.concatenate([*pieces, [high]]))


def numeric(x: sp.Symbol, e: sp.Expr, values: Values) -> Function:
    """An expression in x as a function of an array."""
    function = sp.lambdify(x, sp.sympify(e).subs(values), ["scipy", "numpy"])

    def evaluate(z: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(z), float), np.shape(z))

    return evaluate


def kinks(x: sp.Symbol, e: sp.Expr, values: Values, low: float, high: float) -> list[float]:
    """Where in (low, high) the formula of e changes: |u|, sign, Heaviside, Min, Max, Piecewise, floor."""
    e = sp.sympify(e).subs(values)
    switches = {a.args[0] for a in e.atoms(sp.Abs, sp.sign, sp.Heaviside)}
    switches |= {a - b for m in e.atoms(sp.Min, sp.Max) for a, b in combinations(m.args, 2)}
    switches |= {r.lhs - r.rhs for p in e.atoms(sp.Piecewise) for _, c in p.args for r in c.atoms(Relational)}
    switches |= {sp.sin(sp.pi * a.args[0]) for a in e.atoms(sp.floor)}
    grid = np.linspace(low, high, SCAN)
    found: set[float] = set()
    for switch in switches:
        if x not in switch.free_symbols:
            continue
        function = numeric(x, switch, {})
        sides = np.sign(function(grid))
        found.update(float(z) for z in grid[sides == 0])
        found.update(
            float(brentq(lambda z, f=function: float(f(np.array(z))), grid[i], grid[i + 1], xtol=1e-15))
            for i in np.flatnonzero(sides[:-1] * sides[1:] < 0)
        )
    return sorted(z for z in found if low < z < high)
