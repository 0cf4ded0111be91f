"""Covariances of infinitely wide nets: how a layer changes them, and Gaussian expectations of activations.

In a net whose layers are wide, features before an activation are independent Gaussian processes with the covariance
`nngp`, and the tangent kernel no longer depends on the parameters (Neal 1996; Lee et al. 2018; Jacot, Gabriel & Hongler
2018). An activation phi then needs two expectations over a pair (u, v) of Gaussians with variances a, b and
covariance c: E phi(u) phi(v) and E phi'(u) phi'(v).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import number, shown
from simlab.core.device import Device, real

Array = Any
Expectations = Callable[[Array, Array, Array], tuple[Array, Array]]
"""(a, b, c), which broadcast -> (E phi(u) phi(v), E phi'(u) phi'(v))."""
REACH = 9.0
"""Standard deviations that quadrature covers: a Gaussian holds 1e-19 beyond."""
LARGEST, LARGEST_SAMPLED = 1e100, 1000.0
"""Variances that closed forms and quadrature are made for."""
HALF = 2.0**27 + 1
"""Splits the 53 bits of a float."""
FINEST = 0.25
"""The step of quadrature in standard deviations, and where they are above 1 in the units of the activation."""


class Covariances(NamedTuple):
    """Covariances between inputs x (n) and x' (m): means over the features, as all widths go to infinity.

    gaussian: whether the features are independent Gaussians: they are after a dense layer, not after an activation.
    """

    nngp: Array  # (n, m), the covariance of a feature over random parameters, the NNGP kernel
    ntk: Array  # (n, m), the tangent kernel of one output; None where it is not asked for
    left: Array  # (n), the variance at x
    right: Array  # (m), the variance at x'
    gaussian: bool


def activated(before: Any, expectations: Any, name: str) -> Covariances:
    """The covariances after an activation. ValueError where its inputs are not Gaussian."""
    if not isinstance(before, Covariances):
        raise ValueError(f"before must be Covariances, as a dense layer returns them, got {shown(before)}.")
    if not callable(expectations):
        raise ValueError(f"expectations must be a function of variances and covariance, got {shown(expectations)}.")
    if not before.gaussian:
        raise ValueError(f"{name} has an infinite-width limit after a dense layer only; put one before it.")
    value, slope = expectations(before.left[:, None], before.right[None, :], before.nngp)
    ntk = None if before.ntk is None else before.ntk * slope
    left, right = (expectations(a, a, a)[0] for a in (before.left, before.right))
    return Covariances(value, ntk, left, right, False)


def arc_cosine(leak: float) -> Expectations:
    """Of max(x, 0) + leak min(x, 0): the arc-cosine kernels of Cho & Saul 2009, section 2.

    Right to 1e-15 of sqrt(a b), and of 1 for the slope. ValueError for a variance of 0, which is the place of the kink.
    """
    leak = number("leak", leak)

    def expectations(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
        xp, a, b, c = _pair(a, b, c)
        size = xp.sqrt(a) * xp.sqrt(b)
        if not bool((size > 0).all()):
            raise ValueError("an example of zeros lies on the kink of the activation; shift it, or take a smooth one.")
        # By both sides of the triangle: near +-1 the cosine alone holds half of the digits. A power of two as unit.
        unit = xp.exp2(xp.floor(xp.log2(size)))
        sine = xp.sqrt(_determinant(xp, a / unit, b / unit, c / unit)) / (size / unit)
        cosine = xp.clip(c / size, -1, 1)
        angle = xp.arctan2(sine, cosine)
        # Of max(u, 0) max(v, 0) and of max(u, 0) max(-v, 0), at the angle and at its supplement.
        same = size / (2 * math.pi) * (sine + (math.pi - angle) * cosine)
        apart = size / (2 * math.pi) * (sine - angle * cosine)
        value = (1 + leak**2) * same - 2 * leak * apart
        return value, ((1 + leak**2) * (math.pi - angle) + 2 * leak * angle) / (2 * math.pi)

    return expectations


def arc_sine(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """Of erf: Williams 1997; the slope from the same integral by its derivative in c. Both to 1e-14 of themselves.

    ValueError for what are no variances up to 1e100 and a covariance of them.
    """
    xp, a, b, c = _pair(a, b, c)
    root = xp.sqrt(1 + 2 * a + 2 * b + 4 * _determinant(xp, a, b, c))  # of (1 + 2 a)(1 + 2 b) - 4 c^2
    return 2 / math.pi * xp.arctan2(2 * c, root), 4 / math.pi / root


def _pair(a: Array, b: Array, c: Array) -> tuple[Any, Array, Array, Array]:
    """The arrays in double precision, after their namespace; ValueError for what are no variances and covariance."""
    home = Device.of(c)
    xp = home.xp
    a, b, c = (real(name, value, home) for name, value in (("a", a), ("b", b), ("c", c)))
    try:
        np.broadcast_shapes(a.shape, b.shape, c.shape)
    except ValueError:
        shapes = f"{a.shape}, {b.shape} and {c.shape}"
        raise ValueError(f"a, b and c must have shapes that broadcast, got {shapes}.") from None
    for name, value in (("a", a), ("b", b)):
        good = (value >= 0) & (value <= LARGEST)
        if not bool(good.all()):
            wrong = float(value[~good].ravel()[0])
            raise ValueError(f"{name} must be variances from 0 to {LARGEST:g}, got {wrong:g}; standardise the inputs.")
    good = abs(c) <= xp.sqrt(a) * xp.sqrt(b) * (1 + 1e-6)
    if not bool(good.all()):
        wrong = float(xp.broadcast_to(c, good.shape)[~good].ravel()[0])
        raise ValueError(f"c must be a covariance, at most sqrt(a b) in size, got {wrong:g}.")
    return xp, a, b, c


def _determinant(xp: Any, a: Array, b: Array, c: Array) -> Array:
    """The determinant a b - c^2, at least 0, to rounding of its own size: with the rounding errors of both products."""
    high, low = _product(a, b)
    square, rest = _product(c, c)
    return xp.maximum((high - square) + (low - rest), 0)


def _product(x: Array, y: Array) -> tuple[Array, Array]:
    """A product and its rounding error (Dekker 1971): each factor in two halves, whose products are exact."""
    (x1, x2), (y1, y2) = ((HALF * v - (HALF * v - v), v - (HALF * v - (HALF * v - v))) for v in (x, y))
    product = x * y
    return product, x2 * y2 - (((product - x1 * y1) - x2 * y1) - x1 * y2)


def by_quadrature(both: Any) -> Expectations:
    """Of a smooth activation, given as x -> (phi(x), phi'(x)): the trapezoidal rule over two independent normals.

    It converges like exp(-2 pi d / h) for a step h and a function analytic to the distance d from the real line
    (Trefethen & Weideman 2014, theorem 5.1). h is at most 0.25 over the largest standard deviation, so for tanh, with a
    pole at i pi / 2, that is 1e-17, and 1e-13 for the square of its slope, whose pole is of order 4; the nodes of
    Gauss-Hermite get there by the hundred. Promised is an error of 1e-12 for tanh, erf, gelu and softplus, in units of
    E phi^2 for the value and of 1 for the slope. The work is (18 / h)^2 activations for each pair, on the CPU.
    ValueError for variances above 1000, for which that is too much.
    """
    if not callable(both):
        raise ValueError(f"both must be a function of an array, got {shown(both)}.")

    def expectations(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
        home = Device.of(c)
        a, b, c = np.broadcast_arrays(*(home.to_host(part) for part in _pair(a, b, c)[1:]))
        if c.size and (largest := max(float(a.max()), float(b.max()))) > LARGEST_SAMPLED:
            raise ValueError(
                f"a must be variances of at most {LARGEST_SAMPLED:g} for an activation without a closed form, got "
                f"{largest:g}; standardise the inputs."
            )
        h = FINEST / math.sqrt(max(float(a.max()), float(b.max()), 1.0))
        z = h * np.arange(-math.ceil(REACH / h), math.ceil(REACH / h) + 1)
        weight = np.exp(-0.5 * z * z)
        weight = weight / weight.sum()
        found = np.empty((2, *c.shape))
        # u = sqrt(a) z and v = c / sqrt(a) z + sqrt(b - c^2 / a) z', one pair of inputs at a time.
        for place in np.ndindex(c.shape):
            root = math.sqrt(a[place])
            along = c[place] / root if root > 0 else 0.0
            v = along * z[:, None] + math.sqrt(max(b[place] - along * along, 0.0)) * z
            for k, (first, second) in enumerate(zip(both(root * z), both(v), strict=True)):
                found[(k, *place)] = (weight * first) @ (second @ weight)
        return home.asarray(found[0]), home.asarray(found[1])

    return expectations
