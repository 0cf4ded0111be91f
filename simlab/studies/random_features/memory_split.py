"""Scene 5, the talk's "Memory split": a budget of P = N K parameters, as one wide network or several narrow ones.

Simulation gives E_1 and E_inf at every width; the risk of K networks of width N is E_inf + (E_1 - E_inf)/K (scene 4),
so that every point of the (N, K) plane is measured at once, with K = P/N taken as a real number.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.statistics import chi_square, jackknife, joint_mean, mean
from simlab.studies.random_features import contest, networks, problem
from simlab.studies.random_features.config import Config
from simlab.theory import memory_split as split_of
from simlab.theory import random_features as theory_of

PANELS = 2
GRID = np.geomspace(0.375, 6.0, 11)
"""Widths N/d."""
MEMBERS, RANGES = 4, 4
REACH = 0.6
"""The best width is the lowest point of the parabola through widths within a factor 1 + REACH of theory's."""
SOURCE = "talk, Memory split effect and Optimal split prediction"


def check(config: Config) -> None:
    """Refuse budgets whose best split is one network, or is off the widths that are simulated."""
    if len(set(config.budgets)) < len(config.budgets) or list(config.budgets) != sorted(config.budgets):
        raise InputError("budgets: they must rise, each of them once.")
    for budget, width in zip(config.budgets, _split(config).psi1, strict=True):
        low, high = GRID[1], min(GRID[-2], budget / (1 + REACH))
        if not low < width < high:
            raise InputError(
                f"budgets: at {budget:g} with ensemble_ridge = {config.ensemble_ridge:g} and split_noise = "
                f"{config.split_noise:g} theory's best width is {width:.3g} d, and this scene needs it between "
                f"{low:.2g} d and {high:.2g} d; take a smaller ridge, more noise or another budget."
            )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A regression for every member and width of every problem, and the contest at the best ridge."""

    def need(dimension: int) -> problem.Need:
        n = round(config.samples * dimension)
        return networks.need(n, dimension, config.tests, widths(dimension), MEMBERS)._replace(kept=2 * len(GRID))

    return problem.cost(config, ("dimension", "samples", "tests"), need) + contest.cost(config)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """E_1 and E_inf at every width, the best split of each budget, and one against two networks at the best ridge."""
    both = problem.at_all_sizes(
        config, progress, "memory split: small ridge", lambda d, r: _risks(config, d, r, device)
    )  # (replicate, 2, width)
    budgets, dimensions = np.array(config.budgets), problem.sizes(config)
    found: dict[str, Any] = given("budget", "budget", budgets, "budget N K over d")
    found |= given("width", "width", widths(config.dimension), "number of features N")
    found |= measured("single", "width", mean(both[-1][:, 0]), "excess risk E_1 of one network")
    found |= measured("infinite", "width", mean(both[-1][:, 1]), "excess risk E_inf of infinitely many")
    ratios = [s / _reference(config, d) - 1 for d, s in zip(dimensions, both, strict=True)]
    parts = problem.limit(*(problem.ranges(r, RANGES).reshape(len(r), -1) for r in ratios))
    found |= measured_jointly("parts", "part", parts, "E_1 and E_inf over theory, less 1")
    best = [jackknife(s, partial(_best, config, d)) for d, s in zip(dimensions, both, strict=True)]
    found |= measured("best", "budget", problem.at_infinity(*best), "log of the best N/d, for d -> infinity")
    growth = [jackknife(s, partial(_growth_of, config, d)) for d, s in zip(dimensions, both, strict=True)]
    found |= measured(
        "growth", (), problem.at_infinity(*growth), "exponent of the budget in the best number of members"
    )
    at = _nearest(config)
    envelope = [_risk(v, d, budgets)[:, range(len(at)), at] for d, v in zip(dimensions, both, strict=True)]
    found |= measured("envelope", "budget", mean(envelope[-1]), "excess risk at the best split")
    theirs = [_risk(_reference(config, d), d, budgets)[range(len(at)), at] for d in dimensions]
    joint = problem.limit(*(e / t - 1 for e, t in zip(envelope, theirs, strict=True)))
    found |= measured_jointly("limit", "budget", joint, "risk at the best split over theory, less 1")
    slopes = [jackknife(e, lambda v: np.polyfit(np.log(budgets), np.log(v), 1)[0]) for e in envelope]
    found |= measured(
        "exponent", (), problem.at_infinity(*slopes), "exponent of the budget in the risk of the best split"
    )
    (pairs,) = problem.at_all_sizes(
        config,
        progress,
        "memory split: best ridge",
        lambda d, r: contest.once(config, d, r, device),
        (1,),
        contest.CONTESTS * config.replicates,
    )
    found |= given("contest", "contest", contest.budgets(config), "budget of the contest, over d")
    gain = joint_mean(pairs[:, :, 1] - pairs[:, :, 0])
    found |= measured_jointly("gain", "contest", gain, "risk of two networks less that of one")
    found |= measured("total", (), mean((pairs[:, :, 1] - pairs[:, :, 0]).sum(axis=1)), "the same, over all budgets")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The closed form at the same widths and splits."""
    d, budgets = config.dimension, np.array(config.budgets)
    reference = _reference(config, d)
    every = [_direct(config, size) for size in problem.sizes(config)]
    risks = every[1]
    at = _nearest(config)
    lowest = [_lowest(config, size, r) for size, r in zip(problem.sizes(config), every, strict=True)]
    best = problem.extrapolated(*lowest)
    envelope = risks[range(len(at)), at]
    found: dict[str, Any] = predicted("single", "width", reference[0], "excess risk E_1 of one network")
    found |= predicted("infinite", "width", reference[1], "excess risk E_inf of infinitely many")
    found |= predicted("parts", "part", np.zeros(2 * RANGES), "E_1 and E_inf over theory, less 1")
    found |= predicted("best", "budget", best, "log of the best N/d")
    found |= predicted("growth", (), float(_growth(config, best)), "exponent of the budget in the best K")
    found |= predicted("envelope", "budget", envelope, "excess risk at the best split")
    found |= predicted("limit", "budget", np.zeros(len(at)), "risk at the best split over theory, less 1")
    slope = float(np.polyfit(np.log(budgets), np.log(envelope), 1)[0])
    found |= predicted("exponent", (), slope, "exponent of the budget in the risk of the best split")
    gain = [
        contest.best_ridge(config, p / 2, 2)[1] - contest.best_ridge(config, p, 1)[1] for p in contest.budgets(config)
    ]
    found |= predicted("gain", "contest", gain, "risk of two networks less that of one")
    found |= predicted("total", (), sum(gain), "the same, over all budgets")
    found |= given("split_width", "budget", _split(config).psi1, "best N/d of the closed form")
    found |= given("split_members", "budget", _split(config).members, "best K of the closed form")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The best split of every budget, how it moves, the envelope, and one network at the best ridge."""
    claims = [
        Claim.equals(
            f"memory_split/best-{p:g}",
            f"Budget {p:g} d: the best number of members is that of the closed form, K = {p / np.exp(b):.3g}.", SOURCE,
            float(data.best[i]), float(data.best_theory[i]), float(data.best_se[i]), resolution=0.7,
        )
        for i, (p, b) in enumerate(zip(data["budget"].values, data.best_theory.values, strict=True))
    ]  # fmt: skip
    joint = chi_square(data["limit"].values, data["limit_covariance"].values, config.replicates)
    low, high = contest.budgets(config)[0], contest.budgets(config)[-1]
    parts = chi_square(data["parts"].values, data["parts_covariance"].values, config.replicates)
    claims += [
        Claim.chi_square(
            "memory_split/one-and-many", "One network and infinitely many have theory's risk at all widths as d grows.",
            SOURCE, *parts,
        ),
        Claim.exceeds(
            "memory_split/more-members", "With too little ridge larger budgets want more members.", SOURCE,
            float(data.growth) / float(data.growth_se), sigmas=6,
        ),
        Claim.equals(
            "memory_split/growth", "The best number of members grows with the budget as theory says.", SOURCE,
            float(data.growth), float(data.growth_theory), float(data.growth_se), resolution=0.5,
        ),
        Claim.chi_square(
            "memory_split/envelope", "The risk of the best split is that of theory for every budget as d grows.",
            SOURCE, *joint,
        ),
        Claim.equals(
            "memory_split/envelope-exponent",
            f"Over these budgets the envelope falls as P^{float(data.exponent_theory):.2f}.", SOURCE,
            float(data.exponent), float(data.exponent_theory), float(data.exponent_se), resolution=0.2,
        ),
        Claim.exceeds(
            "memory_split/one-at-the-best-ridge",
            f"At budgets of {low:g} to {high:g} d, each at its best ridge, one network beats two.", SOURCE,
            float(data.total) / float(data.total_se), sigmas=5,
        ),
        Claim.chi_square(
            "memory_split/gain-of-one", "By as much as the closed form says, budget by budget.", SOURCE,
            *chi_square(data["gain"].values - data["gain_theory"].values, data["gain_covariance"].values,
                        contest.CONTESTS * config.replicates),
        ),
    ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The (N, K) map of theory with iso-budget lines and best splits; best K against the budget."""
    plane, members = axes
    psi1, k = np.geomspace(0.3, 8, 80), np.geomspace(1, 64, 80)
    risk = _theory(config, psi1[None, :], members=k[:, None])
    shades = plane.contourf(psi1, k, np.log10(risk), levels=24, cmap="viridis_r")
    shades.set_edgecolor("face")
    width = np.exp(data.best.values)
    for budget in data["budget"].values:
        line = psi1[(budget / psi1 >= 1) & (budget / psi1 <= 64)]
        plane.plot(line, budget / line, "--", color="white", lw=0.9)
    plane.plot([], [], "--", color="0.6", lw=0.9, label="equal budgets N K (white)")
    plane.plot(data.split_width, data.split_members, "-", color="0.1", label="closed form")
    look.points(
        plane, width, data["budget"] / width, data["budget"] / width * data.best_se.values, "best split", color=1
    )
    plane.set(xscale="log", yscale="log", title="Memory split: log10 of the risk", xlabel="N/d", ylabel="members K")
    plane.set_xlim(0.3, 8)
    plane.set_ylim(1, 64)
    value = data["budget"] / width
    look.points(members, data["budget"], value, value * data.best_se.values, "too little ridge", color=1)
    dense = np.geomspace(config.budgets[0], config.budgets[-1], 40)
    theirs = split_of.best_split(dense, config.samples, config.ensemble_ridge, noise=config.split_noise,
                                 activation=config.activation)  # fmt: skip
    look.line(members, dense, theirs.members, "closed form", color=1)
    look.line(members, dense, np.ones(40), "best ridge: one network (theory)", color=2)
    members.set(
        xscale="log", yscale="log", title="Larger budgets want more members", xlabel="budget N K/d", ylabel="best K"
    )


