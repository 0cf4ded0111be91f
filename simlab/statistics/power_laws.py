"""Power laws with a floor, y = c + b n^-a, of many curves at once: the fast form of `fit_power_law`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simlab.core.checks import Floats
from simlab.core.device import on_host
from simlab.statistics.arguments import points
from simlab.statistics.power_law import RANGE

PLACES, ZOOMS = 61, 6
"""Exponents of a grid, and grids: the last one is a factor 1 + 1e-8 apart."""


class PowerLaws(NamedTuple):
    """c + b n^-a of each curve, and the root mean square of the residuals."""

    a: Floats
    b: Floats
    c: Floats
    residual: Floats


def power_laws(n: ArrayLike, losses: ArrayLike) -> PowerLaws:
    """The laws of many curves (..., size) at once: what `fit_power_law` finds without errors, and without intervals.

    The least sum of squares over a grid of ln a, then over ever finer ones around it: a jackknife asks for hundreds.
    NaN for a curve with a loss that is NaN or infinite, and for one that is the same everywhere. ValueError where the
    sizes are fewer than three, do not fit the curves, or are not positive.
    """
    n, losses = on_host("n", n), on_host("losses", losses, nan=True, infinite=True)
    if n.ndim != 1 or losses.shape[-1:] != n.shape or len(np.unique(n)) < 3 or not (n > 0).all():
        raise ValueError(
            f"n must be at least three different positive sizes, one for each of the losses {losses.shape[-1:]}."
        )
    points(n, losses, "losses")
    known = np.asarray(np.isfinite(losses).all(axis=-1) & (losses != losses[..., :1]).any(axis=-1))
    losses = np.where(known[..., None], losses, np.nan)
    curves = losses.reshape(-1, len(n))
    low, high = np.log(RANGE)
    centre, reach = np.full(len(curves), (low + high) / 2), (high - low) / 2
    for _ in range(ZOOMS):
        a = np.exp(np.clip(centre[:, None] + reach * np.linspace(-1, 1, PLACES), low, high))
        x = n ** -a[..., None]  # (curve, place, size)
        x -= x.mean(axis=-1, keepdims=True)
        y = (curves - curves.mean(axis=-1, keepdims=True))[:, None]
        b = (x * y).sum(axis=-1) / (x * x).sum(axis=-1)
        squares = ((y - b[..., None] * x) ** 2).mean(axis=-1)
        best = squares.argmin(axis=-1)[:, None]
        a, b, least = (np.take_along_axis(part, best, axis=-1)[:, 0] for part in (a, b, squares))
        centre, reach = np.log(a), 2 * reach / PLACES
    c = curves.mean(axis=-1) - b * (n ** -a[:, None]).mean(axis=-1)
    found = (part.reshape(losses.shape[:-1]) for part in (a, b, c, np.sqrt(least)))
    return PowerLaws(*(np.where(known, part, np.nan) for part in found))
