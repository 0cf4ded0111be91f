"""Scene 5, the talk's "Memory split": a budget of P = N K parameters, as one wide network or several narrow ones.

The simulation gives the risks E_1 of one network and E_inf of the average of infinitely many, at every width; that of K
networks of width N is E_inf + (E_1 - E_inf)/K (scene 4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import Estimate, jackknife, joint_mean, mean
from simlab.studies.random_features import contest, costs, networks, problem, replicates, splits
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block

SOURCE = "talk, Memory split effect and Optimal split prediction"
SPLIT = "random_features#the-memory-split"
"""Where the theory is derived."""
BUDGET = axis("budget of parameters, N K/d")
WIDTH = axis("number of features N")
MEMBERS = axis("members K of an ensemble")
PART = axis("risk, and middle of a range of N/d")
CONTEST = axis("budget of parameters, N K/d, for one network or two")
RISK = quantity("excess risk E_K", MEMBERS, WIDTH, equation=SPLIT)
ONE_AND_MANY = quantity("E_1 and E_inf over theory, minus 1, for d -> infinity", PART, equation=SPLIT)
BEST = quantity("ln of the best N/d, for d -> infinity", BUDGET, equation=SPLIT)
GROWTH = quantity("exponent of the budget in the best number of members, for d -> infinity", equation=SPLIT)
ENVELOPE = quantity("excess risk at the best split", BUDGET, equation=SPLIT)
LIMIT = quantity("excess risk at the best split over theory, minus 1, for d -> infinity", BUDGET, equation=SPLIT)
EXPONENT = quantity("exponent of the budget in the risk of the best split, for d -> infinity", equation=SPLIT)
GAIN = quantity("excess risk of two networks minus that of one, each at its best ridge", CONTEST, equation=SPLIT)
TOTAL = quantity("excess risk of two networks minus that of one, summed over all budgets", equation=SPLIT)
SPLIT_WIDTH = quantity("best N/d of the closed form", BUDGET, equation=SPLIT)
SPLIT_MEMBERS = quantity("best K of the closed form", BUDGET, equation=SPLIT)

COPIES, RANGES = 4, 4
"""Networks that E_1 and E_inf are estimated from, and ranges of widths."""


def check(config: Config) -> None:
    """Refuse budgets whose best split is one network, or lies outside the widths that are simulated."""
    if len(set(config.budgets)) < len(config.budgets) or list(config.budgets) != sorted(config.budgets):
        raise InputError("budgets: give each once, in rising order.")
    for budget, width in zip(config.budgets, splits.split(config).psi1, strict=True):
        low, high = splits.GRID[1], min(splits.GRID[-2], budget / (1 + splits.REACH))
        if not low < width < high:
            raise InputError(
                f"budgets: at {budget:g} with ensemble_ridge = {config.ensemble_ridge:g} and split_noise = "
                f"{config.split_noise:g} theory's best width is {width:.3g} d, and this scene needs it between "
                f"{low:.2g} d and {high:.2g} d; take a smaller ridge, more noise or another budget."
            )


def cost(config: Config) -> list[Cost]:
    """A regression for every member and width of every problem, and the contest at the best ridge."""
    fields = ("dimension", "samples", "tests")
    return costs.cost(fields, replicates.both(config), partial(_need, config)) + contest.cost(config)


def simulate(config: Config, lab: Lab) -> Values:
    """E_1 and E_inf at every width, the best split of each budget, and one against two networks at the best ridge."""
    text = "memory split: small ridge"
    both = replicates.gather(lab, risks, config, replicates.both(config), partial(_need, config), text)
    dimensions = replicates.sizes(config)
    relative = [r / splits.one_and_many(config, d) - 1 for d, r in zip(dimensions, both, strict=True)]
    parts = [replicates.ranges(r, RANGES).reshape(len(r), -1) for r in relative]
    envelopes = [splits.at_best(config, splits.combined(config, d, r)) for d, r in zip(dimensions, both, strict=True)]
    exact = [splits.at_best(config, splits.combined(config, d, splits.one_and_many(config, d))) for d in dimensions]
    places = replicates.middles(splits.GRID, RANGES)

    def limit(estimator: Callable[[int, Floats], Floats]) -> Estimate:
        """The jackknife of estimator(d, E_1 and E_inf), for d -> infinity."""
        one = [jackknife(r, partial(estimator, d)) for d, r in zip(dimensions, both, strict=True)]
        return replicates.at_infinity(*one)

    gain = contest.simulate(config, lab)
    return {
        BUDGET: config.budgets, WIDTH: splits.widths(config.dimension), MEMBERS: [1, np.inf],
        PART: [f"{risk}, {place:.2g}" for risk in ("E_1", "E_inf") for place in places],
        CONTEST: contest.budgets(config),
        RISK: mean(both[-1]),
        ONE_AND_MANY: replicates.limit(*parts),
        BEST: limit(lambda d, r: splits.best(config, d, splits.combined(config, d, r))),
        GROWTH: limit(lambda d, r: splits.growth(config, splits.best(config, d, splits.combined(config, d, r)))),
        ENVELOPE: mean(envelopes[-1]),
        LIMIT: replicates.limit(*(e / t - 1 for e, t in zip(envelopes, exact, strict=True))),
        EXPONENT: replicates.at_infinity(*(jackknife(e, partial(splits.exponent, config)) for e in envelopes)),
        GAIN: joint_mean(gain),
        TOTAL: mean(gain.sum(axis=1)),
    }  # fmt: skip


def risks(config: Config, block: Block, lab: Lab) -> Floats:
    """E_1 and E_inf at every width (replicate, 2, width), on one problem for each replicate."""
    return np.array([_risks(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """The closed form at the same widths and splits."""
    direct = [splits.direct(config, d) for d in replicates.sizes(config)]
    lowest = [splits.best(config, d, r) for d, r in zip(replicates.sizes(config), direct, strict=True)]
    best, envelope = replicates.extrapolated(*lowest), splits.at_best(config, direct[-1])
    gain = contest.theory(config)
    return {
        RISK: Theory(splits.one_and_many(config, config.dimension)),
        ONE_AND_MANY: Theory(0.0), BEST: Theory(best), GROWTH: Theory(splits.growth(config, best)),
        ENVELOPE: Theory(envelope), LIMIT: Theory(0.0), EXPONENT: Theory(splits.exponent(config, envelope)),
        GAIN: Theory(gain), TOTAL: Theory(gain.sum()),
        SPLIT_WIDTH: splits.split(config).psi1, SPLIT_MEMBERS: splits.split(config).members,
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """The best split of every budget, how it moves, the envelope, and one network at the best ridge."""
    exact = np.array(config.budgets) / np.exp(found[BEST].reference)
    bests = [
        found[BEST][i].equals(
            f"best-{budget:g}",
            f"With a budget of {budget:g} d parameters the best number of networks is that of the closed form, K = "
            f"{exact[i]:.3g}.",
            resolution=0.7,
        )
        for i, budget in enumerate(config.budgets)
    ]
    low, high = contest.budgets(config)[0], contest.budgets(config)[-1]
    return [
        *bests,
        found[ONE_AND_MANY].agrees(
            "one-and-many", "The risks of one network and of the average of infinitely many are those of theory at all "
            "widths as the dimension d grows.",
        ),
        found[GROWTH].exceeds(
            "more-members", "With too little ridge a larger budget of parameters is best spent on more networks.",
            sigmas=6,
        ),
        found[GROWTH].equals(
            "growth", "With too little ridge the best number of networks grows with the budget of parameters as theory "
            "predicts.", resolution=0.5,
        ),
        found[LIMIT].agrees(
            "envelope", "The risk at the best split of a budget of parameters into networks is that of theory at every "
            "budget, as the dimension d grows.",
        ),
        found[EXPONENT].equals(
            "envelope-exponent",
            "The risk at the best split of a budget of P parameters into networks falls as "
            f"P^{float(found[EXPONENT].reference):.2f} over these budgets.",
            resolution=0.2,
        ),
        found[TOTAL].exceeds(
            "one-at-the-best-ridge",
            f"At budgets of {low:g} d to {high:g} d parameters one network beats two of half its width, each at its "
            "best ridge.", sigmas=5,
        ),
        found[GAIN].agrees(
            "gain-of-one",
            "At the best ridge the advantage of one network over two of half its width is that of the closed form, "
            "budget by budget.",
        ),
    ]  # fmt: skip


def draw_members(config: Config, found: Found, panel: Panel) -> None:
    """The best number of members against the budget."""
    members = (found[BEST] * -1).exp() * config.budgets
    panel.points(members, "too little ridge", color=1)
    panel.line(members, color=1)
    panel.curve(config.budgets, np.ones(len(config.budgets)), "theory at the best ridge: one network", color=2)
    panel.set(xscale="log", yscale="log", title="Larger budgets need more members", ylabel="best number of members K")
    panel.note(
        f"N features in each of K networks, n = {config.samples:g} d examples, noise {config.split_noise:g}, ridge "
        f"lambda = {config.ensemble_ridge:g}; points for d to infinity, from {replicates.described(config)}"
    )


def draw_plane(config: Config, found: Found, panel: Panel) -> None:
    """Theory's risk over width and members, budgets, and the best split of each."""
    members = (found[BEST] * -1).exp() * config.budgets
    psi1, k = np.geomspace(splits.GRID[0], splits.GRID[-1], 80), np.geomspace(1, 2 * members.value.max(), 80)
    risk = splits.theory(config, psi1[None, :], members=k[:, None])
    shades = panel.axes.contourf(psi1, k, np.log10(risk), levels=24, cmap="viridis_r")
    shades.set_edgecolor("face")
    panel.scale(shades, "log10 of theory's excess risk")
    for budget in config.budgets:
        panel.axes.plot(psi1, budget / psi1, "--", color="white", lw=0.9)
    panel.axes.plot([], [], "--", color="0.6", lw=0.9, label="equal budgets N K (white)")
    best = found[BEST].exp()
    panel.points(members, "best split, by a parabola", x=best.value, color=1)
    panel.line(members, "theory by the same parabola", x=best.reference)
    panel.curve(found[SPLIT_WIDTH].value, found[SPLIT_MEMBERS].value, "lowest point of theory", style=":")
    panel.set(xscale="log", yscale="log", title="Memory split", xlabel="features over input dimension, N/d",
              ylabel="members K", xlim=(psi1[0], psi1[-1]), ylim=(k[0], k[-1]))  # fmt: skip


