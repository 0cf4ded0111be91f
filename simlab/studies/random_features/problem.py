"""One problem: points on a sphere, a linear target with noisy labels, test points, and the weights of networks."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from simlab import random as noise
from simlab.core.device import Device
from simlab.linear import sphere
from simlab.theory import random_features as theory_of

Array = Any
"""An array of either device."""


class Problem(NamedTuple):
    """Points (n, d), noisy labels (n), test points (m, d) and their targets without noise (m), on the device."""

    points: Array
    labels: Array
    tests: Array
    truth: Array


def draw(key: noise.Key, examples: int, dimension: int, tests: int, deviation: float, device: Device) -> Problem:
    """Targets <beta, x> + noise on the sphere of radius sqrt(d), beta being the first unit vector (all are alike)."""
    points = sphere(noise.key(key, "points"), examples, dimension, device=device)
    test_points = sphere(noise.key(key, "tests"), tests, dimension, device=device)
    labels = points[:, 0] + deviation * label_noise(key, examples, device)
    return Problem(points, labels, test_points, test_points[:, 0])


def gaussian_points(key: noise.Key, examples: int, dimension: int, device: Device) -> Array:
    """Standard normals (n, d), in place of points on the sphere."""
    rows, columns = device.xp.arange(examples)[:, None], device.xp.arange(dimension)[None, :]
    return noise.normals(noise.key(key, "points"), rows, columns)


def label_noise(key: noise.Key, examples: int, device: Device) -> Array:
    """Standard normals (n), one for each example."""
    rows = device.xp.arange(examples)
    return noise.normals(noise.key(key, "labels"), rows, 0 * rows)


def weights(key: noise.Key, width: int, dimension: int, device: Device, member: int = 0) -> Array:
    """First-layer weights (N, d) of one network."""
    return sphere(noise.key(key, "weights", member), width, dimension, device=device)


def members(key: noise.Key, count: int, width: int, dimension: int, device: Device) -> Array:
    """First-layer weights (member, N, d) of several networks."""
    return device.xp.stack([weights(key, width, dimension, device, k) for k in range(count)])


def spread(peak: float, low: float, high: float, below: int, above: int, dimension: int) -> NDArray[np.int64]:
    """Whole numbers from low d to high d: `below` and `above` of them on either side of peak d, and 13 close to it."""
    shares = np.concatenate([
        np.geomspace(low, 0.85 * peak, below), np.linspace(0.88, 1.12, 13) * peak,
        np.geomspace(1.15 * peak, high, above),
    ])  # fmt: skip
    return np.maximum(1, np.round(shares * dimension)).astype(int)


@cache
def best_ridge(psi1: float, samples: float, noise: float, activation: str, members: int = 1) -> tuple[float, float]:
    """The ridge of least theoretical risk for an ensemble of `members` networks of this width, and that risk."""

    def risk(log: float) -> float:
        return float(theory_of.risk(psi1, samples, np.exp(log), activation=activation, noise=noise, members=members))

    best = minimize_scalar(risk, bounds=(np.log(1e-6), np.log(1e4)), method="bounded")
    return float(np.exp(best.x)), float(best.fun)
