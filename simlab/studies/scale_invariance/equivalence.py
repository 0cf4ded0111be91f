"""Scene 2, exact invariances: multiplying all weights by c, and weight decay as a growing learning rate.

f(c w) = f(w), w . grad = 0, grad(c w) = grad(w)/c and Hessian(c w) = Hessian(w)/c^2 on real nets in double precision;
and training with (lr, wd) gives the same functions as training without decay at lr (1 - lr wd)^(-2 t - 1) in step t.
How far rounding separates two such runs is measured with a third one, whose initial weights differ in the last bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab import nn
from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.nn.calculus.views import norm
from simlab.nn.training.schedules import Schedule
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets, problem
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of

SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Li & Arora 2020, theorem 2.1"
STEP = axis("step")
APART = quantity("relative difference of outputs between weight decay and growing learning rate", STEP)
CONTROL = quantity("relative difference of outputs after a change of the initial weights in the last bit", STEP)
WORST = quantity(
    "largest relative difference of outputs between weight decay and growing learning rate",
    equation="scale_invariant#weight-decay-is-a-growing-learning-rate",
)
ROUNDING = quantity("largest relative difference of outputs after a change of the initial weights in the last bit")
GROWTH = quantity(
    "norm without decay over norm with it, at the end",
    equation="scale_invariant#weight-decay-is-a-growing-learning-rate",
)
FUNCTION = quantity(
    "largest relative change of the outputs under w -> c w", equation="scale_invariant#the-width-of-a-minimum"
)
ORTHOGONAL = quantity("largest |w . grad|/(|w| |grad|)", equation="scale_invariant#the-width-of-a-minimum")
GRADIENT = quantity(
    "largest relative distance of c grad(c w) from grad(w)", equation="scale_invariant#the-width-of-a-minimum"
)
HESSIAN = quantity(
    "largest relative distance of c^2 Hessian(c w) v from Hessian(w) v",
    equation="scale_invariant#the-width-of-a-minimum",
)

STEPS, EVERY, BATCH = 300, 20, 50
LR, DECAY = 0.1, 0.01
FACTORS = (0.1, 10.0)
"""The c of w -> c w."""
EPSILON = 1e-9
"""Allowed rounding: a thousand operations of relative error 2e-16 on sums of a thousand terms stay far below it, and a
wrong formula would be off by the order of 1."""
AMPLIFIED = 100
"""Functions count as equal up to this many times the effect of the last bit of the initial weights."""


class Growing(Schedule):
    """The learning rate that replaces weight decay."""

    def __call__(self, step: int) -> Any:
        """The rate lr (1 - lr wd)^(-2 step - 1)."""
        return theory_of.growing_lr(LR, DECAY, step)


class Run(NamedTuple):
    """Nets at the end of training, and their outputs during training, (step, model, example, class)."""

    end: nets.Stack
    outputs: Floats


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    problem.check(config)


def cost(config: Config) -> list[Cost]:
    """Three runs in double precision, by array operations, and the products with the Hessian."""
    count, examples = _sizes(config)
    size = needs.Nets(config, count, config.width, 2, examples, bytes=8)
    records = len(range(0, STEPS + 1, EVERY))
    seconds = 3 * (STEPS * (needs.STEP + 3 * size.forward(BATCH)) + records * size.forward(config.tests))
    memory = size.memory(count, count) + 3 * records * count * min(config.tests, problem.available(config)) * 80.0
    return [Cost(("width", "examples"), 3 * STEPS, memory, seconds + 20 * size.forward(examples))]


def simulate(config: Config, lab: Lab) -> Values:
    """Three runs of 300 steps, and the invariances at the end of the first."""
    count, examples = _sizes(config)
    start = nets.stack(
        config, lab, "equivalence", (config.width, config.width), replicates=count, examples=examples,
        noise=config.noise, logits=1.0, eps=0.0, dtype="float64",
    )  # fmt: skip
    nudged = start.with_weights(start.weights + 2.0**-52 * start.weights[:, ::-1])
    runs = [(start, nn.SGD(LR, weight_decay=DECAY)), (start, nn.SGD(Growing())), (nudged, nn.SGD(LR, 0.0, DECAY))]
    with lab.task("equivalence: three runs", len(runs) * STEPS) as task:
        decayed, growing, third = [_train(lab, nets_, sgd, task.advance) for nets_, sgd in runs]
    apart, control = (_difference(other.outputs, decayed.outputs) for other in (growing, third))
    norms = [lab.device.to_host(norm(run.end.params)) for run in (decayed, growing)]
    return {
        STEP: np.array(_recorded()),
        APART: mean(apart.T),
        CONTROL: mean(control.T),
        WORST: apart.max(),
        ROUNDING: control.max(),
        GROWTH: (norms[1] / norms[0]).mean(),
        **_invariances(decayed.end),
    }


def theory(config: Config, axes: Axes) -> Values:
    """Equal functions of weights whose norms drift apart; all invariances are exact."""
    exact = Theory(0.0, EPSILON)
    return {
        WORST: Theory(0.0), GROWTH: Theory((1 - LR * DECAY) ** -STEPS), FUNCTION: exact, ORTHOGONAL: exact,
        GRADIENT: exact, HESSIAN: exact,
    }  # fmt: skip


def compare(config: Config, found: Found) -> list[Claim]:
    """All equalities hold up to rounding."""
    bound = AMPLIFIED * float(found[ROUNDING])
    return [
        found[WORST].equals(
            "functions",
            "Scale-invariant nets trained with weight decay, and without it at a growing learning rate, are the same "
            f"functions for {STEPS} steps, up to a hundred times the effect of the last bit of the initial weights.",
            bias=bound, se=0.0, resolution=1e-6,
        ),
        found[GROWTH].equals(
            "norms", "After t steps the norm of scale-invariant nets trained at a growing learning rate is that of "
            "nets trained with weight decay wd, times (1 - lr wd)^-t.",
            bias=bound * float(found[GROWTH].reference), se=0.0, resolution=1e-6,
        ),
        found[FUNCTION].equals(
            "function",
            "Multiplying all weights of a scale-invariant net by c changes no output: f(c w) = f(w).", se=0.0,
        ),
        found[ORTHOGONAL].equals(
            "orthogonal", "The gradient of a scale-invariant net is orthogonal to its weights: w . grad = 0.", se=0.0
        ),
        found[GRADIENT].equals(
            "gradient", "The gradient of a scale-invariant net is homogeneous of degree -1: grad(c w) = grad(w)/c.",
            se=0.0,
        ),
        found[HESSIAN].equals(
            "hessian", "Multiplying all weights of a scale-invariant net by c changes the width of a minimum, though "
            "not the function: Hessian(c w) = Hessian(w)/c^2.", se=0.0,
        ),
    ]  # fmt: skip


def draw_difference(config: Config, found: Found, panel: Panel) -> None:
    """Differences of outputs, on the scale of rounding."""
    panel.points(found[APART][1:], "weight decay and growing learning rate")
    panel.points(found[CONTROL][1:], "last bit of the initial weights", color=1)
    panel.set(yscale="log", title="Weight decay is a growing learning rate", ylabel="relative difference of outputs")
    panel.note(f"lr = {LR:g}, weight decay {DECAY:g}; double precision; the claim allows "
               f"{AMPLIFIED * float(found[ROUNDING]):.0e}")  # fmt: skip


PANELS = (draw_difference,)


def _sizes(config: Config) -> tuple[int, int]:
    """Nets and training examples."""
    return min(config.replicates, 8), min(config.examples, 500)


def _recorded() -> list[int]:
    """Steps at which outputs are recorded."""
    return list(range(0, STEPS + 1, EVERY))


def _train(lab: Lab, start: nets.Stack, sgd: nn.SGD, progress: Any) -> Run:
    keeper = nets.Keeper(lambda frame: frame.test_outputs)
    end, _ = start.train(
        sgd, STEPS, batch=BATCH, key=lab.key("equivalence", "batches"), record=[keeper.quantity],
        at=_recorded(), progress=progress,
    )  # fmt: skip
    return Run(end, np.stack([lab.device.to_host(keeper.at(step)) for step in _recorded()]))


def _difference(outputs: Floats, others: Floats) -> Floats:
    """The largest over examples and classes, relative to the largest output: (step, model)."""
    relative: Floats = np.abs(outputs - others).max(axis=(2, 3)) / np.abs(others).max(axis=(2, 3))
    return relative


def _invariances(stack: nets.Stack) -> dict[Any, float]:
    """The largest violation of each invariance over nets and factors c."""
    net, x, y = stack.net, stack.data.x, stack.data.y
    flat, v = stack.weights, stack.with_weights(stack.weights[:, ::-1].copy()).params

    def measured(some: nets.Stack) -> tuple[Any, Any, Any]:
        """Outputs, gradient and the Hessian's product with v."""
        whole = (net, nn.cross_entropy, some.params, x, y)
        outputs = net.forward(some.params, x)[0]
        return outputs, nn.flatten(nn.value_and_grad(*whole)[1]), nn.flatten(nn.hvp(*whole, v))

    outputs, gradient, image = measured(stack)
    lengths = [(a * a).sum(axis=1) ** 0.5 for a in (flat, gradient)]
    worst = {ORTHOGONAL: float((abs((flat * gradient).sum(axis=1)) / (lengths[0] * lengths[1])).max())}
    for c in FACTORS:
        there = measured(stack.with_weights(c * flat))
        pairs = {FUNCTION: (there[0], outputs), GRADIENT: (c * there[1], gradient), HESSIAN: (c**2 * there[2], image)}
        for kind, (one, other) in pairs.items():
            worst[kind] = max(worst.get(kind, 0.0), float(abs(one - other).max() / abs(other).max()))
    return worst
