"""Temperatures of ensembles, fitted on separate data or by cross-validation.

`temperature` and `nll` are those of `simlab.nn.calibration`: fit on one set, apply on another with
`nll(log_probs, labels, temperature(own_log_probs, own_labels))`. Core axes last: log_probs (..., example, class).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import random
from simlab.core import checks
from simlab.core.device import Device, real, stored
from simlab.nn.calibration import LEAST, calibrated_nll, labels_of, nll, temperature, tempered, working
from simlab.random import Seed

__all__ = ["calibrate", "calibrated_nll", "cross_validated_nll", "nll", "temperature", "validation_excess"]

Array = Any
NAMES = ("log_probs", "labels")
MOST = 10**6
"""Largest number of repeats."""


def calibrate(log_probs: Array, tau: Array | float) -> Array:
    """The logarithm of softmax(log_probs / tau), (..., example, class), for tau a number or (...), above 0.

    Logits are allowed, too. In float32 where they are, in float64 otherwise.
    """
    found = working("log_probs", log_probs)
    if found.ndim < 2 or not found.shape[-1]:
        raise ValueError(f"log_probs must have shape (..., example, class), got {tuple(found.shape)}.")
    return tempered(found, tau)


def cross_validated_nll(log_probs: Array, labels: Array, repeats: int = 5, folds: int = 2, seed: Seed = 0) -> Array:
    """The NLL (...) at temperatures fitted on the other folds, mean over shuffles: test-time cross-validation.

    Labels as in `nll`. 5 x 2 folds are those of Ashukha, Lyzhov, Molchanov & Vetrov 2020. All groups share the
    shuffles, so that differences between them are paired. The temperature is fitted on the share 1 - 1/folds of the
    data, and the bias upwards is `validation_excess` for that many examples; where a fold for fitting happens to hold
    no error, its temperature is 0 and the loss of an error in the other fold is unbounded.
    NaN where a logit is. ValueError for fewer examples than folds, fewer than 2 folds, or no repeat.
    """
    log_probs = stored("log_probs", log_probs)
    labels, total = labels_of(log_probs, labels, NAMES), 0.0
    xp, n = Device.of(log_probs).xp, log_probs.shape[-2]
    try:
        folds, repeats = checks.whole("folds", folds, 2, n), checks.whole("repeats", repeats, 1, MOST)
    except ValueError as error:
        raise ValueError(
            f"folds must be in 2 ... {n}, the number of examples, and repeats at least 1 and at most {MOST}, "
            f"got {checks.shown(folds)} and {checks.shown(repeats)}."
        ) from error
    for repeat in range(repeats):
        word, _ = random.words(random.key(seed), xp.arange(n), xp.full(n, repeat))
        order = xp.argsort(word)
        for fold in range(folds):
            inside = xp.arange(n) % folds == fold
            test, train = order[inside], order[~inside]
            tau = temperature(log_probs[..., train, :], labels[..., train])
            total = total + len(test) * nll(log_probs[..., test, :], labels[..., test], tau)
    return total / (repeats * n)


def validation_excess(log_probs: Array, labels: Array, size: float) -> Array:
    """How much a temperature fitted on `size` examples raises the NLL (...) of new ones, on average.

    V/(2 size H), the leading order in 1/size for maximum likelihood in a model that need not be true (Takeuchi 1976):
    V is the variance over examples of the NLL's derivative in 1/tau and H its mean second derivative, both at the tau
    that is best on these examples. It is a bias: every calibrated loss is too high by it.
    NaN where no temperature changes anything. ValueError for a size that is not positive, and as in `nll`.
    """
    examples = checks.number("size", size, at_least=1, allowed="a positive number of examples")
    scores = real("log_probs", log_probs)
    labels, xp = labels_of(scores, labels, NAMES), Device.of(scores).xp
    with np.errstate(invalid="ignore", divide="ignore"):
        return _excess(scores, labels, xp) / examples


def _excess(scores: Array, labels: Array, xp: Any) -> Array:
    """V/(2 H)."""
    scores = scores - scores.max(axis=-1, keepdims=True)
    p = xp.exp(calibrate(scores, temperature(scores, labels)))
    scores = xp.maximum(scores, LEAST)  # a class of probability 0 adds nothing to a mean
    mean = (p * scores).sum(axis=-1)
    curvature = ((p * scores * scores).sum(axis=-1) - mean * mean).mean(axis=-1)
    slope = mean - xp.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    return slope.var(axis=-1) / (2 * curvature)
