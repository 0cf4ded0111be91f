"""Stationary distributions, finite-step corrections and escape times of one-dimensional SDEs.

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
from numpy.typing import NDArray
from scipy.special import zeta

from simlab.core.checks import Floats, number, real_array, shown
from simlab.theory.adaptive import rough
from simlab.theory.chain import DT
from simlab.theory.charts import WALL
from simlab.theory.quadrature import ORDER, Chart, Panels, numeric
from simlab.theory.schemes import EULER
from simlab.theory.sde import SDE
from simlab.theory.support import NEGLIGIBLE, NotNormalisable, log_density, motion_of, refine, resolved, scalar, support
from simlab.theory.symbols import Values, bind, derivative, expression

LEFT_OUT = 1e-10
"""Share of a mean in the outermost panel from which on the mean is refused."""
FLAT = 1e-5
"""Rise of ln p over the first panel before a wall from which on p is said to be infinite there, or zero."""
DISCRETE_BOUNDARY_SHIFT = float(-zeta(0.5) / np.sqrt(2 * np.pi))
"""0.5826: a boundary watched every dt acts as if s sqrt(dt) times this further out (Siegmund 1985)."""


def stationary(sde: SDE) -> sp.Expr:
    """Stationary density up to its norm, with zero flux: p ~ exp(int 2 b/s^2)/s^2 with the Ito drift b.

    Risken 1989, 5.13. Drift-free in the Ito sense 1/s^2, in the Stratonovich sense 1/s.
    """
    x, drift, noise = scalar(sde)
    density = sp.exp(sp.integrate(sp.cancel(2 * drift / noise**2), x)) / noise**2
    return sp.factor_terms(density).as_independent(x, as_Add=False)[1]


def residual(sde: SDE, density: sp.Expr) -> sp.Expr:
    """-d(b p)/dx + (1/2) d^2(s^2 p)/dx^2 of the Ito form: zero for a stationary density."""
    x, drift, noise = scalar(sde)
    density = expression("density", density, [x], sde.parameters)
    return -sp.diff(drift * density, x) + sp.diff(noise**2 * density, x, 2) / 2


def modified_equation(sde: SDE) -> tuple[sp.Expr, sp.Expr]:
    """Drift and noise of the SDE that Euler-Maruyama samples to weak order 2 in dt; additive noise only.

    Found by matching the first two moments of one step: the Ito-Taylor expansion of the modified SDE against
    Euler's own.
    """
    x, b, s = scalar(sde)
    if s.diff(x) != 0:
        raise ValueError("sde: the modified equation is for additive noise; the noise here depends on the state.")
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
    x, b, s = scalar(sde)
    if s.diff(x) != 0:
        raise ValueError("sde: the correction is for additive noise; the noise here depends on the state.")
    f, level = sp.Function("f")(x), sp.Symbol("level", positive=True)
    drift, noise = modified_equation(SDE(x, f, level))
    slope = sp.diff(2 * drift / noise**2, DT).subs(DT, 0).expand()
    flat = sp.diff(-2 * sp.log(noise), DT).subs(DT, 0)
    general = sp.integrate(slope, x) + flat
    return general.subs({f: b, level: s}).doit()


def slope(sde: SDE, observable: sp.Expr, values: Values) -> float:
    """d<A>/d dt at dt = 0 under Euler-Maruyama: <A phi> - <A><phi> under the Gibbs distribution.

    ValueError where the drift jumps: the expansion needs its derivative.
    """
    x = scalar(sde)[0]
    observable, known = expression("observable", observable, [x], sde.parameters), bind(sde.parameters, values)
    correction = density_correction(sde).expand(diracdelta=True, wrt=x)
    if correction.has(sp.DiracDelta, sp.Derivative):
        raise ValueError("the drift jumps, so there is no modified equation.")
    law = density(sde, values)
    a, phi = (numeric(x, e, known) for e in (observable, correction))
    return law.expect(lambda z: a(z) * phi(z)) - law.expect(a) * law.expect(phi)


def euler_harmonic_variance(k: sp.Expr, s: sp.Expr, dt: sp.Expr = DT) -> sp.Expr:
    """Stationary variance of Euler's chain for dx = -k x dt + s dW, from the chain itself: s^2/(k (2 - k dt)).

    ValueError for numbers that are not positive, and for a step that is not stable, k dt >= 2.
    """
    k, s, dt = (expression(name, e) for name, e in (("k", k), ("s", s), ("dt", dt)))
    for name, e in (("k", k), ("s", s), ("dt", dt)):
        if e.is_number:
            number(name, e, above=0)
    if (k * dt).is_number and not k * dt < 2:
        raise ValueError(f"dt must be below 2/k for a stable step, got {shown(dt)}.")
    x, v = sp.Symbol("x", real=True), sp.Symbol("v", positive=True)
    mean, root = EULER(SDE(x, -k * x, s)).moments()
    step = mean[0].coeff(x) if mean[0].is_Mul else sp.expand(mean[0]).coeff(x)
    (variance,) = sp.solve(sp.Eq(v, step**2 * v + (root * root.T)[0]), v)
    return sp.factor(variance).subs(DT, dt)


@dataclass(frozen=True)
class Density:
    """A normalised density given at the nodes of quadrature panels; `support` is where it is not negligible."""

    panels: Panels
    log_p: Floats
    """The logarithm of the density per unit of the panels' coordinate u, at the nodes."""

    @property
    def values(self) -> Floats:
        """The density at the nodes."""
        return np.exp(self.log_p - self.panels.chart.log_slope(self.panels.coordinates))

    @property
    def support(self) -> tuple[float, float]:
        """Where the density exceeds e^-80 of its top (slowly falling tails: e^-700), or the domain of the equation."""
        ends = self.panels.chart.x(self.panels.edges[[0, -1]])
        low, high = (end if wall is None else wall for end, wall in zip(ends, self.panels.chart.walls, strict=True))
        return float(low), float(high)

    def expect(self, f: Callable[[Floats], Any]) -> float:
        """The mean of f(x), which takes and returns an array; NaN where f is.

        ValueError where the tails that panels reach (1e150 far out, e^-690 before a wall) do not hold the whole of it,
        as where there is no mean.
        """
        if not callable(f):
            raise ValueError(f"f must be a function of an array, got {shown(f)}.")
        with np.errstate(all="ignore"):
            found = np.broadcast_to(np.asarray(f(self.panels.nodes), float), self.log_p.shape)
        parts = self.panels.weights_in_u * np.exp(self.log_p) * found
        total = float(parts.sum())
        if np.isnan(parts).any():
            return float("nan")
        size = np.abs(parts).reshape(-1, ORDER).sum(axis=1)
        ends = size[[0, -1]] if type(self.panels.chart) is not Chart else np.zeros(2)
        if not np.isfinite(total) or ends.max() > LEFT_OUT * size.sum():
            raise ValueError(
                "f has no mean here, or one that lies in tails beyond the reach of the panels; take a function that "
                "grows more slowly where the density ends."
            )
        return total

    def pdf(self, x: Any) -> Floats:
        """The density at x, an array of any shape; zero outside of the support, infinite at a wall where it is."""
        x = real_array("x", x)
        flat = np.atleast_1d(x).ravel()
        chart, ends = self.panels.chart, self.panels.edges[[0, -1]]
        u = chart.place(flat)
        log_p = self.log_p - chart.log_slope(self.panels.coordinates)
        with np.errstate(invalid="ignore"):  # of NaN
            found = np.exp(self.panels.interpolate(flat, self.log_p) - chart.log_slope(np.clip(u, *ends)))
        beyond = ((u < ends[0]) & (ends[0] > -WALL)) | ((u > ends[1]) & (ends[1] < WALL))
        low, high = self.support
        found = np.where(beyond | (flat < low) | (flat > high), 0.0, found)
        for wall, first, inner in zip(chart.walls, (0, -1), (ORDER, -1 - ORDER), strict=True):
            rise = log_p[first] - log_p[inner]
            at_wall = np.inf if rise > FLAT else 0.0 if rise < -FLAT else found
            found = np.where(flat == wall, at_wall, found)
        return found.reshape(np.shape(x) or (1,))

    def cdf(self, x: Any) -> Floats:
        """The probability below x, an array of any shape."""
        x = real_array("x", x)
        flat = np.atleast_1d(x).ravel()
        low, high = self.support
        inside = Panels(self.panels.edges).integral_to(self.panels.chart.place(flat), np.exp(self.log_p))
        return np.where(flat <= low, 0.0, np.where(flat >= high, 1.0, np.clip(inside, 0, 1))).reshape(
            np.shape(x) or (1,)
        )


