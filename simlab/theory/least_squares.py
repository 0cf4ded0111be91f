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

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from simlab.core.checks import Floats, number, numbers, shown, whole
from simlab.theory.arguments import GREATEST, SMALLEST, counts, size, sizes, together, zero_or_sizes

GAMMA, RIDGE = sp.symbols("gamma lambda", positive=True)
Z, M = sp.Symbol("z", real=True), sp.Symbol("m")
QUADRATIC = GAMMA * Z * M**2 + (Z + GAMMA - 1) * M + 1
"""The transform m(z) is a root of this (Marchenko & Pastur 1967)."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
BLOCK = 2**20
"""Numbers of steps times eigenvalues that are held at once."""
FEW = 4
"""Examples for each feature from which on `two_speeds` has a meaning."""


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
    infinite at gamma = 1. ValueError where gamma is not positive, ridge, signal or noise are negative, a number is NaN,
    or a size lies outside of 1e-60 ... 1e60.
    """
    gamma, ridge, signal, noise = checked(gamma=gamma, ridge=ridge, signal=signal, noise=noise)
    b = 1 - gamma + ridge
    s = np.sqrt(b**2 + 4 * gamma * ridge)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.where(b > 0, 2 * ridge / (s + b), (s - b) / (2 * gamma))
        amplification = gamma * (2 / (1 + gamma + ridge + s)) / s  # V
        sampling = np.where(signal**2 * u**2 > 0, signal**2 * u**2 * amplification, 0.0)
        return Parts(signal**2 * u**2, sampling, np.where(noise**2 > 0, noise**2 * amplification, 0.0))


def risk(gamma: Any, ridge: Any, *, signal: Any = 1.0, noise: Any = 0.5) -> Floats:
    """Excess risk of ridge regression on isotropic features; arguments broadcast, `noise` is a standard deviation.

    gamma = p/n; ridge = 0 is the minimum-norm solution: noise^2 gamma/(1 - gamma) below gamma = 1 and
    signal^2 (1 - 1/gamma) + noise^2/(gamma - 1) above it.
    """
    return np.asarray(sum(parts(gamma, ridge, signal=signal, noise=noise)))[()]


def optimal_ridge(gamma: Any, *, signal: Any = 1.0, noise: Any = 0.5) -> Floats:
    """The ridge of least risk, noise^2 gamma/signal^2, infinite without signal: with it there is no peak."""
    gamma, signal, noise = checked(gamma=gamma, signal=signal, noise=noise)
    with np.errstate(all="ignore"):
        return np.where(signal > 0, (noise / signal) ** 2 * gamma, np.inf)[()]


def spectrum_risk(spectrum: Any, power: Any, examples: Any, ridge: Any, *, noise: Any = 0.5) -> Floats:
    """Excess risk on features of any covariance, from its eigenvalues.

    spectrum: eigenvalues of the covariance (p). power: squared coefficients of beta along its eigenvectors (p), or one
    number for all. examples, ridge, noise: broadcast against each other, and give the shape of the result.
    kappa = ridge + (kappa/n) tr Sigma (Sigma + kappa)^-1 is the effective ridge (Hastie et al. 2022, in this form Bach
    2024); asymptotic, with corrections of order 1/n. ValueError where a number is negative or NaN.
    """
    spectrum, power = np.atleast_1d(*together(spectrum=_row("spectrum", spectrum), power=_row("power", power)))
    n, ridge, noise = checked(examples=examples, ridge=ridge, noise=noise)
    kappa = effective_ridge(spectrum, n, ridge)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(kappa > 0, spectrum / (spectrum + kappa), spectrum > 0)
        # 1 - (1/n) sum share^2, which is ridge/kappa + (1/n) sum share (1 - share) and then cancels nothing.
        amplification = np.where(kappa > 0, share * (kappa / (spectrum + kappa)), 0.0).sum(-1) / n
        kept = np.where(kappa[..., 0] > 0, ridge / kappa[..., 0] + amplification, 1 - (spectrum > 0).sum() / n)
        bias = np.where(kappa > 0, kappa**2 * spectrum / (spectrum + kappa) ** 2 * power, 0.0).sum(-1)
        whole = bias + noise**2 * (share**2).sum(-1) / n
        return np.where(kept > 0, whole / kept, np.where(whole > 0, np.inf, 0.0))[()]


