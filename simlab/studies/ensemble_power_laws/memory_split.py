"""Scene 4, the talk's "Memory split effect": a budget of parameters as one wide network or several narrow ones."""

from __future__ import annotations

import numpy as np

from simlab.ensembles import best_split
from simlab.lab.scene import Axes, Beside, Claim, Fit, Found, InputError, Lab, Panel, Values, quantity
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, needs, places, pool, quantities, splits, training
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import BUDGET, CALIBRATED, EXTREME, MEMBERS, PARAMETERS

SOURCE = "talk, Memory split effect"
PARTS = (quantities,)
ENVELOPE = 0.05
"""Allowed deviation of the envelope from a power law, over its range: it consists of pieces of a few widths."""

LOSS = quantity("calibrated NLL at the split that other teachers find best", BUDGET, unit="nat")
SPLIT_WIDTH = quantity("hidden units at the best split", BUDGET)
SPLIT_MEMBERS = quantity("members at the best split", BUDGET)
SHIFT = quantity("loss at a split minus that at the best", EXTREME, unit="nat")
GAIN = quantity("loss of the widest network minus that of a split of its budget", unit="nat")
EXPONENT = quantity("exponent of the budget in the loss at the best split")
REST = quantity("residual of the power law in the budget over the range of the loss")
cost = needs.teachers


def check(config: Config) -> None:
    """Refuse budgets that do not rise, or that these networks cannot fill."""
    needs.check(config)
    if list(config.budgets) != sorted(set(config.budgets)):
        raise InputError("budgets: give each once, in rising order.")
    p = training.parameters(config.widths)
    middle = p[len(p) // 2]
    if config.budgets[0] < p[0] or config.budgets[-1] > middle * config.members:
        raise InputError(
            f"budgets: they must lie between {p[0]}, one network of the smallest width, and "
            f"{middle * config.members}, {config.members} of {config.widths[len(p) // 2]} hidden units; take others."
        )
    few = splits.fewest(p, config.budgets)
    if not (p[0] < config.budgets[0] <= p[0] * config.members and few):
        raise InputError(
            f"budgets: the smallest must pay for more than one network of {config.widths[0]} hidden units and at most "
            f"{config.members}, and the largest for as many wider ones; take budgets further apart."
        )
    if config.budgets[-1] > p[few] * config.members:
        raise InputError(
            f"budgets: the largest pays for more than {config.members} networks of {config.widths[few]} hidden units, "
            "the widest of which it buys as many as the smallest does of the narrowest; lower the smallest budget."
        )


def simulate(config: Config, lab: Lab) -> Values:
    """Loss of every width at every budget, the best split by the other teachers, and what it gains."""
    pools, n = pool.teachers(config, lab), pool.sizes(config)
    p, budgets = training.parameters(config.widths), np.array(config.budgets)
    losses = splits.chosen(p, n, pools.calibrated, budgets)
    loss, calibrated = mean(losses), mean(pools.calibrated)
    best = best_split(p, n, calibrated.value, budgets)
    return {
        **pool.coordinates(config, pools, n),
        BUDGET: budgets,
        EXTREME: splits.EXTREMES,
        PARAMETERS: p,
        CALIBRATED: calibrated,
        LOSS: Beside(loss, Fit(curves.fitted(budgets, loss.value, budgets))),
        SPLIT_WIDTH: np.array(config.widths)[best.width],
        SPLIT_MEMBERS: best.members,
        SHIFT: mean(splits.shift(p, n, pools.calibrated, budgets)),
        GAIN: mean(splits.gain(p, n, pools.calibrated)),
        EXPONENT: jackknife(losses, lambda m: curves.exponents(budgets, m)),
        REST: jackknife(losses, lambda m: curves.residual(budgets, m)),
    }


def theory(config: Config, axes: Axes) -> Values:
    """None: the power law is fitted to the envelope itself."""
    return {}


def compare(config: Config, found: Found) -> list[Claim]:
    """Several networks beat one, larger budgets want more of them, and the envelope."""
    return [
        found[GAIN].exceeds(
            "several-beat-one",
            f"The parameters of one network of {config.widths[-1]} hidden units are better spent on several "
            "smaller ones.",
            sigmas=4, samples=config.teachers,
        ),
        splits.want_more(found[SHIFT], config, "By the calibrated loss"),
        curves.follows(
            found[REST], found[EXPONENT], "envelope",
            "The calibrated loss at the best split of a budget of parameters is a power law in the budget",
            config.teachers, share=ENVELOPE,
        ),
    ]  # fmt: skip


def draw_budgets(config: Config, found: Found, panel: Panel) -> None:
    """Every width's curve and the envelope."""
    n, p, loss = found[MEMBERS].value, found[PARAMETERS].value, found[CALIBRATED]
    colors = {place.at: color for color, place in enumerate(places.named(found.axes))}
    grey = next(k for k in range(len(p)) if k not in colors)
    for k, width in enumerate(config.widths):
        label = f"{width} hidden units" if k in colors else "other widths" if k == grey else ""
        color = colors.get(k)
        panel.curve(p[k] * n, loss[k].value, label, color=color, width=0.6 if color is None else 1.2)
    dense = np.geomspace(config.budgets[0], config.budgets[-1], 60)
    panel.points(LOSS, "best split", color=3)
    fit = curves.fitted(config.budgets, found[LOSS].value, dense)
    panel.curve(dense, fit, f"power law fitted, a = {float(found[EXPONENT]):.2f}", color=3, style="--")
    panel.set(xscale="log", title="Several networks beat one", ylabel="calibrated NLL (nat)")
    panel.set(xlim=(config.budgets[0] / 1.5, config.budgets[-1] * 1.5),
              ylim=(0.99 * loss.value.min(), 1.08 * found[LOSS].value[0]))  # fmt: skip
    panel.note("a line: one width, 1, 2, 3, 4, 8, ... members; best split: the width that other teachers find best")


def draw_plane(config: Config, found: Found, panel: Panel) -> None:
    """The plane of widths and members with equal budgets and best splits."""
    n, p = found[MEMBERS].value, found[PARAMETERS].value
    shades = panel.axes.contourf(config.widths, n, found[CALIBRATED].value.T, levels=24, cmap="viridis_r")
    shades.set_edgecolor("face")
    panel.scale(shades, "calibrated NLL (nat)")
    for k, budget in enumerate(config.budgets):
        panel.curve(config.widths, budget / p, "" if k else "equal budgets", style="--", width=0.9)
    panel.axes.plot(found[SPLIT_WIDTH].value, found[SPLIT_MEMBERS].value, "o-", color="white", ms=5, lw=1,
                    markeredgecolor="0.2", label="best splits")  # fmt: skip
    panel.set(xscale="log", yscale="log", title="Larger budgets need more members", xlabel="hidden units",
              ylabel="members n of an ensemble")  # fmt: skip
    panel.set(xlim=(config.widths[0], config.widths[-1]), ylim=(1, n[-1]))
    panel.note(f"budgets: {', '.join(f'{b:g}' for b in config.budgets)} parameters of all members together")


PANELS = (draw_budgets, draw_plane)
