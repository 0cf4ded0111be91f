"""Stochastic differential equations as mathematics: drift, noise, calculus, boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp

from simlab.core.checks import number, one_of, shown
from simlab.theory.symbols import NO_TIME, derivative, expression, states

Calculus = Literal["ito", "stratonovich"]
Boundary = Literal["periodic", "reflecting"]
Interval = tuple[sp.Expr, sp.Expr]
Symbols = tuple[sp.Symbol, ...]


@dataclass(frozen=True)
class SDE:
    """dx_i = drift_i(x) dt + sum_j noise_ij(x) dW_j, read in the named calculus.

    Everything is a sympy expression, a number, or text that `expression.parse` reads; symbols that are not in `state`
    are parameters, given a value only at run time. ValueError says in one sentence what will not do.

    state: a symbol, or d of them (to about 16).
    drift: an expression, or d of them. For a drift that depends on time add a component with drift 1 and noise 0.
    noise: the root of the diffusion matrix: one expression (the same for every component, independent noises),
        d of them (diagonal noise), or a d x m Matrix, array or list of rows.
    domain: (low, high) of a scalar state; for a vector one pair a component, None where it is unbounded. One end of
        a reflecting domain may be infinite.
    boundary: what happens at the ends of `domain`.
    """

    state: tuple[sp.Symbol, ...]
    drift: tuple[sp.Expr, ...]
    noise: sp.ImmutableMatrix
    calculus: Calculus = "ito"
    domain: tuple[Interval | None, ...] | None = None
    boundary: Boundary | None = None

    def __init__(
        self,
        state: sp.Symbol | Sequence[sp.Symbol],
        drift: Any,
        noise: Any,
        calculus: Calculus = "ito",
        domain: Any = None,
        boundary: Boundary | None = None,
    ) -> None:
        x = states("state", state)
        d = len(x)
        others = _symbols(drift, noise, domain)
        b = _several("drift", drift, x, others)
        if len(b) != d:
            raise ValueError(f"drift has {len(b)} components but the state has {d}; give one expression a component.")
        one_of("calculus", calculus, ("ito", "stratonovich"))
        if boundary is not None:
            one_of("boundary", boundary, ("periodic", "reflecting"))
        if boundary and domain is None:
            raise ValueError(f"boundary: a {boundary} boundary needs a domain; give domain=(low, high).")
        if domain is not None and boundary is None:
            raise ValueError('a domain needs a boundary: "periodic" or "reflecting".')
        for name, value in {
            "state": x,
            "drift": b,
            "noise": _noise_matrix(noise, x, others),
            "calculus": calculus,
            "domain": _domain(domain, x, boundary, others),
            "boundary": boundary,
        }.items():
            object.__setattr__(self, name, value)
        _check_names(self)

    @property
    def parameters(self) -> tuple[sp.Symbol, ...]:
        """The symbols that need a value before anything can move, by name."""
        ends = [end for interval in self.domain or () if interval for end in interval]
        free = set().union(*(e.free_symbols for e in (*self.drift, *self.noise, *ends)))
        return tuple(sorted(free - set(self.state), key=str))

    @property
    def diffusion(self) -> sp.Matrix:
        """The matrix noise noise^T."""
        return self.noise * self.noise.T

    def to(self, calculus: Calculus) -> SDE:
        """Rewrite the same process in the other calculus; the drift takes up the difference (Wong & Zakai 1965).

        Ito drift = Stratonovich drift + (1/2) sum_jk noise_kj d noise_ij/dx_k.
        """
        if one_of("calculus", calculus, ("ito", "stratonovich")) == self.calculus:
            return self
        sign = 1 if calculus == "ito" else -1
        g, x = self.noise, self.state
        shift = [
            sum(g[k, j] * derivative(g[i, j], x[k]) for j in range(g.cols) for k in range(len(x))) / 2
            for i in range(len(x))
        ]
        drift = tuple(b + sign * c for b, c in zip(self.drift, shift, strict=True))
        return SDE(x, drift, g, calculus, self.domain, self.boundary)

    def confine(self, position: sp.Expr, component: int) -> sp.Expr:
        """Bring a component back into its domain: wrapped round a circle, or folded at reflecting walls."""
        interval = self.domain[component] if self.domain and self.boundary else None
        if interval is None:
            return position
        low, high = interval
        if high == sp.oo:
            return low + sp.Abs(position - low)
        if low == -sp.oo:
            return high - sp.Abs(high - position)
        length = high - low
        if self.boundary == "periodic":
            return position - length * sp.floor((position - low) / length)
        unfolded = position - low - 2 * length * sp.floor((position - low) / (2 * length))
        return low + sp.Min(unfolded, 2 * length - unfolded)

    def subs(self, values: Mapping[Any, Any]) -> SDE:
        """The same equation with some parameters given a value, by symbol or by name; other names change nothing."""
        if not isinstance(values, Mapping):
            raise ValueError(f"values must be a dictionary from parameters to values, got {shown(values)}.")
        known = {s.name: s for s in self.parameters}
        given = {known[str(s)]: expression("values", v) for s, v in values.items() if str(s) in known}
        domain = self.domain and tuple(i and tuple(sp.sympify(end).subs(given) for end in i) for i in self.domain)
        drift = tuple(b.subs(given) for b in self.drift)
        return SDE(self.state, drift, self.noise.subs(given), self.calculus, domain, self.boundary)


def langevin(potential: Any, state: sp.Symbol | Sequence[sp.Symbol], temperature: Any) -> SDE:
    """Overdamped Langevin dynamics dx = -grad U dt + sqrt(2 T) dW, whose Gibbs density is exp(-U/T)/Z.

    potential: U, an expression of sympy or text such as "x**4/4 - x**2/2" in the state and the symbols of the
    temperature. The form dx = (1/2) grad log p dt + dW is U = -(1/2) log p with T = 1/2. ValueError where a
    number as temperature is not positive. Where the potential jumps the slope of the pieces is taken: the jump is not
    seen.
    """
    x = states("state", state)
    T = expression("temperature", temperature, x)
    if T.is_number:
        number("temperature", T, above=0)
    U = expression("potential", potential, x, tuple(T.free_symbols))
    return SDE(x, tuple(-derivative(U, s) for s in x), sp.sqrt(2 * T))


def _symbols(*values: Any) -> tuple[sp.Symbol, ...]:
    """The symbols of all expressions in nested sequences, which formulas as text may name."""
    found: set[sp.Symbol] = set()
    for value in values:
        if isinstance(value, (sp.Basic, sp.MatrixBase)):
            found |= value.free_symbols
        elif isinstance(value, (tuple, list)):
            found |= set(_symbols(*value))
    return tuple(sorted(found, key=str))


def _several(name: str, value: Any, x: Symbols, others: Symbols) -> tuple[sp.Expr, ...]:
    """One expression or several (a sequence, an array, a Matrix of one column or row) as a tuple."""
    single = isinstance(value, (str, sp.Expr)) or not hasattr(value, "__iter__") or np.ndim(value) == 0
    shape = getattr(value, "shape", ())
    if len(shape) > 1 and min(shape) > 1:
        raise ValueError(f"{name} must be an expression or a row of them, got {shown(value)}.")
    entries = (value,) if single else tuple(np.ravel(value)) if isinstance(value, np.ndarray) else tuple(value)
    return tuple(expression(name, e, x, others) for e in entries)


def _noise_matrix(noise: Any, x: Symbols, others: Symbols) -> sp.ImmutableMatrix:
    d = len(x)
    table = isinstance(noise, (tuple, list)) and any(isinstance(row, (tuple, list, np.ndarray)) for row in noise)
    if isinstance(noise, sp.MatrixBase) or table or (isinstance(noise, np.ndarray) and noise.ndim == 2):
        rows = noise.tolist() if hasattr(noise, "tolist") else [list(row) for row in noise]
        if len(rows) != d:
            raise ValueError(f"the noise matrix has {len(rows)} rows but the state has {d} components.")
        if len({len(row) for row in rows}) != 1:
            raise ValueError(f"the rows of the noise matrix must be of one length, got {shown(noise)}.")
        return sp.ImmutableMatrix([list(_several("noise", row, x, others)) for row in rows])
    entries = _several("noise", noise, x, others)
    if len(entries) == 1:
        entries *= d
    if len(entries) != d:
        raise ValueError(f"diagonal noise has {len(entries)} entries but the state has {d} components.")
    return sp.ImmutableMatrix(sp.diag(*entries))


def _domain(domain: Any, x: Symbols, boundary: Boundary | None, others: Symbols) -> Any:
    d = len(x)
    if domain is None:
        return None
    listed = isinstance(domain, (tuple, list, sp.Tuple)) or (isinstance(domain, np.ndarray) and domain.ndim > 0)
    if not listed or len(domain) == 0:
        raise ValueError(f"domain must be (low, high), or such a pair for every component, got {shown(domain)}.")
    intervals = (domain,) if d == 1 and (isinstance(domain[0], str) or np.ndim(domain[0]) == 0) else tuple(domain)
    if len(intervals) != d:
        raise ValueError(f"domain has {len(intervals)} intervals but the state has {d} components.")
    return tuple(i if i is None else _interval(i, boundary, others) for i in intervals)


def _interval(pair: Any, boundary: Boundary | None, others: Symbols) -> Interval | None:
    """(low, high) with low < high; one end of a reflecting domain may be infinite."""
    if isinstance(pair, str) or np.ndim(pair) != 1 or len(pair) != 2:
        raise ValueError(f"domain must be (low, high) with low < high, got {shown(pair)}.")
    low, high = (_end(end, others) for end in pair)
    if (high - low).is_extended_positive is False or sp.nan in (low, high, high - low):
        raise ValueError(f"domain must be (low, high) with low < high, got ({low}, {high}).")
    if low == -sp.oo and high == sp.oo:
        return None
    if boundary == "periodic" and sp.oo in (-low, high):
        raise ValueError(f"domain must be finite for a periodic boundary, got ({low}, {high}).")
    return low, high


def _end(end: Any, others: Symbols) -> sp.Expr:
    if isinstance(end, (float, np.floating)) and np.isinf(end):
        return sp.oo if end > 0 else -sp.oo
    return end if end in (sp.oo, -sp.oo) else expression("domain", end, (), others)


def _check_names(sde: SDE) -> None:
    """One name for each symbol, and none called t: it would be a constant, not time."""
    names = [s.name for s in (*sde.state, *sde.parameters)]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(
            f"{', '.join(twice)} is the name of two symbols with different assumptions; make it one symbol, such as "
            f"{twice[0]} = sympy.Symbol({twice[0]!r}, real=True), and use it everywhere."
        )
    if "t" in names[len(sde.state) :]:
        raise ValueError(NO_TIME)


__all__ = ["SDE", "Boundary", "Calculus", "langevin"]
