"""Normals of many models by the compiled generator: those of `simlab.random.normals` to rounding, faster on a CPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from simlab.core import checks
from simlab.random import PLACES, WORDS, Key
from simlab.random.kernels import CONSTANTS32, CONSTANTS64, fill_normals32, fill_normals64, fill_words


def stack_normals(
    places: Iterable[tuple[Key, int, int]], first_step: int, steps: int, walkers: int, dtype: Any
) -> np.ndarray:
    """Normals (model, step, walker) for walkers 0, 1, ... at so many steps from `first_step` on.

    places: (key, component, stream) of each model. dtype: float32 or float64. ValueError for another one, and beyond
    the limits of `simlab.random`.
    """
    first_step, steps = checks.whole("first_step", first_step, 0, PLACES - 1), checks.whole("steps", steps)
    walkers = checks.whole("walkers", walkers, 0, PLACES)
    if first_step + steps > PLACES:
        raise ValueError(f"steps must end before step 2^33, got {steps} from first_step = {first_step}.")
    single = np.dtype(dtype) == np.float32
    if not single and np.dtype(dtype) != np.float64:
        raise ValueError(f"dtype must be float32 or float64, got {np.dtype(dtype)}.")
    fill, constants = (fill_normals32, CONSTANTS32) if single else (fill_normals64, CONSTANTS64)
    group, pairs = first_step // 2, -(-walkers // 2)
    groups = -(-(first_step + steps) // 2) - group
    u, v = np.empty((2, groups, pairs), np.uint64)
    even, odd = np.empty((2, groups * 2 * pairs), dtype)
    rows = list(places)
    for _, component, stream in rows:
        if not (0 <= component < WORDS and 0 <= stream < WORDS):
            raise ValueError(f"places must have components and streams below 2^32, got {component} and {stream}.")
    found = np.empty((len(rows), groups, 2, 2 * pairs), dtype)
    for k, (key, component, stream) in enumerate(rows):
        low, high = np.uint64(key.low), np.uint64(key.high)
        fill_words(0, group, int(component), np.uint64(stream), low, high, u, v)
        fill(u.view(np.int32).ravel(), v.view(np.int32).ravel(), constants, even, odd)
        found[k, :, 0], found[k, :, 1] = even.reshape(groups, -1), odd.reshape(groups, -1)
    start = first_step % 2
    return found.reshape(len(rows), 2 * groups, 2 * pairs)[:, start : start + steps, :walkers]
