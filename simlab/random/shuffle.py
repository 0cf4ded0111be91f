"""Which examples a model sees at each step: a function of (key, model, epoch), whatever stands beside it.

An epoch is n // batch_size steps on a fresh shuffle of the n examples; the few that do not fill a batch are left out of
that epoch. The shuffle is the one of Fisher and Yates, its j-th swap by the j-th word of Philox with the counter
(j // 4, model, epoch, stream), so it needs no state and can be taken up at any epoch. Each of its choices among k is
uniform to one part in 2^32 / k. A batch of all n examples is never shuffled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numba import uint64

from simlab.core.kernel_cache import disk_cached
from simlab.random import Key, coefficients, kernels
from simlab.random.kernels import OPTIONS, philox

STREAM = 1
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)


@disk_cached(coefficients, kernels, **OPTIONS)
def shuffle(low: Any, high: Any, stream: Any, model: Any, epoch: Any, order: Any) -> None:
    """Write a permutation of 0 ... n - 1 into order (n), int32."""
    n = order.shape[0]
    for i in range(n):
        order[i] = i
    a = b = c = d = uint64(0)
    for i in range(n - 1):
        place = i % 4
        if place == 0:
            a, b, c, d = philox(uint64(i // 4), uint64(model), uint64(epoch), uint64(stream), uint64(low), uint64(high))
        word = (a if place == 0 else b if place == 1 else c if place == 2 else d) & _LOW
        other = i + np.int64((word * uint64(n - i)) >> _32)
        order[i], order[other] = order[other], order[i]


@disk_cached(coefficients, kernels, **OPTIONS)
def fill(low: Any, high: Any, models: Any, epoch: int, orders: Any) -> None:
    """A permutation for each of these models (model): orders (model, n), int32."""
    for m in range(models.shape[0]):
        shuffle(low, high, STREAM, models[m], epoch, orders[m])


def batches(key: Key, models: np.ndarray, n: int, batch_size: int, step: int) -> np.ndarray:
    """The batches of the epoch that holds this step: (steps of an epoch, model, batch_size), int32, on the host."""
    per_epoch = n // batch_size
    orders = np.empty((len(models), n), np.int32)
    fill(np.uint64(key.low), np.uint64(key.high), models, step // per_epoch, orders)
    kept = orders[:, : per_epoch * batch_size].reshape(len(models), per_epoch, batch_size)
    return np.ascontiguousarray(kept.swapaxes(0, 1))


def shuffle_text() -> str:
    """The CUDA form of `shuffle`, behind the text of Philox; it needs the constants LANES and STREAM."""
    return Path(__file__).with_name("shuffle.cuh").read_text(encoding="utf-8")
