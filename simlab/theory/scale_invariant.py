"""Training of a scale-invariant loss, f(c w) = f(w), by SGD with weight decay: the norm, the angle, the direction.

rho = |w|, g the gradient, g~ = rho g the gradient at w/rho on the unit sphere. By Euler w . g = 0, so a step
w' = (1 - lr wd) w - lr g moves the norm by Pythagoras, and all else follows from

    rho'^2 = (1 - lr wd)^2 rho^2 + lr^2 |g~|^2/rho^2.

gradient_square is E |g~|^2, taken as the same at every place and time. wd is the coupled weight decay: wd w is added to
the gradient, and with momentum m' = momentum m + g + wd w, w' = w - lr m'. Everything here is computed from expressions
that sympy derives from that step (theory/scale_invariant.md); arguments broadcast.

Sources: van Laarhoven 2017 (effective learning rate); Li & Arora 2020 (growing learning rate); Wan, Zhu, Zhang & Sun
2021 (equilibrium, momentum); Lobacheva, Kodryan, Chirkova, Malinin & Vetrov 2021 (periods).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from simlab.core.checks import Floats, numbers, whole
from simlab.theory import norm_dynamics as nd
from simlab.theory.arguments import GREATEST, SMALLEST, counts, sizes, together, zero_or_sizes
from simlab.theory.sgd import LR

STEPS = 10**8
"""Numbers that a path may hold."""
SMALL, LARGEST_JUMP = 0.25, 4.0
"""Up to which a correction of first order is one, and up to which a limit of small steps has a meaning."""


def equilibrium_norm(lr: Any, weight_decay: Any, gradient_square: Any, momentum: Any = 0.0) -> Floats:
    """The norm where growth and decay balance: rho^4 = lr G/(wd (1 - m)(2 - lr wd/(1 + m))), exact in the step.

    ValueError where weight_decay is 0: without decay the norm grows without bound.
    """
    lr, wd, g, m = _checked(lr=lr, weight_decay=weight_decay, gradient_square=gradient_square, momentum=momentum)
    _need(wd > 0, "weight_decay must be positive, got 0, for without decay the norm grows without bound")
    return _numbers(nd.stationary()[0], {LR: lr, nd.WD: wd, nd.G: g, nd.MOMENTUM: m}) ** 0.25


def norm_variance(lr: Any, weight_decay: Any, variation: Any) -> Floats:
    """Variance of rho^2 over its squared mean at equilibrium, where Var |g~|^2 = variation (E |g~|^2)^2.

    To first order in lr wd variation. The mean of rho^4 exceeds the equilibrium by twice this share of it, which is
    lr wd variation; isotropic Gaussian gradients have variation = 2/(d - 1). Without momentum. ValueError where lr wd
    variation is above 0.25, where the first order is not valid.
    """
    lr, wd, v = _checked(lr=lr, weight_decay=weight_decay, variation=variation)
    _need(lr * wd * v <= SMALL, f"variation must be at most {SMALL:g}/(lr weight_decay): this is a first order")
    return _numbers(nd.relative_norm_variance(), {LR: lr, nd.WD: wd, nd.VARIATION: v})


def relaxation(rho0: Any, lr: Any, weight_decay: Any, gradient_square: Any, steps: int) -> Floats:
    """The norm at the steps 0 to `steps`, last axis: the exact step, with |g~|^2 = gradient_square every time.

    ValueError for more than 1e8 numbers in all.
    """
    rho0, lr, wd, g = _checked(rho0=rho0, lr=lr, weight_decay=weight_decay, gradient_square=gradient_square)
    steps = whole("steps", steps, 0, max(0, STEPS // max(1, rho0.size) - 1))
    advance = _function(nd.norm_step(), (nd.RHO, LR, nd.WD, nd.G))
    norms = np.empty((*rho0.shape, steps + 1))
    norms[..., 0] = rho0
    for step in range(steps):
        norms[..., step + 1] = np.sqrt(advance(norms[..., step], lr, wd, g))
    return norms


def relaxation_limit(
    rho0: Any, lr: Any, weight_decay: Any, gradient_square: Any, step: Any, momentum: Any = 0.0
) -> Floats:
    """The norm at any step in the limit of small steps; its relative error is of the order of lr wd and lr^2 G/rho^4.

    While the norm only decays, that is for G = 0, the error grows with the step as lr^2 wd^2 step/2. Without decay
    rho^4 grows by 2 lr^2 G per step. Momentum acts as lr/(1 - momentum) once the velocity is stationary, in about
    1/(1 - momentum) steps. ValueError where lr^2 G/((1 - momentum)^2 rho0^4) is above 4: the first step is then a jump,
    and the limit of small steps is not valid.
    """
    rho0, lr, wd, g, t, m = _checked(
        rho0=rho0, lr=lr, weight_decay=weight_decay, gradient_square=gradient_square, step=step, momentum=momentum
    )
    jump = lr / (1 - m) * np.sqrt(g) / rho0**2
    _need(jump <= LARGEST_JUMP**0.5, "rho0 must be larger: lr^2 gradient_square/((1 - momentum)^2 rho0^4) is above 4")
    values = {nd.RHO0: rho0, LR: lr / (1 - m), nd.G: g, nd.TIME: t, nd.WD: np.where(wd > 0, wd, 1.0)}
    exponent = _numbers(nd.relaxation_rate() * nd.TIME, values)
    decayed = _numbers(nd.shares(), {**values, nd.KEPT: np.exp(-exponent), nd.LOST: -np.expm1(-exponent)})
    return np.where(wd > 0, decayed, _numbers(nd.growth(), values))[()] ** 0.25


def relaxation_time(lr: Any, weight_decay: Any, momentum: Any = 0.0) -> Floats:
    """Steps in which rho^4 comes nearer to its equilibrium by the factor e: (1 - m)/(4 lr wd), for small lr wd."""
    lr, wd, m = _checked(lr=lr, weight_decay=weight_decay, momentum=momentum)
    _need(wd > 0, "weight_decay must be positive, got 0, for without decay there is no equilibrium")
    return _numbers(1 / nd.relaxation_rate(), {LR: lr / (1 - m), nd.WD: wd})


def angle(lr: Any, weight_decay: Any, momentum: Any = 0.0) -> Floats:
    """The angle of one step at equilibrium in radians, about sqrt(2 lr wd/(1 + m)): independent of the loss.

    Its cosine is 1 - lr wd/(1 + m) and without momentum tan^2 = (1 - (1 - lr wd)^2)/(1 - lr wd)^2, exact in the step.
    """
    lr, wd, m = _checked(lr=lr, weight_decay=weight_decay, momentum=momentum)
    return np.arctan(np.sqrt(_numbers(nd.tangent_square(), {LR: lr, nd.WD: wd, nd.MOMENTUM: m})))


def effective_lr(lr: Any, rho: Any, momentum: Any = 0.0) -> Floats:
    """The learning rate on the unit sphere, lr/((1 - momentum) rho^2) (van Laarhoven 2017)."""
    lr, rho, m = _checked(lr=lr, rho=rho, momentum=momentum)
    return (lr / (1 - m) / rho**2)[()]


def growing_lr(lr: Any, weight_decay: Any, step: Any) -> Floats:
    """The learning rate that without decay gives the same functions at the steps 0, 1, ...

    lr (1 - lr wd)^(-2 step - 1) (Li & Arora 2020), without momentum. ValueError where no float is large enough.
    """
    lr, wd, t = _checked(lr=lr, weight_decay=weight_decay, step=step)
    logarithm = np.log(lr) - (2 * t + 1) * np.log1p(-lr * wd)
    _need(logarithm < np.log(np.finfo(float).max), "the learning rate grows beyond all numbers; take fewer steps")
    return np.exp(logarithm)


def temperature(sigma: Any, lr: Any, rho: Any) -> Floats:
    """T of the stationary density exp(-L(u)/T) of the direction at fixed norm: lr sigma^2/(2 rho^2).

    sigma: standard deviation of the gradient noise on the unit sphere in each tangential direction, isotropic.
    Asymptotic for small steps on the sphere: lr lambda_max/rho^2 and the squared angle of a step both small.
    """
    sigma, lr, rho = _checked(sigma=sigma, lr=lr, rho=rho)
    return _numbers(nd.temperature_of_direction(), {nd.SIGMA: sigma, LR: lr, nd.RHO: rho})


def concentration(kappa: Any, sigma: Any, lr: Any, weight_decay: Any, dimension: Any) -> Floats:
    """Concentration 2 rho^2 kappa/(lr sigma^2) of u = w/|w|, von Mises-Fisher distributed, for the loss -kappa mu . u.

    rho is the equilibrium for E |g~|^2 = (d - 1) sigma^2, exact in the step: the drift's own share of |g~|^2 is left
    out, which is kappa lr/(2 rho^2), of the order sqrt(lr wd); `concentration_error` gives what that and the finite
    length of the steps do.
    """
    kappa, sigma, lr, rho = _isotropic(kappa, sigma, lr, weight_decay, dimension)
    values = {nd.KAPPA: kappa, nd.SIGMA: sigma, LR: lr, nd.RHO: rho}
    return _numbers(nd.KAPPA / nd.temperature_of_direction(), values)


def concentration_error(kappa: Any, sigma: Any, lr: Any, weight_decay: Any, dimension: Any) -> Floats:
    """The relative excess of 1 - E cos over that of `concentration`: kappa lr/(4 rho^2), of the order sqrt(lr wd).

    First order, for a concentration far above the dimension; the rest is of the order lr wd. ValueError where it comes
    out above 0.25, for the next orders are then no smaller.
    """
    kappa, sigma, lr, rho = _isotropic(kappa, sigma, lr, weight_decay, dimension)
    found = _numbers(nd.concentration_shift(), {nd.KAPPA: kappa, LR: lr, nd.RHO: rho})
    worst = np.max(found, initial=0.0)
    _need(
        found <= SMALL,
        f"kappa must be smaller, or lr weight_decay, or sigma larger: kappa lr/(4 rho^2) = {worst:.3g} is no "
        f"correction of first order, at most {SMALL:g} is",
    )
    return found


def _isotropic(kappa: Any, sigma: Any, lr: Any, weight_decay: Any, dimension: Any) -> list[Floats]:
    """kappa, sigma and lr in one shape, and the norm at equilibrium."""
    kappa, sigma, lr, wd, d = _checked(kappa=kappa, sigma=sigma, lr=lr, weight_decay=weight_decay, dimension=dimension)
    return [kappa, sigma, lr, equilibrium_norm(lr, wd, (d - 1) * sigma**2)]


def edge(lr: Any, rho: Any) -> Floats:
    """The curvature on the unit sphere, lambda_max, above which a minimum repels: 2 rho^2/lr.

    Exact without decay; with it times 1 - lr wd, which is left out here. Without momentum.
    """
    lr, rho = _checked(lr=lr, rho=rho)
    return _numbers(nd.edge(), {LR: lr, nd.RHO: rho})


def critical_norm(lr: Any, sharpness: Any) -> Floats:
    """The norm below which a minimum of curvature `sharpness` on the unit sphere repels: sqrt(lr lambda_max/2)."""
    lr, sharpness = _checked(lr=lr, sharpness=sharpness)
    return np.sqrt(_numbers(nd.RHO**2 * nd.LEVEL / nd.edge(), {LR: lr, nd.LEVEL: sharpness}))


def period(lr: Any, weight_decay: Any, rho_max: Any, rho_crit: Any) -> Floats:
    """Steps of decay from the norm after a jump to the norm of the next: ln(rho_max^2/rho_crit^2)/(2 lr wd).

    Heuristic (Lobacheva et al. 2021): it takes the gradient as zero on the way, and the two norms as given.
    """
    lr, wd, high, low = _checked(lr=lr, weight_decay=weight_decay, rho_max=rho_max, rho_crit=rho_crit)
    _need(wd > 0, "weight_decay must be positive, got 0, for without decay there are no periods")
    short = np.max(np.where(high < low, low, 0.0), initial=0.0)
    _need(high >= low, f"rho_max must be at least rho_crit, which is {short:g}")
    return _numbers(nd.decay_time(), {LR: lr, nd.WD: wd, nd.RHO0: high, nd.RHO: low})


def curvature(unit_curvature: Any, rho: Any) -> Floats:
    """Curvature at radius rho of a loss with this curvature on the unit sphere, H(rho u) = H(u)/rho^2.

    So the width 1/sqrt(curvature) of a minimum grows with rho although the loss does not change. NaN stays NaN.
    """
    value, rho = together(unit_curvature=_measured("unit_curvature", unit_curvature), rho=sizes("rho", rho))
    return (value / rho**2)[()]


def relative_sharpness(curvature: Any, rho: Any) -> Floats:
    """rho^2 times a curvature at radius rho (its trace or largest eigenvalue): the same at every radius."""
    value, rho = together(curvature=_measured("curvature", curvature), rho=sizes("rho", rho))
    return (value * rho**2)[()]


def _measured(name: str, values: Any) -> Floats:
    return numbers(name, values, at_least=-GREATEST, at_most=GREATEST, nan=True)


POSITIVE = ("lr", "rho", "rho0", "rho_max", "rho_crit", "sigma")


def _checked(**arguments: Any) -> list[Floats]:
    """The arguments as arrays of one shape; ValueError in one sentence where one of them makes no sense."""
    arrays = {}
    for name, value in arguments.items():
        if name == "dimension":
            arrays[name] = counts(name, value, 2)
        elif name == "momentum":
            arrays[name] = numbers(name, value, at_least=0, below=1)
        elif name in POSITIVE:
            arrays[name] = sizes(name, value)
        else:
            arrays[name] = zero_or_sizes(name, value)
        if name == "weight_decay":
            _need((arrays[name] == 0) | (arrays[name] >= SMALLEST), f"weight_decay must be 0 or at least {SMALLEST:g}")
    arrays = dict(zip(arrays, together(**arrays), strict=True))
    if "weight_decay" in arrays:
        decay = np.max(arrays["lr"] * arrays["weight_decay"], initial=0.0)
        _need(decay < 1, f"lr weight_decay must be below 1; take a smaller one than {decay:g}")
    return list(arrays.values())


def _need(good: Any, sentence: str) -> None:
    if not np.all(good):
        raise ValueError(f"{sentence}.")


@cache
def _function(e: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    return sp.lambdify(symbols, e, "numpy")


def _numbers(e: sp.Expr, values: dict[sp.Symbol, Any]) -> Floats:
    """The expression at these values, a scalar for scalars."""
    return np.asarray(_function(e, tuple(values))(*values.values()), float)[()]
