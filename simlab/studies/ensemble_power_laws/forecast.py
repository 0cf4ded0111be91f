"""Scene 5, the talk's "Optimal split prediction": power laws of small ensembles predict large ones and the best split.

A forecast uses ensembles of at most `cheap` members. Splits of budgets are predicted from those of the narrower half
of the widths, and tested on all networks at budgets larger than any such ensemble. Large ensembles consist of the same
networks, on the same teachers, as small ones: only their sizes are new to a forecast.
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
"""A forecast is useful if its width costs less than this share of what a random width costs."""
LEVEL, SHORT_OF_LEVEL = 0.95, 0.1
"""Nominal coverage of the intervals, and how far the coverage may be from it: no power law is pure, and errors from few
blocks are not normal."""
SHORT = 0.5
"""Length of an interval, over what members gain, above which it is useless."""

AHEAD = axis("members n of an ensemble that no power law was fitted to")
MISS = quantity("loss of the largest ensembles minus the forecast, over what they gain", WIDTH)
PROMISE = quantity("loss of the largest ensembles minus the forecast, over what they gain, mean over widths")
COVERED = quantity(f"share of {100 * LEVEL:g} % intervals that cover the measured loss", WIDTH)
COVERAGE = quantity(f"share of {100 * LEVEL:g} % intervals that cover the measured loss, mean over widths", AHEAD)
REACH = quantity("length of intervals over what members gain, at the largest width", AHEAD)
REGRET = quantity("loss at the predicted split minus that at the best", BUDGET, unit="nat")
CHANCE = quantity("loss at a random width minus that at the best", BUDGET, unit="nat")
CONSTANT = quantity("loss at the widest of the fitted widths minus that at the best", BUDGET, unit="nat")
KEPT = quantity(f"{WORTH:g} of what a random width costs minus what the predicted one costs", unit="nat")
cost = memory_split.cost


def check(config: Config) -> None:
    """Refuse members and budgets with nothing left to predict."""
    memory_split.check(config)
    small = int((pool.sizes(config) <= config.cheap).sum())
    if config.members < (small + 3) * config.cheap:
        raise InputError(
            f"cheap = {config.cheap}: members = {config.members} make too few blocks of this size to estimate "
            f"errors; at least {small + 3} are needed, so take more members, or a smaller cheap."
        )
    if not len(_held_out(config)):
        raise InputError(
            f"budgets: the largest must be above {_cheap(config):g}, {config.cheap} networks of {_narrow(config)} "
            "hidden units, for a forecast to be tested; add one, or lower cheap."
        )


def simulate(config: Config, lab: Lab) -> Values:
    """The loss of the largest ensembles as small ones predict it, and what a predicted split costs."""
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
    """Intervals have their nominal coverage."""
    return {COVERED: Theory(LEVEL, bias=SHORT_OF_LEVEL), COVERAGE: Theory(LEVEL, bias=SHORT_OF_LEVEL)}


def compare(config: Config, found: Found) -> list[Claim]:
    """Where the forecast holds, where it does not, and that the split it picks is good."""
    many, wide, last = config.teachers, places.measured_at(found.axes).wide, config.members
    return [
        found[MISS][wide].equals(
            "wide",
            f"At {places.WORDS['wide']} the power law fitted to up to {config.cheap} networks predicts the loss of "
            f"{last}, up to a tenth of what {last} gain over one.", bias=0.1, resolution=0.5, samples=many,
        ),
        found[PROMISE].exceeds(
            "too-good", f"On average over widths the power law fitted to up to {config.cheap} networks predicts too "
            "low a loss for large ensembles: the exponent rises with their size.", sigmas=4, samples=many,
        ),
        found[COVERED][wide].equals(
            "coverage",
            f"At {places.WORDS['wide']} the {100 * LEVEL:g} % intervals predicted from the small ensembles of one "
            "teacher cover the losses of its large ones in that share of cases.", resolution=LEVEL / 2, samples=many,
        ),
        found[REACH][-1].below(
            "length",
            f"At {places.WORDS['wide']} the predicted intervals for the loss of {last} networks are shorter than half "
            "of what these gain over one.",
            SHORT, sigmas=4, samples=many,
        ),
        found[KEPT].exceeds(
            "regret",
            f"Power laws fitted to networks of at most {_narrow(config)} hidden units pick splits of larger budgets "
            "whose excess loss is, on average over budgets, less than half of that of a random width.",
            sigmas=4, samples=many,
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
              ylabel="forecast error, % of what members gain")  # fmt: skip
    panel.note("dotted: the interpolation width, and no error")


def draw_regret(config: Config, found: Found, panel: Panel) -> None:
    """What splits chosen in three ways cost."""
    panel.points(REGRET, "predicted width")
    panel.points(CHANCE, "a random width", color=1)
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
    """Whether the intervals from small ensembles contain the large ones, and their lengths (teacher, width, ahead).

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
    """The largest width that forecasts of splits use."""
    return config.widths[len(config.widths) // 2]


def _cheap(config: Config) -> float:
    """Parameters of the largest ensemble that forecasts of splits use."""
    return float(config.cheap * training.parameters((_narrow(config),))[0])


def _held_out(config: Config) -> Floats:
    """Budgets larger than all ensembles that power laws are fitted to."""
    budgets = np.array(config.budgets)
    return budgets[budgets > _cheap(config)]


def _judged(config: Config, n: NDArray[np.int64], losses: Floats, budgets: Floats) -> Floats:
    """Excess loss of three choices of a width over the one that is best for the other teachers (teacher, 3, budget).

    The width predicted from the others' small ensembles, a random one, and always the widest of the narrow half.
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
