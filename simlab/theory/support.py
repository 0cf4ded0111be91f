"""Where a stationary density lives, whether it can be normalised, and panels that resolve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from simlab.core.checks import Floats, shown
from simlab.theory.adaptive import NotResolved, Sampled, rough
from simlab.theory.charts import HalfLine, Interval, Line, Motion
from simlab.theory.quadrature import ORDER, Chart, Panels, edges, running_sum
from simlab.theory.sde import SDE
from simlab.theory.symbols import Values, bind

NEGLIGIBLE, EXPONENTIAL, VANISHING = 80.0, 30.0, 700.0
"""A density below e^-80 of its top is left out, or below e^-700 where it falls by less than e^30 as x grows by e.

So the means of powers of x are right for slowly falling tails, too.
"""
LIGHTEST = 1e-3
"""Exponents of a tail from which on it may be said to have a mass."""
LOST = 1e-14
"""Mass that may lie beyond the reach of the coordinate."""
TOO_HEAVY = 1e3
"""Times that a support may be wider than its core, as walkers see it: where their noise is one."""
ZOOMS = 12
"""Times that the chart may be moved to a density that is narrow for its grid."""
RECENTRED = 2
"""Times that a logarithm of a density is summed anew from its top outwards, so that the top has no rounding errors."""
MOST_POLES, HIGHEST = 100, 1e250
"""Places that are tried for a pole, and the logarithm of a density from which on it is infinite."""
START = 256
"""Panels to begin with."""


class NotNormalisable(ValueError):
    """The equation has no stationary density: the potential does not confine, or is not finite."""


def scalar(sde: SDE) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
    """State, drift and noise of the Ito form of an equation in one dimension."""
    if not isinstance(sde, SDE):
        raise ValueError(f"sde must be an SDE, got {shown(sde)}.")
    if len(sde.state) != 1 or sde.noise.cols != 1:
        raise ValueError("sde: this formula is for one dimension and one noise.")
    if sde.noise[0] == 0:
        raise ValueError("sde: the noise is zero, so there is no density; give a noise that is not.")
    return sde.state[0], sde.to("ito").drift[0], sde.noise[0]


def motion_of(sde: SDE, values: Values) -> Motion:
    """Drift and noise of the Ito equation along the coordinate of its domain, with numbers for the parameters."""
    x, drift, noise = scalar(sde)
    known = bind(sde.parameters, values)
    force, diffusion = ((e.subs(known)) for e in (2 * drift / noise**2, noise**2))
    if force.has(sp.zoo, sp.nan) or diffusion.is_nonpositive:
        given = ", ".join(f"{s} = {value:g}" for s, value in known.items())
        raise ValueError(f"values: drift or noise has no real value, or the noise is zero, at {given}; give others.")
    interval = sde.domain[0] if sde.domain else None
    if interval is None:
        return Motion(x, force, diffusion, Line())
    exact = tuple(sp.sympify(end).subs(known) for end in interval)
    low, high = map(float, exact)
    if not low < high:
        raise ValueError(f"values: the domain must be (low, high) with low < high, got ({low:g}, {high:g}).")
    if sde.boundary == "periodic":
        return Motion(x, force, diffusion, Chart(), (low, high))
    if np.isinf(high):
        return Motion(x, force, diffusion, HalfLine(low, 1, exact[:1]))
    return Motion(x, force, diffusion, HalfLine(high, -1, exact[1:]) if np.isinf(low) else Interval(low, high, exact))


def support(motion: Motion, target: float = np.inf) -> tuple[float, float]:
    """The range of the coordinate in which the density is not negligible; NotNormalisable where it has no mass.

    target: a position at which walkers are taken away, so that nothing beyond it matters. Where all of the density lies
    between two points of the grid, the chart of the motion is first moved there.
    """
    _refuse_poles(motion)
    for _ in range(ZOOMS):
        scan = _scan(motion, target)
        if not (isinstance(motion.chart, Line) and scan.core[1] - scan.core[0] <= 4):
            break
        middle = int(np.argmax(scan.log_p))
        x = motion.chart.x(scan.u[middle - 2 : middle + 3])
        motion.chart = Line(float(x[2]) if len(x) == 5 else motion.chart.centre, float(np.ptp(x)) or 1e-3)
    return scan.low, scan.high


class _Scan(NamedTuple):
    """A grid with the logarithm of the density per unit of u, the support, and the first and last index of the core."""

    u: Floats
    log_p: Floats
    low: float
    high: float
    core: tuple[int, int]


def _scan(motion: Motion, target: float) -> _Scan:
    u = motion.chart.grid()
    stop = float(motion.chart.place(np.array(target))) if np.isfinite(target) else np.inf
    if u[-1] > stop:
        u = np.append(u[u < stop - 1e-9 * max(1.0, abs(stop))], stop)
    middle, width = (u[1:] + u[:-1]) / 2, np.diff(u)
    push, (at_ends, level) = motion(middle)[0], motion(u)
    slope = motion.chart.log_slope(u)
    first, last = _known(motion, u, push, np.where(np.isfinite(at_ends), level, np.nan))
    with np.errstate(all="ignore"):
        log_p = running_sum(push * width, _origin(u)) - level
        log_p[:first], log_p[last + 1 :] = -np.inf, -np.inf
        if np.isnan(log_p).any() or log_p.max() > HIGHEST:
            where = u[np.argmax(np.where(np.isnan(log_p), np.inf, log_p))]
            raise NotNormalisable(_flat(motion, 0 if where < u[_origin(u)] else -1))
        for _ in range(RECENTRED):
            log_p = running_sum(push * width, int(np.argmax(log_p))) - level
            log_p[:first], log_p[last + 1 :] = -np.inf, -np.inf
            log_p[np.isnan(log_p)] = -np.inf
    norm = np.log(np.exp(log_p - log_p.max()) @ np.append(width, width[-1])) + log_p.max()
    for end, at in ((0, first), (-1, last)):
        if (end == 0 or u[-1] != stop) and log_p[at] >= log_p.max() - NEGLIGIBLE:
            _tail(motion, u, log_p, end, at, norm, first == 0 if end == 0 else last == len(u) - 1)
    _oscillates(motion, u, log_p - slope)
    low, high = _inside(u, push * width, log_p, NEGLIGIBLE)
    rate = (slope - level) / 2  # of the coordinate in which the noise is one, ln(dx/du / s)
    core = _inside_of_noise(u, rate, log_p, low, high, motion.chart.walls == (None, None) and stop == np.inf)
    falls = [abs(log_p[i + 1] - log_p[i]) / width[i] for i in (low, high - 1)]
    far = _inside(u, push * width, log_p, VANISHING)
    low, high = (f if fall < EXPONENTIAL else c for f, c, fall in zip(far, (low, high), falls, strict=True))
    return _Scan(u, log_p, float(u[max(low, first)]), float(u[min(high, last)]), core)


def _refuse_poles(motion: Motion) -> None:
    """Refuse places at which the drift is so infinite that walkers never pass, or never leave: 1/x and steeper."""
    grid = motion.chart.grid()
    for u in motion.kinks(grid[0], grid[-1], MOST_POLES):
        with np.errstate(all="ignore"):
            near, nearer = (np.abs(motion(np.array([u - d, u + d]))[0]).max() * d for d in (1e-5, 1e-7))
        if nearer > 1e-6 and nearer > near / 2:
            raise NotNormalisable(_not_finite(float(motion.chart.x(np.array(u)))))


def _origin(u: Floats) -> int:
    return int(np.argmin(np.abs(u)))


def _known(motion: Motion, u: Floats, push: Floats, level: Floats) -> tuple[int, int]:
    """The first and the last index up to which drift and noise are finite real numbers; beyond, nowhere."""
    fine = np.isfinite(push) & np.isfinite(level[1:]) & np.isfinite(level[:-1])
    known = np.flatnonzero(fine)
    if len(known) and len(known) == known[-1] - known[0] + 1 and known[0] <= _origin(u) <= known[-1] + 1:
        return int(known[0]), int(known[-1] + 1)
    bad = np.flatnonzero(~fine)
    place = motion.chart.x(u[bad[np.argmin(np.abs(u[bad]))] :][:1])[0]
    raise NotNormalisable(_not_finite(place))


def _not_finite(place: float) -> str:
    return (
        f"drift or noise, or the slope of the potential, is not a finite number near x = {place:.3g}; it must be a "
        "finite real number on the whole line, or give a domain that ends there."
    )


def _not_resolved(place: float) -> str:
    return (
        f"drift or noise is not a finite number, or not resolved, near x = {place:.3g}; it must be a smooth and finite "
        "function up to isolated kinks."
    )


def _flat(motion: Motion, end: int) -> str:
    """What is wrong with an end at which the density has no finite mass."""
    wall = motion.chart.walls[end]
    if wall is not None:
        return (
            f"the density cannot be normalised towards the end x = {wall:g} of its domain, where walkers stick: the "
            "drift there must push away from it more strongly than the noise vanishes."
        )
    return (
        f"the potential does not confine: the density, exp(-U/T) in a potential, cannot be normalised towards "
        f"{'-' if end == 0 else '+'}infinity; give one that grows to +infinity there, such as x**4/4 - x**2/2."
    )


def _tail(motion: Motion, u: Floats, log_p: Floats, end: int, at: int, norm: float, whole: bool) -> None:
    """Refuse an end that is not reached with nearly nothing left beyond it."""
    outwards = 1 if end else -1
    if not whole:
        raise NotNormalisable(_not_finite(motion.chart.x(u[at : at + 1])[0]))
    inner = int(np.argmin(np.abs(u - (u[at] - outwards * 20))))
    exponent = -(log_p[at] - log_p[inner]) / abs(u[at] - u[inner])
    if exponent <= LIGHTEST:
        raise NotNormalisable(_flat(motion, end))
    if np.exp(log_p[at] - norm) / exponent > LOST:
        raise NotNormalisable(
            f"the density has a tail too heavy to be integrated: its mass falls only like the power {exponent:.2g} of "
            f"{'the distance to its end' if motion.chart.walls[end] is not None else '1/x'}; change drift or noise."
        )


def _oscillates(motion: Motion, u: Floats, log_p: Floats) -> None:
    """A potential that oscillates without end rises outwards as often as it falls."""
    with np.errstate(all="ignore"):
        rises = np.sign(u[1:]) * np.diff(log_p) > 0
    outer = np.isfinite(log_p[1:]) & (np.abs(motion.chart.x(u[1:])) > 1e4)
    if motion.chart.walls == (None, None) and outer.any() and np.mean(rises[outer]) > 0.25:
        raise NotNormalisable(
            "the potential does not confine: it oscillates without growing, and exp(-U/T) cannot be normalised."
        )


def _inside(u: Floats, rise: Floats, log_p: Floats, depth: float) -> tuple[int, int]:
    """The first and the last index of the grid between which the density exceeds e^-depth of its top.

    A narrow top may lie between two points of the grid, as high as the slopes there say.
    """
    highest = np.maximum(log_p[:-1], log_p[1:])
    turns = np.flatnonzero((rise[:-2] > 0) & (rise[2:] < 0)) + 1
    highest[turns] += np.abs(rise[turns])
    inside = np.flatnonzero(highest >= log_p.max() - depth)
    return max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 2, len(u) - 1)


def _inside_of_noise(u: Floats, rate: Floats, log_p: Floats, low: int, high: int, whole: bool) -> tuple[int, int]:
    """The core of a density; NotNormalisable where tails are many cores wide, as walkers see it: noise one.

    Walkers never visit all of those. Where the noise grows like x a power of x is an exponential, soon visited.
    """
    with np.errstate(all="ignore"):
        steps = np.diff(u) * np.exp((rate[1:] + rate[:-1]) / 2)
        of_noise = log_p - rate
    top = np.flatnonzero(of_noise >= of_noise[low : high + 1].max() - 2)
    core = max(int(top[0]) - 1, 0), int(top[-1]) + 1
    if whole and steps[low:high].sum() > TOO_HEAVY * steps[core[0] : core[1]].sum():
        raise NotNormalisable(
            "the tails of the density, exp(-U/T) in a potential, are too heavy to be sampled; give a potential that "
            "grows faster."
        )
    return core


def resolved(
    motion: Motion, low: float, high: float, open_ends: Sequence[float] = (), breaks: Sequence[float] = ()
) -> Sampled:
    """Panels on which drift, noise and density are polynomials; NotNormalisable where a place is not resolved.

    open_ends: those of low and high at which the density must be negligible.
    """
    with np.errstate(all="ignore"):
        sampled = Sampled.on(motion, motion.chart, edges(low, high, [*motion.kinks(low, high), *breaks], START))
    refine(motion, sampled, sampled.unresolved)

    def density_is_rough() -> NDArray[np.bool_]:
        log_p = log_density(Panels(sampled.edges, motion.chart), sampled)
        p = np.exp(log_p - log_p.max())
        return rough(p) & (p.reshape(-1, ORDER).max(axis=1) > np.exp(-NEGLIGIBLE))

    refine(motion, sampled, density_is_rough)
    log_p = log_density(Panels(sampled.edges, motion.chart), sampled)
    for end, at in ((0, low), (-1, high)):
        if at in open_ends and log_p[end] > log_p.max() - NEGLIGIBLE / 3:  # the grid of the support missed something
            raise NotNormalisable(_not_resolved(float(motion.chart.x(np.array(at)))))
    return sampled


def refine(motion: Motion, sampled: Sampled, unresolved: Callable[[], NDArray[np.bool_]]) -> None:
    """Halve panels until none is named; ValueError says where that does not end."""
    try:
        sampled.refine(unresolved)
    except NotResolved as error:
        place = float(motion.chart.x(np.array(error.args[0])))
        raise NotNormalisable(_not_resolved(place)) from None


def log_density(grid: Panels, sampled: Sampled) -> Floats:
    """The logarithm of the density per unit of u at the nodes, up to a constant."""
    push, level = sampled.samples
    log_p = grid.running_in_u(push) - level
    for _ in range(RECENTRED):
        log_p = grid.running_in_u(push, int(np.argmax(log_p)) // ORDER) - level
    return log_p
