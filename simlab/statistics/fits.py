"""Least squares in powers of x: with errors, of exact values, and the extremum of a parabola."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simlab.core import checks
from simlab.core.checks import Floats
from simlab.core.device import on_host
from simlab.linear.rank import cutoff, scaled


class LinearFit(NamedTuple):
    """A weighted least-squares fit: coefficients, standard errors, and the linear map from data to coefficients."""

    coefficients: Floats
    se: Floats
    hat: Floats


def fit(x: ArrayLike, y: ArrayLike, se: ArrayLike, powers: Sequence[float]) -> LinearFit:
    """Fit y = sum_k c_k x^powers_k to independent measurements (point); `hat @ y` gives the coefficients.

    Applying `hat` to exact values at the same x shows the bias of the fitted form. se: one for each point, or for all.
    ValueError where the points do not determine the coefficients, by the rule of `simlab.linear.rank`, where x^powers
    is no number, and for an se that is not positive.
    """
    x, y = on_host("x", x, nan=True, ndim=1), on_host("y", y, nan=True, infinite=True, ndim=1)
    se = on_host("se", se, above=0, nan=True)
    if not len(x) or y.shape != x.shape or se.shape not in ((), x.shape):
        shapes = f"{x.shape}, {y.shape}, {se.shape}"
        raise ValueError(f"x, y and se must hold one number for each point, got shapes {shapes}.")
    se = np.broadcast_to(se, x.shape)
    if np.isnan(x).any() or np.isnan(se).any():
        k = len(_powers(powers))
        return LinearFit(np.full(k, np.nan), np.full(k, np.nan), np.full((k, len(x)), np.nan))
    weighted = _design("x", x, powers) / se[:, None]
    columns = scaled(weighted)
    u, s, v_t = np.linalg.svd(columns, full_matrices=False)
    if len(s) < columns.shape[1] or not s[-1] > cutoff(max(columns.shape)) * s[0]:
        raise ValueError(
            f"x must hold enough different values to distinguish {columns.shape[1]} powers, got {len(np.unique(x))} of "
            "them to double precision; measure at more, or further apart."
        )
    largest = np.abs(weighted).argmax(axis=0)
    inverse = np.take_along_axis(columns, largest[None], 0)[0] / np.take_along_axis(weighted, largest[None], 0)[0]
    with np.errstate(invalid="ignore", over="ignore"):
        half = v_t.T / s
        hat = half @ u.T * inverse[:, None] / se
        return LinearFit(hat @ y, np.sqrt((half**2).sum(axis=1)) * abs(inverse), hat)


def extrapolate(steps: ArrayLike, values: ArrayLike, powers: Sequence[float]) -> Floats:
    """Coefficients of sum_k c_k steps^powers_k through the same number of exact values, without noise.

    ValueError unless there are as many steps as powers, and they determine the coefficients as in `fit`.
    """
    steps = on_host("steps", steps, ndim=1)
    values = on_host("values", values, nan=True, infinite=True)
    design = _design("steps", steps, powers)
    if design.shape[0] != design.shape[1] or values.shape[:1] != steps.shape:
        raise ValueError(
            f"steps, values and powers must be of the same number, got {len(steps)}, {values.shape} and "
            f"{design.shape[1]}."
        )
    s = np.linalg.svd(scaled(design), compute_uv=False)
    if not s[-1] > cutoff(len(s)) * s[0]:
        raise ValueError("steps, and powers, must differ from each other, by more than rounding; take others.")
    with np.errstate(invalid="ignore"):
        return np.asarray(np.linalg.solve(design, values))


def vertex(x: ArrayLike, y: ArrayLike, *, top: bool = True) -> Floats:
    """Where the least-squares parabola through points y (..., k) over x (k) has its maximum, or its minimum.

    NaN where it has none between the points: a vertex beyond them, or of the other kind, does not count. ValueError
    unless y has as many numbers as x, and at least three of x differ.
    """
    x = on_host("x", x, ndim=1)
    y = on_host("y", y, nan=True, infinite=True)
    checks.require_flag("top", top)
    if y.shape[-1:] != x.shape:
        raise ValueError(f"y must hold a number for each of x along its last axis, got {y.shape} and {x.shape}.")
    middle = x.mean() if len(x) else 0.0
    design = np.vander(x - middle, 3)
    s = np.linalg.svd(scaled(design), compute_uv=False) if len(x) > 2 else np.zeros(1)
    if not s[-1] > cutoff(max(design.shape)) * s[0]:
        raise ValueError("x must hold three different numbers at least, apart by more than rounding; take others.")
    with np.errstate(invalid="ignore", over="ignore"):
        curvature, slope, _ = np.moveaxis(y @ np.linalg.pinv(design).T, -1, 0)
        right = curvature < 0 if top else curvature > 0
        place = middle - slope / np.where(right, 2 * curvature, np.inf)
        return np.where(right & (place >= x.min()) & (place <= x.max()), place, np.nan)


def _powers(powers: Sequence[float]) -> Floats:
    """Exponents, at least one."""
    found = checks.numbers("powers", powers, ndim=1)
    if not len(found):
        raise ValueError("powers must hold at least one number.")
    return found


def _design(name: str, x: Floats, powers: Sequence[float]) -> Floats:
    """x^powers, (point, power)."""
    with np.errstate(all="ignore"):
        design: Floats = x[:, None] ** _powers(powers)[None, :]
    if not np.isfinite(design).all():
        raise ValueError(f"{name} must have numbers as powers, got {checks.shown(x)} to one of {checks.shown(powers)}.")
    return design
