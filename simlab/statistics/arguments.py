"""Sizes and values of power laws, within the reach of their powers and squares."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGE_N, LARGE_Y = 1e18, 1e100
"""Sizes n, whose eighth powers are squared, and values of a power law, which are squared."""


def points(n: Any, y: Any, name: str = "y") -> None:
    """Sizes n and values y of a power law, of magnitudes whose powers and squares are finite; ValueError otherwise.

    NaN and infinity are ignored here.
    """
    known, sizes = np.abs(y[np.isfinite(y)]), n[np.isfinite(n)]
    if sizes.size and not 1 / LARGE_N <= sizes.min() <= sizes.max() <= LARGE_N:
        ends = f"{sizes.min():g} ... {sizes.max():g}"
        raise ValueError(f"n must be positive and from {1 / LARGE_N:g} to {LARGE_N:g}, got {ends}.")
    apart = np.ptp(y, axis=-1)
    if known.size and (known.max() > LARGE_Y or ((apart > 0) & (apart < 1 / LARGE_Y)).any()):
        raise ValueError(
            f"{name} must be at most {LARGE_Y:g} in size, and differ by at least {1 / LARGE_Y:g}, so that squares are "
            f"numbers, got {known.min():g} ... {known.max():g}; take other units."
        )
