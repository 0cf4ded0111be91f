"""Standard errors of what is measured with a few members, on a few test points, for a few teachers.

* Teachers (a training set, test set and members of their own each) are independent in every respect:
  `simlab.statistics.mean` over them, of differences where two things are compared, for teachers differ more than they.
* Groups without a common member are independent given the data; test points are independent given the members. The
  mean over both is a mean over a crossed table, and `crossed` has its error for new members and new test points.
* `bootstrap` does the same for what is no mean: an exponent, a best split.
* `simlab.statistics.jackknife` over blocks of members, or over teachers, does it without random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simlab import random
from simlab.device import Device
from simlab.statistics import Estimate

Array = Any


def crossed(losses: Array) -> Estimate:
    """The mean of losses (..., group, example), (...), with the error of drawing the groups and the examples anew.

    Groups must share no member (the first members // n of `partition`). With mean squares V_g of the group means, V_x
    of the example means and V_gx of what is left over, var = V_g/G + V_x/N - V_gx/(G N) is unbiased (Owen 2007, section
    2); it is never taken below V_gx/(G N), its value where nothing but the pairs varies. For a paired difference give
    the difference of two tables. ValueError with less than two groups or examples.
    """
    device = Device.of(losses)
    groups, n = losses.shape[-2:]
    if min(groups, n) < 2:
        raise ValueError(f"losses must have at least two groups and two examples, got {groups} and {n}.")
    by_group, by_example = losses.mean(axis=-1), losses.mean(axis=-2)
    mean = by_group.mean(axis=-1)
    left = losses - by_group[..., :, None] - by_example[..., None, :] + mean[..., None, None]
    pairs = (left * left).sum(axis=(-2, -1)) / ((groups - 1) * (n - 1)) / (groups * n)
    variance = by_group.var(axis=-1, ddof=1) / groups + by_example.var(axis=-1, ddof=1) / n - pairs
    host = [np.asarray(device.to_host(a)) for a in (mean, device.xp.maximum(variance, pairs))]
    return Estimate(host[0], np.sqrt(host[1]))


def bootstrap(
    samples: Array,
    estimator: Callable[[Array], Any],
    axes: Sequence[int] | int = 0,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """estimator(samples) with its standard deviation over resampled samples: each of the axes is resampled on its own.

    With several axes (teachers, members, examples) this is the pigeonhole bootstrap (McCullagh 2000, Owen 2007), whose
    variance is slightly too large and never too small on average. Put what is to be compared side by side on an axis
    that is not resampled, and it is compared in pairs. `samples` is on either device, what the estimator returns is
    brought to the host. ValueError for an axis with a single entry, or fewer than 2 resamples.
    """
    device = Device.of(samples)
    xp = device.xp
    if resamples < 2:
        raise ValueError(f"resamples must be at least 2, got {resamples}.")
    axes = (axes,) if isinstance(axes, int) else axes
    if any(samples.shape[axis] < 2 for axis in axes):
        raise ValueError(f"each of the axes {tuple(axes)} must have at least two entries, got {tuple(samples.shape)}.")
    found = []
    for resample in range(resamples):
        drawn = samples
        for axis in axes:
            n = samples.shape[axis]
            place = random.key(seed, axis % samples.ndim)
            word, _ = random.words(place, np.arange(n), np.full(n, resample))
            drawn = xp.take(drawn, xp.asarray((word * np.uint64(n) >> np.uint64(32)).astype(np.int64)), axis=axis)
        found.append(np.asarray(device.to_host(estimator(drawn))))
    return Estimate(np.asarray(device.to_host(estimator(samples))), np.std(found, axis=0, ddof=1))
