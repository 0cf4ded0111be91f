"""Integrals and running integrals on Gauss-Legendre panels whose ends lie on the kinks of the integrand.

A rule of high order is exact to rounding where a function is smooth and poor where it is not: |x|, a Piecewise, a Max
change their formula at isolated points, and no panel may reach across one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.optimize import brentq
from sympy.core.relational import Relational

from simlab.core.checks import Floats, number, numbers, shown, whole
from simlab.theory.symbols import Values

Function = Callable[[Floats], Floats]
PANELS, ORDER = 512, 16
MOST, FAR = 10**6, 1e150
"""Panels at most, and how far out they may lie."""
SCAN = 20001
"""Points at which a change of formula is looked for."""

GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
TO_LEGENDRE = np.linalg.inv(np.polynomial.legendre.legvander(GAUSS, ORDER - 1))
_INTEGRALS = np.array([np.polynomial.legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)])
"""Legendre coefficients of the integral from -1 of each Legendre polynomial."""


@dataclass(frozen=True)
class Chart:
    """A change of variables x(u), in which panels lie; this one is x = u. `walls`: ends that u never reaches."""

    def x(self, u: Floats) -> Floats:
        """Positions."""
        return u

    def log_slope(self, u: Floats) -> Floats:
        """The logarithm of dx/du."""
        return np.zeros(np.shape(u))

    def place(self, x: Floats) -> Floats:
        """Coordinates of positions."""
        return np.asarray(x, float)

    def grid(self) -> Floats:
        """Coordinates at which a density is looked for, from end to end; a circle has no need of them."""
        raise NotImplementedError

    def precise(self, u: float) -> Any:
        """The position where `close` holds, with all digits of mpmath's working precision."""
        raise NotImplementedError

    def close(self, u: Floats) -> NDArray[np.bool_]:
        """Where x is so close to a wall that more digits are needed."""
        return np.zeros(np.shape(u), bool)

    @property
    def walls(self) -> tuple[float | None, float | None]:
        """Positions of the walls on the left and on the right, None where there is none."""
        return None, None


@dataclass(frozen=True)
class Panels:
    """Intervals between `edges` of the coordinate u of a chart, each with ORDER Gauss-Legendre nodes.

    Samples are values at the nodes of a function of x, and integrals are over x.
    """

    edges: Floats
    chart: Chart = Chart()

    @property
    def half(self) -> Floats:
        """Half the width of each panel, in u."""
        return np.diff(self.edges) / 2

    @cached_property
    def coordinates(self) -> Floats:
        """The coordinate u of all nodes, from left to right."""
        return (self.edges[:-1, None] + self.half[:, None] * (GAUSS + 1)).ravel()

    @cached_property
    def nodes(self) -> Floats:
        """All nodes, from left to right."""
        return self.chart.x(self.coordinates)

    @cached_property
    def slope(self) -> Floats:
        """dx/du at the nodes."""
        return np.exp(self.chart.log_slope(self.coordinates))

    @cached_property
    def weights(self) -> Floats:
        """Their weights."""
        return self.weights_in_u * self.slope

    @property
    def weights_in_u(self) -> Floats:
        """The weights of integrals over u."""
        return (self.half[:, None] * _WEIGHTS).ravel()

    def running(self, samples: Floats) -> Floats:
        """The integral from the left end up to every node of a function given at the nodes."""
        return self.running_in_u(samples * self.slope)

    def running_in_u(self, samples: Floats, origin: int = 0) -> Floats:
        """The same integral over u of a function of u, from the left end of the panel `origin`."""
        panel = np.repeat(np.arange(len(self.half)), ORDER)
        return self._running(np.tile(GAUSS, len(self.half)), panel, samples, origin)

    def integral_to(self, x: Floats, samples: Floats) -> Floats:
        """The integral from the left end up to each x, which is taken into the range."""
        t, panel = self._locate(x)
        return self._running(t, panel, samples * self.slope)

    def interpolate(self, x: Floats, samples: Floats) -> Floats:
        """The function given at the nodes at each x, which is taken into the range: a polynomial of u in each panel."""
        t, panel = self._locate(x)
        coefficients = samples.reshape(-1, ORDER) @ TO_LEGENDRE.T
        return (np.polynomial.legendre.legvander(t, ORDER - 1) * coefficients[panel]).sum(axis=1)

    def _locate(self, x: Floats) -> tuple[Floats, NDArray[np.int_]]:
        u = np.clip(self.chart.place(x), self.edges[0], self.edges[-1])
        panel = np.clip(np.searchsorted(self.edges, u, side="right") - 1, 0, len(self.half) - 1)
        return (u - self.edges[panel]) / self.half[panel] - 1, panel

    def _running(self, t: Floats, panel: NDArray[np.int_], samples: Floats, origin: int = 0) -> Floats:
        """The integral up to the place t in [-1, 1] of each panel named: through the polynomials of the panels."""
        coefficients = samples.reshape(-1, ORDER) @ TO_LEGENDRE.T @ _INTEGRALS
        before = running_sum(coefficients.sum(axis=1) * self.half, origin)  # P_n(1) = 1
        within = (np.polynomial.legendre.legvander(t, ORDER) * coefficients[panel]).sum(axis=1)
        return before[panel] + within * self.half[panel]


