"""Scores beside the likelihood: Brier score, error, calibration error, deep ensemble equivalent.

Core axes last: log_probs (..., example, class), labels (example) or (..., example), on either device. Logits are
refused as in `simlab.ensembles.averaging`; all results are in float64, and NaN where a log-probability is.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core import checks
from simlab.core.device import Device, on_host
from simlab.ensembles.arguments import log_probabilities
from simlab.ensembles.calibration import NAMES
from simlab.nn.calibration import by_rows, labels_of
from simlab.nn.training.record import error
from simlab.statistics.arguments import LARGE_N

__all__ = ["CalibrationError", "brier", "deep_ensemble_equivalent", "ece", "error"]

Array = Any
MOST_BINS = 10**4


def brier(log_probs: Array, labels: Array) -> Array:
    """The mean over examples of sum_k (p_k - [k = label])^2, (...), between 0 and 2 (Brier 1950)."""
    log_probs = log_probabilities(log_probs)
    labels, xp = labels_of(log_probs, labels, NAMES), Device.of(log_probs).xp

    def scores(block: Array, own: Array) -> list[Array]:
        p = xp.exp(block, out=block)
        taken = xp.take_along_axis(p, own[None], axis=0)[0]
        return [(p * p).sum(axis=0) - 2 * taken + 1]

    return by_rows(scores, log_probs, labels)[0].mean(axis=-1)


class CalibrationError(NamedTuple):
    """value: the expected calibration error (...). floor: what it is on average where the calibration is perfect."""

    value: Array
    floor: Array


def ece(log_probs: Array, labels: Array, bins: int = 15) -> CalibrationError:
    """The mean gap between confidence and accuracy in bins of equal width of the confidence (Naeini et al. 2015).

    sum_b (n_b/n) |mean confidence - share of right answers|. A gap is positive even where the calibration is perfect,
    so the value is biased upwards, the more the fewer examples there are in a bin, and depends on the bins: prefer a
    likelihood. `floor` is the mean of the value if every confidence were true, with normal gaps of the variance
    sum p (1 - p)/n_b^2: sum_b sqrt(2/pi) sqrt(sum_{i in b} p_i (1 - p_i))/n. A bin holds its upper end.
    ValueError for less than one bin, or more than 10,000.
    """
    log_probs = log_probabilities(log_probs)
    xp = Device.of(log_probs).xp
    bins = checks.whole("bins", bins, 1, MOST_BINS, allowed=f"at least 1, whole, and at most {MOST_BINS}")
    confidence = xp.exp(log_probs.max(axis=-1).astype(xp.float64))
    right = (log_probs.argmax(axis=-1) == labels_of(log_probs, labels, NAMES)).astype(xp.float64)
    place = xp.clip(xp.ceil(confidence * bins), 1, bins)
    gap, deviation = 0.0, 0.0
    for b in range(1, bins + 1):
        inside = place == b
        gap = gap + abs(((confidence - right) * inside).sum(axis=-1))
        deviation = deviation + (xp.maximum(confidence * (1 - confidence), 0) * inside).sum(axis=-1) ** 0.5
    n = confidence.shape[-1]
    known = xp.where(xp.isnan(confidence).any(axis=-1), xp.nan, 1.0)[()]
    return CalibrationError(known * gap / n, known * math.sqrt(2 / math.pi) * deviation / n)


def deep_ensemble_equivalent(n: ArrayLike, loss: ArrayLike, value: ArrayLike) -> NDArray[np.float64]:
    """The size of a deep ensemble that is as good as another method with this loss (Ashukha et al. 2020).

    n (size) rising, loss (size): those of the deep ensembles, best with `curve(...).calibrated`; value: of the other
    method, any shape. Between sizes the loss is interpolated linearly in 1/n, as it is at a fixed temperature. The
    first size whose loss is not above the value; n[0] for a worse value, infinity for one better than every size. NaN
    for a value of NaN, and everywhere where a loss is. After an infinite loss, which allows no interpolation, the next
    size is taken. ValueError where n does not rise from a positive number, or the shapes of n and loss differ.
    """
    sizes = on_host("n", n, above=0, at_most=LARGE_N)
    losses, values = (on_host(name, a, nan=True, infinite=True) for name, a in (("loss", loss), ("value", value)))
    if (
        sizes.ndim != 1
        or sizes.shape != losses.shape
        or not (len(sizes) and sizes[0] >= 1 / LARGE_N and (np.diff(sizes) > 0).all())
    ):
        raise ValueError(
            f"n must rise from a positive number of at least {1 / LARGE_N:g}, and loss must hold one number for each n."
        )
    if np.isnan(losses).any():
        return np.full(values.shape, np.nan)
    below = losses <= values[..., None]
    first = below.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    with np.errstate(invalid="ignore"):
        fall = losses[before] - losses[first]
        line = (fall > 0) & np.isfinite(fall)
        share = np.where(line, (losses[before] - values) / np.where(line, fall, 1), 1.0)
    inverse = (1 - share) / sizes[before] + share / sizes[first]
    found = np.where(below.any(axis=-1), np.where(first == 0, sizes[0], 1 / inverse), np.inf)
    return np.where(np.isnan(values), np.nan, found)
