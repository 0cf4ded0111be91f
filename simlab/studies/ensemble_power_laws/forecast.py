"""Scene 5, the talk's "Optimal split prediction": laws of small ensembles foretell large ones and the best split.

A forecast sees ensembles of at most `cheap` members. Splits of budgets are foretold from those of the narrower half of
the widths, and judged by all networks at budgets that no such ensemble fills.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.ensembles import best_split, predict_split
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.quantities import given, measured, predicted
from simlab.statistics import fit_power_law, jackknife, mean, power_laws
from simlab.studies.ensemble_power_laws import curves, memory_split, pool
from simlab.studies.ensemble_power_laws.config import Config

PANELS = 1
WORTH = 0.5
"""The share of what a width at random costs that a forecast may cost and still be of use."""
LEVEL, LOST = 0.95, 0.1
"""Of the intervals of forecasts, and what they may miss it by: no law is pure, errors of few blocks are not normal."""
SHORT = 0.5
"""Length, over what members gain, from which on an interval says nothing."""
SOURCE = "talk, Optimal split prediction"
cost = memory_split.cost


def check(config: Config) -> None:
    """Refuse members and budgets with nothing left to foretell."""
    memory_split.check(config)
    small = int((pool.sizes(config) <= config.cheap).sum())
    if config.members < (small + 3) * config.cheap:
        raise InputError(
            f"cheap = {config.cheap}: members = {config.members} make too few blocks of so many to know their errors; "
            f"at least {small + 3} are needed, so take more members, or a smaller cheap."
        )
    if not len(_held_out(config)):
        raise InputError(
            f"budgets: the largest must be above {_cheap(config):g}, {config.cheap} networks of {_narrow(config)} "
            "hidden units, for a forecast to be judged at; add one, or lower cheap."
        )


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """The loss of the largest ensembles as small ones foretell it, and what trusting a foretold split costs."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    miss = jackknife(own.calibrated, lambda m: _miss(config, n, m))
    found |= measured("miss", "width", miss, "loss of the largest ensembles less the forecast, over what they gain")
    whole = jackknife(own.calibrated, lambda m: _miss(config, n, m).mean())
    found |= measured("promise", (), whole, "the same, mean over widths")
    found |= given("ahead", "ahead", n[n > config.cheap], "members n of an ensemble that no law was fitted to")
    covered, reach = _intervals(config, n, own)
    found |= measured("covered", "width", mean(covered.mean(axis=2)), f"share of {LEVEL:g} intervals that cover")
    found |= measured("coverage", "ahead", mean(covered.mean(axis=1)), "the same, for the number of members")
    at_wide = mean(reach[:, curves.ends(config, own).wide])
    found |= measured("reach", "ahead", at_wide, "length of intervals over what members gain, at the largest width")
    found |= measured("short", (), mean(SHORT - reach[:, -1, -1]), f"how much shorter than {SHORT:g} the last ones are")
    budgets = _held_out(config)
    found |= given("budget", "budget", budgets, "budgets beyond all that laws were fitted to")
    told = {
        "regret": "loss at the foretold split less that at the best one",
        "chance": "the same of a width at random",
        "constant": "the same of the widest that laws were fitted to",
    }
    costs = _judged(config, n, own.calibrated, budgets)  # (teacher, 3, budget)
    for k, (name, text) in enumerate(told.items()):
        found |= measured(name, "budget", mean(costs[:, k]), text, "nat")
    kept = mean((WORTH * costs[:, 1] - costs[:, 0]).mean(axis=1))
    found |= measured("kept", (), kept, f"{WORTH:g} of what a width at random costs, less regret", "nat")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Forecasts miss nothing, and their intervals cover what they say."""
    found = predicted("miss", (), 0.0, "loss of the largest ensembles less the forecast, over what they gain")
    return xr.Dataset(found | predicted("covered", (), LEVEL, "share of intervals that cover"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Where the forecast holds, where it does not, and that the split it picks is good."""
    many, wide = config.teachers, curves.at(data).wide
    last = int(data["members"][-1])
    return [
        Claim.equals(
            "forecast/wide",
            f"At {curves.NAMES['wide']} the law of up to {config.cheap} members foretells {last}, but for a tenth of "
            "what they gain.",
            SOURCE, float(data.miss[wide]), 0.0, float(data.miss_se[wide]), bias=0.1, resolution=0.5, samples=many,
        ),
        curves.there(
            "forecast/too-good", "On average over widths it promises too much, for the exponent itself rises with n.",
            SOURCE, curves.far(data, "promise"), many,
        ),
        Claim.equals(
            "forecast/coverage",
            f"At that width intervals of {100 * LEVEL:g} % from one teacher's small ensembles cover that share of its "
            "large ones.",
            SOURCE, float(data.covered[wide]), LEVEL, float(data.covered_se[wide]), bias=LOST, resolution=LEVEL / 2,
            samples=many,
        ),
        curves.there(
            "forecast/length",
            f"They say something: for {last} members they are shorter than half of what members gain, "
            f"{100 * float(data.reach[-1]):.0f} % of it.", SOURCE, curves.far(data, "short"), many,
        ),
        curves.there(
            "forecast/regret",
            f"From networks of at most {_narrow(config)} hidden units it picks splits of larger budgets that cost, on "
            "average over them, less than half of what a width at random costs.", SOURCE,
            curves.far(data, "kept"), many,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """How far the largest ensembles of every width are from their forecast, and whether its intervals say so."""
    (panel,) = axes
    last = int(data["members"][-1])
    look.points(panel, data["width"], 100 * data.miss, 100 * data.miss_se, f"{last} members less their forecast")
    panel.axhline(0, color="black", lw=1, zorder=0)
    panel.axvline(config.widths[curves.at(data).peak], color="0.8", lw=0.9, zorder=0)
    share = panel.twinx()
    share.plot(data["width"], data.covered, "--", color="0.6", lw=1)
    share.set_ylim(0, 1.6)
    share.set_yticks([])
    share.annotate(f"share of {100 * LEVEL:g} % intervals that cover", (0.4, 0.7), xycoords="axes fraction",
                   color="0.5", fontsize=8)  # fmt: skip
    panel.set(xscale="log", title=f"Forecast from up to {config.cheap} members", xlabel="hidden units",
              ylabel="miss, % of what members gain")  # fmt: skip


def _forecast(config: Config, n: Any, losses: Floats) -> Floats:
    """The last point of each curve (..., size), from the law of its first ones."""
    known = n <= config.cheap
    law = power_laws(n[known], losses[..., known])
    return law.c + law.b * float(n[-1]) ** -law.a


def _miss(config: Config, n: Any, losses: Floats) -> Floats:
    """The last point less its forecast, over what the whole curve falls (...)."""
    return (losses[..., -1] - _forecast(config, n, losses)) / (losses[..., 0] - losses[..., -1])


def _intervals(config: Config, n: Any, own: pool.Pool) -> tuple[Floats, Floats]:
    """Whether the intervals of small ensembles hold the large ones, and their lengths (teacher, width, ahead).

    The inverse of a covariance from so many blocks is too large on average, by what Hartlap, Simon & Schneider (2007)
    give; with it intervals would be too short.
    """
    known, blocks = n <= config.cheap, config.members // config.cheap
    wider = (blocks - 1) / (blocks - 2 - known.sum())
    losses = own.calibrated
    covered, reach = (np.zeros((*losses.shape[:2], (~known).sum())) for _ in range(2))
    for place in np.ndindex(*losses.shape[:2]):
        law = fit_power_law(n[known], own.blocks[place], covariance=wider * own.blocks_covariance[place], level=LEVEL)
        ahead, there = law.predict(n[~known]), losses[place][~known]
        covered[place] = (ahead.low <= there) & (there <= ahead.high)
        reach[place] = (ahead.high - ahead.low) / (losses[place][0] - losses[place][-1])
    return covered, reach


def _narrow(config: Config) -> int:
    """The largest width that forecasts of splits see."""
    return config.widths[len(config.widths) // 2]


def _cheap(config: Config) -> float:
    """Trained numbers of the largest ensemble that forecasts of splits see."""
    return float(config.cheap * pool.parameters((_narrow(config),))[0])


def _held_out(config: Config) -> Floats:
    """Budgets that no cell a law is fitted to fills."""
    budgets = np.array(config.budgets)
    return budgets[budgets > _cheap(config)]


def _judged(config: Config, n: Any, losses: Floats, budgets: Floats) -> Floats:
    """What widths cost over the one that is best for the others (teacher, 3, budget).

    The one that the others' small ensembles foretell, one at random, and always the widest of the small ones.
    """
    p, rest = pool.parameters(config.widths), curves.others(losses)
    narrow = np.array(config.widths) <= _narrow(config)
    cheap = np.where((n <= config.cheap) & narrow[:, None], 0.0, np.nan)
    own, least = best_split(p, n, losses, budgets).losses, best_split(p, n, rest, budgets).width
    known = np.isfinite(own)
    guess = np.array([predict_split(p, n, one + cheap, budgets, _cheap(config)).split.losses for one in rest])
    foretold = np.where(known, guess, np.inf).argmin(axis=-1)
    at_foretold, at_best = (np.take_along_axis(own, k[..., None], axis=-1)[..., 0] for k in (foretold, least))
    chance = np.where(known, own, 0).sum(axis=-1) / known.sum(axis=-1)
    return np.stack([at_foretold, chance, own[..., narrow][..., -1]], axis=1) - at_best[:, None]
