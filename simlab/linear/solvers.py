"""Single solutions: ridge in the cheaper of its two forms, and the minimum-norm limit without a cut-off."""

from __future__ import annotations

from typing import Any

from simlab.device import Device

Array = Any


def ridge(features: Array, targets: Array, ridge: float) -> Array:
    """The b of least |y - Z b|^2 + ridge |b|^2: (n, N), (n) or (n, k) -> (N) or (N, k); leading axes broadcast.

    By elimination in Z^T Z + ridge I or in Z Z^T + ridge I, whichever is smaller. ValueError unless ridge > 0.
    """
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge:g}; simlab.linear.min_norm is the limit 0.")
    xp = Device.of(features).xp
    single = targets.ndim == features.ndim - 1
    y = targets[..., None] if single else targets
    z_t = xp.swapaxes(features, -1, -2)
    n, width = features.shape[-2:]
    if width <= n:
        found = xp.linalg.solve(z_t @ features + ridge * xp.eye(width, dtype=features.dtype), z_t @ y)
    else:
        found = z_t @ xp.linalg.solve(features @ z_t + ridge * xp.eye(n, dtype=features.dtype), y)
    return found[..., 0] if single else found


def min_norm(features: Array, targets: Array) -> Array:
    """The limit ridge -> 0 of `ridge`: least squares for N <= n, the interpolator of least norm for N > n.

    By a QR factorisation, which drops no direction: least-squares routines cut small singular values off by default,
    and with them the peak of double descent. Shapes as in `ridge`. ValueError where features are linearly dependent to
    double precision, so that there is no such limit.
    """
    xp = Device.of(features).xp
    single = targets.ndim == features.ndim - 1
    y = targets[..., None] if single else targets
    z_t = xp.swapaxes(features, -1, -2)
    wide = features.shape[-1] > features.shape[-2]
    q, r = xp.linalg.qr(z_t if wide else features)
    diagonal = xp.abs(xp.diagonal(r, axis1=-2, axis2=-1))
    if not bool((diagonal.min(axis=-1) > 1e-14 * diagonal.max(axis=-1)).all()):
        raise ValueError("the features are linearly dependent; there is no minimum-norm limit, take a positive ridge.")
    r_t = xp.swapaxes(r, -1, -2)
    found = q @ xp.linalg.solve(r_t, y) if wide else xp.linalg.solve(r, xp.swapaxes(q, -1, -2) @ y)
    return found[..., 0] if single else found
