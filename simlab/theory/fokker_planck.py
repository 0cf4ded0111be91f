"""Stationary laws, finite-step corrections and escape times of one-dimensional SDEs.

Symbolic where sympy carries it; what has no closed form is integrated by Gauss-Legendre panels from the same
expressions. Sources: Risken 1989 (stationary density, mean first passage), Zygalakis 2011 and Leimkuhler & Matthews
2015 (modified equation of Euler-Maruyama), Hanggi, Talkner & Borkovec 1990 (Kramers), Siegmund 1985 (discrete
monitoring).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import zeta

from simlab.theory.chain import DT
from simlab.theory.quadrature import Floats, Function, Panels, Values, kinks, numeric, panels
from simlab.theory.schemes import EULER
from simlab.theory.sde import SDE

NEGLIGIBLE = 80.0
"""A density below e^-80 of its top is left out."""
DISCRETE_BOUNDARY_SHIFT = float(-zeta(0.5) / np.sqrt(2 * np.pi))
"""0.5826: a boundary watched every dt acts as if it stood this many s sqrt(dt) further out.

Siegmund 1985, Broadie et al. 1997.
"""


class NotNormalisable(ValueError):
    """The equation has no stationary density: the potential does not confine, or is not finite."""


def stationary(sde: SDE) -> sp.Expr:
    """Stationary density up to its norm, with zero flux: p ~ exp(int 2 b/s^2)/s^2 with the Ito drift b.

    Risken 1989, 5.13. Drift-free in the Ito sense 1/s^2, in the Stratonovich sense 1/s.
    """
    x, drift, noise = _scalar(sde.to("ito"))
    density = sp.exp(sp.integrate(sp.cancel(2 * drift / noise**2), x)) / noise**2
    return sp.factor_terms(density).as_independent(x, as_Add=False)[1]


def residual(sde: SDE, density: sp.Expr) -> sp.Expr:
    """-d(b p)/dx + (1/2) d^2(s^2 p)/dx^2 of the Ito form: zero for a stationary density."""
    x, drift, noise = _scalar(sde.to("ito"))
    return -sp.diff(drift * density, x) + sp.diff(noise**2 * density, x, 2) / 2


def modified_equation(sde: SDE) -> tuple[sp.Expr, sp.Expr]:
    """Drift and noise of the SDE that Euler-Maruyama samples to weak order 2 in dt; additive noise only.

    Found by matching the first two moments of one step: the Ito-Taylor expansion of the modified SDE against
    Euler's own.
    """
    x, b, s = _scalar(sde.to("ito"))
    if s.diff(x) != 0:
        raise ValueError("the modified equation is derived for additive noise; the noise here depends on the state.")
    start, b1, s1 = sp.Symbol("x0", real=True), sp.Symbol("b1"), sp.Symbol("s1")

    def generator(f: sp.Expr) -> sp.Expr:
        return b * sp.diff(f, x) + s**2 * sp.diff(f, x, 2) / 2

    corrections = {}
    for symbol, power, first in ((b1, 1, b1), (s1, 2, 2 * s * s1)):
        test = (x - start) ** power
        second_order = first + generator(generator(test)).subs(start, x) / 2
        own = b**power if power == 2 else sp.Integer(0)  # Euler: E dx = b dt, E dx^2 = s^2 dt + b^2 dt^2
        unmatched = second_order - own  # linear in the correction
        corrections[symbol] = sp.expand(-unmatched.subs(symbol, 0) / sp.diff(unmatched, symbol))
    return b + DT * corrections[b1], s + DT * corrections[s1]


def density_correction(sde: SDE) -> sp.Expr:
    """The phi of p_dt = p (1 + dt phi) + O(dt^2) for Euler-Maruyama with additive noise, up to a constant."""
    x, b, s = _scalar(sde.to("ito"))
    f, level = sp.Function("f")(x), sp.Symbol("level", positive=True)
    drift, noise = modified_equation(SDE(x, f, level))
    slope = sp.diff(2 * drift / noise**2, DT).subs(DT, 0).expand()
    flat = sp.diff(-2 * sp.log(noise), DT).subs(DT, 0)
    general = sp.integrate(slope, x) + flat
    return general.subs({f: b, level: s}).doit()


def slope(sde: SDE, observable: sp.Expr, values: Values) -> float:
    """d<A>/d dt at dt = 0 under Euler-Maruyama: <A phi> - <A><phi> under the Gibbs law.

    ValueError where the drift jumps: the expansion needs its derivative.
    """
    (x,) = sde.state
    correction = density_correction(sde).expand(diracdelta=True, wrt=x)
    if correction.has(sp.DiracDelta, sp.Derivative):
        raise ValueError("the drift jumps, so there is no modified equation.")
    law = density(sde, values)
    a, phi = (numeric(x, e, values) for e in (observable, correction))
    return law.expect(lambda z: a(z) * phi(z)) - law.expect(a) * law.expect(phi)


def euler_harmonic_variance(k: sp.Expr, s: sp.Expr, dt: sp.Expr = DT) -> sp.Expr:
    """Stationary variance of Euler's chain for dx = -k x dt + s dW, from the chain itself: s^2/(k (2 - k dt))."""
    x, v = sp.Symbol("x", real=True), sp.Symbol("v", positive=True)
    mean, root = EULER(SDE(x, -k * x, s)).moments()
    step = mean[0].coeff(x) if mean[0].is_Mul else sp.expand(mean[0]).coeff(x)
    (variance,) = sp.solve(sp.Eq(v, step**2 * v + (root * root.T)[0]), v)
    return sp.factor(variance).subs(DT, dt)


