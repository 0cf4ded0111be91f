"""Arguments of formulas: numbers that broadcast against each other, and expressions of sympy."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from simlab.checks import shown

Floats = NDArray[np.float64]


def together(**arrays: Floats) -> list[Floats]:
    """The arrays in one shape; ValueError with all their shapes where they do not broadcast."""
    try:
        return list(np.broadcast_arrays(*arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"these shapes do not broadcast against each other: {shapes}.") from None


def expression(name: str, value: Any) -> sp.Expr:
    """A number or an expression of sympy; ValueError for text, arrays, NaN and infinity."""
    try:
        found = sp.sympify(value, strict=True)
    except (sp.SympifyError, TypeError, ValueError):
        found = None
    if not isinstance(found, sp.Expr) or found.has(sp.nan, sp.oo, -sp.oo, sp.zoo):
        raise ValueError(f"{name} must be a finite expression of sympy, got {shown(value)}.")
    return found
