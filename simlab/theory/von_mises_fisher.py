"""The distribution exp(concentration mu . u) of a direction u on the sphere in d dimensions (von Mises, Fisher).

The angle t between u and its mean direction mu has the density exp(concentration cos t) sin(t)^(d - 2). With
a = (d - 1)/2 and R^2 = a^2 + concentration^2 the mean cosine A = I_{d/2}/I_{d/2-1} is concentration/(a + R) times a
series in 1/R, which the Riccati equation A' = 1 - A^2 - 2 a A/concentration gives term by term (Debye's expansion of
both Bessel functions in one); where R is small the recursion of Bessel functions leads there from d + 2, d + 4, ...

Probabilities are integrals over the angle, counted from the mode: there the two terms of the exponent, each as large as
concentration and d, have the same slope and cancel in exact arithmetic, so that no digits are lost at any size.

Sources: von Mises 1918, Fisher 1953; Olver 1974, chapter 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache, cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.polynomial import Polynomial

from simlab.core.checks import Floats, number, numbers, whole
from simlab.theory.arguments import together
from simlab.theory.fokker_planck import NEGLIGIBLE, residual
from simlab.theory.quadrature import Panels, panels
from simlab.theory.sde import SDE
from simlab.theory.symbols import expression

LARGEST = 1e12
"""Concentrations beyond this put 1 - cos within a few thousand rounding errors of zero."""
LARGEST_DIMENSION = 10**15
"""Dimensions up to this are whole numbers of floats."""
PANELS, HALVINGS = 64, 80
TERMS, FAR = 20, 24.0
"""Terms of the series in 1/R, and from which R on it is right to rounding: they fall like j!/(2 R)^j."""
ANGLE = sp.Symbol("theta", positive=True)


def diffusion(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> SDE:
    """The Ito equation of the angle where a point on the sphere follows -grad loss(theta) at this temperature.

    dtheta = (-loss' + T (d - 2) cot theta) dt + sqrt(2 T) dW: the Laplacian on the sphere of a function of theta.
    loss: an expression in ANGLE, or text in theta. ValueError for temperatures that are not positive, and dimensions
    that are not whole numbers from 2.
    """
    loss, temperature, dimension = _expressions(loss, temperature, dimension)
    drift = -sp.diff(loss, ANGLE) + temperature * (dimension - 2) * sp.cot(ANGLE)
    return SDE(ANGLE, drift, sp.sqrt(2 * temperature), "ito", (0, sp.pi), "reflecting")


def zonal_density(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> sp.Expr:
    """The stationary density of that angle up to its norm: exp(-loss/T) sin(theta)^(d - 2)."""
    loss, temperature, dimension = _expressions(loss, temperature, dimension)
    return sp.exp(-loss / temperature) * sp.sin(ANGLE) ** (dimension - 2)


def zonal_residual(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> sp.Expr:
    """The right side of the Fokker-Planck equation at that density, over the density: zero."""
    density = zonal_density(loss, temperature, dimension)
    share = sp.expand(residual(diffusion(loss, temperature, dimension), density) / density)
    return sp.expand(sp.powsimp(share.subs(sp.cot(ANGLE), sp.cos(ANGLE) / sp.sin(ANGLE))))


def _expressions(loss: Any, temperature: Any, dimension: Any) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """The arguments as expressions; ValueError for a number that is no temperature or no dimension."""
    loss = expression("loss", loss, [ANGLE])
    temperature, dimension = expression("temperature", temperature), expression("dimension", dimension)
    if temperature.is_number:
        number("temperature", temperature, above=0)
    if dimension.is_number:
        whole("dimension", dimension, 2)
    return loss, temperature, dimension


@dataclass(frozen=True)
class VonMisesFisher:
    """The distribution of cos t = mu . u, whatever the sizes of both parameters.

    Moments and density are right to 1e-13 of themselves, probabilities of either tail to that plus 1e-16, at the very
    floats that are given. ValueError unless concentration lies in [0, 1e12] and dimension is a whole number from 2 to
    1e15.
    """

    concentration: float
    dimension: int

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "concentration", number("concentration", self.concentration, at_least=0, at_most=LARGEST)
        )
        object.__setattr__(self, "dimension", whole("dimension", self.dimension, 2, LARGEST_DIMENSION))

    @property
    def mean(self) -> float:
        """E cos t."""
        return self._moments[0]

    @property
    def mean_deficit(self) -> float:
        """1 - E cos t, with all its digits where the concentration is large."""
        return self._moments[1]

    @property
    def variance(self) -> float:
        """The variance of cos t."""
        return self._moments[2]

    @cached_property
    def _moments(self) -> tuple[float, float, float]:
        """E cos, 1 - E cos and Var cos, which is the derivative of E cos by the concentration."""
        k, steps = self.concentration, 0
        while np.hypot((self.dimension + 2 * steps - 1) / 2, k) < FAR:
            steps += 1
        mean, deficit, variance = _series(k, self.dimension + 2 * steps)
        for dimension in range(self.dimension + 2 * (steps - 1), self.dimension - 1, -2):
            below = dimension + k * mean  # A = k/(d + k A of d + 2), and its derivative
            mean, deficit, variance = (
                k / below, (dimension - k * deficit) / below, (dimension - k**2 * variance) / below**2
            )  # fmt: skip
        return float(mean), float(deficit), float(variance)

    @cached_property
    def _mode(self) -> tuple[float, float, float, float]:
        """The mode of the angle, its sine, and its cosine in two parts: 1e-16 matters where the peak is narrow.

        The slope of the exponent is zero there: (d - 2) cos = concentration sin^2.
        """
        with localcontext(prec=60):
            k, power = Decimal(self.concentration), Decimal(self.dimension - 2)
            root = power + (power**2 + 4 * k**2).sqrt()
            if not root:  # all angles of the circle alike
                return 0.0, 0.0, 1.0, 0.0
            sine, exact = float((2 * power / root).sqrt()), 2 * k / root
            cosine = float(exact)
            return float(np.arctan2(sine, cosine)), sine, cosine, float(exact - Decimal(cosine))

    def _log_ratio(self, x: Floats, sine_there: Floats, power: int) -> Floats:
        """The logarithm of sin^power exp(concentration cos) at the angle mode + x, minus that at the mode."""
        _, sine, cosine, _ = self._mode
        square = 2 * np.sin(x / 2) ** 2
        steep = (self.dimension - 2 + self.concentration * cosine) * square
        with np.errstate(divide="ignore"):
            if self.dimension == 2:  # the mode is an end, where the sine is zero
                return -steep + (power * np.log(sine_there) if power else 0.0)
            y = cosine / sine * np.sin(x) - square  # sin(mode + x)/sin(mode) - 1
            bend = power * _log1p_rest(y, sine_there / sine) if power else 0.0
        return bend + (power - (self.dimension - 2)) * y - steep

    def _log_density(self, x: Floats) -> Floats:
        return self._log_ratio(x, np.abs(np.sin(self._mode[0] + x)), self.dimension - 2)

    @cached_property
    def _grid(self) -> Panels:
        """Panels over the angles, minus the mode, where the density is not negligible."""
        ends = []
        for end in (-self._mode[0], np.pi - self._mode[0]):
            inside, outside = 0.0, end
            for _ in range(HALVINGS if self._log_density(np.array(end)) < -NEGLIGIBLE else 0):
                middle = (inside + outside) / 2
                if self._log_density(np.array(middle)) < -NEGLIGIBLE:
                    outside = middle
                else:
                    inside = middle
            ends.append(outside)
        return panels(ends[0], ends[1], count=PANELS)

    @cached_property
    def _norm(self) -> float:
        return float((self._grid.weights * np.exp(self._log_density(self._grid.nodes))).sum())

    @cached_property
    def _density(self) -> Floats:
        """The density of the angle at the nodes."""
        return np.exp(self._log_density(self._grid.nodes)) / self._norm

    def _from_mode(self, cosine: Floats) -> Floats:
        """The angle of a cosine, minus the mode: from the difference of the cosines where that is small."""
        mode, _, high, low = self._mode
        angle, gap = np.arccos(cosine), (cosine - high) - low
        between = np.sin((angle + mode) / 2)  # cos - cos mode = -2 between sin(x/2)
        near = -2 * np.arcsin(np.clip(gap / (2 * np.where(between > 0, between, 1)), -1, 1))
        return np.where(np.abs(gap) < 0.5, near, angle - mode)

    def pdf(self, cosine: Any) -> Floats:
        """The density of the cosine; zero outside [-1, 1], infinite at the ends in two dimensions, NaN for NaN."""
        c = numbers("cosine", cosine, infinite=True, nan=True)
        inside = np.clip(c, -1, 1)
        sine = np.sqrt((1 - inside) * (1 + inside))
        log_p = self._log_ratio(self._from_mode(inside), sine, self.dimension - 3)
        scale = self._norm * (self._mode[1] if self.dimension > 2 else 1.0)
        return np.where((inside == c) | np.isnan(c), np.exp(log_p) / scale, 0.0)[()]

    def cdf(self, cosine: Any) -> Floats:
        """The probability of a smaller cosine; the rounding of the cosine itself moves it by up to 1e-16 of the pdf."""
        return self._tail(cosine, Panels(-self._grid.edges[::-1]), self._density[::-1], -1)

    def survival(self, cosine: Any) -> Floats:
        """The probability of a larger cosine."""
        return self._tail(cosine, self._grid, self._density, 1)

    def _tail(self, cosine: Any, grid: Panels, density: Floats, sign: int) -> Floats:
        """The integral from that end of the angles on which the tail lies, so that small ones keep their digits."""
        c = numbers("cosine", cosine, infinite=True, nan=True)
        x = sign * self._from_mode(np.clip(c, -1, 1)).ravel()
        found = grid.integral_to(np.where(np.isnan(x), 0.0, x), density)
        return np.where(np.isnan(x), np.nan, np.clip(found, 0, 1)).reshape(c.shape)[()]

    def probabilities(self, edges: Any) -> Floats:
        """The probabilities of the bins between rising cosines: one fewer than edges."""
        edges = numbers("edges", edges, infinite=True, ndim=1)
        if not (len(edges) >= 2 and (np.diff(edges) > 0).all()):
            raise ValueError(f"edges must be a row of at least two cosines that rise, got {edges[:4].tolist()}.")
        above, below = self.survival(edges), self.cdf(edges)
        return np.where(above[:-1] < 0.5, -np.diff(above), np.diff(below))

    def quantile(self, probability: Any) -> Floats:
        """The cosine below which there is this probability: equal steps of it make bins of equal probability."""
        p = numbers("probability", probability, at_least=0, at_most=1)
        flat = p.ravel()
        mirror, mirrored = Panels(-self._grid.edges[::-1]), self._density[::-1]
        low, high = (np.full(p.size, end) for end in (self._grid.edges[0], self._grid.edges[-1]))
        for _ in range(HALVINGS):  # of the angle, whose distribution rises; each half from its own end
            middle = (low + high) / 2
            below = mirror.integral_to(-middle, mirrored) > flat
            above = self._grid.integral_to(middle, self._density) < 1 - flat
            short = np.where(flat < 0.5, below, above)
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        x = (low + high) / 2
        _, sine, cosine, rest = self._mode
        inner = cosine + (rest - (2 * cosine * np.sin(x / 2) ** 2 + sine * np.sin(x)))
        return np.where(p == 0, -1.0, np.where(p == 1, 1.0, np.clip(inner, -1, 1).reshape(p.shape)))[()]


def mean_cosine(concentration: Any, dimension: Any) -> Floats:
    """E cos t = I_{d/2}(concentration)/I_{d/2-1}(concentration); the arguments broadcast."""
    k, d = together(concentration=numbers("concentration", concentration), dimension=numbers("dimension", dimension))
    pairs = zip(k.ravel().tolist(), d.ravel().tolist(), strict=True)
    means = [VonMisesFisher(a, whole("dimension", b, 2, LARGEST_DIMENSION)).mean for a, b in pairs]
    return np.reshape(means, k.shape)[()]


@cache
def _coefficients() -> list[Polynomial]:
    """t_j(p) of A = concentration/(a + R) (1 + sum t_j(p)/R^j) with p = a/R, from the Riccati equation."""
    p = Polynomial([0.0, 1.0])
    found = [Polynomial([1.0])]
    for j in range(1, TERMS + 1):
        last = found[-1]
        products = sum((found[i] * found[j - i] for i in range(1, j)), Polynomial([0.0]))
        found.append(-(p * last - (1 - p**2) * ((j - 1) * last + p * last.deriv()) + (1 - p) * products) / 2)
    return found[1:]


def _series(k: float, dimension: int) -> tuple[float, float, float]:
    """E cos, 1 - E cos and Var cos where R is large; the relative error is that of the next term of the series."""
    a = (dimension - 1) / 2
    r = float(np.hypot(a, k))
    p, first = a / r, k / (a + r)
    rest = slope = 0.0  # of the series without its 1, and of that by ln k, over 1 - p^2
    for j, t in enumerate(_coefficients(), 1):
        rest += float(t(p)) / r**j
        slope -= (j * float(t(p)) + p * float(t.deriv()(p))) / r**j
    deficit = p / (1 + p) * (1 + a / (r + k)) - first * rest
    return first * (1 + rest), deficit, p / (a + r) * (1 + rest + (1 - p**2) / p * slope)


def _log1p_rest(y: Floats, whole: Floats) -> Floats:
    """ln(1 + y) - y, where 1 + y is `whole`; by the series of the inverse hyperbolic tangent where y is small."""
    small = np.where(np.abs(y) < 0.5, y, 0.0)
    z = small / (2 + small)
    series = 1 / (2 * np.arange(18) + 3)
    near = z * (2 * z**2 * np.polynomial.polynomial.polyval(z**2, series) - small)
    return np.where(np.abs(y) < 0.5, near, np.log(whole) - y)
