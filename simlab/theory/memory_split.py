"""How to divide a budget of parameters between the width of networks and their number: random features, in closed form.

With E_K = E_inf + (E_1 - E_inf)/K and a budget P = N K (in units of d: P/d = psi1 K) the risk of width psi1 is
E_inf(psi1) + (E_1(psi1) - E_inf(psi1)) psi1/P, with K taken as a real number of at least 1. Exact in the limit of
`random_features`; the minimum over psi1 is found on a grid and refined by golden sections.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.theory import random_features

Floats = NDArray[np.float64]
GRID, NARROWEST = 2000, 0.02
"""Widths tried before refining, and the smallest psi1."""


class Split(NamedTuple):
    """For each budget the best psi1 = N/d, the best number of members and the risk: the lower envelope."""

    budget: Floats
    psi1: Floats
    members: Floats
    risk: Floats


def split_risk(psi1: Any, budget: Any, psi2: float, ridge: float, **model: Any) -> Floats:
    """Risk of budget/psi1 members of width psi1; infinite where the budget does not pay for one of them."""
    psi1, budget = np.broadcast_arrays(np.asarray(psi1, float), np.asarray(budget, float))
    found = random_features.risk(psi1, psi2, ridge, members=np.maximum(budget / psi1, 1.0), **model)
    return np.where(psi1 <= budget * (1 + 1e-12), found, np.inf)


def best_split(budget: Any, psi2: float, ridge: float, **model: Any) -> Split:
    """The best split of each budget; `model` is passed on to `random_features.risk` (activation, noise, ...).

    budget: total parameters over d (any array). Where two widths are best for different budgets the best one jumps.
    """
    budget = np.atleast_1d(np.asarray(budget, float))
    if not (np.isfinite(budget) & (budget > NARROWEST)).all():
        raise ValueError(f"budget must be finite and above {NARROWEST} (in parameters over d).")
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


def local_exponent(split: Split, floor: float = 0.0) -> Floats:
    """-d ln(risk - floor)/d ln(budget): the exponent of the envelope at each budget, by central differences."""
    return -np.gradient(np.log(split.risk - floor), np.log(split.budget))