def effective_ridge(spectrum: Any, examples: Any, ridge: Any) -> Floats:
    """The kappa at which ridge/kappa + (1/n) sum s/(s + kappa) = 1; 0 where ridge is 0 and there are fewer features.

    spectrum: eigenvalues (p). examples, ridge: broadcast against each other, and give the shape of the result.
    The left side falls with kappa and is convex in ln kappa only piecewise, so Newton's step is guarded by a bracket.
    """
    n, ridge = checked(examples=examples, ridge=ridge)
    spectrum = np.atleast_1d(_row("spectrum", spectrum))
    spectrum = spectrum[spectrum > 0]
    free = (ridge == 0) & (len(spectrum) <= n)
    low = np.log(np.maximum(ridge, 1e-300))
    with np.errstate(divide="ignore"):  # at 0 it is free
        high = np.log(ridge + spectrum.sum() / n) + 1e-12
    low = np.where(ridge == 0, high - 700, low)
    t = np.where(free, 0.0, (low + high) / 2)
    for _ in range(200):
        value, slope = _mismatch(spectrum, n, ridge, np.exp(t))
        low, high = np.where(value > 0, t, low), np.where(value > 0, high, t)
        move = -value / np.minimum(slope, -1e-300)
        good = (np.abs(move) < 5) & (t + move > low) & (t + move < high)
        new = np.where(good, t + move, (low + high) / 2)  # where the curve is flat Newton's step is useless: bisect
        if np.all(np.abs(new - t)[~free] < 1e-15 * np.abs(t)[~free] + 1e-15):
            break
        t = np.where(free, 0.0, new)
    kappa = np.exp(t)  # and one step more, for t holds fewer digits of kappa than kappa itself
    value, slope = _mismatch(spectrum, n, ridge, kappa)
    move = -value / np.minimum(slope, -1e-300)
    return np.where(free, 0.0, kappa * (1 + np.where(np.abs(move) < 1e-3, move, 0.0)))


def _mismatch(spectrum: Floats, n: Floats, ridge: Floats, kappa: Floats) -> tuple[Floats, Floats]:
    """The left side of the equation of the effective ridge minus 1, and its slope in ln kappa."""
    learnt = spectrum / (spectrum + kappa[..., None])
    left = kappa[..., None] / (spectrum + kappa[..., None])
    # The sum of what is learnt is the number of features minus the rest; from the smaller of the two, as p - n is 0.
    few = left.sum(-1) < learnt.sum(-1)
    value = np.where(few, (len(spectrum) - n) - left.sum(-1), learnt.sum(-1) - n) / n
    return ridge / kappa + value, -ridge / kappa - (learnt * left).sum(-1) / n


def marchenko_pastur(gamma: float, halvings: int = 40) -> tuple[Floats, Floats, float]:
    """Nodes and weights of the continuous part of the Marchenko-Pastur distribution, and its mass at zero.

    With l = 1 + gamma - 2 sqrt(gamma) cos(angle) the density becomes 2 sin(angle)^2/(pi l), smooth in the angle. Panels
    of Gauss-Legendre nodes halve towards both ends, so that what is smooth over the angle pi/2^halvings is integrated
    to rounding.
    """
    nodes, weights, _, at_zero = _eigenvalues(size("gamma", gamma), whole("halvings", halvings, 1, 500))
    return nodes, weights, at_zero


def _eigenvalues(gamma: float, halvings: int) -> tuple[Floats, Floats, Floats, float]:
    """The same, and beside the nodes how far each lies below the largest."""
    ends = np.append(0.0, np.pi / 2.0 ** np.arange(halvings + 1, 0, -1))
    half = np.diff(ends)[:, None] / 2
    angle, width = (ends[:-1, None] + half * (NODES + 1)).ravel(), (half * WEIGHTS).ravel()
    root = np.sqrt(gamma)
    near, far = 4 * root * np.sin(angle / 2) ** 2, 4 * root * np.cos(angle / 2) ** 2
    nodes = ((1 - gamma) / (1 + root)) ** 2 + np.concatenate([near, far])
    weights = 2 / np.pi * np.tile(width * np.sin(angle) ** 2, 2) / nodes
    return nodes, weights, np.concatenate([far, near]), max(0.0, (gamma - 1) / gamma)


