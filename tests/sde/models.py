"""Models that between them use everything a kernel can hold: (model, scheme, parameters, x0)."""

from __future__ import annotations

from typing import Any

import sympy as sp

from simlab.sde import SDE, baoab, langevin, stopped
from simlab.theory.expression import parse
from simlab.theory.schemes import EULER
from simlab.theory.sgd import sgd

X, Y, A = sp.Symbol("x", real=True), sp.Symbol("y", real=True), sp.Symbol("a", positive=True)
WELL = langevin(X**4 / 4 - X**2 / 2, X, A)
DRIFT = "-x - atan(x) + cos(3*x)*sign(x) - Abs(x)**1.5*x/(1 + x**2) + Min(x, 1, -x) + floor(x)/9"
USER = "exp(-x**2) + sin(x)/2 + tanh(x)**2 + sqrt(1 + x**2)/3 + x**2/2 + (x**2/9 if x > 0.2 else -x**3/50)"

MODELS: dict[str, tuple[Any, str, dict[str, float], Any]] = {
    "double well": (WELL, "euler", {"a": 0.5}, 0.0),
    "a user's potential": (langevin(parse(USER), X, A), "euler", {"a": 0.5}, 0.3),
    "more functions": (
        SDE(X, parse(DRIFT), 1 / sp.cosh(X)), "euler", {}, 0.1,
    ),
    "circle, Heun": (SDE(X, 0, 1 + A * sp.sin(X), "stratonovich", (0, 2 * sp.pi), "periodic"), "heun", {"a": 0.6}, 1.0),
    "walls, Milstein": (
        SDE(X, -A * X, 1 + X**2 / 4, domain=(-1, A), boundary="reflecting"), "milstein", {"a": 2.0}, 0.5,
    ),
    "plane": (
        SDE((X, Y), (-X + A * Y, -Y - X**3 / 9), sp.Matrix([[1, A], [0, 1 / (1 + Y**2)]])),
        "euler", {"a": 0.3}, [0.0, 1.0],
    ),
    "stopped": (stopped(EULER(WELL), X < A), "euler", {"a": 1.1}, [-1.0, 0.0]),
    "valley": (sgd((1 + X**2) * Y**2 / 2, (X, Y), [0, A]), "euler", {"a": 0.3, "lr": 0.1}, [1.0, 0.0]),
    "underdamped": (baoab(X**4 / 4, X, Y, friction=A, temperature=1), "euler", {"a": 1.0}, [0.0, 0.0]),
    "no noise": (SDE(X, -(X**3), 0), "euler", {}, 1.0),
}  # fmt: skip
