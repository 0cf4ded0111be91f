"""Log-probabilities as they are given: brought to a working precision; logits are refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab.core.device import Device, stored
from simlab.linear.rank import precision
from simlab.nn.calibration import working

Array = Any
LOOK = 2**16
"""Largest number of entries that are checked; of larger arrays, evenly spaced examples."""
SINGLE = float(np.finfo(np.float32).eps)


def log_probabilities(values: Array, members: bool = False, name: str = "log_probs") -> Array:
    """Log-probabilities (..., example, class), or (..., member, example, class), in the precision of `working`.

    ValueError for another shape, for what is not an array of real numbers, and for logits: exponentials must sum to 1
    over the classes up to the square root of the rounding eps of the given precision, or of single precision where
    that is larger. NaN passes.
    """
    given = stored(name, values)
    shape = tuple(given.shape)
    if len(shape) < 2 + members or 0 in shape[-2 - members :]:
        core = "(..., member, example, class)" if members else "(..., example, class)"
        raise ValueError(f"{name} must have shape {core}, none of them 0, got {shape}.")
    found = working(name, given)
    some = found[..., :: max(1, found.size // LOOK), :]
    with np.errstate(over="ignore", invalid="ignore"):
        xp = Device.of(some).xp
        gap = xp.abs(xp.exp(some) @ xp.ones(shape[-1], found.dtype) - 1)
    wrong = gap > max(precision(given), SINGLE) ** 0.5  # what was computed in single precision may be given in double
    if bool(wrong.any()):
        raise ValueError(
            f"{name} must be log-probabilities, whose exponentials sum to 1 over the classes, and are off by "
            f"{float(gap[wrong].max()):.2g}; take simlab.nn.log_softmax of logits first."
        )
    return found
