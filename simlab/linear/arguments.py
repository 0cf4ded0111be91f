"""What the functions of this package are given, brought to float64 or refused in one sentence."""

from __future__ import annotations

from typing import Any

from simlab.core import checks
from simlab.core.device import Device, real

Array = Any


def finite(name: str, values: Array, device: Device | None = None) -> Array:
    """Finite numbers in float64, on their own device or on this one."""
    found = real(name, values, device)
    if not bool(Device.of(found).xp.isfinite(found).all()):
        raise ValueError(f"{name} holds NaN or infinity; fill or drop these entries first.")
    return found


def positive(ridge: float) -> float:
    """A ridge above 0."""
    try:
        return checks.number("ridge", ridge, above=0)
    except ValueError as error:
        raise ValueError(
            f"ridge must be positive, got {checks.shown(ridge)}; simlab.linear.min_norm is the limit 0."
        ) from error


def problem(z: Array, y: Array) -> tuple[Array, bool]:
    """Targets as columns (..., n, k), and whether they were a single one (..., n); ValueError where shapes do not fit.

    z (..., n, N), with at least one example and one feature.
    """
    if z.ndim < 2 or 0 in z.shape:
        raise ValueError(f"features must have shape (..., n, N), none of them 0, got {tuple(z.shape)}.")
    single = y.ndim == z.ndim - 1
    columns = y[..., None] if single else y
    lead = columns.shape[:-2]
    fits = columns.ndim >= 2 and columns.shape[-2] == z.shape[-2] and 0 not in columns.shape
    if not fits or any(1 not in (a, b) and a != b for a, b in zip(lead[::-1], z.shape[-3::-1], strict=False)):
        raise ValueError(
            f"targets must have shape (..., n) or (..., n, k) for the n = {z.shape[-2]} examples of features of shape "
            f"{tuple(z.shape)}, got {tuple(y.shape)}."
        )
    return columns, single


def unit(z: Array) -> Array:
    """A power of two (..., 1, 1) near the largest entry of each matrix: dividing by it rounds nothing."""
    xp = Device.of(z).xp
    size = xp.abs(z).max(axis=(-2, -1), keepdims=True)
    return xp.exp2(xp.floor(xp.log2(xp.where(size > 0, size, 1))))
