"""Integrators as mathematics: each scheme is one line, applied to any SDE it gives a Chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from simlab.theory.chain import DT, Chain, unit_normals
from simlab.theory.sde import SDE, Calculus

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
        model = sde.to(self.calculus)
        if any(str(s) == str(DT) for s in (*model.state, *model.parameters)):
            raise ValueError("the name dt is the time step; call the state or parameter something else.")
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


def _milstein(x: sp.Matrix, f: Field, g: Field, dt: sp.Expr, dW: sp.Matrix) -> sp.Matrix:
    noise = g(x)
    if not noise.is_diagonal() or any(
        noise[i, i].diff(x[j]) != 0 for i in range(len(x)) for j in range(len(x)) if i != j
    ):
        raise ValueError(
            "Milstein needs diagonal noise, each entry a function of its own component; use EULER or HEUN."
        )
    levy = [noise[i, i] * sp.diff(noise[i, i], x[i]) * (dW[i] ** 2 - dt) / 2 for i in range(len(x))]
    return _euler(x, f, g, dt, dW) + sp.Matrix(levy)


EULER = Scheme("euler", _euler, "ito", 1, 0.5, "Maruyama 1955")
HEUN = Scheme("heun", _heun, "stratonovich", 1, 1, "Rumelin 1982")
MILSTEIN = Scheme("milstein", _milstein, "ito", 1, 1, "Milstein 1974")
SCHEMES = {s.name: s for s in (EULER, HEUN, MILSTEIN)}


def baoab(potential: sp.Expr, position: Any, velocity: Any, *, friction: Any, temperature: Any) -> Chain:
    """Underdamped Langevin dynamics by splitting, dx = v dt, dv = -grad U dt - friction v dt + sqrt(2 friction T) dW.

    Half kick, half drift, exact Ornstein-Uhlenbeck, half drift, half kick (Leimkuhler & Matthews 2013); unit mass.
    Weak order 2; the configurational averages of a harmonic well are exact at every stable dt.
    """
    x = sp.Matrix(position if isinstance(position, (tuple, list)) else [position])
    v = sp.Matrix(velocity if isinstance(velocity, (tuple, list)) else [velocity])
    start = (*x, *v)
    xi = sp.Matrix(unit_normals(len(x)))
    decay = sp.exp(-sp.sympify(friction) * DT)
    slope = sp.Matrix([sp.diff(potential, s) for s in x])

    def force(at: sp.Matrix) -> sp.Matrix:
        return -slope.subs(dict(zip(start[: len(x)], at, strict=True)), simultaneous=True)

    p, q = v + force(x) * DT / 2, x
    q = q + p * DT / 2
    p = decay * p + sp.sqrt((1 - decay**2) * sp.sympify(temperature)) * xi
    q = q + p * DT / 2
    p = p + force(q) * DT / 2
    return Chain(start, (*q, *p), tuple(xi))
