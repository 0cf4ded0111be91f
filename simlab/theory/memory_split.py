"""How to divide a budget of parameters between the width of networks and their number: random features, in closed form.

With E_K = E_inf + (E_1 - E_inf)/K and a budget P = N K (in units of d: P/d = psi1 K) the risk of width psi1 is
E_inf(psi1) + (E_1(psi1) - E_inf(psi1)) psi1/P, with K taken as a real number of at least 1. Exact in the limit of
`random_features`; the minimum over psi1 is found on a grid and refined by golden sections.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import Floats, number, numbers, shown
from simlab.theory import random_features
from simlab.theory.arguments import GREATEST, size, sizes, together

GRID, NARROWEST = 2000, 0.02
"""Widths tried before refining, and the smallest psi1."""


class Split(NamedTuple):
    """For each budget the best psi1 = N/d, the best number of members and the risk: the lower envelope."""

    budget: Floats
    psi1: Floats
    members: Floats
    risk: Floats


def split_risk(psi1: Any, budget: Any, psi2: Any, ridge: Any, **model: Any) -> Floats:
    """Risk of budget/psi1 members of width psi1; infinite where the budget does not pay for one of them.

    The arguments broadcast; `model` is passed on to `random_features.risk` (activation, noise, ...). ValueError names
    an argument that makes no sense.
    """
    psi1, budget = together(psi1=sizes("psi1", psi1), budget=sizes("budget", budget))
    found = random_features.risk(psi1, psi2, ridge, members=np.maximum(budget / psi1, 1.0), **model)
    return np.where(psi1 <= budget * (1 + 1e-12), found, np.inf)


def best_split(budget: Any, psi2: float, ridge: float, **model: Any) -> Split:
    """The best split of each budget; `model` is passed on to `random_features.risk` (activation, noise, ...).

    budget: total parameters over d, above 0.02, a number or a row of them. Where two widths are best for different
    budgets the best one jumps. ValueError names an argument that makes no sense; all but budget are single numbers.
    """
    budget = np.atleast_1d(numbers("budget", budget, above=NARROWEST, at_most=GREATEST))
    if budget.ndim > 1 or not budget.size:
        raise ValueError(f"budget must be a number or a row of numbers, got shape {budget.shape}.")
    psi2, ridge = size("psi2", psi2), number("ridge", ridge, at_least=0, at_most=GREATEST)
    for name in set(model) & {"signal", "nonlinear", "noise"}:
        number(name, model[name], at_least=0, at_most=GREATEST)
    shares = np.geomspace(1, NARROWEST / budget.max(), GRID)
    widths = budget[:, None] * shares
    widths = np.maximum(widths, NARROWEST)
    risks = split_risk(widths, budget[:, None], psi2, ridge, **model)
    best = risks.argmin(axis=1)
    rows = np.arange(len(budget))
    low = widths[rows, np.minimum(best + 1, GRID - 1)]
    high = widths[rows, np.maximum(best - 1, 0)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(80):
        left, right = high - golden * (high - low), low + golden * (high - low)
        better = split_risk(left, budget, psi2, ridge, **model) < split_risk(right, budget, psi2, ridge, **model)
        low, high = np.where(better, low, left), np.where(better, right, high)
    middle = np.minimum((low + high) / 2, budget)
    refined = split_risk(middle, budget, psi2, ridge, **model)
    single = split_risk(budget, budget, psi2, ridge, **model)  # the whole budget in one network: an end of the range
    whole = single <= refined * (1 + 1e-13)  # the search comes close to that end and never reaches it
    middle = np.where(whole, budget, middle)
    return Split(budget, middle, budget / middle, np.where(whole, single, refined))


def local_exponent(split: Any, floor: float = 0.0) -> Floats:
    """-d ln(risk - floor)/d ln(budget): the exponent of the envelope at each budget, by central differences.

    ValueError unless split is what `best_split` gives for two or more rising budgets, and floor is below all its risks.
    """
    if not (isinstance(split, Split) and len(split.budget) > 1 and (np.diff(split.budget) > 0).all()):
        raise ValueError(f"split must be a Split of two or more budgets that rise, got {shown(split)}.")
    floor = number("floor", floor, below=float(split.risk.min()))
    return -np.gradient(np.log(split.risk - floor), np.log(split.budget))
