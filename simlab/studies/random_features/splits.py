"""The best split of a budget P = N K, in theory and from E_1 and E_inf at a grid of widths.

The risk of K networks of width N is E_inf + (E_1 - E_inf)/K, so that every point of the (N, K) plane is known at once,
with K = P/N taken as a real number.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simlab.core.checks import Floats
from simlab.statistics import vertex
from simlab.studies.random_features import replicates
from simlab.studies.random_features.config import Config
from simlab.theory import memory_split as theory_of_split
from simlab.theory import random_features as theory_of

GRID = np.geomspace(0.375, 6.0, 11)
"""Widths N/d."""
REACH = 0.6
"""The best width is the lowest point of the parabola through widths within a factor 1 + REACH of theory's."""


def widths(dimension: int) -> NDArray[np.int64]:
    """Widths for a problem of this dimension."""
    return np.round(GRID * dimension).astype(int)


def theory(config: Config, psi1: ArrayLike, members: ArrayLike) -> Floats:
    """Exact excess risk of ensembles of `members` networks of the widths N = psi1 d."""
    return theory_of.risk(
        psi1, config.samples, config.ensemble_ridge, activation=config.activation, noise=config.split_noise,
        members=members,
    )  # fmt: skip


def one_and_many(config: Config, dimension: int) -> Floats:
    """E_1 and E_inf of theory at the widths of this size (2, width)."""
    return theory(config, widths(dimension) / dimension, np.array([[1], [np.inf]]))


def direct(config: Config, dimension: int) -> Floats:
    """E_K by the closed form itself, not combined from E_1 and E_inf as in the simulation (budget, width)."""
    psi1, budgets = widths(dimension) / dimension, np.array(config.budgets)[:, None]
    return np.where(psi1 <= budgets, theory(config, psi1, np.maximum(budgets / psi1, 1)), np.inf)


def combined(config: Config, dimension: int, risks: Floats) -> Floats:
    """Risk of K = P/N networks for E_1 and E_inf (..., 2, width) -> (..., budget, width); infinite where K < 1."""
    members = np.array(config.budgets)[:, None] / (widths(dimension) / dimension)[None, :]
    one, many = risks[..., 0, None, :], risks[..., 1, None, :]
    return np.where(members >= 1, many + (one - many) / members, np.inf)


def split(config: Config) -> theory_of_split.Split:
    """The best split of every budget in the closed form."""
    return _split(config.budgets, config.samples, config.ensemble_ridge, config.split_noise, config.activation)


@cache
def _split(
    budgets: tuple[float, ...], samples: float, ridge: float, noise: float, activation: str
) -> theory_of_split.Split:
    return theory_of_split.best_split(np.array(budgets), samples, ridge, noise=noise, activation=activation)


def nearest(config: Config) -> list[int]:
    """The index in GRID of the width nearest to the best one, for each budget."""
    return [int(np.abs(np.log(GRID / width)).argmin()) for width in split(config).psi1]


def at_best(config: Config, risks: Floats) -> Floats:
    """The risk at theory's best width (..., budget), from that of every budget and width (..., budget, width)."""
    return risks[..., range(len(config.budgets)), nearest(config)]


def best(config: Config, dimension: int, risks: Floats) -> Floats:
    """Logarithm of N/d of the best split of every budget, from the risk of every budget and width (budget, width)."""
    psi1 = widths(dimension) / dimension
    lowest = []
    for risk, centre in zip(risks, split(config).psi1, strict=True):
        window = replicates.near(psi1, centre, REACH)
        lowest.append(vertex(np.log(psi1[window]), np.log(risk[window]), top=False))
    return np.array(lowest)


def growth(config: Config, best: Floats) -> Floats:
    """Exponent of the budget in the best number of members, K = P/N."""
    return exponent(config, np.array(config.budgets) / np.exp(best))


def exponent(config: Config, values: Floats) -> Floats:
    """Exponent of the budget in a positive quantity (budget)."""
    return np.asarray(np.polyfit(np.log(config.budgets), np.log(values), 1)[0])
