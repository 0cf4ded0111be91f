"""Scene 5, periods: where the loss can go to zero, weight decay drives the norm over the edge again and again.

With labels that the net can fit, the gradient dies and the norm decays freely, by 1 - lr wd a step, until lr times the
curvature exceeds 2. Then the loss bursts, the gradients make the norm large, and all begins anew. A burst is a rise of
the loss on the minibatch from below LOW to above HIGH. Where wrong labels keep the loss up there is an equilibrium.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simlab import nn
from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.progress import Progress
from simlab.quantities import given, measured, predicted
from simlab.statistics import Estimate, ratio
from simlab.studies.scale_invariance import nets
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of

Floats = NDArray[np.float64]
PANELS = 2
LOW, HIGH = 0.02, 0.3
EVERY = 10
"""Steps between measurements of loss and norm."""
EDGE_REPLICATES, EDGE_EVERY, EDGE_LIFETIMES, LANCZOS = 4, 20, 12.0, 20
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


class Bursts(NamedTuple):
    """Of one net: the steps of its bursts, the norm before each, and the largest norm after each."""

    steps: Floats
    before: Floats
    after: Floats


def check(config: Config) -> None:
    """Everything that Config can hold is good input."""


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Every setting, the control with wrong labels, and one run with its curvature."""
    grid = settings(config)
    length = [_steps(config, s, config.period_lifetimes) for s in grid]
    control = Setting(grid[0].lr, grid[0].wd, 1.0, grid[0].batch, max(config.noise, 0.1))
    with progress.task("periods: nets", sum(length) + length[0]) as task:
        records = [_train(config, s, config.replicates, n, device, task.advance)[0]
                   for s, n in zip(grid, length, strict=True)]  # fmt: skip
        floor = _train(config, control, config.replicates, length[0], device, task.advance)[0]
    edge, sharpness = _edge(config, grid[0], device, progress)
    found: dict[str, Any] = given("setting", "setting", [str(s) for s in grid], "how the nets are trained")
    products = np.array([s.lr * s.wd for s in grid])
    every = [[bursts(record, m) for m in range(config.replicates)] for record in records]
    gaps = [[np.diff(b.steps) for b in nets_] for nets_ in every]
    found |= given("gaps", "setting", [sum(map(len, g)) for g in gaps], "intervals between bursts, of all nets")
    found |= given("rate", "setting", products, "lr times weight decay")
    scaled = Estimate.stack([_mean_gap(g, p) for g, p in zip(gaps, products, strict=True)])
    found |= measured("scaled", "setting", scaled, "mean interval between bursts, times lr wd")
    irregular = [np.concatenate(g).std() / np.concatenate(g).mean() for g in gaps]
    found |= given("irregular", "setting", irregular, "deviation of the intervals over their mean")
    free = Estimate.stack([_decay(n, setting) for n, setting in zip(every, grid, strict=True)])
    found |= measured("decay", "setting", free, "interval between bursts over that of free decay")
    counts = np.array([len(bursts(floor, m).steps) for m in range(config.replicates)])
    found |= given("floor", (), counts.sum(), "bursts where the loss has a floor")
    found |= _crossings(edge, sharpness, grid[0])
    shown = records[0].isel(model=0)
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
    return []


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
    """Every learning rate with every decay; then other logits, and another batch."""
    grid = [Setting(lr, wd) for lr in config.period_lrs for wd in config.period_decays]
    return [*grid, grid[0]._replace(logits=20.0), grid[0]._replace(batch=50)]


def bursts(record: xr.Dataset, model: int) -> Bursts:
    """The bursts of one net."""
    loss, norm = record.batch_loss.values[:, model], record.weight_norm.values[:, model].astype(float)
    armed, starts, quiet = False, [], []
    last = 0
    for i, value in enumerate(loss):
        if value < LOW:
            armed, last = True, i
        elif armed and not value <= HIGH:
            armed = False
            starts.append(i)
            quiet.append(last)
    ends = [*starts[1:], len(loss)]
    after = [norm[a:b].max() for a, b in zip(starts, ends, strict=True)]
    return Bursts(record.step.values[starts].astype(float), norm[quiet], np.array(after))


