"""Covariances of infinitely wide nets: what a layer does to the kernels, and Gaussian expectations of activations.

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

from simlab.device import Device

Array = Any
Expectations = Callable[[Array, Array, Array], tuple[Array, Array]]
"""(a, b, c), which broadcast -> (E phi(u) phi(v), E phi'(u) phi'(v))."""
REACH = 9.0
"""Standard deviations that quadrature covers: a Gaussian holds 1e-19 beyond."""
FINEST = 0.25
"""The largest step of quadrature in standard deviations: the Gaussian itself asks for it, whatever the activation."""


class Kernel(NamedTuple):
    """Kernels between inputs x (n) and x' (m): means over the features, as all widths go to infinity.

    gaussian says that the features are independent Gaussians, which a dense layer makes them and an activation unmakes.
    """

    nngp: Array  # (n, m), the covariance of a feature at the start
    ntk: Array  # (n, m), the tangent kernel of one output; None where it is not asked for
    left: Array  # (n), the variance at x
    right: Array  # (m), the variance at x'
    gaussian: bool


def activated(kernel: Kernel, expectations: Expectations, name: str) -> Kernel:
    """The kernels after an activation. ValueError where its inputs are not Gaussian."""
    if not kernel.gaussian:
        raise ValueError(f"{name} has a kernel after a dense layer only; put one in front of it.")
    value, slope = expectations(kernel.left[:, None], kernel.right[None, :], kernel.nngp)
    ntk = None if kernel.ntk is None else kernel.ntk * slope
    left, right = (expectations(a, a, a)[0] for a in (kernel.left, kernel.right))
    return Kernel(value, ntk, left, right, False)


def arc_cosine(leak: float) -> Expectations:
    """Of max(x, 0) + leak min(x, 0): the arc-cosine kernels of Cho & Saul 2009, section 2.

    ValueError for a variance of 0, which is the place of the kink.
    """

    def expectations(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
        xp = Device.of(c).xp
        size = xp.sqrt(a * b)
        if not bool((size > 0).all()):
            raise ValueError("an example of zeros lies on the kink of the activation; shift it, or take a smooth one.")
        angle = xp.arccos(xp.clip(c / size, -1, 1))
        # Of max(u, 0) max(v, 0) and of max(u, 0) max(-v, 0), at the angle and at its supplement.
        same = size / (2 * math.pi) * (xp.sin(angle) + (math.pi - angle) * xp.cos(angle))
        apart = size / (2 * math.pi) * (xp.sin(angle) - angle * xp.cos(angle))
        value = (1 + leak**2) * same - 2 * leak * apart
        return value, ((1 + leak**2) * (math.pi - angle) + 2 * leak * angle) / (2 * math.pi)

    return expectations


def arc_sine(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """Of erf: Williams 1997; the slope from the same integral by its derivative in c."""
    xp = Device.of(c).xp
    square = (1 + 2 * a) * (1 + 2 * b)
    return 2 / math.pi * xp.arcsin(2 * c / xp.sqrt(square)), 4 / math.pi / xp.sqrt(square - 4 * c * c)


def by_quadrature(both: Callable[[Array], tuple[Array, Array]]) -> Expectations:
    """Of a smooth activation, given as x -> (phi(x), phi'(x)): the trapezoidal rule over two independent normals.

    It converges like exp(-2 pi d / h) for a step h and a function analytic to the distance d from the real line
    (Trefethen & Weideman 2014, theorem 5.1). h is at most 0.3 over the largest standard deviation, so for tanh, with a
    pole at i pi / 2, that is 1e-14; the nodes of Gauss-Hermite get there by the hundred. Promised is an error of 1e-12
    in units of E phi^2 for tanh, erf, gelu and softplus. The work is (18 / h)^2 activations for each pair, on the CPU.
    """

    def expectations(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
        home = Device.of(c)
        a, b, c = np.broadcast_arrays(*(home.to_host(part) for part in (a, b, c)))
        h = min(FINEST, 0.3 / math.sqrt(max(float(a.max()), float(b.max()), 1.0)))
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
