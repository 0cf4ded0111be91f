"""Single solutions: ridge in the cheaper of its two forms, and the minimum-norm limit without a cut-off."""

from __future__ import annotations

from typing import Any

from simlab.core.device import Device, stored
from simlab.linear.arguments import finite, positive, problem, unit
from simlab.linear.rank import directions, precision, rank

Array = Any
NORMAL = 2e-10
"""Smallest ridge over the trace of Z^T Z for which normal equations leave eight digits in double precision."""
LARGE = 1e100
"""Features are scaled where they are larger: their squares must be finite."""


def ridge(features: Array, targets: Array, ridge: float) -> Array:
    """The b of least |y - Z b|^2 + ridge |b|^2: (n, N), (n) or (n, k) -> (N) or (N, k); leading axes broadcast.

    By elimination in Z^T Z + ridge I or in Z Z^T + ridge I, whichever is smaller; where the ridge is too small for that
    in double precision by a singular value decomposition, in which directions that do not count by the rule of
    `simlab.linear.rank` are left out, so that the limit 0 is the solution of least norm. In float64 whatever the input,
    on the device of the features. ValueError unless ridge > 0, for shapes that do not match, and for NaN or infinity.
    """
    a, z = positive(ridge), finite("features", features)
    device = Device.of(z)
    xp = device.xp
    y, single = problem(z, finite("targets", targets, device))
    scale = unit(z)
    scale = xp.where(scale > LARGE, scale, 1)
    if bool((scale > 1).any()):
        z = z / scale
    small = a / scale / scale  # (..., 1, 1)
    z_t = xp.swapaxes(z, -1, -2)
    n, width = z.shape[-2:]
    if not bool((small >= NORMAL * (z * z).sum(axis=(-2, -1), keepdims=True)).all()):
        u, s, v_t = directions(z, precision(stored("features", features)))
        square = s * s + small[..., 0]
        share = xp.where(square > 0, s / xp.where(square > 0, square, 1), 0)
        found = xp.swapaxes(v_t, -1, -2) @ (share[..., None] * (xp.swapaxes(u, -1, -2) @ y))
    elif width <= n:
        found = xp.linalg.solve(z_t @ z + small * xp.eye(width), z_t @ y)
    else:
        found = z_t @ xp.linalg.solve(z @ z_t + small * xp.eye(n), y)
    found = found / scale
    return found[..., 0] if single else found


def min_norm(features: Array, targets: Array) -> Array:
    """The limit ridge -> 0 of `ridge`: least squares for N <= n, the interpolator of least norm for N > n.

    By a QR factorisation, which drops no direction: least-squares routines cut small singular values off by default,
    and with them the peak of double descent. Shapes, device and float64 as in `ridge`. ValueError where features (for
    N > n examples) are linearly dependent by the rule of `simlab.linear.rank`, that is to the precision in which they
    are given: take a positive ridge, or the limit `decompose(features, targets).ridge([0.0])`.
    """
    z = finite("features", features)
    device = Device.of(z)
    xp = device.xp
    y, single = problem(z, finite("targets", targets, device))
    scale = unit(z)
    z = z / scale
    wide = z.shape[-1] > z.shape[-2]
    q, r = xp.linalg.qr(xp.swapaxes(z, -1, -2) if wide else z)
    known = rank(r, precision(stored("features", features)), max(z.shape[-2:]))
    if bool((known < r.shape[-1]).any()):
        raise ValueError("the features are linearly dependent; there is no minimum-norm limit, take a positive ridge.")
    r_t = xp.swapaxes(r, -1, -2)
    found = q @ xp.linalg.solve(r_t, y) if wide else xp.linalg.solve(r, xp.swapaxes(q, -1, -2) @ y)
    found = found / scale
    return found[..., 0] if single else found
