"""Scene 5, periods: where the loss can reach zero, weight decay repeatedly drives nets over the edge of stability.

With labels that the net can fit, the gradient vanishes and the norm decays freely, by 1 - lr wd per step, until lr
times the curvature exceeds 2. Then the loss bursts, its gradients make the norm large, and the cycle repeats. Bursts
are located by the norm. Where wrong labels keep the loss above zero there is an equilibrium instead.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.scene import (
    Axes,
    Beside,
    Claim,
    Cost,
    Fit,
    Found,
    InputError,
    Lab,
    Panel,
    Theory,
    Values,
    axis,
    quantity,
)
from simlab.statistics import Estimate, fit
from simlab.studies.scale_invariance import needs, problem
from simlab.studies.scale_invariance.bursts import (
    UNKNOWN,
    Bursts,
    bursts,
    decay,
    irregularity,
    mean_gap,
    mean_over_bursts,
)
from simlab.studies.scale_invariance.config import Config
from simlab.studies.scale_invariance.period_nets import (
    EDGE_EVERY,
    EDGE_REPLICATES,
    EVERY,
    LANCZOS,
    Path,
    control,
    edge_steps_of,
    grid,
    settings,
    steps_of,
    train,
    train_edge,
)

SOURCE = "talk, Scale invariance of DNNs; Lobacheva et al. 2021"
PERIOD = "scale_invariant#the-edge-of-stability-and-the-period"
"""Where the edge of stability and the period are derived."""
SETTING = axis("how the nets are trained")
GAPS = quantity("intervals between bursts, of all nets", SETTING)
RATE = quantity("learning rate times weight decay", SETTING)
SCALED = quantity("mean interval between bursts, times lr wd", SETTING, equation=PERIOD)
IRREGULAR = quantity("standard deviation of the intervals over their mean", SETTING)
DECAY = quantity("length of a fall of the norm over that of free decay", SETTING, equation=PERIOD)
EXPONENT = quantity("exponent b of the mean interval ~ (lr wd)^-b", equation=PERIOD)
TWIN = quantity("mean interval times lr wd, difference of two settings of one lr wd", equation=PERIOD)
APPROACH = quantity(
    "length of a fall over that of free decay: at the largest lr wd minus at the smallest", equation=PERIOD
)
FLOOR = quantity("number of bursts in the second half of the run, with wrong labels")
BURST = axis("burst")
CROSSED = quantity("largest lr lambda_max at the start of the burst", BURST, equation=PERIOD)
CALM = quantity("smallest lr lambda_max in the fall before", BURST, equation=PERIOD)
ABOVE_EDGE = quantity("mean of ln(lr lambda_max/2) at the start of bursts", equation=PERIOD)
BELOW_EDGE = quantity("mean of ln(2/(lr lambda_max)) in the falls before", equation=PERIOD)
STEP = axis("step")
EXAMPLE_NORM = quantity("norm of the weights of the first net", STEP)
EXAMPLE_LOSS = quantity("loss of the first net on the minibatch", STEP)

SHOWN = 120
"""Measurements of the first net that are stored for the figure."""
FASTEST = 0.05
"""The largest lr wd: above it a run of the least eight lifetimes would have fewer than sixteen records of the norm."""
NEARER = 0.75
"""The exponent half-way between 1, that of free decay, and 1/2."""


def check(config: Config) -> None:
    """Refuse data that cannot be used, minibatches larger than the data, and decays too fast for periods."""
    problem.check(config)
    largest = max(s.batch for s in settings(config))
    if config.examples < largest:
        raise InputError(f"examples = {config.examples}: minibatches of this scene have {largest} examples, take more.")
    for lr, wd in product(config.period_lrs, config.period_decays):
        if not lr * wd <= FASTEST:
            raise InputError(
                f"period_lrs = {lr:g} with period_decays = {wd:g}: their product is {lr * wd:.2g}, and weights that "
                f"decay by more than {FASTEST:g} per step show no periods; take smaller ones."
            )


def cost(config: Config) -> list[Cost]:
    """Every setting, the control with wrong labels, and the run whose curvature is measured."""
    found, runs = [], [*settings(config), control(config)]
    fields = ("period_lrs", "period_decays", "period_lifetimes", "replicates", "width", "examples")
    size = needs.Nets(config, config.replicates, config.width, 2, config.examples)
    for setting in runs:
        steps = steps_of(config, setting)
        records = steps / EVERY
        seconds = size.training(setting.batch, steps) + records * (needs.RECORD + size.forward(setting.batch))
        # Records of all settings are in memory.
        memory = size.memory(config.replicates, 16) + records * (needs.RECORDED + 32.0 * len(runs) * size.models)
        found.append(Cost(fields, steps, memory, seconds))
    few, first = size._replace(models=EDGE_REPLICATES), runs[0]
    steps = edge_steps_of(config, first)
    each = needs.RECORD * LANCZOS + LANCZOS * 6 * few.forward(config.examples)
    memory = few.memory(EDGE_REPLICATES, EDGE_REPLICATES) + 4.0 * LANCZOS * few.parameters * EDGE_REPLICATES
    found.append(Cost(fields, steps, memory, few.training(first.batch, steps) + steps / EDGE_EVERY * each))
    return found


def simulate(config: Config, lab: Lab) -> Values:
    """Every setting, the control with wrong labels, and one run with its curvature."""
    runs = [*settings(config), control(config)]
    weights = [float(steps_of(config, s)) for s in runs]
    *paths, floor = lab.cells(train, config, runs, "periods: nets", weights=weights)
    ((crossed, calm),) = lab.cells(train_edge, config, runs[:1], "periods: curvature")
    shown = slice(0, SHOWN)
    return {
        FLOOR: sum(int((b.bottom > floor.steps[-1] / 2).sum()) for b in _bursts(floor)),
        BURST: np.arange(1, len(crossed) + 1),
        CROSSED: crossed,
        CALM: calm,
        ABOVE_EDGE: mean_over_bursts(np.log(crossed / 2)),
        BELOW_EDGE: mean_over_bursts(np.log(2 / calm)),
        STEP: paths[0].steps[shown],
        EXAMPLE_NORM: paths[0].norm[shown, 0],
        EXAMPLE_LOSS: paths[0].first_loss[shown],
        **_intervals(config, [_bursts(path) for path in paths]),
    }


def theory(config: Config, axes: Axes) -> Values:
    """Free decay between the measured norms, and one interval at one lr wd."""
    return {DECAY: Theory(1.0), TWIN: Theory(0.0)}


def compare(config: Config, found: Found) -> list[Claim]:
    """Bursts, their interval as a power law in lr wd, what ends an interval, and no bursts with wrong labels."""
    return [
        found[EXPONENT].exceeds(
            "law", "The mean interval between bursts of the loss is a power of 1/(learning rate x weight decay) whose "
            "exponent is nearer to 1 than to 1/2.", NEARER, sigmas=4,
        ),
        found[TWIN].equals(
            "product", "Two settings with the same product of learning rate and weight decay have the same mean "
            "interval between bursts of the loss.", resolution=0.25,
        ),
        found[IRREGULAR][0].exceeds(
            "irregular", "Intervals between bursts of the loss are irregular: their standard deviation is above 0.",
            sigmas=4,
        ),
        found[DECAY][0].exceeds(
            "decay", "Between bursts of the loss the norm falls more slowly than by free decay: gradients still "
            "increase it.", 1.0, sigmas=4,
        ),
        found[APPROACH].exceeds(
            "free", "Between bursts of the loss the fall of the norm comes nearer to free decay for a smaller product "
            "of learning rate and weight decay.", sigmas=4,
        ),
        found[ABOVE_EDGE].exceeds(
            "edge", "At the start of a burst of the loss, the learning rate times the largest eigenvalue of the "
            "Hessian is above 2.", sigmas=4,
        ),
        found[BELOW_EDGE].exceeds(
            "calm", "In the fall of the norm before a burst of the loss, the learning rate times the largest "
            "eigenvalue of the Hessian is below 2.", sigmas=4,
        ),
        found[FLOOR].exactly("floor", "With wrong labels, which keep the loss above zero, it has no bursts.", 0.0),
    ]  # fmt: skip


def draw_example(config: Config, found: Found, panel: Panel) -> None:
    """Norm and loss of one net."""
    steps = found[STEP].value
    panel.curve(steps, found[EXAMPLE_NORM].value, "norm (left)", color=0)
    loss = panel.right("loss on the minibatch", yscale="log")
    loss.curve(steps, found[EXAMPLE_LOSS].value, "loss (right)", color=1, width=0.8)
    panel.set(title="Decay, burst, decay", xlabel="step", ylabel="norm of the weights")
    panel.note(f"one net at {settings(config)[0]} (lr: learning rate, wd: weight decay)")


def draw_intervals(config: Config, found: Found, panel: Panel) -> None:
    """The power law of the intervals."""
    rate = found[RATE].value
    steps, by_rate = found[SCALED] / rate, np.argsort(rate, kind="stable")
    _draw_settings(config, panel, steps, rate)
    panel.line(steps[by_rate], "proportional to 1/(lr wd), fitted", x=rate[by_rate])
    panel.set(xscale="log", yscale="log", title="Intervals between bursts", ylabel="mean interval (steps)")


def draw_decay(config: Config, found: Found, panel: Panel) -> None:
    """Falls against free decay."""
    _draw_settings(config, panel, found[DECAY], found[RATE].value)
    panel.level(1.0, "free decay")
    panel.set(xscale="log", title="Gradients slow the fall of the norm")


def draw_edge(config: Config, found: Found, panel: Panel) -> None:
    """The curvature at bursts and before."""
    panel.points(CROSSED, "largest at the start of the burst")
    panel.points(CALM, "smallest in the fall before", color=2)
    panel.level(2.0, "edge of stability")
    panel.set(title="Bursts start beyond the edge", ylabel="lr lambda_max", yscale="log")
    panel.note(f"{EDGE_REPLICATES} nets at {settings(config)[0]}; lambda_max: largest curvature of the training loss")


PANELS = (draw_example, draw_intervals, draw_decay, draw_edge)


def _bursts(path: Path) -> list[Bursts]:
    """The bursts of every net."""
    return [bursts(path.steps, norm) for norm in path.norm.T]


def _intervals(config: Config, found: list[list[Bursts]]) -> dict[Any, Any]:
    """Intervals and falls of all settings, and how they depend on lr wd."""
    all_settings, count = settings(config), len(grid(config))
    rate = np.array([s.rate for s in all_settings])
    scaled = Estimate.stack([mean_gap(b, r) for b, r in zip(found, rate, strict=True)])
    falls = Estimate.stack([decay(b, s.lr, s.wd) for b, s in zip(found, all_settings, strict=True)])
    fastest, slowest = int(rate[:count].argmax()), int(rate[:count].argmin())
    return {
        SETTING: [str(s) for s in all_settings],
        GAPS: np.array([sum(len(b.gaps) for b in nets_) for nets_ in found]),
        RATE: rate,
        SCALED: Beside(scaled, Fit(np.exp(np.log(scaled.value).mean()))),
        IRREGULAR: [irregularity(b) for b in found],
        DECAY: falls,
        EXPONENT: _exponent(rate[:count], Estimate(scaled.value[:count], scaled.se[:count])),
        TWIN: _difference(scaled, count, count - 1),
        APPROACH: _difference(falls, fastest, slowest),
    }


def _exponent(rate: Floats, scaled: Estimate) -> Estimate:
    """Exponent of the interval as a power of 1/(lr wd); unknown without scatter, or without bursts."""
    relative = scaled.se / scaled.value
    if not (relative > 0).all():
        return UNKNOWN
    line = fit(np.log(rate), np.log(scaled.value), relative, (0, 1))
    return Estimate(1 - line.coefficients[1], line.se[1])


def _difference(values: Estimate, i: int, k: int) -> Estimate:
    """The difference of two independent values."""
    return Estimate(values.value[i] - values.value[k], np.hypot(values.se[i], values.se[k]))


def _draw_settings(config: Config, panel: Panel, values: Any, rate: Floats) -> None:
    """A quantity of all settings against lr wd; those beside the grid have names."""
    count = len(grid(config)) + 1
    panel.points(values[:count], "logits 10, batch 100", x=rate[:count])
    for i, label in enumerate(("logits 20", "batch 50")):
        panel.points(values[[count + i]], label, x=rate[[count + i]] * (1.06, 0.94)[i], color=i + 1)
    panel.set(xlabel="lr wd")
    panel.note(f"{config.replicates} nets each; lr: learning rate, wd: weight decay")