def widths(dimension: int) -> Any:
    """Widths of this size of the problem."""
    return np.round(GRID * dimension).astype(int)


def _theory(config: Config, psi1: Any, members: Any) -> Floats:
    return theory_of.risk(
        psi1, config.samples, config.ensemble_ridge, activation=config.activation, noise=config.split_noise,
        members=members,
    )  # fmt: skip


def _reference(config: Config, dimension: int) -> Floats:
    """E_1 and E_inf of theory at the widths of this size (2, width)."""
    return _theory(config, widths(dimension) / dimension, np.array([[1], [np.inf]]))


def _direct(config: Config, dimension: int) -> Floats:
    """E_K of the closed form itself, not put together from E_1 and E_inf as the simulation's is (budget, width)."""
    psi1, budgets = widths(dimension) / dimension, np.array(config.budgets)[:, None]
    return np.where(psi1 <= budgets, _theory(config, psi1, np.maximum(budgets / psi1, 1)), np.inf)


@cache
def _split_of(
    budgets: tuple[float, ...], samples: float, ridge: float, noise: float, activation: str
) -> split_of.Split:
    return split_of.best_split(np.array(budgets), samples, ridge, noise=noise, activation=activation)


def _split(config: Config) -> split_of.Split:
    return _split_of(config.budgets, config.samples, config.ensemble_ridge, config.split_noise, config.activation)


