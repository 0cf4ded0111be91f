"""Scene 6, three regimes on the sphere: convergence, chaotic equilibrium, divergence, by the effective learning rate.

Weights return to the unit sphere after every step, so that lr is the effective learning rate. The simplest loss with
these regimes, the toy, is a sum of terms a x^2/(x^2 + y^2); it converges below lr = 1/sum(a), measured by bisection.
Nets on digits with wrong labels: at the end of training the loss still falls (convergence), is stationary at a level
that grows with lr (equilibrium), or is that of guessing (divergence). Annealing from every lr shows which regime to
start from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab import nn, random
from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets, problem
from simlab.studies.scale_invariance.config import Config
from simlab.theory import three_regimes as toy

SOURCE = "talk, Scale invariance of DNNs; Kodryan et al. 2022"
THRESHOLD = quantity(
    "toy: largest learning rate that converges", equation="scale_invariant#three-regimes-on-the-sphere"
)
RANDOM = quantity("toy: loss far above the threshold", equation="scale_invariant#three-regimes-on-the-sphere")
ELR = axis("effective learning rate lr/rho^2")
HALF_LOSS = quantity("training loss half-way", ELR)
LOSS = quantity("training loss at the end", ELR)
FALLEN = quantity("ln of the loss half-way over that at the end", ELR)
TEST_ERROR = quantity("share of test data misclassified at the end", ELR)
ANNEALED_ERROR = quantity("share of test data misclassified after annealing", ELR)
SHARPNESS = quantity(
    f"rise of the training loss {nets.DISTANCE:g} norms away", ELR, equation="scale_invariant#the-width-of-a-minimum"
)
RISE_OF_LOSS = quantity("ln of the loss at the higher over that at the lower rate, in equilibrium")
WIDENING = quantity("ln of the sharpness at the lower over that at the higher rate, in equilibrium")
GAIN_OVER_LOW = quantity("test error after annealing from the low rate minus that from the highest rate")
GAIN_OVER_CHAOTIC = quantity("test error after annealing from equilibrium minus that from the highest rate")

SCALES = (0.2, 0.5, 1.0, 2.0)
"""The a of the toy's pairs."""
TOY_STARTS, TOY_STEPS, HALVINGS = 32, 10000, 9
CONVERGED = 1e-6
"""The toy's loss below which it has converged; in the chaos a few per cent above the threshold it is some 0.06."""
RESOLVED = float(np.log(sum(SCALES) / CONVERGED)) / (4 * TOY_STEPS)
"""The relative distance below the threshold at which TOY_STEPS just suffice: the loss falls by exp(-4 distance) per
step."""
FAR = 1e6
"""The rate, in thresholds, at which the toy's angles are random, up to terms of the order 1/FAR."""
TOY_STEP = 3e-5
"""Core-seconds of a step of the toy."""
BATCH, LOGITS, ANNEALING = 50, 5.0, 1000
LOWEST, HIGHEST = 3e-5, 1.0
JUDGED = {"low": 2e-4, "calm": 4e-3, "chaotic": 1e-2, "high": HIGHEST}
"""Rates fixed in advance, well within the regimes of Kodryan et al. 2022: one of convergence, two of equilibrium and
one of divergence. Claims are about the nearest rates of the grid."""


class Outcome(NamedTuple):
    """Nets trained at one rate, (replicate,) each; losses and errors are means over a tenth of the run."""

    half_loss: Floats
    loss: Floats
    test_error: Floats
    annealed_error: Floats
    sharpness: Floats


def check(config: Config) -> None:
    """Refuse data that cannot be used, and rates so far apart that one is the nearest to two of JUDGED."""
    problem.check(config)
    if len(set(judged(config).values())) < len(JUDGED):
        calm, chaotic = JUDGED["calm"], JUDGED["chaotic"]
        raise InputError(
            f"elrs = {config.elrs}: with this number of rates the same one is nearest both to {calm:g} and to "
            f"{chaotic:g}, which are compared; take another number, such as 14."
        )


def cost(config: Config) -> list[Cost]:
    """Nets at every rate, trained and then annealed; the toy counts with the first of them."""
    size = needs.Nets(config, config.replicates, config.width, 2, config.examples)
    seconds = size.training(BATCH, config.regime_steps + ANNEALING)
    seconds += 20 * size.forward(config.examples + config.tests) + (1 + nets.DIRECTIONS) * size.forward(config.examples)
    fields = ("regime_steps", "elrs", "replicates", "width", "examples")
    each = Cost(fields, config.regime_steps + ANNEALING, size.memory(config.replicates, nets.TOGETHER), seconds)
    with_toy = each._replace(seconds=seconds + TOY_STEPS * (HALVINGS + 1) * TOY_STEP)
    return [with_toy, *[each] * (config.elrs - 1)]