def panels(low: float, high: float, breaks: Any = (), count: int = PANELS) -> Panels:
    """About `count` panels on [low, high], of equal width between the breaks that lie inside."""
    low, high = (number(name, x, at_least=-FAR, at_most=FAR) for name, x in (("low", low), ("high", high)))
    breaks = numbers("breaks", breaks, ndim=1)
    if not low < high:
        raise ValueError(f"high must lie above low = {low:g}, got {high:g}.")
    return Panels(edges(low, high, breaks, whole("count", count, 1, MOST)))


def edges(low: float, high: float, breaks: Iterable[float] = (), count: int = PANELS) -> Floats:
    """The ends of about `count` intervals on [low, high], of equal width between the breaks."""
    apart = 1e-15 * (high - low)  # two breaks that rounding cannot hold apart are one
    ends = [low]
    for b in sorted(b for b in breaks if low + apart < b < high - apart):
        if b - ends[-1] > apart:
            ends.append(b)
    ends.append(high)
    shares = [max(1, round(count * (b - a) / (high - low))) for a, b in pairwise(ends)]
    pieces = [np.linspace(a, b, n, endpoint=False) for (a, b), n in zip(pairwise(ends), shares, strict=True)]
    return np.concatenate([*pieces, [high]])


def running_sum(increments: Floats, origin: int) -> Floats:
    """Running sum that is 0 at index `origin`: summed outwards, so that huge far ends cost the middle no digits."""
    right = np.cumsum(increments[origin:])
    left = -np.cumsum(increments[:origin][::-1])[::-1]
    return np.concatenate([left, [0.0], right])


def numeric(x: sp.Symbol, e: sp.Expr, values: Values) -> Function:
    """An expression in x as a function of an array; values: numbers for its other symbols, by symbol.

    ValueError where it cannot be evaluated, as the derivative of a jump.
    """
    if not isinstance(x, sp.Symbol):
        raise ValueError(f"x must be a symbol of sympy, got {shown(x)}.")
    e = _bound("e", e, values)
    if e.has(sp.DiracDelta, sp.Derivative, sp.Subs):
        raise ValueError(f"e must not hold the derivative of a jump, got {shown(e)}; give one without jumps.")
    try:
        function = sp.lambdify(x, smooth(e), ["scipy", "numpy"])
    except (NotImplementedError, KeyError, TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"e must be an expression that can be evaluated in numbers, got {shown(e)}.") from error

    def evaluate(z: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(function(z), float), np.shape(z))

    return evaluate


