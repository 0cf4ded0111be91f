"""Replicates of a problem at two sizes, in cells of about a second, and their extrapolation to d -> infinity.

A curve R is compared through its relative deviation from theory, R/T - 1, averaged over ranges of neighbouring widths:
ranges rather than widths, so that their covariance can be estimated from the available replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from simlab.core.checks import Floats
from simlab.lab.lab import Lab
from simlab.statistics import Estimate, Joint, joint_mean, mean, vertex
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.costs import Need

Limit = TypeVar("Limit", float, Floats)
CELL = 1.0
"""Estimated core-seconds of a cell."""


class Part(NamedTuple):
    """A number of independent problems of one dimension."""

    dimension: int
    problems: int


class Block(NamedTuple):
    """An item of work: replicates from `start` to below `stop` of the problems of one dimension."""

    dimension: int
    start: int
    stop: int

    @property
    def replicates(self) -> range:
        """The numbers of the replicates."""
        return range(self.start, self.stop)


def both(config: Config) -> list[Part]:
    """The two sizes: twice as many problems at d/2 as at d."""
    return [Part(config.dimension // 2, 2 * config.replicates), Part(config.dimension, config.replicates)]


def sizes(config: Config) -> list[int]:
    """The dimensions of the two sizes."""
    return [part.dimension for part in both(config)]


def described(config: Config, symbol: str = "d") -> str:
    """The two sizes in words, for a note below a panel."""
    small, large = both(config)
    return f"{large.problems} training sets at {symbol} = {large.dimension} and {small.problems} at {small.dimension}"


def gather(
    lab: Lab, work: Callable[[Config, Block, Lab], Floats], config: Config, parts: Sequence[Part],
    need: Callable[[int], Need], text: str,
) -> list[Floats]:  # fmt: skip
    """An array (replicate, ...) for each part, from cells that hold some replicates each.

    work(config, block, lab): the rows of a block. need(dimension): what one problem needs, which decides how many make
    a cell.
    """
    seconds = {part.dimension: need(part.dimension).seconds for part in parts}
    blocks = []
    for dimension, count in parts:
        step = max(1, round(CELL / seconds[dimension]))
        blocks += [Block(dimension, start, min(start + step, count)) for start in range(0, count, step)]
    amounts = [len(block.replicates) * seconds[block.dimension] for block in blocks]
    rows = lab.cells(work, config, blocks, text, weights=amounts)
    return [
        np.concatenate([r for block, r in zip(blocks, rows, strict=True) if block.dimension == part.dimension])
        for part in parts
    ]


def ranges(values: Floats, count: int) -> Floats:
    """Averages over `count` ranges of the last axis, as equal in size as possible."""
    return np.stack([part.mean(axis=-1) for part in np.array_split(values, count, axis=-1)], axis=-1)


def middles(sizes: ArrayLike, count: int) -> Floats:
    """The geometric mean of the sizes in each of these ranges."""
    return np.exp(ranges(np.log(np.asarray(sizes, float)), count))


def extrapolated(half: Limit, whole: Limit) -> Limit:
    """Richardson extrapolation: the value for d -> infinity, 2 R(d) - R(d/2), free of a correction c/d."""
    return 2 * whole - half


def at_infinity(half: Estimate, whole: Estimate) -> Estimate:
    """The same for independent estimates."""
    return Estimate(extrapolated(half.value, whole.value), np.hypot(2 * whole.se, half.se))


def risk_at_infinity(exact: Floats, half: Floats, whole: Floats) -> Estimate:
    """The risk for d -> infinity, from the exact risk and relative deviations from it at d/2 and d (replicate, ...)."""
    relative = at_infinity(mean(half), mean(whole))
    return Estimate(exact * (1 + relative.value), exact * relative.se)


def limit(half: Floats, whole: Floats) -> Joint:
    """The limit d -> infinity of replicates at d/2 and d (replicate, k), by `extrapolated`."""
    small, large = joint_mean(half), joint_mean(whole)
    samples = min(small.samples, large.samples)
    return Joint(extrapolated(small.value, large.value), 4 * large.covariance + small.covariance, samples)


def extremum(curve: Floats, centre: float, reach: float, *, top: bool = True) -> Floats:
    """The size near `centre` at which a curve over every size 1, 2, ... (..., k) has its maximum, or its minimum.

    From a parabola through the logarithms; NaN where that has no such extremum among the sizes within the reach.
    """
    size = np.arange(1, curve.shape[-1] + 1)
    window = near(size, centre, reach)
    return np.exp(vertex(np.log(size[window]), np.log(curve[..., window]), top=top))


def near(sizes: ArrayLike, centre: float, reach: float) -> slice:
    """The sizes within a factor 1 + reach of a centre, as a slice."""
    inside = np.flatnonzero(np.abs(np.log(np.asarray(sizes) / centre)) <= np.log1p(reach))
    return slice(int(inside[0]), int(inside[-1]) + 1)
