"""One network against two of half its width, each at its best ridge: a control for the memory split."""

from __future__ import annotations

from functools import partial

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.cost import Cost
from simlab.lab.lab import Lab
from simlab.studies.random_features import costs, networks, problem, replicates
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block, Part

CONTESTS = 4
"""Problems of this comparison for each problem of the scene."""


def budgets(config: Config) -> list[float]:
    """Budgets of one network against two at the best ridge: small ones, where the difference is easy to see."""
    return [b / 4 for b in config.budgets]


def simulate(config: Config, lab: Lab) -> Floats:
    """Risk of two networks minus that of one (replicate, budget)."""
    (risks,) = replicates.gather(lab, pairs, config, _parts(config), partial(_need, config), "memory split: best ridge")
    return risks[..., 1] - risks[..., 0]


def pairs(config: Config, block: Block, lab: Lab) -> Floats:
    """Risk of one network of width P and of two of width P/2, same data (replicate, budget, 2)."""
    return np.array([_pair(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config) -> Floats:
    """The closed form of the difference (budget)."""
    return np.array([best_ridge(config, p / 2, 2)[1] - best_ridge(config, p, 1)[1] for p in budgets(config)])


def cost(config: Config) -> list[Cost]:
    """Three regressions for each budget, at the larger size."""
    return costs.cost(("dimension", "samples", "budgets", "tests"), _parts(config), partial(_need, config))


def best_ridge(config: Config, psi1: float, members: int) -> tuple[float, float]:
    """The ridge of least risk for an ensemble of `members` networks of this width, and that risk."""
    return problem.best_ridge(float(psi1), config.samples, config.split_noise, config.activation, members)


def _pair(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """One problem (budget, 2)."""
    key, device = lab.key("memory_split", "contest", dimension, replicate), lab.device
    data = problem.draw(key, round(config.samples * dimension), dimension, config.tests, config.split_noise, device)
    theta = problem.members(key, 2, round(budgets(config)[-1] * dimension), dimension, device)
    rows = []
    for budget in budgets(config):
        risks = []
        for members in (1, 2):
            width = round(budget * dimension / members)
            ridge, _ = best_ridge(config, budget / members, members)
            residuals = networks.residuals(data, theta[:members, :width], config.activation, ridge, device)
            risks.append(networks.products(residuals, device).mean())
        rows.append(risks)
    return np.array(rows)


def _parts(config: Config) -> list[Part]:
    return [Part(config.dimension, CONTESTS * config.replicates)]


def _need(config: Config, dimension: int) -> costs.Need:
    n, widths = round(config.samples * dimension), [round(b * dimension) for b in budgets(config)]
    return networks.need(n, dimension, config.tests, widths, 2)._replace(kept=2 * len(widths))
