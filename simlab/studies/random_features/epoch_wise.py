"""Scene 3, the talk's epoch-wise double descent in the linear model: one speed, two speeds, matched step sizes.

One speed: isotropic features and gradient descent from zero; over the Marchenko-Pastur distribution the excess risk is
known at every step. Two speeds: a slow strong half of the features and a fast half; each has its own U-shaped curve,
and their sum has two descents (Heckel & Yilmaz 2021). Step sizes with which both halves reach their minima at the same
time remove the second descent.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.linear import decompose
from simlab.statistics import mean
from simlab.studies.random_features import costs, problem, replicates, speeds
from simlab.studies.random_features.config import Config
from simlab.studies.random_features.replicates import Block

SOURCE = "talk, Double descent and Explaining DD; Advani, Saxe & Sompolinsky 2020; Heckel & Yilmaz 2021"
DESCENT = "least_squares#training-time-gradient-flow"
SPEEDS = "least_squares#two-speeds-descent-ascent-descent-along-the-epochs"
"""Where theories are derived."""
EPOCH = axis("steps of gradient descent", "steps")
RANGE = axis("steps of gradient descent, averaged over ranges", "steps")
STEPS = axis("step sizes of the two halves")
STAGE = axis("stage of training with equal step sizes")
MINIMUM = axis("minimum of the risk with equal step sizes")
CONTRAST = axis("change of the risk with matched step sizes")
ONE = quantity("excess risk with one speed", EPOCH, equation=DESCENT)
ONE_LIMIT = quantity("excess risk with one speed for d -> infinity, from d/2 and d", EPOCH, equation=DESCENT)
LIMIT = quantity("excess risk with one speed over theory, minus 1, for d -> infinity", RANGE, equation=DESCENT)
TWO = quantity("excess risk with two speeds", STEPS, EPOCH, equation=SPEEDS)
STAGE_RISK = quantity("excess risk with two speeds", STAGE, equation=SPEEDS)
RISE = quantity("excess risk at the peak minus that at the minimum", MINIMUM, equation=SPEEDS)
CHANGE = quantity(
    "fall of the risk before its minimum, or rise after it, between neighbouring ranges", CONTRAST, equation=SPEEDS
)

RANGES = 6
STAGES = ("first minimum", "peak between", "second minimum")
CONTRASTS = ("first fall", "second fall", "first rise", "second rise")


def check(config: Config) -> None:
    """Refuse speeds so close to each other that even theory has one descent only."""
    if speeds.stages(config) is None:
        raise InputError(
            f"fast = {config.fast:g} with noise = {config.noise:g}: theory has no second descent; take faster features."
        )
    if speeds.phases(config) is None:
        raise InputError(
            f"fast = {config.fast:g} with noise = {config.noise:g}: with matched step sizes theory's risk has its "
            "minimum too close to an end of the run to show a fall before and a rise after; take other speeds or noise."
        )


def cost(config: Config) -> list[Cost]:
    """The decomposition of every problem: one with one speed at both sizes, two with two speeds at the larger."""
    one = costs.cost(("dimension", "aspect"), replicates.both(config), partial(_need_of_one, config))
    return one + costs.cost(("dimension",), replicates.both(config)[1:], _need_of_two)


def simulate(config: Config, lab: Lab) -> Values:
    """Excess risk at every recorded step of the three runs of gradient descent; |b - beta|^2 needs no test points."""
    parts, times = replicates.both(config), speeds.epochs(config)
    one = replicates.gather(lab, one_speed, config, parts, partial(_need_of_one, config), "epoch-wise: one speed")
    (two,) = replicates.gather(lab, two_speeds, config, parts[1:], _need_of_two, "epoch-wise: two speeds")
    exact = [speeds.one_speed(config, part.dimension) for part in parts]
    relative = [curve / t - 1 for curve, t in zip(one, exact, strict=True)]
    stages = two[:, 0][:, list(speeds.known_stages(config))]  # (replicate, stage)
    return {
        EPOCH: times, RANGE: replicates.middles(times, RANGES), STEPS: ["equal", "matched"], STAGE: list(STAGES),
        MINIMUM: [STAGES[0], STAGES[2]], CONTRAST: list(CONTRASTS),
        ONE: mean(one[-1]),
        ONE_LIMIT: replicates.risk_at_infinity(exact[-1], *relative),
        LIMIT: replicates.limit(*(replicates.ranges(r, RANGES) for r in relative)),
        TWO: mean(two),
        STAGE_RISK: mean(stages),
        RISE: mean(stages[:, [1]] - stages[:, [0, 2]]),
        CHANGE: mean(speeds.changes(config, two[:, 1])),
    }  # fmt: skip


def one_speed(config: Config, block: Block, lab: Lab) -> Floats:
    """Excess risk at every recorded step (replicate, epoch)."""
    return np.array([_one_speed(config, lab, block.dimension, replicate) for replicate in block.replicates])


def two_speeds(config: Config, block: Block, lab: Lab) -> Floats:
    """Excess risk at every recorded step, with equal step sizes and with matched ones (replicate, 2, epoch)."""
    return np.array([_two_speeds(config, lab, block.dimension, replicate) for replicate in block.replicates])


def theory(config: Config, axes: Axes) -> Values:
    """The Marchenko-Pastur average at every step, and the superposition of two curves."""
    one = Theory(speeds.one_speed(config, config.dimension))
    two = np.array([speeds.superposition(config, matched) for matched in (False, True)])
    stages = two[0][list(speeds.known_stages(config))]
    return {
        ONE: one, ONE_LIMIT: one, LIMIT: Theory(0.0),
        TWO: Theory(two, bias=2 * two / speeds.EXAMPLES),
        STAGE_RISK: Theory(stages, bias=2 * stages / speeds.EXAMPLES),
        RISE: Theory(stages[1] - stages[[0, 2]]),
        CHANGE: Theory(speeds.changes(config, two[1][None])[0]),
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """The exact curve; two descents; none with matched steps."""
    stages = [
        found[STAGE_RISK][i].equals(
            stage.replace(" ", "-"),
            f"Gradient descent with two speeds, {stage}: the risk is the sum of the curves of both speeds, up to a "
            "share 2 p/n (p features, n examples).",
            resolution=0.3 * float(found[STAGE_RISK][i].reference),
        )
        for i, stage in enumerate(STAGES)
    ]
    return [
        found[LIMIT].agrees(
            "one-speed",
            "Gradient descent of a linear model with one speed follows the exact risk at every step as p grows.",
        ),
        *stages,
        found[RISE].weakest().exceeds(
            "second-descent",
            "With two speeds the risk of gradient descent rises after its first minimum and descends again.", sigmas=6,
        ),
        found[CHANGE].weakest().exceeds(
            "matched-steps",
            "With step sizes matched to the two speeds gradient descent has one descent: the risk falls to one minimum "
            "and rises after it.", sigmas=6,
        ),
    ]  # fmt: skip


def draw_two_speeds(config: Config, found: Found, panel: Panel) -> None:
    """Two speeds, with equal and with matched step sizes."""
    for i, steps in enumerate(found[STEPS].value):
        risk = found[TWO][i]
        panel.points(risk, f"{steps} step sizes", color=i)
        panel.line(risk, "", color=i)
        low, high = risk.reference - risk.bias, risk.reference + risk.bias
        label = "" if i else "theory and its error, 2 p/n"
        panel.axes.fill_between(found[EPOCH].value, low, high, color="0.85", lw=0, zorder=0, label=label or None)
    panel.set(xscale="log", title="Two speeds, two descents", xlabel="steps of gradient descent",
              ylabel="excess risk")  # fmt: skip
    panel.note(
        f"p = {config.dimension} features, half of them with {config.fast:g} times the variance, n = "
        f"{speeds.EXAMPLES} p examples, noise {10 * config.noise:g}, {config.replicates} training sets"
    )


def draw_one_speed(config: Config, found: Found, panel: Panel) -> None:
    """One speed."""
    panel.points(ONE_LIMIT, "one speed, p to infinity")
    panel.line(ONE_LIMIT)
    panel.set(xscale="log", title="One speed, one descent", xlabel="steps of gradient descent",
              ylabel="excess risk")  # fmt: skip
    panel.note(
        f"p = {config.aspect:g} n features, noise {config.noise:g}, step size {speeds.step_size(config):.2g}; points "
        f"from {replicates.described(config, 'p')}"
    )


PANELS = (draw_two_speeds, draw_one_speed)


def _one_speed(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    key, device = lab.key("epoch_wise", "one speed", dimension, replicate), lab.device
    n = speeds.examples(config, dimension)
    x = problem.gaussian_points(key, n, dimension, device)
    beta = device.xp.zeros(dimension)
    beta[0] = 1.0
    y = x[:, 0] + config.noise * problem.label_noise(key, n, device)
    b = decompose(x * n**-0.5, y * n**-0.5).descent(speeds.epochs(config), speeds.step_size(config))
    return device.to_host(((b - beta) ** 2).sum(axis=1))


def _two_speeds(config: Config, lab: Lab, dimension: int, replicate: int) -> Floats:
    """A step size for each feature is gradient descent with step 1 on features scaled by its root."""
    key, device = lab.key("epoch_wise", "two speeds", dimension, replicate), lab.device
    model = speeds.model(config, dimension)
    n, scale, beta = model.examples, device.asarray(model.spectrum**0.5), device.asarray(model.power**0.5)
    x = problem.gaussian_points(key, n, dimension, device) * scale
    y = x @ beta + model.noise * problem.label_noise(key, n, device)
    curves = []
    for matched in (False, True):
        root = device.asarray(speeds.step_sizes(config, dimension, matched) ** 0.5)
        b = decompose(x * (root * n**-0.5), y * n**-0.5).descent(speeds.epochs(config), 1.0) * root
        curves.append(device.to_host((((b - beta) * scale) ** 2).sum(axis=1)))
    return np.array(curves)


def _need_of_one(config: Config, dimension: int) -> costs.Need:
    return costs.decomposition(speeds.examples(config, dimension), dimension)._replace(kept=speeds.EPOCHS)


def _need_of_two(dimension: int) -> costs.Need:
    return costs.decomposition(speeds.EXAMPLES * dimension, dimension, times=2)._replace(kept=2 * speeds.EPOCHS)