def _nearest(config: Config) -> list[int]:
    """The place in GRID that is nearest to the best width of each budget."""
    return [int(np.abs(np.log(GRID / width)).argmin()) for width in _split(config).psi1]


def _risk(both: Floats, dimension: int, budgets: Floats) -> Floats:
    """Risk of K = P/N networks for E_1 and E_inf (..., 2, width) -> (..., budget, width); infinite where K < 1."""
    members = budgets[:, None] / (widths(dimension) / dimension)[None, :]
    one, many = both[..., 0, None, :], both[..., 1, None, :]
    return np.where(members >= 1, many + (one - many) / members, np.inf)


def _best(config: Config, dimension: int, both: Floats) -> Floats:
    """Logarithm of N/d of the best split of every budget: the lowest point of a parabola near theory's (budget)."""
    return _lowest(config, dimension, _risk(both, dimension, np.array(config.budgets)))


def _lowest(config: Config, dimension: int, risks: Floats) -> Floats:
    """The same, from the risk of every budget and width (budget, width)."""
    own = widths(dimension) / dimension
    found = []
    for risk, centre in zip(risks, _split(config).psi1, strict=True):
        window = problem.near(own, centre, REACH)
        found.append(problem.summit(np.log(own[window]), np.log(risk[window]), top=False))
    return np.array(found)


def _growth(config: Config, best: Floats) -> Floats:
    """Exponent of the budget in the best number of members, K = P/N."""
    logs = np.log(config.budgets)
    return np.asarray(np.polyfit(logs, logs - best, 1)[0])


def _growth_of(config: Config, dimension: int, both: Floats) -> Floats:
    return _growth(config, _best(config, dimension, both))


def _risks(config: Config, dimension: int, replicate: int, device: Device) -> Floats:
    """E_1 and E_inf at every width (2, width)."""
    own = problem.key(config, problem.MEMORY_SPLIT, dimension, replicate)
    every = widths(dimension)
    data = problem.draw(own, round(config.samples * dimension), dimension, config.tests, config.split_noise, device)
    theta = problem.members(own, MEMBERS, int(every[-1]), dimension, device)
    pairs = networks.nested(data, theta, every, config.activation, config.ensemble_ridge, device)
    return np.array([networks.single(pairs), networks.infinite(pairs)])
