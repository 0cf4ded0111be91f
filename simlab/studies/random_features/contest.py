"""One network against two of half its width, each at its best ridge: the control of the memory split."""

from __future__ import annotations

import numpy as np

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.lab.cost import Cost
from simlab.studies.random_features import networks, problem
from simlab.studies.random_features.config import Config

CONTESTS = 4
"""Problems of the contest for each of the scene."""


def budgets(config: Config) -> list[float]:
    """Budgets of one network against two at the best ridge: small ones, where the difference is easy to see."""
    return [b / 4 for b in config.budgets]


def once(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """Risk of one network of width P and of two of width P/2, each at its best ridge, same data (budget, 2)."""
    own = problem.key(config, problem.MEMORY_SPLIT, dimension, replicate + 10**6)
    data = problem.draw(own, round(config.samples * dimension), dimension, config.tests, config.split_noise, device)
    most = round(budgets(config)[-1] * dimension)
    theta = problem.members(own, 2, most, dimension, device)
    rows = []
    for budget in budgets(config):
        risks = []
        for members in (1, 2):
            width = round(budget * dimension / members)
            ridge, _ = best_ridge(config, budget / members, members)
            rest = networks.residuals(data, theta[:members, :width], config.activation, ridge, device)
            risks.append(float(networks.products(rest, device).mean()))
        rows.append(risks)
    return np.array(rows)


def cost(config: Config) -> list[Cost]:
    """Three regressions for each budget, at the larger size."""

    def need(d: int) -> problem.Need:
        n, most = round(config.samples * d), [round(b * d) for b in budgets(config)]
        return networks.need(n, d, config.tests, most, 2)._replace(kept=2 * len(most))

    fields = ("dimension", "samples", "budgets", "tests")
    return problem.cost(config, fields, need, (1,), CONTESTS * config.replicates)


def best_ridge(config: Config, psi1: float, members: int) -> tuple[float, float]:
    """The ridge of least risk for so many networks of this width, and that risk."""
    return problem.best_ridge(float(psi1), config.samples, config.split_noise, config.activation, members)