def draw_contest(config: Config, found: Found, panel: Panel) -> None:
    """One network against two, each at its best ridge."""
    panel.points(GAIN, "simulation")
    panel.line(GAIN)
    panel.level(0)
    panel.set(xscale="log", title="At its best ridge one network beats two", ylabel="risk of two minus risk of one",
              xlabel=BUDGET.meaning)  # fmt: skip
    panel.note(
        f"d = {config.dimension}, noise {config.split_noise:g}, {contest.CONTESTS * config.replicates} training sets"
    )


PANELS = (draw_members, draw_contest, draw_plane)


def _risks(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """One problem at every width (2, width)."""
    key, device = lab.key("memory_split", dimension, replicate), lab.device
    widths = splits.widths(dimension)
    data = problem.draw(key, round(config.samples * dimension), dimension, config.tests, config.split_noise, device)
    theta = problem.members(key, COPIES, int(widths[-1]), dimension, device)
    pairs = networks.nested(data, theta, widths, config.activation, config.ensemble_ridge, device)
    return np.array([networks.single(pairs), networks.infinite(pairs)])


def _need(config: Config, dimension: int) -> costs.Need:
    n, widths = round(config.samples * dimension), splits.widths(dimension)
    return networks.need(n, dimension, config.tests, widths, COPIES)._replace(kept=2 * len(widths))
