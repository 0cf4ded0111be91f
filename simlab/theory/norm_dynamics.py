"""One step of SGD on a scale-invariant loss in sympy, and what follows from it: equilibrium, relaxation, temperature.

The expressions that `scale_invariant` evaluates and theory/scale_invariant.md prints; conventions are there.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from simlab.core.checks import shown
from simlab.theory.sgd import LR, normal_variance
from simlab.theory.symbols import expression

WD, RHO, RHO0, G, LEVEL = sp.symbols("lambda rho rho_0 G h", positive=True)
"""Weight decay, norm, norm at step 0, E |g~|^2, and a curvature on the unit sphere."""
KAPPA, SIGMA, D = sp.symbols("kappa sigma d", positive=True)
MOMENTUM, TIME = sp.symbols("m t", nonnegative=True)
WEIGHTS, VELOCITY, GRADIENT, CROSS, SPEED = sp.symbols("w v g C M")
"""Three vectors, the mean of w . v and the mean of v . v."""
KEPT, LOST = sp.symbols("kept lost", nonnegative=True)
"""The share of the start that remains after some time, and 1 minus that."""
VARIATION = sp.Symbol("V", nonnegative=True)
"""Var |g~|^2/(E |g~|^2)^2."""


def mean_product(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """The mean inner product of two combinations of weights, velocity and gradient, where |w| = rho.

    w . g = 0 by Euler, and v . g has the mean 0: the gradients of successive steps are taken as uncorrelated.
    ValueError where a or b is not a linear combination of the three.
    """
    vectors = (WEIGHTS, VELOCITY, GRADIENT)
    for name, value in (("a", a), ("b", b)):
        found = expression(name, value, vectors).as_poly(*vectors)
        if found is None or not all(sum(powers) == 1 for powers in found.monoms()):
            raise ValueError(f"{name} must be a linear combination of w, v and g, got {shown(value)}.")
    means = {
        (2, 0, 0): RHO**2, (1, 1, 0): CROSS, (0, 2, 0): SPEED, (0, 0, 2): G / RHO**2, (1, 0, 1): 0, (0, 1, 1): 0,
    }  # fmt: skip
    terms = sp.Poly(a * b, *vectors).terms()
    return sp.expand(sum(coefficient * means[powers] for powers, coefficient in terms))


def heavy_ball() -> tuple[sp.Expr, sp.Expr]:
    """The weights and the velocity after a step."""
    velocity = MOMENTUM * VELOCITY + GRADIENT + WD * WEIGHTS
    return WEIGHTS - LR * velocity, velocity


@cache
def norm_step() -> sp.Expr:
    """rho'^2 after one step without momentum: exact, G being |g~|^2 of that step."""
    weights = heavy_ball()[0].subs(MOMENTUM, 0)
    whole = mean_product(weights, weights)
    kept = _turned(sp.factor(whole.subs(G, 0)), 1 - LR * WD)
    return kept + sp.expand(whole - whole.subs(G, 0))


@cache
def stationary() -> tuple[sp.Expr, sp.Expr]:
    """rho^4 and the mean cosine between successive weights at equilibrium, from the second moments of the heavy ball.

    Exact in lr and wd for a norm that does not fluctuate; see `norm_variance` for what fluctuations change.
    """
    weights, velocity = heavy_ball()
    still = [
        mean_product(weights, weights) - RHO**2,
        mean_product(weights, velocity) - CROSS,
        mean_product(velocity, velocity) - SPEED,
    ]
    found = sp.solve(still, [CROSS, SPEED, G], dict=True)[0]
    cosine = mean_product(WEIGHTS, weights).subs(found) / RHO**2
    return _turned(sp.factor(G * RHO**4 / found[G]), 1 - MOMENTUM), 1 + sp.factor(sp.cancel(cosine - 1))


@cache
def tangent_square() -> sp.Expr:
    """The square of the tangent of the angle of one step, at equilibrium."""
    cosine = stationary()[1]
    return sp.factor(1 / cosine**2 - 1)


@cache
def norm_flow() -> sp.Expr:
    """The rate of rho^2 per step for small steps, a Bernoulli equation: the step to first order, lr wd ~ lr^2 G."""
    small = sp.Symbol("epsilon", positive=True)
    scaled = norm_step().subs({LR: small * LR, G: G / small}, simultaneous=True)
    return sp.expand(sp.diff(scaled, small).subs(small, 0))


@cache
def norm_solution() -> sp.Expr:
    """rho^4 after the time t, solved from the Bernoulli equation with rho = rho_0 at t = 0."""
    square = sp.Function("q", positive=True)(TIME)
    flow = norm_flow().subs(RHO, sp.sqrt(square))
    branch = sp.dsolve(sp.Eq(square.diff(TIME), flow), square, hint="Bernoulli")[0]  # the other has the other sign
    fourth, constant = sp.expand(branch.rhs**2), sp.Symbol("C1")
    (start,) = sp.solve(fourth.subs(TIME, 0) - RHO0**4, constant)
    solution = sp.expand(fourth.subs(constant, start))
    return sp.collect(solution, list(solution.atoms(sp.exp)))


