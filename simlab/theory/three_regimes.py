"""The smallest scale-invariant loss with the three regimes of a net on the sphere (Kodryan et al. 2022, section 3).

    F = sum_i a_i x_i^2/(x_i^2 + y_i^2)

is scale-invariant in every pair on its own. Projected gradient descent at the joint radius 1 converges if and only if
lr < 1/sum_i a_i; above that the pairs share the sphere so that all of them stay near their edge (chaotic equilibrium);
at a large lr the angles are random and F is near sum_i a_i/2. A state is an array (..., 2, pairs) of x and y; `scales`
are the a_i, (pairs,), and lr has the shape (...) of the leading axes or is a number.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from simlab.core.checks import Floats, real_array
from simlab.theory.arguments import GREATEST, SMALLEST, sizes
from simlab.theory.sgd import LR

X, Y = sp.symbols("x y", real=True)
SCALE, RADIUS = sp.symbols("a r", positive=True)
PAIR = SCALE * X**2 / (X**2 + Y**2)
"""The loss of one pair."""


def gradient() -> tuple[sp.Expr, sp.Expr]:
    """The gradient of one pair."""
    return sp.factor(sp.diff(PAIR, X)), sp.factor(sp.diff(PAIR, Y))


def multiplier() -> sp.Expr:
    """The factor by which a step multiplies a small x of a pair of radius r, before the projection: 1 - 2 lr a/r^2."""
    return sp.diff(X - LR * gradient()[0], X).subs(X, 0).subs(Y, RADIUS)


@cache
def edge_square() -> sp.Expr:
    """The r^2 below which a pair repels its minimum: lr a."""
    square = sp.Symbol("s", positive=True)
    (found,) = sp.solve(multiplier().subs(RADIUS, sp.sqrt(square)) + 1, square)
    return found


def random_share() -> sp.Expr:
    """The mean of a pair over its angle, in units of a: 1/2."""
    t = sp.Symbol("t", real=True)
    at_angle = sp.simplify(PAIR.subs({X: sp.cos(t), Y: sp.sin(t)}))
    return sp.integrate(at_angle, (t, 0, 2 * sp.pi)) / (2 * sp.pi) / SCALE


def threshold(scales: Any) -> float:
    """The learning rate 1/sum a_i above which gradient descent on the joint sphere does not converge.

    Every pair needs r_i^2 > lr a_i and the r_i^2 have the sum 1.
    """
    return float(1 / _positive(scales).sum())


def mean_shares(scales: Any) -> Floats:
    """Time averages of the r_i^2 above the threshold, a_i/sum a_i.

    A step written in s_i = lr a_i/r_i^2 and the angle of the pair is the same for all pairs, so where the chaos mixes
    all pairs have the same mean of 1/s_i, and the r_i^2 have the sum 1.
    """
    a = _positive(scales)
    return a / a.sum()


def random_value(scales: Any) -> float:
    """F at random angles, sum a_i/2: the limit of a large learning rate."""
    return float(_positive(scales).sum() * random_share())


def loss(state: Any, scales: Any) -> Floats:
    """F, (...); NaN for states that hold NaN. ValueError for a pair at the origin, where F has no value."""
    x, y, a = _pairs(state, scales)
    return _functions()[0](x, y, a).sum(-1)


def loss_gradient(state: Any, scales: Any) -> Floats:
    """The gradient of F, of the shape of the state; ValueError and NaN as for `loss`."""
    x, y, a = _pairs(state, scales)
    return np.stack([f(x, y, a) for f in _functions()[1:]], axis=-2)


def step(state: Any, scales: Any, lr: Any) -> Floats:
    """One step of gradient descent, put back on the sphere where all pairs together have the norm 1.

    ValueError as for `loss`, and unless lr is a number or has the shape (...) of the leading axes of the state.
    """
    lr = sizes("lr", lr)
    gradient_there = loss_gradient(state, scales)
    if lr.shape not in ((), gradient_there.shape[:-2]):
        raise ValueError(f"lr must be a number or have the shape {gradient_there.shape[:-2]}, got {lr.shape}.")
    moved = np.asarray(state, float) - lr[..., None, None] * gradient_there
    return moved / np.sqrt((moved**2).sum((-2, -1), keepdims=True))


@cache
def _functions() -> list[Any]:
    return [sp.lambdify((X, Y, SCALE), e, "numpy") for e in (PAIR, *gradient())]


def _positive(scales: Any) -> Floats:
    a = sizes("scales", scales)
    if a.ndim != 1 or not a.size:
        raise ValueError(f"scales must be a row of positive numbers, one for each pair, got shape {a.shape}.")
    return a


def _pairs(state: Any, scales: Any) -> tuple[Floats, Floats, Floats]:
    z, a = real_array("state", state), _positive(scales)
    if z.shape[-2:] != (2, a.size):
        raise ValueError(f"state must have shape (..., 2, {a.size}), x and y for each of the scales, got {z.shape}.")
    x, y = z[..., 0, :], z[..., 1, :]
    with np.errstate(over="ignore"):
        square = x * x + y * y
    if (bad := (square < SMALLEST) | (square > GREATEST)).any():  # infinite ones as well; NaN may pass
        norm = np.sqrt(square[bad][0])
        raise ValueError(f"state must have pairs of a norm between 1e-30 and 1e30, got {norm:g}.")
    return x, y, a