def kinks(
    x: sp.Symbol, e: sp.Expr, values: Values, low: float, high: float, grid: Floats | None = None, most: int = SCAN
) -> list[float]:
    """Where in (low, high) the formula of e changes: zeros of what Abs, sign, Min, Max, Piecewise, floor ... turn at.

    grid: points between which changes are looked for, two in one gap stay unseen; without it SCAN equal steps.
    most: how many of each kind are looked for, from x = 0 outwards.
    """
    low, high = number("low", low), number("high", high)
    if not low < high:
        raise ValueError(f"high must lie above low = {low:g}, got {high:g}.")
    grid = np.linspace(low, high, SCAN) if grid is None else grid
    found: set[float] = set()
    for switch in _switches(smooth(_bound("e", e, values))):
        if x not in switch.free_symbols:
            continue
        function = numeric(x, switch, {})
        sides = np.sign(function(grid))
        found.update(sorted((float(z) for z in grid[sides == 0]), key=abs)[:most])
        found.update(
            float(brentq(lambda z, f=function: float(f(np.array(z))), grid[i], grid[i + 1], xtol=1e-15))
            for i in sorted(np.flatnonzero(sides[:-1] * sides[1:] < 0), key=lambda i: abs(grid[i]))[:most]
        )
    return sorted(z for z in found if low < z < high)


def _bound(name: str, e: Any, values: Any) -> sp.Expr:
    """An expression with numbers for some of its symbols."""
    if not isinstance(e, (sp.Expr, int, float)):
        raise ValueError(f"{name} must be an expression of sympy, got {shown(e)}.")
    if not isinstance(values, Mapping):
        raise ValueError(f"values must be a dictionary from symbols to numbers, got {shown(values)}.")
    return sp.sympify(e).subs(values)


def smooth(e: sp.Expr) -> sp.Expr:
    """The same expression with 1 - sin^2 as cos^2 and so on, whose roots lose no digits where they vanish.

    And with u/|u| as sign(u), which has a value at 0, too.
    """
    for a in e.atoms(sp.sin, sp.cos):
        other = sp.cos if isinstance(a, sp.sin) else sp.sin
        if a**2 in e.atoms(sp.Pow):  # asked first: of a long expression each search takes a while
            e = e.subs(1 - a**2, other(a.args[0]) ** 2)
    for a in e.atoms(sp.Abs):
        e = e.subs(a.args[0] / a, sp.sign(a.args[0]))
    return e


def _switches(e: sp.Expr) -> set[sp.Expr]:
    """Expressions at whose zeros e may change its formula."""
    found = {a.args[0] for a in e.atoms(sp.Abs, sp.sign, sp.Heaviside)}
    found |= {a - b for m in e.atoms(sp.Min, sp.Max) for a, b in combinations(m.args, 2)}
    found |= {r.lhs - r.rhs for p in e.atoms(sp.Piecewise) for _, c in p.args for r in c.atoms(Relational)}
    found |= {sp.sin(sp.pi * a.args[0]) for a in e.atoms(sp.floor, sp.ceiling, sp.frac)}
    found |= {sp.sin(sp.pi * a.args[0] / a.args[1]) for a in e.atoms(sp.Mod)}
    found |= {sp.cos(a.args[0]) for a in e.atoms(sp.tan, sp.sec)}
    found |= {sp.sin(a.args[0]) for a in e.atoms(sp.cot, sp.csc)}
    for a in e.atoms(sp.asin, sp.acos):  # roots, at an inner function that may touch 1 and turn back
        inner = a.args[0]
        found |= {1 - inner, 1 + inner, *(inner.diff(s) for s in inner.free_symbols)}
    powers = [a for a in e.atoms(sp.Pow) if a.exp.is_number and not (a.exp.is_integer and a.exp.is_nonnegative)]
    return found | {a.base for a in powers}


__all__ = ["Panels", "kinks", "numeric", "panels"]
