"""Integrators as mathematics: each scheme is one line, applied to any SDE it gives a Chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from simlab.core.checks import number, shown
from simlab.theory.chain import DT, Chain, unit_normals
from simlab.theory.sde import SDE, Calculus
from simlab.theory.symbols import derivative, expression, states

Field = Callable[[sp.Matrix], sp.Matrix]
"""A function of the state: the drift (d) or the noise (d x m)."""
Step = Callable[[sp.Matrix, Field, Field, sp.Expr, sp.Matrix], sp.Matrix]
"""(x, drift, noise, dt, dW) -> x after one step."""


@dataclass(frozen=True)
class Scheme:
    """An integrator: its step, the calculus it converges to, and the orders that a test measures.

    Orders hold for smooth coefficients and, the strong ones, for diagonal noise.
    """

    name: str
    step: Step
    calculus: Calculus
    weak_order: float
    strong_order: float
    source: str

    def __call__(self, sde: SDE) -> Chain:
        """The chain that this scheme makes of the equation, which is first rewritten in the scheme's own calculus."""
        if not isinstance(sde, SDE):
            raise ValueError(f"sde must be an SDE, got {shown(sde)}.")
        model = sde.to(self.calculus)
        if any(str(s) == str(DT) for s in (*model.state, *model.parameters)):
            raise ValueError("sde: the name dt is the time step; call the state or parameter something else.")
        x = sp.Matrix(model.state)
        normals = unit_normals(model.noise.cols)

        def drift(at: sp.Matrix) -> sp.Matrix:
            return sp.Matrix(model.drift).subs(dict(zip(model.state, at, strict=True)), simultaneous=True)

        def noise(at: sp.Matrix) -> sp.Matrix:
            return sp.Matrix(model.noise).subs(dict(zip(model.state, at, strict=True)), simultaneous=True)

        move = self.step(x, drift, noise, DT, sp.sqrt(DT) * sp.Matrix(normals))
        return Chain(model.state, tuple(model.confine(e, i) for i, e in enumerate(move)), normals)

    @property
    def formula(self) -> sp.Expr:
        """The step of a scalar equation dx = f(x) dt + g(x) dW, for reading and for derivations."""
        x, dW = sp.symbols("x dW", real=True)
        f, g = sp.Function("f"), sp.Function("g")
        one = sp.Matrix([x])
        return self.step(one, lambda at: at.applyfunc(f), lambda at: at.applyfunc(g), DT, sp.Matrix([dW]))[0]


def _euler(x: sp.Matrix, f: Field, g: Field, dt: sp.Expr, dW: sp.Matrix) -> sp.Matrix:
    return x + f(x) * dt + g(x) * dW


def _heun(x: sp.Matrix, f: Field, g: Field, dt: sp.Expr, dW: sp.Matrix) -> sp.Matrix:
    guess = _euler(x, f, g, dt, dW)
    return x + (f(x) + f(guess)) * dt / 2 + (g(x) + g(guess)) * dW / 2


def _slope(e: sp.Expr, x: sp.Expr) -> sp.Expr:
    return derivative(e, x) if isinstance(x, sp.Symbol) else sp.diff(e, x)


def _milstein(x: sp.Matrix, f: Field, g: Field, dt: sp.Expr, dW: sp.Matrix) -> sp.Matrix:
    noise = g(x)
    if not noise.is_diagonal() or any(
        noise[i, i].diff(x[j]) != 0 for i in range(len(x)) for j in range(len(x)) if i != j
    ):
        raise ValueError(
            "Milstein needs diagonal noise, each entry a function of its own component; use EULER or HEUN."
        )
    levy = [noise[i, i] * _slope(noise[i, i], x[i]) * (dW[i] ** 2 - dt) / 2 for i in range(len(x))]
    return _euler(x, f, g, dt, dW) + sp.Matrix(levy)


EULER = Scheme("euler", _euler, "ito", 1, 0.5, "Maruyama 1955")
HEUN = Scheme("heun", _heun, "stratonovich", 1, 1, "Rumelin 1982")
MILSTEIN = Scheme("milstein", _milstein, "ito", 1, 1, "Milstein 1974")
SCHEMES = {s.name: s for s in (EULER, HEUN, MILSTEIN)}


def baoab(potential: Any, position: Any, velocity: Any, *, friction: Any, temperature: Any) -> Chain:
    """Underdamped Langevin dynamics by splitting, dx = v dt, dv = -grad U dt - friction v dt + sqrt(2 friction T) dW.

    Half kick, half drift, exact Ornstein-Uhlenbeck, half drift, half kick (Leimkuhler & Matthews 2013); unit mass.
    Weak order 2; the configurational averages of a harmonic well are exact at every stable dt. potential: an expression
    or text in the position. friction and temperature: expressions or numbers from 0 up.
    """
    x, v = sp.Matrix(states("position", position)), sp.Matrix(states("velocity", velocity))
    start = (*x, *v)
    if len(x) != len(v) or len(set(map(str, start))) < len(start):
        raise ValueError(f"velocity must be {len(x)} symbols other than the position, got {shown(velocity)}.")
    friction = expression("friction", friction, start)
    temperature = expression("temperature", temperature, start)
    for name, value in (("friction", friction), ("temperature", temperature)):
        if value.is_number:
            number(name, value, at_least=0)
        elif value.free_symbols & set(start):
            raise ValueError(f"{name} must not depend on the state, got {shown(value)}.")
    U = expression("potential", potential, (*start,), (*friction.free_symbols, *temperature.free_symbols))
    if U.free_symbols & set(v):
        raise ValueError(f"potential must depend on the position alone, got {shown(U)}.")
    xi = sp.Matrix(unit_normals(len(x)))
    decay = sp.exp(-friction * DT)
    slope = sp.Matrix([derivative(U, s) for s in x])

    def force(at: sp.Matrix) -> sp.Matrix:
        return -slope.subs(dict(zip(start[: len(x)], at, strict=True)), simultaneous=True)

    p, q = v + force(x) * DT / 2, x
    q = q + p * DT / 2
    p = decay * p + sp.sqrt((1 - decay**2) * temperature) * xi
    q = q + p * DT / 2
    p = p + force(q) * DT / 2
    return Chain(start, (*q, *p), tuple(xi))


__all__ = ["EULER", "HEUN", "MILSTEIN", "SCHEMES", "Scheme", "baoab"]
