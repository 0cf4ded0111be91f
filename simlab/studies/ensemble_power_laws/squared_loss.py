"""Scene 6, what linear theory explains: the Brier score of networks compared with random features in closed form.

For any squared loss E_n = E_inf + (E_1 - E_inf)/n is exact. Random features have it, and in closed form (Mei &
Montanari 2022) a difference E_1 - E_inf that peaks at interpolation while E_inf does not, and a best split with more
members for larger budgets. They have no temperature, and so no exponent below 1.
"""

from __future__ import annotations

import numpy as np

from simlab.ensembles import best_split
from simlab.lab.scene import Axes, Beside, Claim, Expected, Found, Lab, Panel, Values, axis, quantity
from simlab.statistics import joint_mean, mean
from simlab.studies.ensemble_power_laws import memory_split, places, pool, quantities, splits, training
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import BUDGET, EXTREME, MEMBERS, PARAMETERS, PLACE, SIDE, WIDTH
from simlab.theory import memory_split as split_of
from simlab.theory import random_features as theory_of

SOURCE = "talk, Memory split effect; Mei & Montanari 2022; Jacot et al. 2020"
EFFECTIVE_RIDGE = "random_features#infinitely-many-networks-the-effective-ridge"
"""Where the risk of infinitely many networks is derived."""
PARTS = (quantities,)
SAMPLES, RIDGE, NOISE = 3.0, 1e-3, 1.0
"""Of the random features: n/d, the ridge, and the standard deviation of the label noise, as in `random_features`."""
RATIOS = np.geomspace(0.1, 10, 41)
LEAST, MOST = 1.0, 32.0
"""Budgets of random features, over that of one network at interpolation."""
TESTED = [0, -1]
"""Indices of the sizes at which the exact curve is tested: more sizes share members, which reduces the power."""

RATIO = axis("width over that of interpolation")
INFINITE = quantity("Brier score E_inf of infinitely many", WIDTH, equation="ensembles#a-quadratic-loss")
ONE = quantity("Brier score E_1 of one network", WIDTH, equation="ensembles#a-quadratic-loss")
GAP = quantity(
    "Brier score minus E_inf + (E_1 - E_inf)/n of other members", PLACE, MEMBERS, equation="ensembles#a-quadratic-loss"
)
OVER = quantity(
    "E_1 - E_inf at the interpolation width minus that at this one",
    SIDE,
    equation="random_features#the-risk-without-cancellations",
)
FALL = quantity("E_inf at half the interpolation width minus that at the interpolation width", equation=EFFECTIVE_RIDGE)
SHIFT = quantity("Brier score at a split minus that at the best", EXTREME, equation="random_features#the-memory-split")
SPLIT = quantity("log of the best number of members", BUDGET)
FEATURES_ONE = quantity(
    "excess risk of one network of random features", RATIO, equation="random_features#the-risk-without-cancellations"
)
FEATURES_INFINITE = quantity("excess risk of infinitely many", RATIO, equation=EFFECTIVE_RIDGE)
FEATURES_SPREAD = quantity(
    "excess risk of one network of random features minus that of infinitely many", PLACE, equation=EFFECTIVE_RIDGE
)
FEATURES_LIMIT = quantity(
    "excess risk of infinitely many at the widths of the three places", PLACE, equation=EFFECTIVE_RIDGE
)
check, cost = memory_split.check, memory_split.cost


def simulate(config: Config, lab: Lab) -> Values:
    """Brier scores of ensembles beside the exact curve of other members, their spread and limit, and the best split."""
    pools, n = pool.teachers(config, lab), pool.half_sizes(config)
    c, b = np.moveaxis(pools.brier_series, -1, 0)
    low, peak, wide = three = list(places.find(config, pools.error))
    gap = (pools.brier - (c[..., None] + b[..., None] / n))[:, three]  # (teacher, place, members)
    p, sizes, budgets = training.parameters(config.widths), pool.sizes(config), np.array(config.budgets)
    losses = c[..., None] + b[..., None] / sizes  # exact, and so free of the noise of sampled groups
    return {
        **pool.coordinates(config, pools, n),
        SIDE: np.array(config.widths)[[low, wide]],
        BUDGET: budgets,
        EXTREME: splits.EXTREMES,
        PARAMETERS: p,
        INFINITE: mean(c),
        ONE: mean(c + b),
        GAP: Beside([joint_mean(gap[:, k]) for k in range(len(three))], Expected(0.0)),
        OVER: mean(b[:, [peak]] - b[:, [low, wide]]),
        FALL: mean(c[:, low] - c[:, peak]),
        SHIFT: mean(splits.shift(p, sizes, losses, budgets)),
        SPLIT: mean(np.log(best_split(p, sizes, losses, budgets).members)),
        RATIO: RATIOS,
    }


