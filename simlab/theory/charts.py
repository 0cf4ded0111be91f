"""Coordinates in which every end of a density is an exponential tail, and drift and noise along them.

A density may rise like a power of the distance to a wall at which the noise vanishes, or fall like a power of x far
out. In the logarithm of the distance both are exponentials, which panels integrate to rounding. Close to a wall drift
and noise are evaluated with as many digits as the distance needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mpmath  # type: ignore[import-untyped]  # the floating point of sympy
import numpy as np
import sympy as sp
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.theory.quadrature import SCAN, Chart, kinks, numeric

WALL, FAR = 690.0, 350.0
"""How far the coordinate goes: to e^-690 = 1e-300 before a wall, and to about 1e150 where there is none."""
DEEP = 200.0
"""From e^-200 on a wall is as it is at e^-200: a power."""
CLOSE = 4.0
"""Within e^-4 of a wall numbers are evaluated with many digits."""
STEP = 0.005
MOST_KINKS = 2000


@dataclass(frozen=True)
class Line(Chart):
    """x = centre + width sinh u on the whole line."""

    centre: float = 0.0
    width: float = 1e-3

    def x(self, u: Floats) -> Floats:
        """Positions."""
        return self.centre + self.width * np.sinh(u)

    def log_slope(self, u: Floats) -> Floats:
        """The logarithm of dx/du."""
        return np.log(self.width / 2) + np.logaddexp(u, -u)

    def place(self, x: Floats) -> Floats:
        """Coordinates."""
        with np.errstate(over="ignore"):  # what lies beyond all panels may be infinitely far
            return np.arcsinh((np.asarray(x, float) - self.centre) / self.width)

    def grid(self) -> Floats:
        """Coordinates at which a density is looked for, from end to end."""
        arm = np.arange(0, FAR, STEP)
        return np.concatenate([-arm[:0:-1], arm])


@dataclass(frozen=True)
class HalfLine(Chart):
    """x = wall + e^u on the right side of a wall (side = 1), wall - e^-u on its left side (side = -1)."""

    wall: float
    side: int
    exact: tuple[sp.Expr, ...] = field(default=(), compare=False)

    def x(self, u: Floats) -> Floats:
        """Positions."""
        return self.wall + self.side * np.exp(self.side * u)

    def log_slope(self, u: Floats) -> Floats:
        """The logarithm of dx/du."""
        return self.side * np.asarray(u, float)

    def place(self, x: Floats) -> Floats:
        """Coordinates; minus infinity (or infinity) at the wall, NaN beyond."""
        with np.errstate(all="ignore"):
            return self.side * np.log(self.side * (np.asarray(x, float) - self.wall))

    def grid(self) -> Floats:
        """Coordinates at which a density is looked for, from end to end."""
        close = np.log(max(1.0, abs(self.wall))) - CLOSE
        return self.side * np.concatenate([_towards_wall(close), np.arange(close + STEP, FAR, STEP)])[:: self.side]

    def close(self, u: Floats) -> NDArray[np.bool_]:
        """Where many digits are needed."""
        return self.side * u < np.log(max(1.0, abs(self.wall))) - CLOSE + STEP / 2

    def precise(self, u: float) -> mpmath.mpf:
        """The position with all digits of the working precision."""
        return _exact(self.exact[0]) + self.side * mpmath.exp(self.side * mpmath.mpf(u))

    @property
    def walls(self) -> tuple[float | None, float | None]:
        """The wall, on the left or on the right."""
        return (self.wall, None) if self.side > 0 else (None, self.wall)


@dataclass(frozen=True)
class Interval(Chart):
    """x = low + (high - low)/(1 + e^-u) between two walls."""

    low: float
    high: float
    exact: tuple[sp.Expr, ...] = field(default=(), compare=False)

    def x(self, u: Floats) -> Floats:
        """Positions."""
        share = np.exp(-np.logaddexp(0, np.abs(u)))  # of the nearer end
        length = self.high - self.low
        return np.where(np.asarray(u) < 0, self.low + length * share, self.high - length * share)

    def log_slope(self, u: Floats) -> Floats:
        """The logarithm of dx/du."""
        return np.log(self.high - self.low) - np.logaddexp(0, u) - np.logaddexp(0, -np.asarray(u, float))

    def place(self, x: Floats) -> Floats:
        """Coordinates; infinite at the walls, NaN beyond."""
        x = np.asarray(x, float)
        with np.errstate(all="ignore"):
            return np.log(x - self.low) - np.log(self.high - x)

    def grid(self) -> Floats:
        """Coordinates at which a density is looked for, from end to end."""
        arm = _towards_wall(-CLOSE)
        return np.concatenate([arm, np.linspace(-CLOSE, CLOSE, 8001)[1:-1], -arm[::-1]])

    def close(self, u: Floats) -> NDArray[np.bool_]:
        """Where many digits are needed."""
        return np.abs(u) > CLOSE

    def precise(self, u: float) -> mpmath.mpf:
        """The position with all digits of the working precision."""
        low, high = map(_exact, self.exact)
        return low + (high - low) / (1 + mpmath.exp(-mpmath.mpf(u)))

    @property
    def walls(self) -> tuple[float | None, float | None]:
        """Both walls."""
        return self.low, self.high


class Motion:
    """Drift and noise along a chart: u -> (2 b/s^2 dx/du, ln(s^2 du/dx)), NaN where they are no finite real numbers.

    The integral of the first minus the second is the logarithm of the stationary density per unit of u.
    """

    def __init__(
        self, x: sp.Symbol, force: sp.Expr, diffusion: sp.Expr, chart: Chart, ends: tuple[float, float] = (-FAR, FAR)
    ) -> None:
        self.chart, self.ends = chart, ends
        self._x, self._expressions = x, (force, diffusion)
        self._force, self._diffusion = numeric(x, force, {}), numeric(x, diffusion, {})
        self._precise = sp.lambdify(x, [force.rewrite(sp.Piecewise), diffusion.rewrite(sp.Piecewise)], "mpmath")
        self._known: dict[float, tuple[float, float]] = {}

    def __call__(self, u: Floats) -> Floats:
        """Both as rows (2, len(u))."""
        x = self.chart.x(u)
        with np.errstate(all="ignore"):
            slope = self.chart.log_slope(u)
            rows = np.stack([self._force(x) * np.exp(slope), np.log(self._diffusion(x)) - slope])
        for i in np.flatnonzero(self.chart.close(u)):
            rows[:, i] = self._near_wall(float(u[i]))
        return rows

    def kinks(self, low: float, high: float, most: int = MOST_KINKS) -> list[float]:
        """Coordinates between low and high at which a formula changes, the `most` that lie nearest to zero."""
        at = np.unique(self.chart.x(np.linspace(low, high, SCAN)))
        found = [z for e in self._expressions for z in kinks(self._x, e, {}, at[0], at[-1], at, most)]
        places = np.unique(self.chart.place(np.array(found)))
        return sorted(places[np.argsort(np.abs(places))[:most]].tolist())

    def _near_wall(self, u: float) -> tuple[float, float]:
        """Both at one place before a wall; beyond DEEP the power that they have there."""
        edge = float(np.copysign(DEEP, u))
        if abs(u) > DEEP:
            (push, level), (_, before) = self._digits(edge), self._digits(edge - np.copysign(1, u))
            return push, level + (level - before) * (abs(u) - DEEP)
        return self._digits(u)

    def _digits(self, u: float) -> tuple[float, float]:
        if u not in self._known:
            with mpmath.workdps(40 + int(abs(u))):
                try:
                    x = self.chart.precise(u)
                    force, diffusion = self._precise(x)
                    slope = float(self.chart.log_slope(np.array(u)))
                    found = (float(force * mpmath.exp(slope)), float(mpmath.log(diffusion) - slope))
                except (ArithmeticError, TypeError, ValueError, NameError, AttributeError):
                    found = (np.nan, np.nan)
            self._known[u] = found
        return self._known[u]


def _towards_wall(close: float) -> Floats:
    """Coordinates from the wall to where many digits are no longer needed; far apart, since nothing happens there."""
    return np.concatenate([np.arange(-WALL, -DEEP, 10.0), np.arange(-DEEP, close, 1.0), [close]])


def _exact(end: sp.Expr) -> mpmath.mpf:
    return mpmath.mpf(sp.N(end, mpmath.mp.dps))
