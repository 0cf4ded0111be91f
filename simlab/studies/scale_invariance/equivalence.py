"""Scene 2, invariance to rounding: what multiplying all weights by c changes, and weight decay as a growing rate.

f(c w) = f(w), w . grad = 0, grad(c w) = grad(w)/c and Hessian(c w) = Hessian(w)/c^2 on real nets in double precision;
and training with (lr, wd) gives the same functions as training without decay at lr (1 - lr wd)^(-2 t - 1) in step t.
How far rounding may separate two such runs is measured, on a third whose first weights differ by the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import nn
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, predicted
from simlab.nn.calculus.views import norm
from simlab.nn.training.schedules import Schedule
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of

PANELS = 1
STEPS, EVERY, BATCH = 300, 20, 50
LR, DECAY = 0.1, 0.01
FACTORS = (0.1, 10.0)
ROUNDING = 1e-9
"""A thousand operations of relative error 2e-16 on sums of a thousand terms stay far below; an error of any formula is
of the order 1."""
SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Li & Arora 2020, theorem 2.1"


INVARIANCES = {
    "function": "largest relative change of the outputs under w -> c w",
    "orthogonal": "largest |w . grad|/(|w| |grad|)",
    "gradient": "largest relative distance of c grad(c w) from grad(w)",
    "hessian": "largest relative distance of c^2 Hessian(c w) v from Hessian(w) v",
}


class Growing(Schedule):
    """The rate that replaces weight decay."""

    def __call__(self, step: int) -> Any:
        """Lr (1 - lr wd)^(-2 step - 1)."""
        return theory_of.growing_lr(LR, DECAY, step)


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    nets.check(config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """Three runs in double precision, by the arrays' engine, and the products with the Hessian."""
    count, examples = _sizes(config)
    own = needs.Stack(config, count, config.width, 2, examples, bytes=8)
    records = len(range(0, STEPS + 1, EVERY))
    seconds = 3 * (STEPS * (needs.STEP + 3 * own.forward(BATCH)) + records * own.forward(config.tests))
    memory = own.memory(count, count) + 3 * records * count * min(config.tests, nets.available(config)) * 80.0
    return [Cost(("width", "examples"), 3 * STEPS, memory, seconds + 20 * own.forward(examples))]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Three runs of 300 steps, and the invariances at the end of the first."""
    count, examples = _sizes(config)
    net = nets.scale_invariant((nets.features(config), config.width, config.width, nets.classes(config)), eps=0.0)
    data = nets.problem(config, nets.EQUIVALENCE, count, examples, config.noise, device)
    data = data._replace(x=data.x.astype(np.float64), test_x=data.test_x.astype(np.float64))
    start = nets.initial(config, nets.EQUIVALENCE, net, list(range(count)), logits=1.0, device=device, dtype="float64")
    flat = nn.flatten(start)
    nudged = nn.unflatten(start, flat + 2.0**-52 * flat[:, ::-1])
    steps = list(range(0, STEPS + 1, EVERY))
    ways = [(start, LR, DECAY), (start, Growing(), 0.0), (nudged, LR, DECAY)]
    ends, outputs = [], []
    with progress.task("equivalence: three runs", 3 * STEPS) as task:
        for params, lr, decay in ways:
            seen = nets.Keeper(lambda frame: frame.test_outputs)
            record = nn.Record([seen.quantity], at=steps, test=(data.test_x, data.test_y))
            end, _ = nn.train(
                net, params, (data.x, data.y), nn.SGD(lr, weight_decay=decay), batch_size=BATCH, steps=STEPS,
                seed=nets.seed(config, nets.EQUIVALENCE), record=record, options=nn.Options(progress=task.advance),
            )  # fmt: skip
            ends.append(end)
            outputs.append(np.stack([device.to_host(seen.at(step)) for step in steps]))
    decayed, growing, third = outputs
    size = np.abs(decayed).max(axis=(2, 3))
    apart, control = (np.abs(other - decayed).max(axis=(2, 3)) / size for other in (growing, third))
    found: dict[str, Any] = given("step", "step", steps, "steps", "steps")
    found |= measured("apart", "step", mean(apart.T), "difference of outputs, weight decay and growing rate")
    found |= measured(
        "control", "step", mean(control.T), "difference of outputs, first weights changed in the last bit"
    )
    found |= given("worst", (), apart.max(), "largest difference of outputs, weight decay and growing rate")
    found |= given(
        "rounding", (), control.max(), "largest difference of outputs, first weights changed in the last bit"
    )
    grown = [device.to_host(norm(end)) for end in ends[:2]]
    found |= given("growth", (), (grown[1] / grown[0]).mean(), "norm without decay over norm with it, at the end")
    for name, value in _invariances(net, ends[0], data, device).items():
        found |= given(name, (), value, INVARIANCES[name])
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The same functions, on spheres whose radii drift apart."""
    found: dict[str, Any] = predicted("growth", (), (1 - LR * DECAY) ** -STEPS, "norm without decay over norm with it")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Equal to rounding, each."""
    bound = 100 * float(data.rounding)
    claims = [
        Claim.equals(
            "equivalence/functions",
            f"With decay, and without at the growing rate, {STEPS} steps give the same functions, to a "
            "hundred times what the last bit of the first weights makes.", SOURCE, float(data.worst), 0.0, 0.0,
            bias=bound, resolution=1e-6,
        ),
        Claim.equals(
            "equivalence/norms", "Their norms drift apart by (1 - lr wd)^-t.", SOURCE, float(data.growth),
            float(data.growth_theory), 0.0, bias=bound * float(data.growth_theory), resolution=1e-6,
        ),
    ]  # fmt: skip
    says = {
        "function": "f(c w) = f(w).", "orthogonal": "The gradient is orthogonal to the weights.",
        "gradient": "grad(c w) = grad(w)/c.", "hessian": "Hessian(c w) = Hessian(w)/c^2: the width of a minimum "
        "changes where the function does not.",
    }  # fmt: skip
    claims += [
        Claim.equals(f"equivalence/{name}", sentence, SOURCE, float(data[name]), 0.0, 0.0, bias=ROUNDING)
        for name, sentence in says.items()
    ]
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Differences of outputs, on the scale of rounding."""
    (panel,) = axes
    later = data.isel(step=slice(1, None))
    look.points(panel, later.step, later.apart, later.apart_se, "decay and growing rate")
    look.points(panel, later.step, later.control, later.control_se, "last bit of the first weights", color=1)
    panel.set(yscale="log", title="Weight decay is a growing rate", xlabel="step", ylabel="difference of outputs")