def theory(config: Config, axes: Axes) -> Values:
    """Random features in closed form, at many widths and at those of the three places."""

    def risk(ratio: np.ndarray, members: float) -> np.ndarray:
        return theory_of.risk(SAMPLES * ratio, SAMPLES, RIDGE, noise=NOISE, members=members)

    at = axes[PLACE] / axes[PLACE][1]
    limit = risk(at, np.inf)
    return {
        FEATURES_ONE: risk(axes[RATIO], 1),
        FEATURES_INFINITE: risk(axes[RATIO], np.inf),
        FEATURES_SPREAD: risk(at, 1) - limit,
        FEATURES_LIMIT: limit,
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """The exact curve at three widths, and where networks behave as random features do, and where not."""
    many, last, words = config.teachers, found[MEMBERS].value[-1], places.WORDS
    narrow, peak, wide = found[FEATURES_SPREAD].value
    low, top, _ = found[FEATURES_LIMIT].value
    # Signed as in the closed form of random features, so that a claim fails where networks and these differ.
    over = found[OVER] * np.sign([peak - narrow, peak - wide])
    return [
        *(
            found[GAP][k][TESTED].agrees(
                f"exact-{name}",
                f"At {words[name]} the Brier score of n networks, n = 1 and {last}, is E_inf + (E_1 - E_inf)/n, by E_1 "
                "of one and E_inf of infinitely many other networks.",
            )
            for k, name in enumerate(words)
        ),
        over[0].exceeds(
            "spread-over-narrow",
            f"The Brier score of one network exceeds that of infinitely many by more at {words['peak']} than at "
            f"{words['narrow']}, as with random features.", sigmas=4, samples=many,
        ),
        over[1].exceeds(
            "spread-over-wide",
            f"The Brier score of one network exceeds that of infinitely many by more at {words['peak']} than at "
            f"{words['wide']}, as with random features.", sigmas=4, samples=many,
        ),
        (found[FALL] * np.sign(top - low)).exceeds(
            "limit-falls",
            "The Brier score of infinitely many networks falls up to the interpolation width; the risk of random "
            f"features does not ({low:.2f} to {top:.2f}).", sigmas=4, samples=many,
        ),
        splits.want_more(found[SHIFT], config, "By the Brier score, too,"),
    ]  # fmt: skip


def draw_members(config: Config, found: Found, panel: Panel) -> None:
    """The best number of members against the budget."""
    unit = training.parameters(config.widths)[places.measured_at(found.axes).peak]
    dense = np.geomspace(LEAST, MOST, 40)
    features = split_of.best_split(dense * SAMPLES, SAMPLES, RIDGE, noise=NOISE).members
    panel.points(found[SPLIT].exp(), "networks, Brier score", x=found[BUDGET].value / unit, color=1)
    panel.curve(dense, features, "random features, closed form", color=0)
    panel.set(xscale="log", yscale="log", title="Both need more members", ylabel="best number of members n",
              xlabel="budget over one network at interpolation")  # fmt: skip
    panel.note(_features())


def draw_networks(config: Config, found: Found, panel: Panel) -> None:
    """One and infinitely many networks."""
    ratio = found[WIDTH].value / found[PLACE].value[1]
    panel.points(ONE, "one network, $E_1$", x=ratio, color=1)
    panel.points(INFINITE, "infinitely many, $E_\\infty$", x=ratio, color=0)
    panel.place(1)
    panel.set(xscale="log", title="Networks: Brier score", xlabel=RATIO.meaning, ylabel="Brier score")


def draw_features(config: Config, found: Found, panel: Panel) -> None:
    """One and infinitely many networks of random features."""
    panel.curve(RATIOS, found[FEATURES_ONE].value, "one network", color=1)
    panel.curve(RATIOS, found[FEATURES_INFINITE].value, "infinitely many", color=0)
    panel.place(1)
    panel.set(xscale="log", yscale="log", title="Random features: closed form", xlabel=RATIO.meaning,
              ylabel="excess risk")  # fmt: skip
    panel.note(_features())


PANELS = (draw_members, draw_networks, draw_features)


def _features() -> str:
    return f"random features: n/d = {SAMPLES:g} examples per input, ridge {RIDGE:g}, label noise {NOISE:g}"
