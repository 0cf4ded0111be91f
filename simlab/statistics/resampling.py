"""Standard errors of what is measured with a few members, on a few test points, for a few teachers.

* Teachers (a training set, test set and members of their own each) are independent in every respect:
  `simlab.statistics.mean` over them. Compare methods by their difference on each teacher: teachers vary more than
  methods.
* Groups without a common member are independent given the data; test points are independent given the members. The
  mean over both is a mean over a crossed table, and `crossed` has its error for new members and new test points.
* `bootstrap` does the same for statistics that are no means: an exponent, a best split.
* `simlab.statistics.jackknife` over blocks of members, or over teachers, does it without random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simlab import random
from simlab.core import checks
from simlab.core.device import Device, real
from simlab.random import Seed
from simlab.statistics.estimates import Estimate

Array = Any
MOST = 10**6
"""Largest number of resamples."""


def crossed(losses: Array) -> Estimate:
    """The mean of losses (..., group, example), (...), with the error of drawing the groups and the examples anew.

    Groups must share no member (the first members // n of `partition`). With mean squares V_g of the group means, V_x
    of the example means and V_gx of the remainder, var = V_g/G + V_x/N - V_gx/(G N) is unbiased (Owen 2007, section
    2); it is never taken below V_gx/(G N), its value where nothing but the pairs varies. For a paired difference give
    the difference of two tables. In float64; NaN where a loss is. ValueError with less than two groups or examples.
    """
    losses = real("losses", losses)
    device = Device.of(losses)
    if losses.ndim < 2:
        raise ValueError(f"losses must have shape (..., group, example), got {tuple(losses.shape)}.")
    groups, n = losses.shape[-2:]
    if min(groups, n) < 2:
        raise ValueError(f"losses must have at least two groups and two examples, got {groups} and {n}.")
    by_group, by_example = losses.mean(axis=-1), losses.mean(axis=-2)
    mean = by_group.mean(axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):  # infinite losses, and those whose squares are
        variance, pairs = _variance(losses, by_group, by_example, mean)
    host = [np.asarray(device.to_host(a)) for a in (mean, device.xp.maximum(variance, pairs))]
    return Estimate(host[0], np.sqrt(host[1]))


def _variance(losses: Array, by_group: Array, by_example: Array, mean: Array) -> tuple[Array, Array]:
    """The variance of a crossed mean, and the least that it can be."""
    groups, n = losses.shape[-2:]
    left = losses - by_group[..., :, None] - by_example[..., None, :] + mean[..., None, None]
    pairs = (left * left).sum(axis=(-2, -1)) / ((groups - 1) * (n - 1)) / (groups * n)
    return by_group.var(axis=-1, ddof=1) / groups + by_example.var(axis=-1, ddof=1) / n - pairs, pairs


def bootstrap(
    samples: Array,
    estimator: Callable[[Array], Any],
    axes: Sequence[int] | int = 0,
    resamples: int = 200,
    seed: Seed = 0,
) -> Estimate:
    """estimator(samples) with its standard deviation over resampled samples: each of the axes is resampled on its own.

    With several axes (teachers, members, examples) this is the pigeonhole bootstrap (McCullagh 2000, Owen 2007), whose
    variance is slightly too large and never too small on average. Put what is to be compared side by side on an axis
    that is not resampled, and it is compared in pairs. `samples` is on either device and given to the estimator in
    float64; its results are brought to the host. ValueError for an axis that does not exist, is
    given twice or has a single entry, or for fewer than 2 resamples.
    """
    samples = real("samples", samples)
    device = Device.of(samples)
    xp = device.xp
    resamples = checks.whole("resamples", resamples, 2, MOST, allowed=f"at least 2, whole, and at most {MOST}")
    if not callable(estimator):
        raise ValueError(f"estimator must be a function of samples, got {checks.shown(estimator)}.")
    axes = _axes(axes, samples.ndim)
    if any(samples.shape[axis] < 2 for axis in axes):
        raise ValueError(
            f"each of the axes {axes} of samples must have at least two entries, got {tuple(samples.shape)}."
        )
    results = []
    for resample in range(resamples):
        drawn = samples
        for axis in axes:
            n = samples.shape[axis]
            place = random.key(seed, axis)
            word, _ = random.words(place, np.arange(n), np.full(n, resample))
            drawn = xp.take(drawn, xp.asarray((word * np.uint64(n) >> np.uint64(32)).astype(np.int64)), axis=axis)
        results.append(np.asarray(device.to_host(estimator(drawn))))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite ones
        return Estimate(np.asarray(device.to_host(estimator(samples))), np.std(results, axis=0, ddof=1))


def _axes(axes: Sequence[int] | int, ndim: int) -> tuple[int, ...]:
    """Different axes of so many, counted from the first."""
    given: Any = axes
    single = not isinstance(given, (tuple, list, range, np.ndarray)) or getattr(given, "ndim", 1) == 0
    named = (given,) if single else tuple(given)
    whole = [int(a) for a in named if isinstance(a, (int, np.integer)) and not isinstance(a, bool)]
    whole = [a for a in whole if -ndim <= a < ndim]
    axes_ = tuple(a % ndim for a in whole)
    if not named or len(axes_) < len(named) or len(set(axes_)) < len(axes_):
        raise ValueError(f"axes must be different ones of the {ndim} of samples, got {checks.shown(axes)}.")
    return axes_
