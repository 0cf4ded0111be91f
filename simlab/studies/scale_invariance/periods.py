"""Scene 5, periods: where the loss can go to zero, weight decay drives the norm over the edge again and again.

With labels that the net can fit, the gradient dies and the norm decays freely, by 1 - lr wd a step, until lr times the
curvature exceeds 2. Then the loss bursts, its gradients make the norm large, and all begins anew. The norm tells where
bursts are. Where wrong labels keep the loss up there is an equilibrium instead.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from simlab import nn
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, predicted
from simlab.nn.training.record import sharpness
from simlab.statistics import Estimate, mean
from simlab.studies.scale_invariance import needs, nets
from simlab.studies.scale_invariance.bursts import bursts, crossings, decay, irregularity, late, mean_gap
from simlab.studies.scale_invariance.config import Config

PANELS = 2
SHOWN = 120
"""Measurements of the first net that are kept for the figure."""
FASTEST = 0.05
"""The largest lr wd: at shorter lives the eight of a run at least would be fewer than sixteen records of the norm."""
EVERY = 10
"""Steps between measurements of loss and norm."""
EDGE_REPLICATES, EDGE_EVERY, EDGE_LIFETIMES, LANCZOS = 6, 20, 14.0, 12
"""The run whose curvature is measured: nets, steps between measurements, length in 1/(lr wd), steps of Lanczos."""
SOURCE = "talk, Scale invariance of DNNs; Lobacheva et al. 2021"


class Setting(NamedTuple):
    """How a group of nets is trained; logits multiplies the last layer."""

    lr: float
    wd: float
    logits: float = 10.0
    batch: int = 100
    noise: float = 0.0

    def __str__(self) -> str:
        """As figures and claims name it."""
        text = f"lr {self.lr:g}, wd {self.wd:g}"
        text += f", logits {self.logits:g}" if self.logits != 10 else ""
        return text + (f", batch {self.batch}" if self.batch != 100 else "")


def check(config: Config) -> None:
    """Refuse data that cannot be used, minibatches of more than there is, and decays that leave nothing to see."""
    nets.check(config)
    largest = max(s.batch for s in settings(config))
    if config.examples < largest:
        raise InputError(f"examples = {config.examples}: minibatches of this scene have {largest} of them, take more.")
    for lr, wd in product(config.period_lrs, config.period_decays):
        if not lr * wd <= FASTEST:
            raise InputError(
                f"period_lrs = {lr:g} with period_decays = {wd:g}: their product is {lr * wd:.2g}, and weights that "
                f"decay by more than {FASTEST:g} a step have no periods to be seen; take smaller ones."
            )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """Every setting, the control with wrong labels, and the run whose curvature is measured."""
    grid, found = settings(config), []
    fields = ("period_lrs", "period_decays", "period_lifetimes", "replicates", "width", "examples")
    own = needs.Stack(config, config.replicates, config.width, 2, config.examples)
    for setting in [*grid, grid[0]]:
        steps = _steps(config, setting, config.period_lifetimes)
        records = steps / EVERY
        seconds = own.training(setting.batch, steps) + records * (needs.RECORD + own.forward(setting.batch))
        # What is recorded is kept for all settings.
        memory = own.memory(config.replicates, 16) + (len(grid) + 1) * records * (needs.RECORDED + 32.0 * own.models)
        found.append(Cost(fields, steps, memory, seconds))
    few = own._replace(models=EDGE_REPLICATES)
    steps = _edge_steps(config, grid[0])
    each = needs.RECORD * LANCZOS + LANCZOS * 6 * few.forward(config.examples)
    memory = few.memory(EDGE_REPLICATES, EDGE_REPLICATES) + 4.0 * LANCZOS * few.parameters * EDGE_REPLICATES
    found.append(Cost(fields, steps, memory, few.training(grid[0].batch, steps) + steps / EDGE_EVERY * each))
    return found


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Every setting, the control with wrong labels, and one run with its curvature."""
    grid = settings(config)
    length = [_steps(config, s, config.period_lifetimes) for s in grid]
    control = Setting(grid[0].lr, grid[0].wd, 1.0, grid[0].batch, max(config.noise, 0.1))
    with progress.task("periods: nets", sum(length) + length[0]) as task:
        records = [_train(config, s, config.replicates, n, device, task.advance)
                   for s, n in zip(grid, length, strict=True)]  # fmt: skip
        floor = _train(config, control, config.replicates, length[0], device, task.advance)
    edge, sharpness = _edge(config, grid[0], device, progress)
    found: dict[str, Any] = given("setting", "setting", [str(s) for s in grid], "how the nets are trained")
    products = np.array([s.lr * s.wd for s in grid])
    every = [[bursts(record, m) for m in range(config.replicates)] for record in records]
    gaps = [[np.diff(b.bottom) for b in nets_] for nets_ in every]
    found |= given("gaps", "setting", [sum(map(len, g)) for g in gaps], "intervals between bursts, of all nets")
    found |= given("rate", "setting", products, "lr times weight decay")
    scaled = Estimate.stack([mean_gap(g, p) for g, p in zip(gaps, products, strict=True)])
    found |= measured("scaled", "setting", scaled, "mean interval between bursts, times lr wd")
    irregular = Estimate.stack([irregularity(g) for g in gaps])
    found |= measured("irregular", "setting", irregular, "deviation of the intervals over their mean")
    free = Estimate.stack([decay(n, s.lr, s.wd) for n, s in zip(every, grid, strict=True)])
    found |= measured("decay", "setting", free, "interval between bursts over that of free decay")
    counts = np.array([late(floor, m) for m in range(config.replicates)])
    found |= given("floor", (), counts.sum(), "bursts where the loss has a floor")
    crossed, calm = crossings(edge, grid[0].lr * sharpness)
    found |= given("crossed", "burst", crossed, "largest lr lambda_max at the start of a burst")
    found |= given("calm", "burst", calm, "least lr lambda_max in the fall before")
    shown = records[0].isel(model=0, step=slice(0, SHOWN))
    found |= given("step", "step", shown.step.values, "steps", "steps")
    found |= given("example_norm", "step", shown.weight_norm.values, "norm of the weights of the first net")
    found |= given("example_loss", "step", shown.batch_loss.values, "loss of the first net on the minibatch")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The interval of free decay between the measured norms."""
    ones = np.ones(simulation.sizes["setting"])
    return xr.Dataset(predicted("decay", "setting", ones, "interval between bursts over that of free decay"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Bursts, their interval as a law in lr wd, what ends an interval, and none where the loss has a floor."""
    count = len(config.period_lrs) * len(config.period_decays)
    grid, one = data.isel(setting=slice(0, count)), data.isel(setting=0)
    relative = grid.scaled_se / grid.scaled
    slope = _slope(np.log(grid.rate.values), np.log(grid.scaled.values), relative.values)
    twins = data.isel(setting=slice(count - 1, count + 1))
    difference = float(twins.scaled[1] - twins.scaled[0])
    shortest, longest = int(grid.rate.values.argmax()), int(grid.rate.values.argmin())
    approach = float(grid.decay[shortest] - grid.decay[longest])
    claims = [
        Claim.equals(
            "periods/product", "Two settings with one lr wd have one mean interval between bursts.", SOURCE, difference,
            0.0, float((twins.scaled_se**2).sum() ** 0.5), resolution=0.25,
        ),
        Claim.exceeds(
            "periods/irregular", "Intervals are irregular, no clock.", SOURCE,
            nets.in_errors(one, "irregular"), sigmas=4,
        ),
        Claim.exceeds(
            "periods/decay", "Falls last longer than free decay: gradients go on feeding the norm.", SOURCE,
            nets.over(float(one.decay - 1), float(one.decay_se)), sigmas=4,
        ),
        Claim.exceeds(
            "periods/free", "They come nearer to free decay as lr wd becomes small.", SOURCE,
            nets.over(approach, float((grid.decay_se[shortest] ** 2 + grid.decay_se[longest] ** 2) ** 0.5)), sigmas=4,
        ),
        Claim.exceeds(
            "periods/edge", "At the start of a burst lr lambda_max is above 2.", SOURCE,
            _distance(np.log(data.crossed / 2)),
            sigmas=4,
        ),
        Claim.exceeds(
            "periods/calm", "In the fall before it was below 2.", SOURCE, _distance(np.log(2 / data.calm)), sigmas=4
        ),
        Claim.exact(
            "periods/floor", "Where wrong labels keep the loss up there are no bursts.", SOURCE, float(data.floor), 0.0
        ),
    ]  # fmt: skip
    return [
        Claim.exceeds(
            "periods/law", "Intervals grow as lr wd falls, nearer to its inverse than to its inverse root.", SOURCE,
            nets.over(float(0.25 - slope.value), float(slope.se)), sigmas=4,
        ),
        *claims,
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """One net, and the law of the intervals."""
    one, law = axes
    one.plot(data.step, data.example_norm, color=look.COLORS[0], label="norm of the weights")
    one.plot(data.step, data.example_loss, color=look.COLORS[1], lw=0.7, label="loss on the minibatch")
    one.set(yscale="log", title="Decay, burst, decay", xlabel="step")
    steps = data.scaled / data.rate
    look.points(law, data.rate, steps, data.scaled_se / data.rate, "nets")
    grid = np.geomspace(float(data.rate.min()) / 1.3, float(data.rate.max()) * 1.3)
    middle = float(np.exp(np.log(data.scaled).mean()))
    look.line(law, grid, middle / grid, f"{middle:.2g}/(lr wd)")
    law.set(xscale="log", yscale="log", title="Intervals between bursts", xlabel="lr wd", ylabel="steps")


def settings(config: Config) -> list[Setting]:
    """Every learning rate with every decay; another pair with the last product; other logits; another batch."""
    grid = [Setting(lr, wd) for lr in config.period_lrs for wd in config.period_decays]
    twin = Setting(grid[-1].lr / 2, 2 * grid[-1].wd)
    return [*grid, twin, grid[0]._replace(logits=20.0), grid[0]._replace(batch=50)]


def _steps(config: Config, setting: Setting, lifetimes: float) -> int:
    return round(lifetimes / (setting.lr * setting.wd) / EVERY) * EVERY


def _edge_steps(config: Config, setting: Setting) -> int:
    return round(min(EDGE_LIFETIMES, config.period_lifetimes) / (setting.lr * setting.wd) / EDGE_EVERY) * EDGE_EVERY


def _train(
    config: Config, setting: Setting, replicates: int, steps: int, device: Device, tell: Any,
    extra: tuple[nn.Quantity, ...] = (), every: int = EVERY,
) -> xr.Dataset:  # fmt: skip
    """The record of norm and loss, (step, model)."""
    net = nets.scale_invariant((nets.features(config), config.width, config.width, nets.classes(config)))
    data = nets.problem(config, nets.PERIODS, replicates, config.examples, setting.noise, device)
    params = nets.initial(config, nets.PERIODS, net, list(range(replicates)), logits=setting.logits, device=device)
    record = nn.Record(["weight_norm", BATCH_LOSS, *extra], at=range(0, steps + 1, every))
    _, found = nn.train(
        net, params, (data.x, data.y), nn.SGD(setting.lr, weight_decay=setting.wd), batch_size=setting.batch,
        steps=steps, seed=nets.seed(config, nets.PERIODS), record=record, options=nn.Options(progress=tell),
    )  # fmt: skip
    return found


BATCH_LOSS = nn.Quantity(
    "batch_loss", "loss on the minibatch that follows", "1",
    lambda frame: frame.loss.value(frame.net.forward(frame.params, frame.batch[0])[0], frame.batch[1]),
)  # fmt: skip


def _slope(x: Floats, y: Floats, se: Floats) -> Estimate:
    """The slope of a weighted line through independent points."""
    if not (se > 0).all():  # no spread, or no burst to have one
        return Estimate(np.array(np.nan), np.array(np.nan))
    weight = se**-2 / (se**-2).sum()
    centred = x - (weight * x).sum()
    along = se**-2 * centred / (se**-2 * centred**2).sum()
    return Estimate(np.asarray((along * y).sum()), np.asarray(((along * se) ** 2).sum() ** 0.5))


def _distance(values: xr.DataArray) -> float:
    """The mean in standard errors, over bursts."""
    if values.size < 2:
        return np.nan
    return nets.over(*map(float, mean(values.values)))


def _edge(config: Config, setting: Setting, device: Device, progress: Progress) -> tuple[xr.Dataset, Floats]:
    """A run with the largest eigenvalue of the Hessian of the whole training loss."""
    steps = _edge_steps(config, setting)
    quantity = nn.Quantity("sharpness", "largest eigenvalue of the Hessian", "1", _sharpness)
    with progress.task("periods: curvature", steps) as task:
        found = _train(config, setting, EDGE_REPLICATES, steps, device, task.advance, (quantity,), EDGE_EVERY)
    return found, found.sharpness.values.astype(float)


def _sharpness(frame: Any) -> Any:
    return sharpness(frame, LANCZOS)
