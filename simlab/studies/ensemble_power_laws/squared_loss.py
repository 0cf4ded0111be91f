"""Scene 6, what the linear theory already has: networks by their Brier score beside random features in closed form.

For any squared loss E_n = E_inf + (E_1 - E_inf)/n is exact. Random features have it, and in closed form (Mei &
Montanari 2022) a spread E_1 - E_inf that peaks at interpolation while E_inf does not, and a best split with more
members for larger budgets. They have no temperature, and so no exponent below 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.ensembles import best_split
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.quantities import given, measured, predicted
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
ENDS = [0, -1]
"""Sizes of which the law is tested: more of them share their members, and cost power."""
SOURCE = "talk, Memory split effect; Mei & Montanari 2022; Jacot et al. 2020"
check, cost = memory_split.check, memory_split.cost


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Brier scores of ensembles less the law of other members, their spread and limit, and the best split."""
    own, n = pool.teachers(config, device, progress), pool.half_sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    found |= given("members", "members", n, "members n of an ensemble")
    c, b = own.brier_law[..., 0], own.brier_law[..., 1]
    found |= measured("infinite", "width", mean(c), "Brier score E_inf of infinitely many")
    found |= measured("one", "width", mean(c + b), "Brier score E_1 of one network")
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
    found |= given("budget", "budget", budgets, "trained numbers of all members together")
    found |= given("parameters", "width", p, "trained numbers of one network")
    shift = mean(curves.shift(p, sizes, every, budgets))
    found |= measured("shift", "part", shift, "what many members cost the least budget, and few the largest")
    split = mean(np.log(best_split(p, sizes, every, budgets).members))
    found |= measured("split", "budget", split, "log of the best number of members")
    found |= given("ratio", "place", RATIOS, "width over that of interpolation")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """E_n is its law; random features in closed form."""
    found = predicted("gap", (), 0.0, "E_n less its law")
    for name, members in (("one", 1), ("many", np.inf)):
        risk = theory_of.risk(SAMPLES * RATIOS, SAMPLES, RIDGE, noise=NOISE, members=members)
        found |= given(f"features_{name}", "place", risk, f"excess risk of random features, {name}")
    there = SAMPLES * simulation["width"].values[list(curves.at(simulation))]
    there = there / simulation["width"].values[curves.at(simulation).peak]
    limit, one = (theory_of.risk(there, SAMPLES, RIDGE, noise=NOISE, members=members) for members in (np.inf, 1))
    found |= given("features_spread", "end", one - limit, "what one network of random features adds")
    return xr.Dataset(found | given("features_limit", "end", limit, "risk of infinitely many random features"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The exact law at three widths, and what networks share with random features and what they do not."""
    many, last = config.teachers, int(data["members"][-1])
    claims = [
        Claim.chi_square(
            f"squared_loss/exact-{name}",
            f"At {text} the Brier score of one network and of {last} is E_inf + (E_1 - E_inf)/n of other members.",
            SOURCE, *chi_square(data.gap.values[k][ENDS], data.gap_covariance.values[k][np.ix_(ENDS, ENDS)], many),
        )
        for k, (name, text) in enumerate(curves.NAMES.items())
    ]  # fmt: skip
    narrow, peak, wide = data.features_spread.values
    low, top = data.features_limit.values[:2]
    # Nothing is known of a feature that the closed form has not as stated.
    told = {
        "spread-over-narrow": ("over_narrow", peak > narrow, "What one network adds is more at the "
                               "interpolation width than at half, as with random features."),
        "spread-over-wide": ("over_wide", peak > wide, "It is more there than at the largest width, as with "
                             "random features."),
        "limit-falls": ("fall", top > low, "What infinitely many leave falls up to the interpolation width; "
                        f"of random features it does not ({low:.2f} to {top:.2f})."),
    }  # fmt: skip
    return [
        *claims,
        *(
            curves.there(f"squared_loss/{name}", text, SOURCE, curves.far(data, q) if so else 0.0, many)
            for name, (q, so, text) in told.items()
        ),
        curves.more("squared_loss/more-members", data, "By the Brier score, too, larger budgets", SOURCE, many),
    ]


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """One and infinitely many: networks on the left, random features on the right."""
    networks, linear, split = axes
    ratio = data["width"] / config.widths[curves.at(data).peak]
    look.points(networks, ratio, data.one, data.one_se, "one network", color=1)
    look.points(networks, ratio, data.infinite, data.infinite_se, "infinitely many", color=0)
    networks.set(title="Networks: Brier score", ylabel="Brier score")
    look.line(linear, data.ratio, data.features_one, "one network", color=1)
    look.line(linear, data.ratio, data.features_many, "infinitely many", color=0)
    linear.set(yscale="log", title="Random features: closed form", ylabel="excess risk")
    for panel in (networks, linear):
        panel.axvline(1, color="0.8", lw=0.9, zorder=0)
        panel.set(xscale="log", xlabel="width over that of interpolation")
    unit = pool.parameters(config.widths)[curves.at(data).peak]
    members = np.exp(data.split)
    look.points(split, data["budget"] / unit, members, members * data.split_se, "networks, Brier score", color=1)
    dense = np.geomspace(LEAST, MOST, 40)
    theirs = split_of.best_split(dense * SAMPLES, SAMPLES, RIDGE, noise=NOISE).members
    look.line(split, dense, theirs, "random features, closed form", color=0)
    split.set(xscale="log", yscale="log", title="Both want more members", ylabel="best n",
              xlabel="budget over one network\nat interpolation")  # fmt: skip
