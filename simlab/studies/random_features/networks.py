"""Several networks on one training set: risk of one of them, and of the average of infinitely many.

With residuals r_k (m) of the members on the test points, E_1 is the mean of |r_k|^2/m, and E_inf the mean of
r_k . r_l/m over pairs of different members: unbiased for every number of members, since they are independent given
the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.linear import random_features, ridge
from simlab.studies.random_features import costs
from simlab.studies.random_features.problem import Array, Problem

Widths = Sequence[int] | NDArray[np.int64]


def need(examples: int, dimension: int, tests: int, widths: Widths, members: int) -> costs.Need:
    """What a regression for each member at each of these widths needs."""
    most, rows = max(widths), examples + tests
    drawn = costs.drawing(examples, dimension, tests, members * most)
    held = drawn.held + 2 * float(rows) * most + min(examples, most) ** 2
    each = sum(costs.features(rows, w, dimension) + costs.solution(examples, w) for w in widths)
    return costs.Need(held, drawn.seconds + members * each)


def residuals(problem: Problem, theta: Array, activation: str, penalty: float, device: Device) -> Array:
    """Predictions minus targets on the test points (member, m), of ridge regression with this lambda.

    theta: first-layer weights (member, N, d). lambda as in theory: the penalty on |b|^2 is (N/d) (n/d) lambda.
    """
    rows = []
    n, d = problem.points.shape
    for weights in theta:  # one at a time: only the features of one member are in memory
        z = random_features(problem.points, weights, activation)
        b = ridge(z, problem.labels, penalty * len(weights) * n / d**2)
        rows.append(random_features(problem.tests, weights, activation) @ b - problem.truth)
    return device.xp.stack(rows)


def products(residuals: Array, device: Device) -> Floats:
    """r_k . r_l/m for all pairs of members (member, member)."""
    return device.to_host(residuals @ residuals.T) / residuals.shape[1]


def nested(
    problem: Problem, theta: Array, widths: Widths, activation: str, penalty: float, device: Device
) -> Floats:  # fmt: skip
    """Products of the residuals at several widths (width, member, member): the first rows of each member's weights."""
    return np.array([
        products(residuals(problem, theta[:, :width], activation, penalty, device), device) for width in widths
    ])  # fmt: skip


def single(pairs: Floats) -> Floats:
    """E_1, from products (..., member, member)."""
    return np.trace(pairs, axis1=-2, axis2=-1) / pairs.shape[-1]


def infinite(pairs: Floats) -> Floats:
    """E_inf, from products (..., member, member)."""
    k = pairs.shape[-1]
    return (pairs.sum(axis=(-2, -1)) - np.trace(pairs, axis1=-2, axis2=-1)) / (k * (k - 1))


def average(pairs: Floats, members: int) -> Floats:
    """E_K for K = `members`, averaged over disjoint groups of K."""
    groups = pairs.shape[-1] // members
    blocks = [pairs[..., i : i + members, i : i + members] for i in range(0, groups * members, members)]
    return np.mean([b.mean(axis=(-2, -1)) for b in blocks], axis=0)