@dataclass(frozen=True)
class Density:
    """A normalised density given at the nodes of quadrature panels; `support` is where it is not negligible."""

    panels: Panels
    values: Floats

    @property
    def support(self) -> tuple[float, float]:
        """Where the density exceeds e^-80 of its top, or the domain of the equation."""
        return float(self.panels.edges[0]), float(self.panels.edges[-1])

    def expect(self, f: Callable[[Floats], Any]) -> float:
        """The mean of f(x)."""
        return float((self.panels.weights * self.values * f(self.panels.nodes)).sum())

    def pdf(self, x: Floats) -> Floats:
        """The density at x, by interpolation of its logarithm."""
        low, high = self.support
        inside = np.exp(np.interp(x, self.panels.nodes, np.log(self.values)))
        return np.where((x < low) | (x > high), 0.0, inside)

    def cdf(self, x: Any) -> Floats:
        """The probability below x."""
        return self.panels.integral_to(np.atleast_1d(np.asarray(x, float)), self.values)


def density(sde: SDE, values: Values) -> Density:
    """The stationary density with numbers for the parameters; NotNormalisable says in one sentence why there is none.

    On the whole line, or on the domain of the equation (periodic and reflecting ends carry no flux here: on a circle
    the drift must have no net circulation).
    """
    x, drift, noise = _scalar(sde.to("ito"))
    force, spread = numeric(x, 2 * drift / noise**2, values), numeric(x, noise**2, values)
    interval = sde.domain[0] if sde.domain else None
    if interval:
        low, high = (float(end.subs(values)) for end in interval)
    else:
        low, high = _support(force, spread)
    grid = panels(low, high, kinks(x, 2 * drift / noise**2, values, low, high))
    log_p = _log_density(grid, force, spread)
    rough = np.flatnonzero((np.abs(np.diff(log_p)) > 20) & (log_p[1:] > log_p.max() - 40))
    if len(rough):
        place = grid.nodes[rough[0]]
        raise NotNormalisable(f"the density jumps near x = {place:.3g}; the potential must be smooth and finite.")
    if sde.boundary == "periodic" and abs((grid.weights * force(grid.nodes)).sum()) > 1e-9:
        raise NotNormalisable("the drift drives walkers round the circle: there is a flux, and this density has none.")
    p = np.exp(log_p - log_p.max())
    return Density(grid, p / (grid.weights * p).sum())


def mean_first_passage(sde: SDE, values: Values, start: float, target: float) -> float:
    """Exact mean time from start to target in continuous time, the target above or below the start, on the whole line.

    2 int_start^target dy/psi(y) int_-inf^y psi(z)/s(z)^2 dz with psi = exp int 2b/s^2 (Risken 1989, 8.1); for -U' and
    2T it is (1/T) int e^{U/T} int e^{-U/T}.
    """
    if sde.domain:
        raise ValueError("this first-passage time is for the whole line; give an equation without a domain.")
    x, drift, noise = _scalar(sde.to("ito"))
    sign = 1.0 if target > start else -1.0
    force_, spread_ = numeric(x, 2 * drift / noise**2, values), numeric(x, noise**2, values)

    def force(z: Floats) -> Floats:
        return sign * force_(sign * z)

    def spread(z: Floats) -> Floats:
        return spread_(sign * z)

    low, _ = _support(force, spread)
    start, target = sign * start, sign * target
    folds = [sign * k for k in kinks(x, 2 * drift / noise**2, values, *sorted((sign * low, sign * target)))]
    grid = panels(low, target, [*folds, start])
    p = np.exp((log_p := _log_density(grid, force, spread)) - log_p.max())  # psi/s^2
    inner = 2 * grid.running(p) / (p * spread(grid.nodes))
    return float((grid.weights * inner)[grid.nodes > start].sum())