def _steps(config: Config, setting: Setting, lifetimes: float) -> int:
    return round(lifetimes / (setting.lr * setting.wd) / EVERY) * EVERY


def _train(
    config: Config, setting: Setting, replicates: int, steps: int, device: Device, tell: Any,
    extra: tuple[nn.Quantity, ...] = (), every: int = EVERY,
) -> tuple[xr.Dataset, Any]:  # fmt: skip
    """The record of norm and loss, (step, model), and the trained nets."""
    net = nets.scale_invariant((nets.features(config), config.width, config.width, nets.classes(config)))
    data = nets.problem(config, nets.PERIODS, replicates, config.examples, setting.noise, device)
    params = nets.initial(config, nets.PERIODS, net, list(range(replicates)), logits=setting.logits, device=device)
    record = nn.Record(["weight_norm", BATCH_LOSS, *extra], at=range(0, steps + 1, every))
    params, found = nn.train(
        net, params, (data.x, data.y), nn.SGD(setting.lr, weight_decay=setting.wd), batch_size=setting.batch, steps=steps,
        seed=nets.seed(config, nets.PERIODS), record=record, progress=tell,
    )  # fmt: skip
    return found, params


BATCH_LOSS = nn.Quantity(
    "batch_loss", "loss on the minibatch that follows", "1",
    lambda frame: frame.loss.value(frame.net.forward(frame.params, frame.batch[0])[0], frame.batch[1]),
)  # fmt: skip


def _mean_gap(gaps: list[Floats], scale: float = 1.0) -> Estimate:
    """Total interval over number of intervals, nets being independent."""
    totals = np.array([g.sum() for g in gaps]) * scale
    return ratio(totals, np.array([len(g) for g in gaps], float))


def _decay(nets_: list[Bursts], setting: Setting) -> Estimate:
    """Interval from one burst to the next over ln(norm^2 after the one/norm^2 before the other)/(2 lr wd)."""
    taken, free = [], []
    for b in nets_:
        taken.append(np.diff(b.steps).sum())
        free.append(theory_of.period(setting.lr, setting.wd, b.after[:-1], b.before[1:]).sum())
    return ratio(np.array(taken), np.array(free))


def _edge(config: Config, setting: Setting, device: Device, progress: Progress) -> tuple[xr.Dataset, Floats]:
    """A run with the largest eigenvalue of the Hessian of the whole training loss."""
    steps = round(EDGE_LIFETIMES / (setting.lr * setting.wd) / EDGE_EVERY) * EDGE_EVERY
    quantity = nn.Quantity("sharpness", "largest eigenvalue of the Hessian", "1", _sharpness)
    with progress.task("periods: curvature", steps) as task:
        found, _ = _train(config, setting, EDGE_REPLICATES, steps, device, task.advance, (quantity,), EDGE_EVERY)
    return found, found.sharpness.values.astype(float)


def _sharpness(frame: Any) -> Any:
    index = frame.run.models.tolist()
    return nn.top_eigenvalues(frame.net, frame.loss, frame.params, *frame.train, steps=LANCZOS, index=index).values[
        :, 0
    ]


def _crossings(record: xr.Dataset, sharpness: Floats, setting: Setting) -> dict[str, Any]:
    """Lr lambda_max in the last quiet record before each burst, and at the calmest between two."""
    loss = record.batch_loss.values
    before, calm = [], []
    for m in range(loss.shape[1]):
        edge = setting.lr * sharpness[:, m]
        starts = np.searchsorted(record.step.values, bursts(record, m).steps)
        for a, b in zip([0, *starts[:-1]], starts, strict=True):
            quiet = np.flatnonzero(loss[a:b, m] < LOW) + a
            if len(quiet):
                before.append(edge[max(a, quiet[-1] - 1) : b + 1].max())
                calm.append(edge[quiet].min())
    return given("crossed", "burst", np.array(before), "largest lr lambda_max around the start of a burst") | given(
        "calm", "burst", np.array(calm), "least lr lambda_max in the quiet before"
    )
