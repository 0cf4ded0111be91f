"""Each scheme converges at the orders it declares: measured where the errors are known without any sampling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import expm, solve_continuous_lyapunov

from simlab.theory.chain import DT
from simlab.theory.schemes import SCHEMES, Scheme, baoab
from simlab.theory.sde import SDE

X, V = sp.symbols("x v", real=True)
A, B = -1.0, 0.8
"""Geometric Brownian motion dx = A x dt + B x dW in the calculus of the scheme: each step multiplies x by R(xi)."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / math.sqrt(2 * math.pi)
STEPS = (64, 128, 256, 512)
"""Steps to the time 1."""


def order(errors: list[float]) -> float:
    """The order at which errors fall when steps are halved, at the finest pair."""
    return math.log2(errors[-2] / errors[-1])


def factors(scheme: Scheme, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """One step of the scheme and the exact solution over the same noise, both as factors of x at the Hermite nodes."""
    chain = scheme(SDE(X, A * X, B * X, scheme.calculus))
    step = sp.lambdify(chain.normals, sp.expand(chain.update[0] / X).subs(DT, dt))(NODES)
    drift = A - B**2 / 2 if scheme.calculus == "ito" else A
    return step, np.exp(drift * dt + B * math.sqrt(dt) * NODES)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_the_strong_order_is_the_declared_one(scheme: Scheme) -> None:
    errors = []
    for steps in STEPS:
        ours, exact = factors(scheme, 1 / steps)
        # E (prod R - prod G)^2 = (E R^2)^n - 2 (E R G)^n + (E G^2)^n: independent steps, no sampling.
        means = [WEIGHTS @ f for f in (ours**2, ours * exact, exact**2)]
        errors.append(math.sqrt(means[0] ** steps - 2 * means[1] ** steps + means[2] ** steps))
    # The next term of the expansion is smaller by sqrt(dt) or dt: at 512 steps the order is off by less than 0.05.
    assert order(errors) == pytest.approx(scheme.strong_order, abs=0.05)


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("power", [1, 2, 3])
def test_the_weak_order_is_the_declared_one(scheme: Scheme, power: int) -> None:
    errors = []
    for steps in STEPS:
        ours, exact = factors(scheme, 1 / steps)
        errors.append(abs((WEIGHTS @ ours**power) ** steps - (WEIGHTS @ exact**power) ** steps))
    # Heun is weakly of order 2 for some moments of a linear equation; it promises 1.
    assert order(errors) > scheme.weak_order - 0.05
    if scheme.calculus == "ito":
        assert order(errors) == pytest.approx(scheme.weak_order, abs=0.05)


def test_splitting_is_weakly_of_order_two() -> None:
    k, friction, temperature = 2.0, 0.7, 0.5
    chain = baoab(k * X**2 / 2, X, V, friction=friction, temperature=temperature)
    drift = np.array([[0, 1], [-k, -friction]])
    rest = solve_continuous_lyapunov(drift, -np.diag([0, 2 * friction * temperature]))
    flow = expm(drift)
    start = np.array([[1.0, 0.0], [0.0, 0.0]])  # covariance at time 0
    exact = flow @ (start - rest) @ flow.T + rest
    errors = []
    for steps in (16, 32, 64):
        update = sp.Matrix(chain.update).subs(DT, 1 / steps)
        step = np.array(update.jacobian(list(chain.state)), float)
        root = np.array(update.jacobian(list(chain.normals)), float)
        covariance = start
        for _ in range(steps):
            covariance = step @ covariance @ step.T + root @ root.T
        errors.append(float(np.abs(covariance - exact).max()))
    assert order(errors) == pytest.approx(2, abs=0.05)