def _sizes(config: Config) -> tuple[int, int]:
    """Nets and training examples."""
    return min(config.replicates, 8), min(config.examples, 500)


def _invariances(net: Any, params: Any, data: nets.Problem, device: Device) -> dict[str, float]:
    """The largest violation of each invariance over nets and factors c."""
    flat = nn.flatten(params)
    whole = (nn.cross_entropy, params, data.x, data.y)
    gradient = nn.flatten(nn.value_and_grad(net, *whole)[1])
    v = nn.unflatten(params, flat[:, ::-1].copy())
    image = nn.flatten(nn.hvp(net, *whole, v))
    outputs = net.forward(params, data.x)[0]
    worst = dict.fromkeys(INVARIANCES, 0.0)
    lengths = [(a * a).sum(axis=1) ** 0.5 for a in (flat, gradient)]
    worst["orthogonal"] = float((abs((flat * gradient).sum(axis=1)) / (lengths[0] * lengths[1])).max())
    for c in FACTORS:
        scaled = nn.unflatten(params, c * flat)
        there = (nn.cross_entropy, scaled, data.x, data.y)
        pairs = {
            "function": (net.forward(scaled, data.x)[0], outputs),
            "gradient": (c * nn.flatten(nn.value_and_grad(net, *there)[1]), gradient),
            "hessian": (c**2 * nn.flatten(nn.hvp(net, *there, v)), image),
        }
        for name, (one, other) in pairs.items():
            worst[name] = max(worst[name], float(abs(one - other).max() / abs(other).max()))
    return worst
