"""Excess risk of ridge regression when dimension and sample size grow together.

y = x . beta + eps with x ~ N(0, I_p), |beta| = signal and eps of standard deviation noise; from n examples

    b = argmin |y - X b|^2/n + ridge |b|^2,    gamma = p/n,    excess risk R = E (x . (b - beta))^2 = E |b - beta|^2.

Exact for n, p -> infinity at fixed gamma, with corrections of order 1/n. Everything follows from the Marchenko-Pastur
transform m(z) = E 1/(l - z) over the eigenvalues l of X^T X/n, at z = -ridge. With b = 1 - gamma + ridge,
s = sqrt(b^2 + 4 gamma ridge) and u = ridge m, the share of beta that is not learnt, the risk is free of cancellations:

    R = signal^2 u^2 (1 + V) + noise^2 V,    V = gamma (1 - u)/s,
    u = 2 ridge/(s + b) = (s - b)/(2 gamma),    1 - u = 2/(1 + gamma + ridge + s).

Sources: Marchenko & Pastur 1967; Dobriban & Wager 2018; Hastie, Montanari, Rosset & Tibshirani 2022; Advani, Saxe &
Sompolinsky 2020 (gradient flow); Heckel & Yilmaz 2021 (two speeds).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GAMMA, RIDGE = sp.symbols("gamma lambda", positive=True)
Z, M = sp.Symbol("z", real=True), sp.Symbol("m")
QUADRATIC = GAMMA * Z * M**2 + (Z + GAMMA - 1) * M + 1
"""The transform m(z) is a root of this (Marchenko & Pastur 1967)."""
ANGLES = 4096
"""Nodes on the Marchenko-Pastur law; the error falls exponentially, and as 1/ANGLES^2 at gamma = 1."""


class Parts(NamedTuple):
    """What an excess risk is made of: their sum."""

    bias: Floats
    sampling: Floats
    noise: Floats


def transform() -> sp.Expr:
    """m(-lambda), solved from the quadratic: the root that is positive and tends to 1/lambda for large lambda."""
    roots = sp.solve(QUADRATIC.subs(Z, -RIDGE), M)
    (root,) = [r for r in roots if sp.limit((r * RIDGE).subs(GAMMA, sp.Rational(1, 2)), RIDGE, sp.oo) == 1]
    return root


def parts(gamma: Any, ridge: Any, *, signal: Any = 1.0, noise: Any = 0.5) -> Parts:
    """Bias, variance over the sample and variance from the noise of the labels; all arguments broadcast.

    bias is the risk of the estimator averaged over training sets, |E b - beta|^2; ridge = 0 is the minimum-norm limit,
    infinite at gamma = 1. ValueError where gamma is not positive, ridge or noise are negative, or a number is NaN.
    """
    gamma, ridge, signal, noise = checked(gamma=gamma, ridge=ridge, signal=signal, noise=noise)
    b = 1 - gamma + ridge
    s = np.sqrt(b**2 + 4 * gamma * ridge)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(b > 0, 2 * ridge / (s + b), (s - b) / (2 * gamma))
        spread = gamma * (2 / (1 + gamma + ridge + s)) / s  # V
        sampling = np.where(signal**2 * u**2 > 0, signal**2 * u**2 * spread, 0.0)
        return Parts(signal**2 * u**2, sampling, np.where(noise**2 > 0, noise**2 * spread, 0.0))


def risk(gamma: Any, ridge: Any, *, signal: Any = 1.0, noise: Any = 0.5) -> Floats:
    """Excess risk of ridge regression on isotropic features; arguments broadcast, `noise` is a standard deviation.

    gamma = p/n; ridge = 0 is the minimum-norm solution: noise^2 gamma/(1 - gamma) below gamma = 1 and
    signal^2 (1 - 1/gamma) + noise^2/(gamma - 1) above it.
    """
    return np.asarray(sum(parts(gamma, ridge, signal=signal, noise=noise)))[()]


def optimal_ridge(gamma: Any, *, signal: Any = 1.0, noise: Any = 0.5) -> Floats:
    """The ridge of least risk, noise^2 gamma/signal^2, infinite without signal: with it there is no peak."""
    gamma, signal, noise = checked(gamma=gamma, signal=signal, noise=noise)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(signal > 0, noise**2 * gamma / signal**2, np.inf)[()]


def spectrum_risk(spectrum: Any, power: Any, examples: Any, ridge: Any, *, noise: Any = 0.5) -> Floats:
    """Excess risk on features of any covariance, from its eigenvalues.

    spectrum: eigenvalues of the covariance (p). power: squared coefficients of beta along its eigenvectors (p).
    examples, ridge, noise: broadcast against each other, and give the shape of the result.
    kappa = ridge + (kappa/n) tr Sigma (Sigma + kappa)^-1 is the effective ridge (Hastie et al. 2022, in this form Bach
    2024); asymptotic, with corrections of order 1/n.
    """
    spectrum, power = checked(spectrum=spectrum, power=power)
    n, ridge, noise = checked(examples=examples, ridge=ridge, noise=noise)
    kappa = effective_ridge(spectrum, n, ridge)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(kappa > 0, spectrum / (spectrum + kappa), spectrum > 0)
        spoilt = (share**2).sum(-1) / n
        bias = (kappa**2 * spectrum / (spectrum + kappa) ** 2 * power).sum(-1) if spectrum.size else 0.0
        bias = np.where(kappa[..., 0] > 0, bias, 0.0)
        whole = bias + noise**2 * spoilt
        return np.where(spoilt < 1, whole / (1 - spoilt), np.where(whole > 0, np.inf, 0.0))[()]


def effective_ridge(spectrum: Floats, examples: Any, ridge: Any) -> Floats:
    """The kappa at which ridge/kappa + (1/n) sum s/(s + kappa) = 1; 0 where ridge is 0 and there are fewer features.

    The left side falls with kappa and is convex in ln kappa only piecewise, so Newton's step is guarded by a bracket.
    """
    n, ridge = checked(examples=examples, ridge=ridge)
    spectrum = spectrum[spectrum > 0]
    free = (ridge == 0) & (len(spectrum) <= n)
    low = np.log(np.maximum(ridge, 1e-300))
    high = np.log(ridge + spectrum.sum() / n) + 1e-12
    low = np.where(ridge == 0, high - 700, low)
    t = (low + high) / 2
    for _ in range(200):
        kappa = np.exp(t)[..., None]
        share = spectrum / (spectrum + kappa)
        value = ridge * np.exp(-t) + share.sum(-1) / n - 1
        slope = -ridge * np.exp(-t) - (share * (1 - share)).sum(-1) / n
        low, high = np.where(value > 0, t, low), np.where(value > 0, high, t)
        step = t - value / np.minimum(slope, -1e-3)  # where the curve is flat Newton says nothing: halve
        new = np.where((slope < -1e-3) & (step > low) & (step < high), step, (low + high) / 2)
        if np.all(np.abs(new - t)[~free] < 1e-15 * np.abs(t)[~free] + 1e-15):
            break
        t = new
    return np.where(free, 0.0, np.exp(t))


def law(gamma: float) -> tuple[Floats, Floats, float]:
    """Nodes and weights of the continuous part of the Marchenko-Pastur law, and its mass at zero.

    With l = 1 + gamma - 2 sqrt(gamma) cos(angle) the density becomes 2 sin(angle)^2/(pi l), smooth in the angle.
    """
    checked(gamma=gamma)
    angle = (np.arange(ANGLES) + 0.5) * np.pi / ANGLES
    nodes = 1 + gamma - 2 * np.sqrt(gamma) * np.cos(angle)
    return nodes, 2 * np.sin(angle) ** 2 / nodes / ANGLES, max(0.0, 1 - 1 / gamma)


def gradient_descent(gamma: float, steps: Any, lr: float, *, signal: float = 1.0, noise: float = 0.5) -> Floats:
    """Excess risk after so many steps of gradient descent on |y - X b|^2/(2 n) from b = 0; `steps` is any array.

    A direction of eigenvalue l keeps the share (1 - lr l)^steps of its start; a zero eigenvalue keeps it all. Gradient
    flow at time t is the limit lr -> 0, steps = t/lr (Advani, Saxe & Sompolinsky 2020).
    """
    nodes, weights, at_zero = law(gamma)
    if not 0 < lr * (1 + np.sqrt(gamma)) ** 2 < 2:
        raise ValueError(f"lr = {lr:g} is unstable: lr (1 + sqrt(gamma))^2 must lie between 0 and 2.")
    kept = (1 - lr * nodes) ** np.asarray(steps, float)[..., None]
    directions = signal**2 * kept**2 + gamma * noise**2 * (1 - kept) ** 2 / nodes
    return ((directions * weights).sum(-1) + signal**2 * at_zero)[()]


def gradient_flow(gamma: float, times: Any, *, signal: float = 1.0, noise: float = 0.5) -> Floats:
    """Excess risk of gradient flow at the times given."""
    nodes, weights, at_zero = law(gamma)
    kept = np.exp(-nodes * np.asarray(times, float)[..., None])
    directions = signal**2 * kept**2 + gamma * noise**2 * (1 - kept) ** 2 / nodes
    return ((directions * weights).sum(-1) + signal**2 * at_zero)[()]


def two_speeds(spectrum: Any, power: Any, lr: Any, steps: Any, examples: int, *, noise: float = 0.5) -> Floats:
    """Excess risk of gradient descent with a step size for each direction, n >> p (Heckel & Yilmaz 2021).

    sum_i s_i power_i (1 - lr_i s_i)^{2t} + (noise^2/n) (1 - (1 - lr_i s_i)^t)^2 for eigenvalues s_i of the covariance:
    each direction has its own U-shaped curve, and two groups of well separated speed make two descents.
    """
    spectrum, power, lr = np.broadcast_arrays(*(np.asarray(a, float) for a in (spectrum, power, lr)))
    kept = (1 - lr * spectrum) ** np.asarray(steps, float)[..., None]
    return (spectrum * power * kept**2 + noise**2 / examples * (1 - kept) ** 2).sum(-1)[()]


def matching_steps(spectrum: Any, power: Any, lr: float, examples: int, *, noise: float = 0.5) -> Floats:
    """Step sizes with which all directions reach the minimum of their own curve at once, the first at `lr`.

    The minimum of direction i is where the kept share is q_i = v/(v + s_i power_i), v = noise^2/n; so lr_i s_i must
    solve (1 - lr_i s_i)^T = q_i for one common T.
    """
    spectrum, power = np.broadcast_arrays(*(np.asarray(a, float) for a in (spectrum, power)))
    variance = noise**2 / examples
    best = np.log(variance / (variance + spectrum * power))
    time = best[0] / np.log1p(-lr * spectrum[0])
    return -np.expm1(best / time) / spectrum


def checked(**arguments: Any) -> list[Floats]:
    """The arguments as arrays of one shape; ValueError names the one that makes no sense, or all where shapes differ.

    gamma, examples, psi1, psi2 and lr must be positive, members at least 1 or infinite, all others zero or positive.
    """
    arrays = {name: np.asarray(value, float) for name, value in arguments.items()}
    for name, a in arrays.items():
        if name in ("gamma", "examples", "psi1", "psi2", "lr"):
            good, what = (a > 0) & np.isfinite(a), "positive and finite"
        elif name == "members":
            good, what = a >= 1, "at least 1"
        else:
            good, what = (a >= 0) & np.isfinite(a), "zero or positive, and finite"
        if not good.all():
            raise ValueError(f"{name} must be {what}, got {a[~good].flat[0]:g}.")
    try:
        return list(np.broadcast_arrays(*arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"these shapes do not broadcast against each other: {shapes}.") from None