def _halvings(gamma: float, time: float) -> int:
    """As many as resolve exp(-l time) and 1/l near the smallest eigenvalue, and oscillations near the largest."""
    gap, decay = abs(1 - gamma) / (1 + np.sqrt(gamma)) / gamma**0.25, (1 + time * np.sqrt(gamma)) ** -0.5
    return max(4, int(np.ceil(np.log2(np.pi / min(gap or 1.0, decay)))) + 2)


def gradient_descent(gamma: float, steps: Any, lr: float, *, signal: float = 1.0, noise: float = 0.5) -> Floats:
    """Excess risk after so many steps of gradient descent on |y - X b|^2/(2 n) from b = 0; `steps` is any array.

    A direction of eigenvalue l keeps the share (1 - lr l)^steps of its start; a zero eigenvalue keeps it all. Gradient
    flow at time t is the limit lr -> 0, steps = t/lr (Advani, Saxe & Sompolinsky 2020). Integrated over the eigenvalues
    to 1e-12 of itself at any number of steps. ValueError for steps that are not whole numbers of at least 0, and for a
    learning rate with which it diverges.
    """
    gamma, lr, steps = size("gamma", gamma), size("lr", lr), counts("steps", steps)
    with localcontext(prec=60):  # the largest eigenvalue times lr may be 2 up to the last digit
        margin = float(2 - Decimal(lr) * (1 + Decimal(gamma).sqrt()) ** 2)
    if not margin > 0:
        raise ValueError(f"lr = {lr:g} is unstable: lr (1 + sqrt(gamma))^2 must lie between 0 and 2.")
    nodes, weights, below, at_zero = _eigenvalues(gamma, _halvings(gamma, lr * float(steps.max(initial=0))))
    return _along(
        steps, lambda t: _shares(lr * nodes, margin + lr * below, t), gamma, nodes, weights, at_zero, signal, noise
    )


def gradient_flow(gamma: float, times: Any, *, signal: float = 1.0, noise: float = 0.5) -> Floats:
    """Excess risk of gradient flow at the times given, any array, to 1e-12 of itself; ValueError for negative times."""
    gamma, times = size("gamma", gamma), numbers("times", times, at_least=0, at_most=GREATEST)
    nodes, weights, _, at_zero = _eigenvalues(gamma, _halvings(gamma, float(times.max(initial=0))))
    return _along(
        times, lambda t: (np.exp(-nodes * t), -np.expm1(-nodes * t)), gamma, nodes, weights, at_zero, signal, noise
    )


