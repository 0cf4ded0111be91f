"""Splits of a budget of parameters: the one that other replicates choose, its gain, and its change with the budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.ensembles import best_split
from simlab.lab.scene import Claim, Measured
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.training import parameters as parameters_of

EXTREMES = ["many members of the least budget", "few members of the largest budget"]
"""In the order of `shift`."""


def leave_one_out(losses: Floats) -> Floats:
    """Leave-one-out means (replicate, ...): a choice made with one is independent of the replicate that scores it."""
    return (losses.sum(axis=0) - losses) / (len(losses) - 1)


def chosen(parameters: NDArray[np.int64], n: NDArray[np.int64], losses: Floats, budgets: Floats) -> Floats:
    """Loss (replicate, budget) of the split that all other replicates find best; losses (replicate, width, size)."""
    of_widths = best_split(parameters, n, losses, budgets).losses
    width = best_split(parameters, n, leave_one_out(losses), budgets).width
    return np.take_along_axis(of_widths, width[..., None], axis=-1)[..., 0]


def gain(parameters: NDArray[np.int64], n: NDArray[np.int64], losses: Floats) -> Floats:
    """Loss of one network of the largest width minus that of the split of its budget that other replicates choose."""
    loss = chosen(parameters, n, losses, parameters[-1:].astype(float))
    return losses[:, -1, 0] - loss[:, 0]


def shift(parameters: NDArray[np.int64], n: NDArray[np.int64], losses: Floats, budgets: Floats) -> Floats:
    """Excess loss of many members at the smallest budget, and of few at the largest (replicate, 2).

    Many: those of the narrowest networks, over the best split. Few: the smallest number at the largest budget that is
    not below the first one, over the best split among larger numbers. Where both are positive the best number of
    members grows with the budget, whichever widths are available.
    """
    few, costs = fewest(parameters, budgets), []
    for budget, place, last in ((budgets[0], 0, len(parameters)), (budgets[-1], few, few + 1)):
        part = parameters[:last], n, losses[:, :last], np.array([budget])
        costs.append(best_split(*part).losses[:, 0, place] - chosen(*part)[:, 0])
    return np.stack(costs, axis=1)


def fewest(parameters: NDArray[np.int64], budgets: Sequence[float] | Floats) -> int:
    """Index of the widest networks of which the largest budget buys as many as the smallest buys of the narrowest."""
    return int(np.flatnonzero(budgets[-1] / parameters >= budgets[0] / parameters[0])[-1])


def want_more(shift: Measured, config: Config, subject: str) -> Claim:
    """The claim that larger budgets need more members: both parts of `shift` are positive."""
    p, budgets = parameters_of(config.widths), config.budgets
    many, few = budgets[0] / p[0], budgets[-1] / p[fewest(p, budgets)]
    statement = (
        f"{subject} a larger budget of parameters is best spent on more networks: {many:.1f} are too many for "
        f"{budgets[0]:g} parameters in all, and {few:.1f} too few for {budgets[-1]:g}."
    )
    return shift.weakest().exceeds("more-members", statement, sigmas=4, samples=config.teachers)