def simulate(config: Config, lab: Lab) -> Values:
    """The toy's threshold and its random level; nets at every rate, half-way, at the end and annealed."""
    (threshold,) = lab.cells(toy_thresholds, config, ["threshold"], "regimes: toy")
    (level,) = lab.cells(toy_levels, config, ["level"], "regimes: toy at random")
    outcomes = lab.cells(train_at, config, range(config.elrs), "regimes: nets")
    each = Outcome(*(np.stack(column, axis=1) for column in zip(*outcomes, strict=True)))  # (replicate, elr)
    low, calm, chaotic, high = judged(config).values()
    return {
        THRESHOLD: mean(threshold),
        RANDOM: mean(level),
        ELR: elrs(config),
        HALF_LOSS: mean(each.half_loss),
        LOSS: mean(each.loss),
        FALLEN: mean(nets.log_ratio(each.half_loss, each.loss)),
        TEST_ERROR: mean(each.test_error),
        ANNEALED_ERROR: mean(each.annealed_error),
        SHARPNESS: mean(each.sharpness),
        RISE_OF_LOSS: mean(nets.log_ratio(each.loss[:, chaotic], each.loss[:, calm])),
        WIDENING: mean(nets.log_ratio(each.sharpness[:, calm], each.sharpness[:, chaotic])),
        GAIN_OVER_LOW: mean(each.annealed_error[:, low] - each.annealed_error[:, high]),
        GAIN_OVER_CHAOTIC: mean(each.annealed_error[:, chaotic] - each.annealed_error[:, high]),
    }


