"""SGD as a Markov chain: any symbolic loss with any symbolic noise, the valley, and linear chains exactly.

Sources: Ziyin et al. 2022 (discrete-time covariance), Damian, Ma & Lee 2021 and Blanc et al. 2020 (label noise),
Mandt, Hoffman & Blei 2017 (SGD as a sampler, in the limit of small steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
from scipy.linalg import solve_discrete_lyapunov

from simlab.core.checks import Floats, numbers, whole
from simlab.theory.chain import Chain, unit_normals
from simlab.theory.sde import SDE
from simlab.theory.symbols import derivative, expression, states

LR = sp.Symbol("lr", positive=True)
"""The learning rate."""


def sgd(loss: Any, state: Sequence[sp.Symbol], noise: Any) -> Chain:
    """One step of SGD, x' = x - lr (grad loss + noise xi), with gradient noise of covariance noise noise^T.

    loss: an expression, or text in the state. noise: one expression for all, d of them (diagonal) or a d x m Matrix,
    array or list of rows, which may depend on the state.
    """
    x = states("state", state)
    root = SDE(x, (0,) * len(x), noise).noise
    loss = expression("loss", loss, x, root.free_symbols)
    normals = unit_normals(root.cols)
    gradient = sp.Matrix([derivative(loss, s) for s in x]) + root * sp.Matrix(normals)
    used = [xi for xi in normals if gradient.has(xi)]
    names = dict(zip(used, unit_normals(len(used)), strict=True))
    return Chain(x, tuple(s - LR * g.subs(names) for s, g in zip(x, gradient, strict=True)), unit_normals(len(used)))


def normal_variance(h: sp.Expr, noise: sp.Expr) -> sp.Expr:
    """Stationary <y^2> across the valley L = h y^2/2 at fixed h: lr s^2/(h (2 - lr h)), solved from SGD's own step."""
    h, noise = expression("h", h), expression("noise", noise)
    y, v = sp.Symbol("y", real=True), sp.Symbol("v", positive=True)
    curvature, strength = sp.Symbol("h", positive=True), sp.Symbol("s", nonnegative=True)
    (update,), (xi,) = (chain := sgd(curvature * y**2 / 2, [y], [strength])).update, chain.normals
    second = sp.expand(update**2).subs(xi**2, 1).coeff(xi, 0)
    (variance,) = sp.solve(sp.Eq(v, second.subs(y**2, v)), v)
    return sp.factor(variance).subs({curvature: h, strength: noise})


def mean_drift(h: sp.Expr, noise: sp.Expr, x: sp.Symbol | None = None) -> sp.Expr:
    """Mean displacement of x per step in the valley L = h(x) y^2/2: -(lr/2) h' <y^2>, y being stationary.

    Exact at fixed x; x moves by O(noise^2) while y relaxes, so the relative error is of that order.
    """
    x, h, noise = _valley(x, h, noise)
    return -LR * derivative(h, x) * normal_variance(h, noise) / 2


def label_noise_potential(h: sp.Expr, sigma: sp.Expr) -> sp.Expr:
    """R with mean drift -lr R'(x) under label noise s^2 = sigma^2 h: -(sigma^2/2) ln(1 - lr h/2).

    Damian et al. 2021.
    """
    h, sigma = expression("h", h), expression("sigma", sigma)
    u, curvature = sp.symbols("u h", positive=True)  # u = 1 - lr h/2, positive while SGD is stable
    push = normal_variance(curvature, sigma * sp.sqrt(curvature)) / 2
    integrand = sp.cancel(push.subs(curvature, 2 * (1 - u) / LR) * 2 / LR)
    return sp.integrate(integrand, (u, u, 1)).subs(u, 1 - LR * h / 2)


def reduced(h: sp.Expr, noise: sp.Expr, kick: sp.Expr, x: sp.Symbol | None = None) -> SDE:
    """The Ito equation of x alone on the circle, time counted in steps: dx = mean_drift dt + kick dW.

    noise: standard deviation of the gradient noise across the valley; kick: that of the displacement along it per step.
    Asymptotic: both small, their ratio fixed.
    """
    x, h, noise = _valley(x, h, noise)
    return SDE(x, mean_drift(h, noise, x), kick, "ito", (0, 2 * sp.pi), "periodic")


def _valley(x: Any, h: Any, noise: Any) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
    """The place along the valley, and the curvature and the noise there."""
    (x,) = states("x", sp.Symbol("x", real=True) if x is None else x)
    return x, expression("h", h, [x]), expression("noise", noise, [x])


def discrete_covariance(step: Any, noise: Any) -> Floats:
    """Stationary S of x' = step x + eps, Cov eps = noise: S = step S step^T + noise.

    step, noise: (d, d). ValueError where the chain is not stable: an eigenvalue of step has a size of 1 or more.
    """
    step, noise = _square("step", step), _square("noise", noise)
    if noise.shape != step.shape:
        raise ValueError(f"noise must have the shape of step, {step.shape}, got {noise.shape}.")
    if not (size := np.abs(np.linalg.eigvals(step)).max()) < 1:
        raise ValueError(f"step must have eigenvalues of a size below 1, or the chain is not stable, got {size:g}.")
    return solve_discrete_lyapunov(step, noise)


def _square(name: str, values: Any) -> Floats:
    """A square matrix of at least one row."""
    found = numbers(name, values, ndim=2)
    if found.shape[0] != found.shape[1] or not found.size:
        raise ValueError(f"{name} must be a square matrix, got shape {found.shape}.")
    return found


def linear_chain_moments(
    step: Any, shift: Any, noise: Any, mean: Any, covariance: Any, steps: int
) -> tuple[Floats, Floats]:
    """Mean (d) and covariance (d, d) of x' = step x + shift + eps, Cov eps = noise, after `steps` steps; exact.

    step, noise, covariance: (d, d); shift, mean: (d). By doubling: the map of 2n steps is the map of n steps twice, so
    n costs log2(n) products.
    """
    matrix, scatter, covariance = _square("step", step), _square("noise", noise), _square("covariance", covariance)
    offset, mean, d = numbers("shift", shift, ndim=1), numbers("mean", mean, ndim=1), len(matrix)
    for name, value in (("noise", scatter), ("covariance", covariance), ("shift", offset), ("mean", mean)):
        if len(value) != d:
            raise ValueError(f"{name} must be of the {d} dimensions of step, got shape {value.shape}.")
    steps = whole("steps", steps)
    while steps:
        if steps & 1:
            mean, covariance = matrix @ mean + offset, matrix @ covariance @ matrix.T + scatter
        matrix, offset, scatter = matrix @ matrix, matrix @ offset + offset, matrix @ scatter @ matrix.T + scatter
        steps >>= 1
    return mean, covariance


__all__ = [
    "LR",
    "discrete_covariance",
    "label_noise_potential",
    "linear_chain_moments",
    "mean_drift",
    "normal_variance",
    "reduced",
    "sgd",
]