def density(sde: SDE, values: Values) -> Density:
    """The stationary density with numbers for the parameters; NotNormalisable says in one sentence why there is none.

    values: a number for every parameter, by symbol or by name. On the whole line, or on the domain of the equation
    (periodic and reflecting ends carry no flux here: on a circle the drift must have no net circulation). The noise
    may vanish at a reflecting end, where the density may rise like a power of the distance, to about the power -0.95.
    ValueError where panels do not resolve it.
    """
    motion = motion_of(sde, values)
    periodic = sde.boundary == "periodic"
    low, high = motion.ends if periodic else support(motion)
    sampled = resolved(motion, low, high, () if periodic else (low, high))
    grid = Panels(sampled.edges, motion.chart)
    if periodic and not abs(float(grid.weights @ sampled.samples[0])) <= 1e-9:
        raise NotNormalisable("the drift drives walkers round the circle: there is a flux, and this density has none.")
    log_p = log_density(grid, sampled)
    log_p -= log_p.max()
    return Density(grid, log_p - np.log(grid.weights_in_u @ np.exp(log_p)))


def mean_first_passage(sde: SDE, values: Values, start: float, target: float) -> float:
    """Exact mean time from start to target in continuous time, the target above or below the start.

    2 int_start^target dy/psi(y) int_-inf^y psi(z)/s(z)^2 dz with psi = exp int 2b/s^2 (Risken 1989, 8.1); for -U' and
    2T it is (1/T) int e^{U/T} int e^{-U/T}. On the whole line, or between reflecting ends, which then take the place
    of infinity. NotNormalisable where the way back from the target is not confined.
    """
    scalar(sde)
    if sde.boundary == "periodic":
        raise ValueError("sde: this first-passage time is for the line; give an equation that is not periodic.")
    start, target = number("start", start), number("target", target)
    if start == target:
        return 0.0
    if target < start:
        return mean_first_passage(_mirrored(sde), values, -start, -target)
    motion = motion_of(sde, values)
    begin, end = (float(motion.chart.place(np.array(x))) for x in (start, target))
    for name, x, inside in (("start", start, begin < WALL), ("target", target, abs(end) < WALL)):
        if not inside:
            raise ValueError(f"{name} must lie inside of the domain of the equation, got {x:g}.")
    first, last = support(motion, target)
    begin = max(float(motion.chart.place(np.array(start))), first)
    sampled = resolved(motion, first, last, [first], [begin])

    def times() -> Floats:
        """2 P(y)/(p(y) s(y)^2) along the coordinate at the nodes."""
        grid = Panels(sampled.edges, motion.chart)
        log_p = log_density(grid, sampled)
        log_p -= log_p.max()
        with np.errstate(all="ignore"):
            below = np.log(grid.running_in_u(np.exp(log_p)))
            inner = 2 * np.exp(below - log_p + motion.chart.log_slope(grid.coordinates) - sampled.samples[1])
        return np.where(grid.coordinates > begin, inner, 0.0)

    def unresolved() -> NDArray[np.bool_]:
        inner = times()
        size = inner.reshape(-1, ORDER).max(axis=1)
        return rough(inner) & (size > 1e-16 * size.max())

    refine(motion, sampled, unresolved)
    total = float(Panels(sampled.edges).weights @ times())
    if not np.isfinite(total):
        raise ValueError(f"target {target:g} is not reached from {start:g} within the range of numbers.")
    return total


