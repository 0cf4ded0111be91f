"""Stochastic differential equations as mathematics: drift, noise, calculus, boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp

Calculus = Literal["ito", "stratonovich"]
Boundary = Literal["periodic", "reflecting"]
Interval = tuple[sp.Expr, sp.Expr]


@dataclass(frozen=True)
class SDE:
    """dx_i = drift_i(x) dt + sum_j noise_ij(x) dW_j, read in the named calculus.

    Everything is a sympy expression; symbols that are not in `state` are parameters, given a value only at run time.

    state: a symbol, or d of them (to about 16).
    drift: an expression, or d of them.
    noise: the root of the diffusion matrix: one expression (the same for every component, independent noises),
        d of them (diagonal noise), or a d x m Matrix.
    domain: (low, high) of a scalar state; for a vector one pair a component, None where it is unbounded.
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
        x = _tuple(state)
        d = len(x)
        if not all(isinstance(s, sp.Symbol) for s in x) or len(set(x)) != d or d == 0:
            raise ValueError(f"state must be distinct sympy symbols, got {state!r}.")
        b = _tuple(drift)
        if len(b) != d:
            raise ValueError(f"drift has {len(b)} components but the state has {d}; give one expression a component.")
        if calculus not in ("ito", "stratonovich"):
            raise ValueError(f'calculus must be "ito" or "stratonovich", got {calculus!r}.')
        if boundary not in (None, "periodic", "reflecting"):
            raise ValueError(f'boundary must be "periodic", "reflecting" or None, got {boundary!r}.')
        if boundary and domain is None:
            raise ValueError(f"a {boundary} boundary needs a domain; give domain=(low, high).")
        if domain is not None and boundary is None:
            raise ValueError('a domain needs a boundary: "periodic" or "reflecting".')
        for name, value in {
            "state": x,
            "drift": b,
            "noise": _noise_matrix(noise, d),
            "calculus": calculus,
            "domain": _domain(domain, d),
            "boundary": boundary,
        }.items():
            object.__setattr__(self, name, value)

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
        if calculus == self.calculus:
            return self
        sign = 1 if calculus == "ito" else -1
        g, x = self.noise, self.state
        shift = [
            sum(g[k, j] * sp.diff(g[i, j], x[k]) for j in range(g.cols) for k in range(len(x))) / 2
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
        length = high - low
        if self.boundary == "periodic":
            return position - length * sp.floor((position - low) / length)
        unfolded = position - low - 2 * length * sp.floor((position - low) / (2 * length))
        return low + sp.Min(unfolded, 2 * length - unfolded)

    def subs(self, values: dict[sp.Symbol, Any]) -> SDE:
        """The same equation with some parameters given a value."""
        domain = self.domain and tuple(i and tuple(sp.sympify(end).subs(values) for end in i) for i in self.domain)
        drift = tuple(b.subs(values) for b in self.drift)
        return SDE(self.state, drift, self.noise.subs(values), self.calculus, domain, self.boundary)


def langevin(potential: sp.Expr, state: sp.Symbol | Sequence[sp.Symbol], temperature: Any) -> SDE:
    """Overdamped Langevin dynamics dx = -grad U dt + sqrt(2 T) dW, whose Gibbs density is exp(-U/T)/Z.

    The talk's form dx = (1/2) grad log p dt + dW is U = -(1/2) log p with T = 1/2.
    """
    x = _tuple(state)
    return SDE(x, tuple(-sp.diff(potential, s) for s in x), sp.sqrt(2 * sp.sympify(temperature)))


def _tuple(value: Any) -> tuple[Any, ...]:
    """One expression or several (a sequence, an array, a Matrix) as a tuple."""
    several = not isinstance(value, str) and hasattr(value, "__iter__")
    entries = tuple(value) if several else (value,)
    if any(isinstance(v, str) for v in entries):
        raise ValueError(f"expressions are sympy's, got {value!r}; simlab.theory.expression.parse reads text.")
    found = tuple(sp.sympify(v) for v in entries)
    if any(v.has(sp.I) for v in found):
        raise ValueError(f"expressions must be real, got {value!r}.")
    return found


def _noise_matrix(noise: Any, d: int) -> sp.ImmutableMatrix:
    if isinstance(noise, sp.MatrixBase):
        if noise.rows != d:
            raise ValueError(f"the noise matrix has {noise.rows} rows but the state has {d} components.")
        return sp.ImmutableMatrix(noise)
    entries = _tuple(noise)
    if len(entries) == 1:
        entries *= d
    if len(entries) != d:
        raise ValueError(f"diagonal noise has {len(entries)} entries but the state has {d} components.")
    return sp.ImmutableMatrix(sp.diag(*entries))


def _domain(domain: Any, d: int) -> tuple[Interval | None, ...] | None:
    if domain is None:
        return None
    intervals = (domain,) if d == 1 and not isinstance(domain[0], Sequence) else tuple(domain)
    if len(intervals) != d:
        raise ValueError(f"domain has {len(intervals)} intervals but the state has {d} components.")
    result = tuple(i and (sp.sympify(i[0]), sp.sympify(i[1])) for i in intervals)
    for i in result:
        if i and (i[1] - i[0]).is_nonpositive:
            raise ValueError(f"domain must be (low, high) with low < high, got ({i[0]}, {i[1]}).")
    return result


__all__ = ["SDE", "Boundary", "Calculus", "langevin"]
