"""Expectations over a standard normal of a function that may have kinks, jumps and poles, or grow.

Gauss-Legendre panels are halved until the polynomial of each is the function at other points too, so they close in on a
kink or a jump wherever it lies; where they never are, or the function outgrows the normal density, there is no number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simlab.core.checks import Floats, real_array

REACH = 37.0
"""Standard deviations that are covered: far beyond, the normal density is no float."""
WIDTH, HALVINGS, MOST = 0.125, 200, 2**22
"""Width of the panels to start with, how often they may be halved, and nodes at most."""
PROMISE, NOTHING = 1e-12, 1e-15
"""Errors allowed of a moment and of one panel, in units of the root mean square or its square."""
RESOLVED = 8 * np.finfo(float).eps
"""Width over place of panels that hold no more than a few floats."""
TINY = 1e-200
"""Mean squares below this have lost digits to underflow."""
FASTER, HIGHEST = 4.5, 700.0
"""If ln |a| grows by more than this factor when x doubles, a outgrows every Gaussian (4); and what a float can hold."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
OTHERS = np.concatenate([[2e-13 - 1], (NODES - 1) / 2, (NODES + 1) / 2, [1 - 2e-13]])
"""Where a polynomial is compared: between its nodes, and so near the ends that nothing hides there."""
_ORDER = len(NODES) - 1
_TO_OTHERS = np.polynomial.legendre.legvander(OTHERS, _ORDER) @ np.linalg.inv(
    np.polynomial.legendre.legvander(NODES, _ORDER)
)


@dataclass(frozen=True)
class Sample:
    """Nodes x, weights under the normal density and values a, (panel, node) each."""

    x: Floats
    weight: Floats
    a: Floats


def sample(name: str, function: Callable[[Floats], Any]) -> Sample:
    """Where to know the function `name` so that E a(G), E G a(G) and E a(G)^2 are right to 1e-12 of the rms or square.

    ValueError for what is not a function of an array, where the mean square is infinite or is not found to 1e-12.
    """
    with np.errstate(all="ignore"):
        found, missed = _adapted(name, function)
        if not missed <= PROMISE:
            raise ValueError(f"{name} has moments that are infinite, or that quadrature does not find to {PROMISE:g}.")
        _refuse_growth(name, function, found)
    return found


def _adapted(name: str, function: Callable[[Floats], Any]) -> tuple[Sample, float]:
    """The nodes, and what panels that are not halved any further leave open."""
    count = round(REACH / WIDTH)
    low: Floats = WIDTH * np.arange(-count, count, dtype=np.float64)
    width: Floats = np.full(2 * count, WIDTH)
    done: list[Sample] = []
    known = missed = 0.0
    for level in range(HALVINGS + 1):
        panels = _on(name, function, low, width)
        others = _values(name, function, low[:, None] + width[:, None] * (OTHERS + 1) / 2)
        mean_square = known + float((panels.weight * panels.a**2).sum())
        weight = width * np.exp(-(panels.x**2).min(axis=1) / 2)
        a = np.abs(panels.a).max(axis=1)
        narrow = width < RESOLVED * np.abs(low)  # it holds only a few floats, which any polynomial fits
        error = np.where(narrow, a, np.abs(panels.a @ _TO_OTHERS.T - others).max(axis=1)) / np.sqrt(mean_square)
        error = weight * error * (np.abs(low) + 1 + a / np.sqrt(mean_square)) if mean_square > 0 else 0 * weight
        left_open = ~(error <= NOTHING)
        split = left_open & ~narrow
        if level == HALVINGS or 2 * (len(NODES) + len(OTHERS)) * split.sum() > MOST:
            split[:] = False
        missed += float(error[left_open & ~split].sum())
        known += float((panels.weight * panels.a**2)[~split].sum())
        done.append(Sample(*(part[~split] for part in (panels.x, panels.weight, panels.a))))
        if not split.any():
            break
        low, width = np.concatenate([low[split], (low + width / 2)[split]]), np.tile(width[split] / 2, 2)
    return Sample(*(np.concatenate([getattr(p, field) for p in done]) for field in ("x", "weight", "a"))), missed


def _on(name: str, function: Callable[[Floats], Any], low: Floats, width: Floats) -> Sample:
    x = low[:, None] + width[:, None] * (NODES + 1) / 2
    weight = width[:, None] * WEIGHTS / 2 * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    a = _values(name, function, x)
    if not np.isfinite(a).all():
        where = x[~np.isfinite(a)][0]
        raise ValueError(f"{name} must be finite for |x| < {REACH:g}, got {a[~np.isfinite(a)][0]:g} at x = {where:g}.")
    return Sample(x, weight, a)


def _values(name: str, function: Callable[[Floats], Any], x: Floats) -> Floats:
    try:
        found = function(x.flatten())
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
        raise ValueError(f"{name} must be a function of an array, but for an array it raises {error!r}.") from error
    a = real_array(name, found)
    if a.shape not in ((), (x.size,)):
        raise ValueError(f"{name} must be a function of an array, entry by entry, got {a.shape} for {(x.size,)}.")
    return np.broadcast_to(a, x.size).reshape(x.shape)


def _refuse_growth(name: str, function: Callable[[Floats], Any], found: Sample) -> None:
    """ValueError where the mean square has not converged at the ends, or a goes on to outgrow the normal density."""
    squares = found.weight * found.a**2
    mean_square = squares.sum()
    if found.a.any() and not mean_square > TINY:
        raise ValueError(f"{name} is too small for its square, whose mean is {mean_square:g}; scale it.")
    outer = squares[np.abs(found.x) > REACH - 2].sum() / mean_square if mean_square > 0 else 0.0
    if not outer <= PROMISE:
        raise ValueError(f"{name} grows too fast: its mean square over a Gaussian is infinite or not found.")
    far = REACH * np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    logs = np.minimum(np.log(np.abs(_values(name, function, far)) / np.sqrt(mean_square)), HIGHEST)
    for half, once, twice in (logs[[2, 1, 0]], logs[3:]):
        if (once > FASTER * half > 1) or (twice > FASTER * once > 1):
            raise ValueError(f"{name} outgrows every Gaussian: its mean square is infinite.")