def kramers(potential: Any, temperature: float, bottom: float, top: float) -> float:
    """Kramers' time from a well over its barrier to the other side, 2 pi/sqrt(U''(bottom) |U''(top)|) exp(dU/T).

    potential: an expression in one symbol, or text in x. bottom and top: a minimum and a maximum of it, to a
    thousandth of their distance. Asymptotic for dU >> T; dx = -U' dt + sqrt(2T) dW. ValueError otherwise.
    """
    U = expression("potential", potential, [sp.Symbol("x", real=True)] if isinstance(potential, str) else [])
    if len(U.free_symbols) != 1:
        raise ValueError(f"potential must be an expression in one symbol, got {shown(U)}.")
    (x,) = U.free_symbols
    temperature = number("temperature", temperature, above=0)
    places = number("bottom", bottom), number("top", top)
    energy, slope, curvature = (
        [float(v) for v in numeric(x, derivative(U, x, n) if n else U, {})(np.array(places))] for n in range(3)
    )
    near = 1e-3 * abs(places[1] - places[0])
    for i, (name, kind, sign) in enumerate((("bottom", "minimum", 1), ("top", "maximum", -1))):
        if not (sign * curvature[i] > 0 and abs(slope[i]) <= near * abs(curvature[i])):
            raise ValueError(f"{name} must be a {kind} of the potential, got {places[i]:g}.")
    if not energy[1] > energy[0]:
        raise ValueError(f"top must lie higher than the bottom, got {places[1]:g}.")
    with np.errstate(over="ignore"):
        return float(2 * np.pi / np.sqrt(curvature[0] * -curvature[1]) * np.exp((energy[1] - energy[0]) / temperature))


def _mirrored(sde: SDE) -> SDE:
    """The equation of -x."""
    x, drift, noise = scalar(sde)
    ends = sde.domain[0] if sde.domain else None
    domain = None if ends is None else (-ends[1], -ends[0])
    return SDE(x, -drift.subs(x, -x), noise.subs(x, -x), "ito", domain, None if domain is None else sde.boundary)


__all__ = [
    "DISCRETE_BOUNDARY_SHIFT", "NEGLIGIBLE", "NotNormalisable", "density", "density_correction",
    "euler_harmonic_variance", "kramers", "mean_first_passage", "modified_equation", "residual", "slope", "stationary",
]  # fmt: skip