def _along(
    times: Floats, shares: Callable[[Floats], tuple[Floats, Floats]], gamma: float, nodes: Floats, weights: Floats,
    at_zero: float, signal: Any, noise: Any,
) -> Floats:  # fmt: skip
    """The risk at these times, from the shares of each eigenvalue that are kept and lost by then."""
    signal, noise = (number(n, v, at_least=0, at_most=GREATEST) for n, v in (("signal", signal), ("noise", noise)))
    flat, found = times.ravel(), np.empty(times.size)
    for start in range(0, flat.size, most := max(1, BLOCK // nodes.size)):
        kept, lost = shares(flat[start : start + most, None])
        found[start : start + most] = (signal**2 * kept**2 + gamma * noise**2 * lost**2 / nodes) @ weights
    return (found.reshape(times.shape) + signal**2 * at_zero)[()]


def _shares(move: Floats, rest: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """(1 - move)^steps and what is missing to 1, where rest = 2 - move; for moves between 0 and 2."""
    with np.errstate(divide="ignore"):
        log = np.where(move < 1, np.log1p(-np.minimum(move, 1)), np.log1p(-np.minimum(rest, 1)))
    power = np.where(steps > 0, steps * np.where(steps > 0, log, 0.0), 0.0)
    turned = (move > 1) & (steps % 2 == 1)  # a step beyond the minimum
    return np.where(turned, -1, 1) * np.exp(power), np.where(turned, 1 + np.exp(power), -np.expm1(power))


def two_speeds(spectrum: Any, power: Any, lr: Any, steps: Any, examples: float, *, noise: float = 0.5) -> Floats:
    """Excess risk of gradient descent with a step size for each direction, n >> p (Heckel & Yilmaz 2021).

    sum_i s_i power_i (1 - lr_i s_i)^{2t} + (noise^2/n) (1 - (1 - lr_i s_i)^t)^2 for eigenvalues s_i of the covariance:
    each direction has its own U-shaped curve, and two groups of well separated speed make two descents. spectrum,
    power, lr: (p), or a number for all; steps: any array, which gives the shape of the result.

    The leading order in p/n: with many steps the noise counts (1 - p/n) times too little, and directions are learnt
    later than this says. ValueError for fewer than 4 p examples, and for a learning rate with which descent diverges,
    lr_i s_i (1 + sqrt(p/n))^2 >= 2, for that is the largest eigenvalue of a sample.
    """
    spectrum, power, lr = together(spectrum=_row("spectrum", spectrum), power=_row("power", power), lr=_row("lr", lr))
    steps, noise = counts("steps", steps), number("noise", noise, at_least=0, at_most=GREATEST)
    examples, features = size("examples", examples), spectrum.size
    if examples < FEW * features:
        raise ValueError(f"examples must be at least {FEW} for each of the {features} features, got {examples:g}.")
    unstable = lr * spectrum * (1 + np.sqrt(features / examples)) ** 2 >= 2
    if unstable.any():
        raise ValueError(f"lr = {lr[unstable][0]:g} is unstable: lr s (1 + sqrt(p/n))^2 must be below 2.")
    kept, lost = _shares(lr * spectrum, 2 - lr * spectrum, steps[..., None])
    return (spectrum * power * kept**2 + noise**2 / examples * lost**2).sum(-1)[()]


def matching_steps(spectrum: Any, power: Any, lr: float, examples: float, *, noise: float = 0.5) -> Floats:
    """Step sizes with which all directions reach the minimum of their own curve at once, the first at `lr`.

    The minimum of direction i is where the kept share is q_i = v/(v + s_i power_i), v = noise^2/n; so lr_i s_i must
    solve (1 - lr_i s_i)^T = q_i for one common T. ValueError where a curve has no minimum, as without signal or noise,
    and where the first direction overshoots.
    """
    spectrum, power = together(spectrum=_row("spectrum", spectrum), power=_row("power", power))
    for name, value in (("spectrum", spectrum), ("power", power)):
        sizes(name, value)
    noise, examples, lr = size("noise", noise), size("examples", examples), size("lr", lr)
    if not lr * spectrum.flat[0] < 1:
        raise ValueError(f"lr = {lr:g} overshoots: lr times the first of the spectrum must be below 1.")
    best = -np.log1p(spectrum * power / (noise**2 / examples))
    time = best.flat[0] / np.log1p(-lr * spectrum.flat[0])
    return -np.expm1(best / time) / spectrum


def _row(name: str, values: Any) -> Floats:
    """Numbers of the directions, (p), or one for all of them; ValueError otherwise."""
    found = zero_or_sizes(name, values)
    if found.ndim > 1 or not found.size:
        raise ValueError(f"{name} must be a number or a row with one for each direction, got shape {found.shape}.")
    return found


def checked(**arguments: Any) -> list[Floats]:
    """The arguments as arrays of one shape; ValueError names the one that makes no sense, or all where shapes differ.

    gamma, examples, psi1, psi2 and lr must be positive, members at least 1 or infinite, all others zero or positive;
    none may lie outside of 1e-60 ... 1e60, where squares and products leave the range of floats.
    """
    arrays = {}
    for name, value in arguments.items():
        if name in ("gamma", "examples", "psi1", "psi2", "lr"):
            arrays[name] = sizes(name, value)
        elif name == "members":
            arrays[name] = numbers(name, value, at_least=1, infinite=True)
        else:
            arrays[name] = zero_or_sizes(name, value)
        if name == "ridge" and (tiny := (arrays[name] > 0) & (arrays[name] < SMALLEST)).any():
            raise ValueError(f"ridge must be 0 or at least {SMALLEST:g}, got {shown(arrays[name][tiny][0])}.")
    return together(**arrays)
