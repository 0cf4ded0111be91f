"""Arguments of formulas: numbers of sizes that can be evaluated, which broadcast against each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab.core.checks import Floats, number, real_array, shown

SMALLEST, GREATEST = 1e-60, 1e60
"""Sizes between which no square or product of a formula leaves the range of floats."""


def together(**arrays: Floats) -> list[Floats]:
    """The arrays in one shape; ValueError with all their shapes where they do not broadcast."""
    arrays = {name: real_array(name, values) for name, values in arrays.items()}
    try:
        return list(np.broadcast_arrays(*arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise ValueError(f"these shapes do not broadcast against each other: {shapes}.") from None


def sizes(name: str, values: Any) -> Floats:
    """Positive numbers of a size with which formulas can be evaluated; ValueError otherwise."""
    found = real_array(name, values)
    good = (found >= SMALLEST) & (found <= GREATEST)
    return _all_good(name, found, good, f"positive, from {SMALLEST:g} to {GREATEST:g}")


def size(name: str, value: Any) -> float:
    """One such number."""
    return number(name, value, at_least=SMALLEST, at_most=GREATEST)


def zero_or_sizes(name: str, values: Any) -> Floats:
    """Such numbers, zero, and what lies between and is as good as zero; ValueError otherwise."""
    found = real_array(name, values)
    return _all_good(name, found, (found >= 0) & (found <= GREATEST), f"zero or positive, and at most {GREATEST:g}")


def _all_good(name: str, found: Floats, good: Any, allowed: str) -> Floats:
    """The numbers, if all are good; ValueError with the first that is not."""
    if not good.all():
        raise ValueError(f"{name} must be {allowed}, got {shown(found[~good][0])}.")
    return found


def counts(name: str, values: Any, at_least: int = 0) -> Floats:
    """Whole numbers, each exact as a float; ValueError otherwise."""
    found = real_array(name, values)
    good = (found >= at_least) & (found <= 2.0**53) & (found == np.floor(found))
    return _all_good(name, found, good, f"a whole number, {at_least} or more, and at most 2^53")
