"""Excess risk of random-feature regression at any width, ridge and ensemble size (Mei & Montanari 2022).

x and theta_a are uniform on the sphere of radius sqrt(d); y = signal <beta, x> + nonlinear part + noise, |beta| = 1;

    f(x) = sum_a a_a act(<theta_a, x>/sqrt d),    a = argmin (1/n) sum (y - f)^2 + (N ridge/d) |a|^2.

Exact for N, n, d -> infinity at fixed psi1 = N/d, psi2 = n/d, with corrections of order 1/d. The two coupled equations
of the source, m1 = psi1/(xi + m2 + zeta^2 m2/(1 + zeta^2 m1 m2)) and its mirror image, are one equation in p = m1 m2:

    g(p) = p + zeta^2 p/(1 + zeta^2 p),    xi m1 = a = psi1 - g,    xi m2 = b = psi2 - g,
    F(p) = a b - xi^2 p = 0.

g is the number of degrees of freedom over d. F falls and is convex between p = 0 and the root, so Newton's iteration
from 0 rises to the root without any safeguard, for every psi and every ridge, all of them at once. In a, b, the share
u = 1/(1 + zeta^2 p) of the signal that is not learnt, s = 1 - u and c = g - s^2 the risk of the source, a ratio of
polynomials in p, has no cancellations left, and neither have its parts (RISK, FEATURES; theory/random_features.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from simlab.core.checks import Floats, shown
from simlab.theory import least_squares
from simlab.theory.activations import Moments, moments

Activation = str | Callable[[np.ndarray], np.ndarray]
CHI, ZETA, PSI1, PSI2 = sp.symbols("chi zeta psi1 psi2")
E0 = (
    -(CHI**5) * ZETA**6 + 3 * CHI**4 * ZETA**4 + (PSI1 * PSI2 - PSI2 - PSI1 + 1) * CHI**3 * ZETA**6
    - 2 * CHI**3 * ZETA**4 - 3 * CHI**3 * ZETA**2 + (PSI1 + PSI2 - 3 * PSI1 * PSI2 + 1) * CHI**2 * ZETA**4
    + 2 * CHI**2 * ZETA**2 + CHI**2 + 3 * PSI1 * PSI2 * CHI * ZETA**2 - PSI1 * PSI2
)  # fmt: skip
E1 = PSI2 * CHI**3 * ZETA**4 - PSI2 * CHI**2 * ZETA**2 + PSI1 * PSI2 * CHI * ZETA**2 - PSI1 * PSI2
E2 = (
    CHI**5 * ZETA**6 - 3 * CHI**4 * ZETA**4 + (PSI1 - 1) * CHI**3 * ZETA**6 + 2 * CHI**3 * ZETA**4
    + 3 * CHI**3 * ZETA**2 - (PSI1 + 1) * CHI**2 * ZETA**4 - 2 * CHI**2 * ZETA**2 - CHI**2
)  # fmt: skip
"""Mei & Montanari 2022, definition 1, with chi = -p: bias E1/E0, variance E2/E0."""
A, B, C, U, S, SIGNAL, TAU = sp.symbols("a b c u s F_1 tau", nonnegative=True)
AMPLIFICATION = S**2 / (B + C)
"""What noise of unit variance in the labels adds to the average over all networks: V of `least_squares`."""
FEATURES = PSI2 * C * (SIGNAL**2 * U * (C + S * B) + TAU**2 * C) / ((B + C) * (A * B + C * (A + B)))
"""Variance over the features: infinite where a = b = 0, that is at psi1 = psi2 without ridge, as nothing else is."""
RISK = SIGNAL**2 * U**2 * (1 + AMPLIFICATION) + TAU**2 * AMPLIFICATION + FEATURES
"""(F_1^2 E1 + tau^2 E2)/E0, the risk of one network; here tau^2 is noise^2 + nonlinear^2."""
ROUNDS = 400


class Solution(NamedTuple):
    """p = m1 m2, what N and n have above the degrees of freedom, a = psi1 - g(p) and b = psi2 - g(p), and u, s, c."""

    p: Floats
    a: Floats
    b: Floats
    u: Floats
    s: Floats
    c: Floats


_amplification = sp.lambdify((B, C, S), AMPLIFICATION, "numpy")
_features = sp.lambdify((PSI2, A, B, C, U, S, SIGNAL, TAU), FEATURES, "numpy")


class Parts(NamedTuple):
    """What the excess risk of K networks is made of: their sum.

    bias: of the estimator averaged over everything. sampling: variance over training sets, of the ensemble of all
    networks. noise: of the labels (and of the nonlinear part of the target, which acts like noise), as it passes
    through that ensemble. features: what is left of the variance over initialisations when K are averaged; falls as
    1/K. misfit: the nonlinear part of the target, which no such model can fit.
    """

    bias: Floats
    sampling: Floats
    noise: Floats
    features: Floats
    misfit: Floats


def solve(psi1: Any, psi2: Any, ridge: Any, m: Any) -> Solution:
    """The root of F and what follows from it, arguments broadcast; ridge = 0 is the minimum-norm limit.

    m: what `activations.moments` gives. ValueError names an argument that makes no sense.
    """
    if not (isinstance(m, Moments) and np.isfinite(m).all() and m.mu2 > 0):
        raise ValueError(f"m must be moments of an activation with mu2 above 0, got {shown(m)}.")
    psi1, psi2, ridge = least_squares.checked(psi1=psi1, psi2=psi2, ridge=ridge)
    z2, xi2 = m.zeta**2, psi1 * psi2 * ridge / m.mu2**2
    least = np.minimum(psi1, psi2)
    # F ends where g(p) = min(psi1, psi2): a quadratic, z2 p^2 + (1 + z2 - z2 least) p = least, and its stable root.
    linear = 1 + z2 - z2 * least
    root = np.sqrt(linear**2 + 4 * z2 * least)
    with np.errstate(divide="ignore", invalid="ignore"):
        end = np.where(linear > 0, 2 * least / (linear + root), (root - linear) / (2 * z2)) if z2 else least * 1.0
    p = np.zeros_like(least)
    for _ in range(ROUNDS):
        one = 1 + z2 * p
        g, slope = p + z2 * p / one, 1 + z2 / one**2
        value = (psi1 - g) * (psi2 - g) - xi2 * p
        fall = slope * (psi1 + psi2 - 2 * g) + xi2
        new = np.minimum(p + np.where(fall > 0, value / np.where(fall > 0, fall, 1), 0.0), end)
        new = np.where(ridge == 0, end, new)
        done = np.abs(new - p) <= 4e-16 * new
        p = np.maximum(new, p)
        if done.all():
            break
    # a - b is known and a b = xi^2 p, so neither is a difference of nearly equal numbers.
    apart = psi1 - psi2
    larger = (np.abs(apart) + np.sqrt(apart**2 + 4 * xi2 * p)) / 2
    smaller = np.divide(xi2 * p, larger, out=np.zeros_like(p), where=larger > 0)
    u = 1 / (1 + z2 * p)
    s = z2 * p * u
    return Solution(p, np.where(apart > 0, larger, smaller), np.where(apart > 0, smaller, larger), u, s, p + s * u)


def effective_ridge(psi1: Any, psi2: Any, ridge: Any, m: Any) -> Floats:
    """The ridge of the kernel machine that infinitely many networks of this width are on average (Jacot et al. 2020).

    lam~ = psi2 ridge/(1 - g/psi1) = mu2^2 b/p: a finite width acts like an additional ridge. In the units of K =
    mu1^2 X X^T/d + mu2^2 I. At ridge = 0 it is 0 for N > n, and for N < n the value at which that kernel has N degrees
    of freedom.
    """
    found = solve(psi1, psi2, ridge, m)
    return (m.mu2**2 * found.b / found.p)[()]


def parts(
    psi1: Any,
    psi2: Any,
    ridge: Any,
    *,
    activation: Activation = "relu",
    signal: Any = 1.0,
    nonlinear: Any = 0.0,
    noise: Any = 0.5,
    members: Any = 1,
) -> Parts:
    """The excess risk of an average of `members` networks, taken apart; arguments broadcast, members may be infinite.

    The networks have their own features and share the training set. E_K = E_inf + (E_1 - E_inf)/K holds for every
    finite size; E_inf is kernel ridge regression at the effective ridge.
    """
    psi1, psi2, ridge, signal, nonlinear, noise, members = least_squares.checked(
        psi1=psi1, psi2=psi2, ridge=ridge, signal=signal, nonlinear=nonlinear, noise=noise, members=members
    )
    _, a, b, u, s, c = solve(psi1, psi2, ridge, moments(activation))
    labels = np.hypot(noise, nonlinear)
    amplification = _amplification(b, c, s)
    with np.errstate(divide="ignore", invalid="ignore"):
        features = _features(psi2, a, b, c, u, s, signal, labels)
        features = np.where(np.isinf(members) | (signal**2 + labels**2 == 0), 0.0, features / members)
    return Parts(signal**2 * u**2, signal**2 * u**2 * amplification, labels**2 * amplification, features, nonlinear**2)


def risk(
    psi1: Any,
    psi2: Any,
    ridge: Any,
    *,
    activation: Activation = "relu",
    signal: Any = 1.0,
    nonlinear: Any = 0.0,
    noise: Any = 0.5,
    members: Any = 1,
) -> Floats:
    """Excess risk of an average of `members` random-feature networks; arguments broadcast.

    psi1 = N/d, psi2 = n/d. ridge: lambda of the source; 0 is the minimum-norm limit. activation: a name or a function.
    signal: F1. nonlinear: F*, the size of the purely nonlinear part of the target. noise: standard deviation of the
    labels. members: 1, 2, ... or numpy.inf. ValueError names an argument that makes no sense.
    """
    found = parts(
        psi1, psi2, ridge, activation=activation, signal=signal, nonlinear=nonlinear, noise=noise, members=members
    )
    return np.asarray(sum(found))[()]