@cache
def relaxation_rate() -> sp.Expr:
    """The rate per step at which rho^4 forgets its start: that of the exponential in the solution."""
    (decay,) = norm_solution().atoms(sp.exp)
    return -sp.diff(decay.args[0], TIME)


@cache
def shares() -> sp.Expr:
    """The same solution in KEPT = exp(-rate t) and LOST = 1 - exp(-rate t), so that numbers lose no digits."""
    decay = sp.exp(-relaxation_rate() * TIME)
    grown = norm_solution().subs(RHO0, 0)
    from_start = sp.expand(norm_solution() - grown).subs(decay, KEPT)
    return from_start + sp.expand(grown.subs(decay, 1 - LOST))


@cache
def growth() -> sp.Expr:
    """rho^4 after the time t without decay."""
    return sp.limit(norm_solution(), WD, 0)


@cache
def temperature_of_direction() -> sp.Expr:
    """T of the density exp(-L(u)/T) of the direction: diffusion over mobility of one step at fixed norm.

    The direction moves by -(lr/rho^2)(grad L + sigma xi) along the sphere, to first order in lr/rho^2.
    """
    mobility = LR / RHO**2
    return (mobility * SIGMA) ** 2 / 2 / mobility


@cache
def concentration_shift() -> sp.Expr:
    """First order of the relative excess of 1 - E cos over von Mises-Fisher, in kappa lr/rho^2, where it is small.

    Two effects at a narrow peak, where the sphere is flat: a step of finite length widens it (the variance of SGD on a
    quadratic, for the variance of its flow), and the drift adds its own gradient to sigma^2 (d - 1), so that the norm
    is larger and the noise smaller.
    """
    rate, first, slope = sp.symbols("e e_0 c", real=True)  # lr/rho^2, without the drift's share, and its slope
    variance = normal_variance(KAPPA, SIGMA).subs(LR, rate)
    share = 1 + KAPPA**2 * variance / SIGMA**2  # of E |g~|^2, to which rho^4 is proportional
    corrected = first + slope * first**2
    unmatched = (rate * sp.sqrt(share) - first).subs(rate, corrected)
    (slope_found,) = sp.solve(sp.diff(unmatched, first, 2).subs(first, 0), slope)
    flow = sp.cancel(variance / rate).subs(rate, 0) * first
    excess = sp.cancel((variance / flow).subs(rate, corrected.subs(slope, slope_found)))
    return sp.diff(excess, first).subs(first, 0) * LR / RHO**2


@cache
def growing_lr() -> sp.Expr:
    """The learning rate at the time t that without decay gives the same directions (Li & Arora 2020).

    With w = a^t v and a = 1 - lr wd, the step w' = a w - lr g(w) is v' = v - [this] g(v), since g(a^t v) = g(v)/a^t.
    """
    a = sp.Symbol("a", positive=True)
    step = (a * a**TIME * WEIGHTS - LR * GRADIENT / a**TIME) / a ** (TIME + 1)
    return sp.powsimp(-sp.diff(step, GRADIENT)).subs(a, 1 - LR * WD)


def multiplier() -> sp.Expr:
    """By how much a step without decay multiplies a small distance from a minimum of curvature h on the unit sphere."""
    return 1 - LR * LEVEL / RHO**2


@cache
def edge() -> sp.Expr:
    """The curvature on the unit sphere at which that is -1: the edge of stability."""
    (level,) = sp.solve(multiplier() + 1, LEVEL)
    return level


@cache
def relative_norm_variance() -> sp.Expr:
    """Relative stationary variance of rho^2, from the step made linear about its fixed point."""
    fixed, q = stationary()[0].subs(MOMENTUM, 0), sp.Symbol("q", positive=True)
    step = norm_step().subs(RHO, sp.sqrt(q))
    back, kick = (sp.diff(step, s).subs(q, sp.sqrt(fixed)) for s in (q, G))
    return _turned(sp.factor(sp.simplify(kick**2 * VARIATION * G**2 / (1 - back**2) / fixed)), 2 - LR * WD)


@cache
def decay_time() -> sp.Expr:
    """Time in which the norm falls from rho_0 to rho where the gradient is zero."""
    (time,) = sp.solve(norm_solution().subs(G, 0) - RHO**4, TIME)
    return sp.expand_log(time, force=True)


def _turned(e: sp.Expr, factor: sp.Expr) -> sp.Expr:
    """The expression with its factor -`factor`, as sympy likes it, written as the positive `factor`."""
    held = sp.Dummy(positive=True)
    return e.subs(-factor, -held).subs(held, factor)
