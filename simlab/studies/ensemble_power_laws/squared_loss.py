"""Scene 6, what the linear theory already has: networks by their Brier score beside random features in closed form.

For any squared loss E_n = E_inf + (E_1 - E_inf)/n is exact. Random features have it, and in closed form (Mei &
Montanari 2022) a spread E_1 - E_inf that peaks at interpolation while E_inf does not, and a best split with more
members for larger budgets. They have no temperature, and so no exponent below 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.ensembles import best_split
from simlab.progress import Progress
from simlab.quantities import given, measured, predicted
from simlab.statistics import chi_square, joint_mean, mean
from simlab.studies.ensemble_power_laws import curves, memory_split, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.theory import memory_split as split_of
from simlab.theory import random_features as theory_of

PANELS = 3
SAMPLES, RIDGE, NOISE = 3.0, 1e-3, 1.0
"""Of the random features: n/d, the ridge, and the deviation of the labels' noise: those of `random_features`."""
RATIOS = np.geomspace(0.1, 10, 41)
"""Widths over that of interpolation."""
LEAST, MOST = 1.0, 32.0
"""Budgets of random features, over that of one network at interpolation."""
SOURCE = "talk, Memory split effect; Mei & Montanari 2022; Jacot et al. 2020"
check = memory_split.check


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Brier scores of ensembles beside the law of other members, their spread and limit, and the best split."""
    own, n = pool.teachers(config, device, progress), pool.half_sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    found |= given("members", "members", n, "members n of an ensemble")
    c, b = own.brier_law[..., 0], own.brier_law[..., 1]
    found |= measured("brier", ("width", "members"), mean(own.brier), "Brier score")
    found |= measured("infinite", "width", mean(c), "Brier score E_inf of infinitely many")
    found |= measured("spread", "width", mean(b), "what one network adds, E_1 - E_inf")
    low, peak, wide = at = curves.ends(config, own)
    gap = (own.brier - (c[..., None] + b[..., None] / n))[:, at]  # (teacher, end, members)
    joint = np.stack([joint_mean(gap[:, k]).covariance for k in range(len(at))])
    found |= measured("gap", ("end", "members"), mean(gap), "E_n less its law")
    found |= given("gap_covariance", ("end", "members", "members_"), joint, "covariance of the errors of these means")
    found |= measured("over_narrow", (), mean(b[:, peak] - b[:, low]), "spread at the peak less at half its width")
    found |= measured("over_wide", (), mean(b[:, peak] - b[:, wide]), "spread at the peak less at the largest width")
    found |= measured("fall", (), mean(c[:, low] - c[:, peak]), "fall of E_inf to the interpolation width")
    p, sizes, budgets = pool.parameters(config.widths), pool.sizes(config), np.array(config.budgets)
    every = c[..., None] + b[..., None] / sizes  # exact, and so free of the noise of sampled groups
    slope = mean(curves.growth(p, sizes, every, budgets))
    found |= measured("growth", (), slope, "exponent of the budget in the best number of members")
    found |= given("budget", "budget", budgets, "trained numbers of all members together")
    split = mean(np.log(best_split(p, sizes, every, budgets).members))
    found |= measured("split", "budget", split, "log of the best number of members")
    found |= given("ratio", "place", RATIOS, "width over that of interpolation")
    for name, members in (("one", 1), ("many", np.inf)):
        risk = theory_of.risk(SAMPLES * RATIOS, SAMPLES, RIDGE, noise=NOISE, members=members)
        found |= given(f"features_{name}", "place", risk, f"excess risk of random features, {name}")
    dense = np.geomspace(LEAST, MOST, 40) * SAMPLES
    theirs = split_of.best_split(dense, SAMPLES, RIDGE, noise=NOISE).members
    growth = float(np.polyfit(np.log(dense), np.log(theirs), 1)[0])
    found |= given("features_growth", (), growth, f"growth of random features, over {LEAST:g} to {MOST:g} of n")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The law of other members."""
    n = simulation["members"].values
    law = simulation.infinite.values[:, None] + simulation.spread.values[:, None] / n
    return xr.Dataset(predicted("brier", ("width", "members"), law, "Brier score"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The exact law at three widths, and three features that networks share with random features."""
    many = config.teachers
    claims = [
        Claim.chi_square(
            f"squared_loss/exact-{name}",
            f"At {text} the Brier score is E_inf + (E_1 - E_inf)/n of other members, at every n.", SOURCE,
            *chi_square(data.gap.values[k], data.gap_covariance.values[k], many),
        )
        for k, (name, text) in enumerate(curves.NAMES.items())
    ]  # fmt: skip
    told = {
        "spread-over-narrow": ("over_narrow", "What one network adds is more at the interpolation width than at half."),
        "spread-over-wide": ("over_wide", "It is more there than at the largest width."),
        "limit-falls": ("fall", "What infinitely many leave falls up to the interpolation width: averaging takes the "
                        "peak away."),
        "more-members": ("growth", "Larger budgets want more members, as those of random features with too little "
                         f"ridge do (growth {float(data.features_growth):.2f} there)."),
    }  # fmt: skip
    return claims + [
        curves.there(f"squared_loss/{name}", text, SOURCE, curves.far(data, q), many)
        for name, (q, text) in told.items()
    ]


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """One and infinitely many: networks on the left, random features on the right."""
    networks, linear, split = axes
    ratio = data["width"] / config.widths[curves.places(data).peak]
    look.points(networks, ratio, data.infinite + data.spread, data.brier_se[:, 0], "one network", color=1)
    look.points(networks, ratio, data.infinite, data.infinite_se, "infinitely many", color=0)
    networks.set(title="Networks: Brier score", ylabel="Brier score")
    look.line(linear, data.ratio, data.features_one, "one network", color=1)
    look.line(linear, data.ratio, data.features_many, "infinitely many", color=0)
    linear.set(yscale="log", title="Random features: closed form", ylabel="excess risk")
    for panel in (networks, linear):
        panel.axvline(1, color="0.8", lw=0.9, zorder=0)
        panel.set(xscale="log", xlabel="width over that of interpolation")
    unit = pool.parameters(config.widths)[curves.places(data).peak]
    members = np.exp(data.split)
    look.points(split, data["budget"] / unit, members, members * data.split_se, "networks, Brier score", color=1)
    dense = np.geomspace(LEAST, MOST, 40)
    theirs = split_of.best_split(dense * SAMPLES, SAMPLES, RIDGE, noise=NOISE).members
    look.line(split, dense, theirs, "random features, closed form", color=0)
    split.set(xscale="log", yscale="log", title="Both want more members", ylabel="best n",
              xlabel="budget over one network\nat interpolation")  # fmt: skip
