"""Several networks on one training set: risk of one of them, and of the average of infinitely many.

With residuals r_k (m) of the members on the test points, E_1 is the mean of |r_k|^2/m, and E_inf the mean of
r_k . r_l/m over pairs of different members: unbiased for every number of members, since they are independent given
the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.linear import random_features, ridge
from simlab.studies.random_features import problem
from simlab.studies.random_features.problem import Array, Problem


def need(examples: int, dimension: int, tests: int, widths: Iterable[int], members: int) -> problem.Need:
    """What a regression for each of so many members at each of these widths needs."""
    own = problem.drawn(examples, dimension, tests, members * max(widths))
    one, rows = float(examples + tests) * max(widths), examples + tests
    each = sum(problem.features(rows, w, dimension) + problem.solution(examples, w) for w in widths)
    return problem.Need(own.held + 2 * one + min(examples, max(widths)) ** 2, own.seconds + members * each, 0)


def residuals(own: Problem, theta: Array, activation: str, penalty: float, device: Device) -> Array:
    """Predictions less targets on the test points (member, m), of ridge regression with this lambda.

    theta: first-layer weights (member, N, d). lambda is that of theory: the penalty on |b|^2 is psi1 psi2 lambda.
    """
    found = []
    n, d = own.points.shape
    for weights in theta:  # one at a time: the features of one member are all that is held in memory
        z = random_features(own.points, weights, activation)
        b = ridge(z, own.labels, penalty * len(weights) * n / d**2)
        found.append(random_features(own.tests, weights, activation) @ b - own.truth)
    return device.xp.stack(found)


def products(rest: Array, device: Device) -> Floats:
    """r_k . r_l/m for all pairs of members (member, member)."""
    return device.to_host(rest @ rest.T) / rest.shape[1]


def nested(
    own: Problem, theta: Array, widths: Iterable[int], activation: str, penalty: float, device: Device
) -> Floats:
    """Products of the residuals at several widths (width, member, member): the first rows of each member's weights."""
    return np.array([
        products(residuals(own, theta[:, :width], activation, penalty, device), device) for width in widths
    ])  # fmt: skip


def single(pairs: Floats) -> Any:
    """E_1, from products (..., member, member)."""
    return np.trace(pairs, axis1=-2, axis2=-1) / pairs.shape[-1]


def infinite(pairs: Floats) -> Any:
    """E_inf, from products (..., member, member)."""
    k = pairs.shape[-1]
    return (pairs.sum(axis=(-2, -1)) - np.trace(pairs, axis1=-2, axis2=-1)) / (k * (k - 1))


def average(pairs: Floats, members: int) -> Any:
    """E_K of averages of `members`, over all disjoint groups of so many."""
    groups = pairs.shape[-1] // members
    blocks = [pairs[..., i : i + members, i : i + members] for i in range(0, groups * members, members)]
    return np.mean([b.mean(axis=(-2, -1)) for b in blocks], axis=0)
