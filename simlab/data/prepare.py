"""Splits, balanced classes, label noise, standardisation: functions of data and a seed that return new data.

Draws depend on the seed and the place of an example only, so parts of different sizes nest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from simlab.core.checks import number, one_of, require_flag, require_width
from simlab.data.dataset import Data, require_classes, require_data
from simlab.random import Seed, key, uniforms

CELL = 0xDA7A
"""The cell of all keys here: a net or a teacher with the same seed has independent numbers."""
SHUFFLE, KEEP, FLIP, OTHER = range(4)
"""Streams."""


def split(data: Data, *sizes: int, seed: Seed, stratified: bool = False) -> tuple[Data, ...]:
    """Disjoint random parts of these sizes; what is left over is dropped.

    The first part is the front of one shuffle, and the others are its back, in their order. So a smaller first part is
    the beginning of a larger one while the others stay, and a smaller last part is the end of a larger one.
    stratified: each class has its share m n_c / n of the first m examples of the shuffle, for every m, up to
    1/2 + K n_c / (2 n) examples, which is 1 where the K classes are equal.
    ValueError unless sizes are positive and together at most the number of examples, or on stratified targets.
    """
    require_data("data", data)
    require_flag("stratified", stratified)
    counts = [require_width(size, f"sizes[{i}]") for i, size in enumerate(sizes)]
    n = len(data)
    if not counts:
        raise ValueError("sizes: split needs the size of at least one part.")
    if sum(counts) > n:
        raise ValueError(
            f"sizes: parts of {' + '.join(map(str, counts))} examples do not fit into {n:,}; make them smaller."
        )
    order = _shuffle(n, seed, SHUFFLE)
    if stratified:
        require_classes(data, "a stratified split")
        share = (_ranks(data, order) + 0.5) / data.counts[data.y]
        order = order[np.argsort(share[order], kind="stable")]  # equal shares stay shuffled
    ends = np.cumsum([n - sum(counts[1:]), *counts[1:]])
    places = [order[: counts[0]]] + [order[end - size : end] for size, end in zip(counts[1:], ends[1:], strict=True)]
    how = "stratified split" if stratified else "split"
    return tuple(_rows(data, part, f"{len(part):,} of {n:,} by a {how} of seed {seed}") for part in places)


def balance(data: Data, *, seed: Seed) -> Data:
    """As many examples of every class as the smallest has, chosen at random; their order stays.

    ValueError for targets, or where a class has no examples.
    """
    classes, least = require_classes(data, "balance"), int(data.counts.min())
    if not least:
        raise ValueError(f"class {classes[int(data.counts.argmin())]} has no examples; balance before the split.")
    kept = np.flatnonzero(_ranks(data, _shuffle(len(data), seed, KEEP)) < least)
    return _rows(data, kept, f"balanced, {len(data) - len(kept):,} dropped")


def noisy_labels(data: Data, share: float, *, seed: Seed) -> Data:
    """Each label replaced with probability `share`, independently, by another one, all others being equally likely.

    The noise is part of the data from here on: training sees the same wrong labels in every epoch. A larger share
    changes the same labels and more, and what they change to does not depend on it.
    ValueError for targets, or unless 0 <= share <= 1.
    """
    classes = require_classes(data, "noisy_labels")
    share = number("share", share, at_least=0, at_most=1, allowed="in [0, 1]")
    at = np.arange(len(data))
    flip, other = (uniforms(key(seed, CELL), at, 0 * at, stream=stream) for stream in (FLIP, OTHER))
    shift = 1 + (other * (len(classes) - 1)).astype(np.int64)
    hit = flip < share
    y = np.where(hit, (data.y + shift) % len(classes), data.y)
    told = f"{100 * share:g}% label noise of seed {seed}, {int(hit.sum()):,} labels changed"
    return replace(data, y=y, done=(*data.done, told))


def standardise(train: Data, *others: Data, scale: Literal["feature", "global"] = "feature") -> tuple[Data, ...]:
    """All parts minus the mean of the training part, feature by feature, in units of its standard deviation.

    scale: "feature" divides each feature by its own deviation, "global" all of them by their root mean square.
    A feature that is constant in the training part is centred and, with "feature", not divided. Targets stay.
    ValueError where parts differ in their features, no feature varies, or one is beyond the range of floats.
    """
    one_of("scale", scale, ("feature", "global"))
    require_data("train", train)
    for other in others:
        require_data("others", other)
        if other.x.shape[1] != train.x.shape[1]:
            raise ValueError(
                f"others: parts have {train.x.shape[1]} and {other.x.shape[1]} features; give parts of one set."
            )
    lowest, highest = train.x.min(axis=0), train.x.max(axis=0)
    varies = highest > lowest
    if not varies.any():
        raise ValueError("train: every feature of the training part is constant; there is nothing to scale.")
    with np.errstate(over="ignore", invalid="ignore"):
        # The mean of a constant feature may be off by rounding, which would be all that is left of it.
        mean = np.where(varies, train.x.mean(axis=0, dtype=np.float64), lowest).astype(train.x.dtype)
        variance = ((train.x - mean) ** 2).mean(axis=0, dtype=np.float64)
    if scale == "global":
        variance = np.full_like(variance, variance.mean())
    elif not varies.all():
        variance = np.where(varies, variance, 1.0)
    if not (np.isfinite(variance) & (variance > 0)).all():
        raise ValueError(
            "train: the variance of a feature is beyond the range of floats; divide the features by their size."
        )
    deviation = np.sqrt(variance).astype(train.x.dtype)
    still = int((~varies).sum())
    told = "standardised on the training part" + (", one scale for all features" if scale == "global" else "")
    told += f", {still:,} constant there" if still else ""
    return tuple(replace(part, x=(part.x - mean) / deviation, done=(*part.done, told)) for part in (train, *others))


def _shuffle(n: int, seed: Seed, stream: int) -> np.ndarray:
    """The places 0 ... n - 1 in random order."""
    at = np.arange(n)
    return np.argsort(uniforms(key(seed, CELL), at, 0 * at, stream=stream), kind="stable")


def _ranks(data: Data, order: np.ndarray) -> np.ndarray:
    """The rank of each example among those of its class in this order, from 0."""
    ranks = np.empty(len(data), np.int64)
    by_class = order[np.argsort(data.y[order], kind="stable")]
    ranks[by_class] = np.arange(len(data)) - np.repeat(np.cumsum(data.counts) - data.counts, data.counts)
    return ranks


def _rows(data: Data, rows: Any, told: str) -> Data:
    """These examples, with a note of what was done."""
    return replace(data, x=data.x[rows], y=data.y[rows], done=(*data.done, told))
