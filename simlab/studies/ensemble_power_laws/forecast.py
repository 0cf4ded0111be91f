"""Scene 5, the talk's "Optimal split prediction": power laws of small ensembles predict large ones and the best split.

A forecast sees ensembles of at most `cheap` members. Splits of budgets are predicted from those of the narrower half
of the widths, and judged by all networks at budgets that no such ensemble fills. Large ensembles are of the same
teachers and networks as small ones: what a forecast has not seen are their sizes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.ensembles import best_split, predict_split
from simlab.lab.scene import (
    Axes,
    Beside,
    Claim,
    Expected,
    Found,
    InputError,
    Lab,
    Panel,
    Theory,
    Values,
    axis,
    quantity,
)
from simlab.statistics import fit_power_law, jackknife, mean, power_laws
from simlab.studies.ensemble_power_laws import memory_split, places, pool, quantities, splits, training
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import BUDGET, PLACE, WIDTH

SOURCE = "talk, Optimal split prediction"
PARTS = (quantities,)
WORTH = 0.5
"""The share of what a width at random costs that a forecast may cost and still be of use."""
LEVEL, SHORT_OF_LEVEL = 0.95, 0.1
"""Nominal coverage of the intervals, and how far the coverage may be from it: no power law is pure, and errors from few
blocks are not normal."""
SHORT = 0.5
"""Length, over what members gain, from which on an interval says nothing."""

AHEAD = axis("members n of an ensemble that no power law was fitted to")
MISS = quantity("loss of the largest ensembles minus the forecast, over what they gain", WIDTH)
PROMISE = quantity("loss of the largest ensembles minus the forecast, over what they gain, mean over widths")
COVERED = quantity(f"share of {100 * LEVEL:g} % intervals that cover", WIDTH)
COVERAGE = quantity(f"share of {100 * LEVEL:g} % intervals that cover, mean over widths", AHEAD)
REACH = quantity("length of intervals over what members gain, at the largest width", AHEAD)
REGRET = quantity("loss at the predicted split minus that at the best", BUDGET, unit="nat")
CHANCE = quantity("loss at a width at random minus that at the best", BUDGET, unit="nat")
CONSTANT = quantity("loss at the widest that was fitted minus that at the best", BUDGET, unit="nat")
KEPT = quantity(f"{WORTH:g} of what a width at random costs minus what the predicted one does", unit="nat")
cost = memory_split.cost


def check(config: Config) -> None:
    """Refuse members and budgets with nothing left to predict."""
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


def simulate(config: Config, lab: Lab) -> Values:
    """The loss of the largest ensembles as small ones predict it, and what trusting a predicted split costs."""
    pools, n = pool.teachers(config, lab), pool.sizes(config)
    miss = jackknife(pools.calibrated, lambda m: _miss(config, n, m))
    covered, reach = _intervals(config, n, pools)
    budgets = _held_out(config)
    regret, chance, constant = np.moveaxis(_judged(config, n, pools.calibrated, budgets), 1, 0)
    return {
        **pool.coordinates(config, pools, n),
        AHEAD: n[n > config.cheap],
        BUDGET: budgets,
        MISS: Beside(miss, Expected(0.0)),
        PROMISE: Beside(jackknife(pools.calibrated, lambda m: _miss(config, n, m).mean()), Expected(0.0)),
        COVERED: mean(covered.mean(axis=2)),
        COVERAGE: mean(covered.mean(axis=1)),
        REACH: mean(reach[:, places.find(config, pools.error).wide]),
        REGRET: mean(regret),
        CHANCE: mean(chance),
        CONSTANT: mean(constant),
        KEPT: mean((WORTH * chance - regret).mean(axis=1)),
    }


def theory(config: Config, axes: Axes) -> Values:
    """Intervals cover what they say."""
    return {COVERED: Theory(LEVEL, bias=SHORT_OF_LEVEL), COVERAGE: Theory(LEVEL, bias=SHORT_OF_LEVEL)}


def compare(config: Config, found: Found) -> list[Claim]:
    """Where the forecast holds, where it does not, and that the split it picks is good."""
    many, wide, last = config.teachers, places.measured_at(found.axes).wide, config.members
    return [
        found[MISS][wide].equals(
            "wide",
            f"At {places.WORDS['wide']} the power law of up to {config.cheap} members predicts the loss of {last}, up "
            "to a tenth of what they gain.", bias=0.1, resolution=0.5, samples=many,
        ),
        found[PROMISE].exceeds(
            "too-good", f"On average over widths the power law of up to {config.cheap} members promises too much, for "
            "the exponent rises with n.", sigmas=4, samples=many,
        ),
        found[COVERED][wide].equals(
            "coverage",
            f"At {places.WORDS['wide']} intervals of {100 * LEVEL:g} % from one teacher's small ensembles cover that "
            "share of its large ones.", resolution=LEVEL / 2, samples=many,
        ),
        found[REACH][-1].below(
            "length",
            f"At {places.WORDS['wide']} intervals for {last} members are shorter than half of what members gain.",
            SHORT, sigmas=4, samples=many,
        ),
        found[KEPT].exceeds(
            "regret",
            f"Power laws of networks of at most {_narrow(config)} hidden units pick splits of larger budgets that "
            "cost, on average over them, less than half of what a width at random costs.", sigmas=4, samples=many,
        ),
    ]  # fmt: skip


def draw_miss(config: Config, found: Found, panel: Panel) -> None:
    """How far the largest ensembles of every width are from their forecast, and whether its intervals say so."""
    panel.points(found[MISS] * 100, f"{config.members} members minus their forecast")
    panel.level(0)
    panel.place(float(found[PLACE].value[1]))
    share = panel.right(f"share of {100 * LEVEL:g} % intervals that cover", ylim=(0, 1.05))
    share.curve(config.widths, found[COVERED].value, "coverage (right)", style="--", width=1)
    panel.set(xscale="log", title=f"Forecast from up to {config.cheap} members",
              ylabel="miss, % of what members gain")  # fmt: skip
    panel.note("dotted: the interpolation width, and no miss")


def draw_regret(config: Config, found: Found, panel: Panel) -> None:
    """What splits cost that are chosen in three ways."""
    panel.points(REGRET, "predicted width")
    panel.points(CHANCE, "a width at random", color=1)
    panel.points(CONSTANT, f"always {_narrow(config)} hidden units", color=2)
    panel.level(0)
    panel.set(xscale="log", title="What a predicted split costs", ylabel="loss over the best split (nat)")
    panel.note(f"from ensembles of up to {config.cheap} networks of up to {_narrow(config)} hidden units")


PANELS = (draw_miss, draw_regret)


def _miss(config: Config, n: NDArray[np.int64], losses: Floats) -> Floats:
    """The last point of each curve minus the forecast of its first ones, over what the whole curve falls (...)."""
    known = n <= config.cheap
    law = power_laws(n[known], losses[..., known])
    forecast = law.c + law.b * float(n[-1]) ** -law.a
    return (losses[..., -1] - forecast) / (losses[..., 0] - losses[..., -1])


def _intervals(config: Config, n: NDArray[np.int64], pools: pool.Pool) -> tuple[Floats, Floats]:
    """Whether the intervals of small ensembles hold the large ones, and their lengths (teacher, width, ahead).

    The inverse of a covariance from so many blocks is too large on average, by what Hartlap, Simon & Schneider (2007)
    give; with it intervals would be too short.
    """
    known, blocks = n <= config.cheap, config.members // config.cheap
    wider = (blocks - 1) / (blocks - 2 - known.sum())
    losses = pools.calibrated
    covered, reach = (np.zeros((*losses.shape[:2], (~known).sum())) for _ in range(2))
    for at in np.ndindex(*losses.shape[:2]):
        law = fit_power_law(n[known], pools.blocks[at], covariance=wider * pools.blocks_covariance[at], level=LEVEL)
        ahead, large = law.predict(n[~known]), losses[at][~known]
        covered[at] = (ahead.low <= large) & (large <= ahead.high)
        reach[at] = (ahead.high - ahead.low) / (losses[at][0] - losses[at][-1])
    return covered, reach


def _narrow(config: Config) -> int:
    """The largest width that forecasts of splits see."""
    return config.widths[len(config.widths) // 2]


def _cheap(config: Config) -> float:
    """Trained numbers of the largest ensemble that forecasts of splits see."""
    return float(config.cheap * training.parameters((_narrow(config),))[0])


def _held_out(config: Config) -> Floats:
    """Budgets that no ensemble fills that a power law is fitted to."""
    budgets = np.array(config.budgets)
    return budgets[budgets > _cheap(config)]


def _judged(config: Config, n: NDArray[np.int64], losses: Floats, budgets: Floats) -> Floats:
    """What widths cost over the one that is best for the others (teacher, 3, budget).

    The one that the others' small ensembles predict, one at random, and always the widest of the small ones.
    """
    p, others = training.parameters(config.widths), splits.leave_one_out(losses)
    narrow = np.array(config.widths) <= _narrow(config)
    cheap = np.where((n <= config.cheap) & narrow[:, None], 0.0, np.nan)
    of_widths, best = best_split(p, n, losses, budgets).losses, best_split(p, n, others, budgets).width
    known = np.isfinite(of_widths)
    guess = np.array([predict_split(p, n, one + cheap, budgets, _cheap(config)).split.losses for one in others])
    predicted = np.where(known, guess, np.inf).argmin(axis=-1)
    at_predicted, at_best = (np.take_along_axis(of_widths, k[..., None], axis=-1)[..., 0] for k in (predicted, best))
    chance = np.where(known, of_widths, 0).sum(axis=-1) / known.sum(axis=-1)
    return np.stack([at_predicted, chance, of_widths[..., narrow][..., -1]], axis=1) - at_best[:, None]
