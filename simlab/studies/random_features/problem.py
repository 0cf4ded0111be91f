"""The problem of all scenes but the last, its two sizes, and how a curve is held against the limit d -> infinity.

A curve R is compared through its relative deviation from theory, R/T - 1, averaged over ranges of neighbouring widths:
ranges rather than widths, so that their covariance can be estimated from the replicates at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab import random as noise
from simlab.device import Device
from simlab.linear import sphere
from simlab.progress import Progress
from simlab.statistics import Joint, joint_mean
from simlab.studies.random_features.config import Config

Array = Any
Floats = NDArray[np.float64]
MODEL_WISE, SAMPLE_WISE, EPOCH_WISE, ENSEMBLES, MEMORY_SPLIT, REAL_DATA = range(6)
"""The scene in the key of a problem: no two scenes, sizes or replicates share a random number."""
POINTS, TESTS, LABELS, WEIGHTS = range(4)
"""Streams of a problem; the weights of member k have stream WEIGHTS + k."""
SHARES = (2, 1)
"""The sizes d/2 and d, and how many replicates of each, in units of those at d."""


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
    """Y = <beta, x> + noise on the sphere of radius sqrt(d); beta is the first axis: all directions are alike."""
    points = sphere(own, examples, dimension, stream=POINTS, device=device)
    test_points = sphere(own, tests, dimension, stream=TESTS, device=device)
    rows = device.xp.arange(examples)
    labels = points[:, 0] + deviation * noise.normals(own, rows, 0 * rows, stream=LABELS)
    return Problem(points, labels, test_points, test_points[:, 0])


def weights(own: noise.Key, width: int, dimension: int, device: Device, member: int = 0) -> Array:
    """First-layer weights (N, d) of one network."""
    return sphere(own, width, dimension, stream=WEIGHTS + member, device=device)


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


def ranges(values: Floats, count: int) -> Floats:
    """Averages over `count` ranges of the last axis, as equal as they can be."""
    return np.stack([part.mean(axis=-1) for part in np.array_split(values, count, axis=-1)], axis=-1)


def limit(half: Floats, whole: Floats) -> Joint:
    """What replicates at d/2 and d (replicate, k) tend to for d -> infinity where a correction c/d is what is left."""
    small, large = joint_mean(half), joint_mean(whole)
    samples = min(small.samples, large.samples)
    return Joint(2 * large.value - small.value, 4 * large.covariance + small.covariance, samples)


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


def near(sizes_: Floats, centre: float, reach: float) -> slice:
    """The sizes within a factor 1 + reach of a centre, as a slice."""
    inside = np.flatnonzero(np.abs(np.log(sizes_ / centre)) <= np.log1p(reach))
    return slice(int(inside[0]), int(inside[-1]) + 1)
