"""One network against two of half its width, each at its best ridge: the control of the memory split."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.optimize import minimize_scalar

from simlab.device import Device
from simlab.studies.random_features import networks, problem
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.problem import Floats
from simlab.theory import random_features as theory_of


def budgets(config: Config) -> list[float]:
    """Budgets of one network against two at the best ridge: small ones, where the difference is easy to see."""
    return [b / 4 for b in config.budgets]


def once(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """Risk of one network of width P and of two of width P/2, each at its best ridge, same data (budget, 2)."""
    own = problem.key(config, problem.MEMORY_SPLIT, dimension, replicate + 10**6)
    data = problem.draw(own, round(config.samples * dimension), dimension, config.tests, config.split_noise, device)
    most = round(budgets(config)[-1] * dimension)
    theta = device.xp.stack([problem.weights(own, most, dimension, device, k) for k in range(2)])
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


def best_ridge(config: Config, psi1: float, members: int) -> tuple[float, float]:
    """The ridge of least risk for so many networks of this width, and that risk."""
    return best_ridge_of(float(psi1), members, config.samples, config.split_noise, config.activation)


@cache
def best_ridge_of(psi1: float, members: int, samples: float, noise: float, activation: str) -> tuple[float, float]:
    """The same, remembered: the ridge and the risk of so many members at this psi1."""

    def risk(log: float) -> float:
        return float(theory_of.risk(psi1, samples, np.exp(log), activation=activation, noise=noise, members=members))

    found = minimize_scalar(risk, bounds=(np.log(1e-6), np.log(1e4)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)