def kramers(potential: sp.Expr, temperature: float, bottom: float, top: float) -> float:
    """Kramers' time from a well over its barrier to the other side, 2 pi/sqrt(U''(bottom) |U''(top)|) exp(dU/T).

    Asymptotic for dU >> T; dx = -U' dt + sqrt(2T) dW.
    """
    (x,) = potential.free_symbols
    u, curvature = sp.lambdify(x, potential), sp.lambdify(x, sp.diff(potential, x, 2))
    rate = np.sqrt(curvature(bottom) * abs(curvature(top))) / (2 * np.pi)
    return float(np.exp((u(top) - u(bottom)) / temperature) / rate)


def _scalar(sde: SDE) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
    if len(sde.state) != 1 or sde.noise.cols != 1:
        raise ValueError("this formula is for one dimension and one noise.")
    return sde.state[0], sde.drift[0], sde.noise[0]


def _log_density(grid: Panels, force: Function, spread: Function) -> Floats:
    """The integral of 2b/s^2, less ln s^2, at the nodes."""
    log_p = grid.running(force(grid.nodes)) - np.log(spread(grid.nodes))
    if not np.isfinite(log_p).all():
        place = grid.nodes[~np.isfinite(log_p)][0]
        raise NotNormalisable(f"drift or noise is not a finite number near x = {place:.3g}; it must be finite.")
    return log_p


def running_sum(increments: Floats, origin: int) -> Floats:
    """Running sum that is 0 at index `origin`: summed outwards, so that huge far ends cost the middle no digits."""
    right = np.cumsum(increments[origin:])
    left = -np.cumsum(increments[:origin][::-1])[::-1]
    return np.concatenate([left, [0.0], right])


def _support(force: Function, spread: Function) -> tuple[float, float]:
    """Where the density exceeds e^-80 of its top: scanned outwards on a grid that grows geometrically."""
    arm = np.sinh(np.linspace(0, np.arcsinh(1e9), 6001)) * 1e-3
    grid = np.concatenate([-arm[:0:-1], arm])
    middle, width = (grid[1:] + grid[:-1]) / 2, np.diff(grid)
    with np.errstate(all="ignore"):
        log_p = running_sum(force(middle) * width, len(arm) - 1) - np.log(spread(grid))
        known = np.isfinite(log_p) & np.isfinite(force(grid))
        outward = grid * force(grid)
    near = np.abs(grid) <= 10
    if not known[near].all():
        where = grid[near][~known[near]]
        place = where[np.argmin(np.abs(where))]
        raise NotNormalisable(
            f"the potential is not a finite number near x = {place:.3g}; it must be finite on the whole line."
        )
    for end, edge in (("-infinity", 1), ("+infinity", len(grid) - 2)):
        # x d ln p/dx must fall below -1 for the tail to have a mass.
        if log_p[edge] == np.inf or (known[edge] and outward[edge] > -1):
            raise NotNormalisable(
                f"the potential does not confine: exp(-U/T) cannot be normalised towards {end}; "
                "give one that grows to +infinity on both sides, such as x**4/4 - x**2/2."
            )
    outer = known & (np.abs(grid) > 1e4)  # a potential that oscillates for ever pushes outwards as often as inwards
    if np.mean(outward[outer] > 0) > 0.25:
        raise NotNormalisable(
            "the potential does not confine: it oscillates without growing, and exp(-U/T) cannot be normalised."
        )
    log_p = np.where(known, log_p, -np.inf)  # overflow far out, where the potential is astronomically high
    inside = np.flatnonzero(log_p > log_p.max() - NEGLIGIBLE)
    low, high = float(grid[max(inside[0] - 1, 0)]), float(grid[min(inside[-1] + 1, len(grid) - 1)])
    core = np.flatnonzero(log_p > log_p.max() - 2)
    if high - low > 1e3 * (grid[min(core[-1] + 1, len(grid) - 1)] - grid[max(core[0] - 1, 0)]):
        raise NotNormalisable("the tails of exp(-U/T) are too heavy to be sampled; give a potential that grows faster.")
    return low, high
