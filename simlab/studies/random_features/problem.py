"""The problem of all scenes but the last, its two sizes, and how a curve is held against the limit d -> infinity.

A curve R is compared through its relative deviation from theory, R/T - 1, averaged over ranges of neighbouring widths:
ranges rather than widths, so that their covariance can be estimated from the replicates at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from simlab import random as noise
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab.cost import ENTRY, FLOP, Cost
from simlab.linear import sphere
from simlab.statistics import Estimate, Joint, joint_mean
from simlab.studies.random_features.config import Config
from simlab.theory import random_features as theory_of

Array = Any
MODEL_WISE, SAMPLE_WISE, EPOCH_WISE, ENSEMBLES, MEMORY_SPLIT, REAL_DATA = range(6)
"""The scene in the key of a problem: no two scenes, sizes or replicates share a random number."""
POINTS, TESTS, LABELS, WEIGHTS = range(4)
"""Streams of a problem; the weights of member k have stream WEIGHTS + k."""
OVERHEAD, BLOCK_OVERHEAD = 5e-4, 1e-4
"""Core-seconds that a problem, and a block of a curve, take however small they are."""
SHARES = (2, 1)
"""The sizes d/2 and d, and how many replicates of each, in units of those at d."""


class Need(NamedTuple):
    """What one problem needs: numbers that are held at its peak, core-seconds, and numbers of it that are kept."""

    held: float
    seconds: float
    kept: float


class Problem(NamedTuple):
    """Points (n, d), noisy labels (n), test points (m, d) and their targets without noise (m), on the device."""

    points: Array
    labels: Array
    tests: Array
    truth: Array


def key(config: Config, scene: int, dimension: int, replicate: int) -> noise.Key:
    """The key of all random numbers of one problem."""
    return noise.key(config.seed, scene, dimension, replicate)


def draw(own: noise.Key, examples: int, dimension: int, tests: int, deviation: float, device: Device) -> Problem:
    """Targets <beta, x> + noise on the sphere of radius sqrt(d); beta is the first axis: all directions are alike."""
    points = sphere(own, examples, dimension, stream=POINTS, device=device)
    test_points = sphere(own, tests, dimension, stream=TESTS, device=device)
    labels = points[:, 0] + deviation * label_noise(own, examples, device)
    return Problem(points, labels, test_points, test_points[:, 0])


def label_noise(own: noise.Key, examples: int, device: Device) -> Array:
    """Standard normals (n), one for each example."""
    rows = device.xp.arange(examples)
    return noise.normals(own, rows, 0 * rows, stream=LABELS)


def weights(own: noise.Key, width: int, dimension: int, device: Device, member: int = 0) -> Array:
    """First-layer weights (N, d) of one network."""
    return sphere(own, width, dimension, stream=WEIGHTS + member, device=device)


def members(own: noise.Key, count: int, width: int, dimension: int, device: Device) -> Array:
    """First-layer weights (member, N, d) of several networks."""
    return device.xp.stack([weights(own, width, dimension, device, k) for k in range(count)])


def spread(peak: float, low: float, high: float, below: int, above: int, dimension: int) -> Any:
    """Whole multiples of 1/d from low to high, times d: so many on either side of the peak, and 13 close to it."""
    shares = np.concatenate([
        np.geomspace(low, 0.85 * peak, below), np.linspace(0.88, 1.12, 13) * peak,
        np.geomspace(1.15 * peak, high, above),
    ])  # fmt: skip
    return np.maximum(1, np.round(shares * dimension)).astype(int)


@cache
def best_ridge(psi1: float, samples: float, noise: float, activation: str, members: int = 1) -> tuple[float, float]:
    """The ridge of least risk in theory for so many networks of this width, and that risk."""

    def risk(log: float) -> float:
        return float(theory_of.risk(psi1, samples, np.exp(log), activation=activation, noise=noise, members=members))

    found = minimize_scalar(risk, bounds=(np.log(1e-6), np.log(1e4)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def sizes(config: Config) -> list[int]:
    """Dimensions of the two sizes."""
    return [config.dimension // share for share in SHARES]


def at_all_sizes(
    config: Config,
    progress: Progress,
    what: str,
    once: Callable[[int, int], Floats],
    shares: tuple[int, ...] = SHARES,
    replicates: int | None = None,
) -> list[Floats]:
    """once(dimension, replicate) for all replicates of all sizes; an array (replicate, ...) for each size."""
    found = []
    count = replicates or config.replicates
    with progress.task(what, total=sum(count / s for s in shares)) as task:
        for share in shares:
            rows = []
            for replicate in range(count * share):
                rows.append(once(config.dimension // share, replicate))
                task.advance(1 / share**2)
            found.append(np.array(rows))
    return found


def cost(
    config: Config,
    fields: tuple[str, ...],
    once: Callable[[int], Need],
    shares: tuple[int, ...] = SHARES,
    replicates: int | None = None,
) -> list[Cost]:
    """What `at_all_sizes` needs, where `once` says what one problem of a dimension does."""
    found = []
    for share in shares:
        count, need = (replicates or config.replicates) * share, once(config.dimension // share)
        size = 8 * (need.held + 3 * count * need.kept)
        found.append(Cost((*fields, "replicates"), count, size, count * (need.seconds + OVERHEAD)))
    return found


def drawn(examples: int, dimension: int, tests: int, weights: int) -> Need:
    """Points, test points, and weights of all members together."""
    numbers = float(examples + tests + weights) * dimension
    return Need(2.5 * numbers, 15 * numbers * ENTRY, 0)


def features(rows: int, width: int, dimension: int) -> float:
    """Core-seconds that the features of these rows take."""
    return float(rows) * width * (2 * dimension * FLOP + 3 * ENTRY)


def curve(rows: int, columns: int, tests: int) -> Need:
    """One curve of `simlab.linear`: errors at all columns, with the features given."""
    n, m, first = float(rows), float(tests), float(min(rows, columns))
    beyond = columns - first
    flops = 2 * n * first**2 + first**3 + 2 * first**2 * m + 4 * beyond * n * (n + m) + 200 * columns * m
    return Need((n + 2 * m) * columns + 3 * first**2, FLOP * flops + BLOCK_OVERHEAD * (2 + columns / 96), columns)


def solution(rows: int, width: int) -> float:
    """Core-seconds of one ridge regression."""
    small, large = float(min(rows, width)), float(max(rows, width))
    return FLOP * (2 * large * small**2 + small**3) + BLOCK_OVERHEAD


def ranges(values: Floats, count: int) -> Floats:
    """Averages over `count` ranges of the last axis, as equal as they can be."""
    return np.stack([part.mean(axis=-1) for part in np.array_split(values, count, axis=-1)], axis=-1)


def extrapolated(half: Any, whole: Any) -> Any:
    """From values at d/2 and d, the value for d -> infinity where a correction c/d is what is left."""
    return 2 * whole - half


def at_infinity(half: Estimate, whole: Estimate) -> Estimate:
    """The same for independent estimates."""
    return Estimate(extrapolated(half.value, whole.value), np.hypot(2 * whole.se, half.se))


def limit(half: Floats, whole: Floats) -> Joint:
    """What replicates at d/2 and d (replicate, k) tend to for d -> infinity, by `extrapolated`."""
    small, large = joint_mean(half), joint_mean(whole)
    samples = min(small.samples, large.samples)
    return Joint(extrapolated(small.value, large.value), 4 * large.covariance + small.covariance, samples)


def summit(log_size: Floats, log_risk: Floats, *, top: bool = True) -> Floats:
    """Where the parabola through log risk (..., k) against log size (k) has its top, or its bottom, as a logarithm.

    NaN where it has none among these sizes: a vertex elsewhere, or of the other kind, is no answer.
    """
    middle = log_size.mean()
    design = np.vander(log_size - middle, 3)
    curvature, slope, _ = np.moveaxis(log_risk @ np.linalg.pinv(design).T, -1, 0)
    bent = curvature < 0 if top else curvature > 0
    vertex = middle - slope / np.where(bent, 2 * curvature, np.inf)
    inside = (vertex >= log_size[0]) & (vertex <= log_size[-1])
    return np.where(bent & inside, vertex, np.nan)


def turn(curve: Floats, centre: float, reach: float, *, top: bool = True) -> Floats:
    """The size near `centre` at which a curve over every size 1, 2, ... (..., k) has its `summit`."""
    every = np.arange(1, curve.shape[-1] + 1)
    window = near(every, centre, reach)
    return np.exp(summit(np.log(every[window]), np.log(curve[..., window]), top=top))


def near(sizes_: Floats, centre: float, reach: float) -> slice:
    """The sizes within a factor 1 + reach of a centre, as a slice."""
    inside = np.flatnonzero(np.abs(np.log(sizes_ / centre)) <= np.log1p(reach))
    return slice(int(inside[0]), int(inside[-1]) + 1)