def train_at(config: Config, place: int, lab: Lab) -> Outcome:
    """Nets trained at one effective learning rate, and then annealed from it."""
    rate, steps = float(elrs(config)[place]), config.regime_steps
    start = nets.stack(
        config, lab, "regimes", (config.width, config.width), replicates=config.replicates, examples=config.examples,
        noise=config.noise, logits=LOGITS,
    ).at_norm(1.0)  # fmt: skip
    window = np.linspace(0, steps // 10, 10).astype(int)
    half, end = steps // 2 - window, steps - window
    with lab.task("nets", steps + ANNEALING) as task:
        trained, record = start.train(
            nn.SphereSGD(rate), steps, batch=BATCH, key=lab.key("regimes", "batches"),
            record=["loss", "test_error"], at=[*half, *end], progress=task.advance,
        )  # fmt: skip
        _, last = trained.train(
            nn.SphereSGD(nn.Cosine(rate, ANNEALING)), ANNEALING, batch=BATCH,
            key=lab.key("regimes", "annealing"), record=["test_error"], at=[ANNEALING], progress=task.advance,
        )  # fmt: skip

    def average(values: Any, at: Any) -> Floats:
        return np.asarray(values.sel(step=at).mean("step"), float)

    return Outcome(
        average(record.loss, half), average(record.loss, end), average(record.test_error, end),
        average(last.test_error, [ANNEALING]), trained.sharpness(lab.key("regimes", "directions")),
    )  # fmt: skip


def theory(config: Config, axes: Axes) -> Values:
    """The toy's exact threshold, and its mean over random angles; how far finite runs are from both."""
    threshold, level = toy.threshold(SCALES), toy.random_value(SCALES)
    return {
        THRESHOLD: Theory(threshold, threshold * (RESOLVED + 2.0**-HALVINGS)),
        RANDOM: Theory(level, 2 * level / FAR),
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """The toy exactly; the three regimes of nets at rates fixed in advance; annealing."""
    low, _, chaotic, high = judged(config).values()
    rates, classes = elrs(config), problem.classes(config)
    return [
        found[THRESHOLD].equals(
            "toy-threshold", "On the unit sphere the toy loss, a sum of terms a x^2/(x^2 + y^2), converges at learning "
            "rates below 1/sum(a), and not above.", resolution=0.02,
        ),
        found[RANDOM].equals(
            "toy-random", "At learning rates far above its threshold the toy loss, a sum of terms a x^2/(x^2 + y^2), "
            "is that of random angles, sum(a)/2.",
        ),
        found[FALLEN][low].exceeds(
            "convergence",
            f"At the effective learning rate lr/rho^2 = {rates[low]:.1e} the training loss of nets "
            "still falls in the second half of the run.",
        ),
        found[FALLEN][chaotic].equals(
            "equilibrium", f"At the effective learning rate lr/rho^2 = {rates[chaotic]:.1e} the training loss of nets "
            "at the end of the run is that half-way.",
            0.0, resolution=0.1, samples=config.replicates,
        ),
        found[RISE_OF_LOSS].exceeds(
            "level", "In equilibrium the training loss of nets on the unit sphere is higher at a higher learning rate."
        ),
        found[WIDENING].exceeds(
            "sharpness", "In equilibrium nets on the unit sphere are in a wider minimum at a higher learning rate."
        ),
        found[LOSS][high].exceeds(
            "divergence",
            f"At the effective learning rate lr/rho^2 = {rates[high]:.1e} the training loss of nets is "
            f"above that of guessing, ln {classes}.",
            np.log(classes),
        ),
        found[GAIN_OVER_LOW].exceeds(
            "annealing", "Nets annealed from the highest learning rate, through equilibrium, have a lower test error "
            "than nets annealed from a rate of the convergence regime.", sigmas=6,
        ),
        found[GAIN_OVER_CHAOTIC].exceeds(
            "best-start", "Nets annealed from the highest learning rate have a lower test error than nets annealed "
            "from a rate of the equilibrium regime.", sigmas=4,
        ),
    ]  # fmt: skip


def draw_loss(config: Config, found: Found, panel: Panel) -> None:
    """The training loss half-way and at the end."""
    panel.points(HALF_LOSS, "half-way", color=1)
    panel.points(LOSS, "at the end")
    panel.level(float(np.log(problem.classes(config))), f"guessing, ln {problem.classes(config)}")
    panel.set(xscale="log", yscale="log", title="Three regimes on the unit sphere", ylabel="training loss")
    _mark_regimes(config, panel)


def draw_error(config: Config, found: Found, panel: Panel) -> None:
    """The test error before and after annealing."""
    panel.points(TEST_ERROR, "at the end")
    panel.points(ANNEALED_ERROR, f"after {ANNEALING} steps of annealing", color=2)
    panel.set(xscale="log", title="Which rate to anneal from", ylabel="share of test data misclassified")
    _mark_regimes(config, panel)


def draw_sharpness(config: Config, found: Found, panel: Panel) -> None:
    """How wide the minimum is, where there is one."""
    panel.points(found[SHARPNESS][found[LOSS].value < np.log(problem.classes(config))], "at the end")
    panel.set(xscale="log", yscale="log", title="The width of the minimum")
    panel.note("where the loss is below that of guessing")
    _mark_regimes(config, panel, divergence=False)


PANELS = (draw_loss, draw_error, draw_sharpness)


def elrs(config: Config) -> Floats:
    """The effective learning rates."""
    return np.geomspace(LOWEST, HIGHEST, config.elrs)


def judged(config: Config) -> dict[str, int]:
    """Indices of the rates that claims are about."""
    return {name: int(np.abs(np.log(elrs(config) / rate)).argmin()) for name, rate in JUDGED.items()}


def toy_starts(lab: Lab) -> Floats:
    """Random points of the joint sphere, (start, 2, pair)."""
    places = np.arange(TOY_STARTS)[:, None], np.arange(2 * len(SCALES))[None, :]
    z = random.normals(lab.key("regimes", "toy"), *places).reshape(TOY_STARTS, 2, len(SCALES))
    return z / np.sqrt((z**2).sum(axis=(1, 2), keepdims=True))


def toy_thresholds(config: Config, item: str, lab: Lab) -> Floats:
    """The largest rate at which gradient descent on the toy converges from each start, by bisection."""
    starts = toy_starts(lab)
    low, high = (np.full(TOY_STARTS, f * toy.threshold(SCALES)) for f in (0.5, 1.5))
    with lab.task("bisection", HALVINGS) as task:
        for _ in range(HALVINGS):
            rate, state = (low + high) / 2, starts
            for _ in range(TOY_STEPS):
                state = toy.step(state, SCALES, rate)
            converged = toy.loss(state, SCALES) < CONVERGED
            low, high = np.where(converged, rate, low), np.where(converged, high, rate)
            task.advance(1)
    return (low + high) / 2


def toy_levels(config: Config, item: str, lab: Lab) -> Floats:
    """The mean loss of each start far above the threshold, after a tenth of the steps."""
    state, total, rate = toy_starts(lab), np.zeros(TOY_STARTS), FAR * toy.threshold(SCALES)
    for step in range(TOY_STEPS):
        state = toy.step(state, SCALES, rate)
        total = total + toy.loss(state, SCALES) * (step >= TOY_STEPS // 10)
    return total / (TOY_STEPS - TOY_STEPS // 10)


def _mark_regimes(config: Config, panel: Panel, *, divergence: bool = True) -> None:
    """The rates that claims are about."""
    low, calm, chaotic, high = (elrs(config)[place] for place in judged(config).values())
    labels = {"convergence": low, "equilibrium": (calm * chaotic) ** 0.5} | ({"divergence": high} if divergence else {})
    for rate in (low, calm, chaotic, high) if divergence else (low, calm, chaotic):
        panel.place(rate)
    for label, rate in labels.items():
        panel.axes.text(
            rate, 0.995, label, transform=panel.axes.get_xaxis_transform(), ha="right" if rate == high else "center",
            va="top", fontsize=7.5, color="0.45",
        )  # fmt: skip
    panel.note("dotted lines: the rates that claims are about")
