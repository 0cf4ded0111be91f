"""Scene 4, memorisation and consolidation: what happens at zero training error, and which explanation it favours.

A net that starts with small weights and large logits memorises within some steps while its norm grows; then weight
decay shrinks the norm, the minimum becomes wide and the test error falls, at zero training error all along. At
checkpoints fixed in advance a copy is annealed (300 steps, the rate to 0 by a cosine, no decay) and measured, which
takes the noise of the last steps away. The same is done where an explanation should fail:

* frozen: from the first checkpoint on, the norm stays where it is. If consolidation is the norm's doing, it is gone.
* whitened: inputs have one scale in every direction, so that no feature of the data is learned slower than another. If
  consolidation is slow features catching up (Heckel & Yilmaz 2021), it is gone.
* bump: other settings, with which a test error that first falls, then rises, then falls again was once seen.
"""

from __future__ import annotations

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
from simlab.lab.quantities import given, measured
from simlab.nn.calculus.views import norm
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets
from simlab.studies.scale_invariance.config import Config

Array = Any
PANELS = 3
BATCH, LR, DECAY = 100, 0.02, 0.05
ANNEALING = 300
BUMP_STEPS = (20, 200, 2000)
NONE = 0.01
"""A rise of the test error that would not be worth a name."""
SOURCE = "talk, Scale invariance of DNNs and Experiment 1; rival: Heckel & Yilmaz 2021"
MEASURES = {
    "train_error": "share of training data misclassified",
    "test_error": "share of test data misclassified", "test_loss": "test loss",
    "sharpness": f"rise of the training loss {nets.DISTANCE:g} norms away",
}  # fmt: skip


RUNNING = {"radius": "norm of the weights"}


class Variant(NamedTuple):
    """How a group of nets is trained; logits multiplies the last layer."""

    name: str
    logits: float
    noise: float
    whiten: bool = False
    frozen: bool = False


VARIANTS = (
    Variant("plain", 25.0, 0.1), Variant("frozen", 25.0, 0.1, frozen=True), Variant("whitened", 25.0, 0.1, whiten=True)
)  # fmt: skip
BUMP = Variant("bump", 10.0, 0.2)


def check(config: Config) -> None:
    """Refuse checkpoints that do not follow each other, and data that cannot be used."""
    nets.check(config, "phase_examples")
    if list(config.phase_steps) != sorted(set(config.phase_steps)) or config.phase_steps[0] < 1:
        raise InputError("phase_steps must be increasing steps from 1 on.")
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A run of every variant, and the copies of all its checkpoints, annealed and measured."""
    found = []
    for steps in [config.phase_steps] * len(VARIANTS) + [BUMP_STEPS]:
        nets_, copies = (
            needs.Stack(config, count * config.phase_replicates, config.phase_width, 3, config.phase_examples)
            for count in (1, len(steps))
        )
        seconds = nets_.training(BATCH, steps[-1]) + copies.training(BATCH, ANNEALING)
        seconds += copies.forward((2 + nets.DIRECTIONS) * config.phase_examples + config.tests)
        memory = copies.memory(config.phase_replicates, config.phase_replicates)
        fields = ("phase_steps", "phase_replicates", "phase_width", "phase_examples")
        found.append(Cost(fields, steps[-1] + ANNEALING, memory, seconds))
    return found


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Every variant at its checkpoints, annealed and measured; all arrays are (replicate, ...) until averaged."""
    steps = config.phase_steps
    found: dict[str, Any] = given("checkpoint", "checkpoint", np.array(steps), "steps before annealing", "steps")
    found |= given("variant", "variant", [v.name for v in VARIANTS], "how the nets are trained")
    total = (len(VARIANTS) * (steps[-1] + ANNEALING) + BUMP_STEPS[-1] + ANNEALING) * config.phase_replicates
    with progress.task("phases: nets", total) as task:
        values = [_run(config, variant, steps, device, task.advance) for variant in VARIANTS]
        bump = _run(config, BUMP, BUMP_STEPS, device, task.advance)
    for name, text in (MEASURES | RUNNING).items():
        own = np.stack([v[name] for v in values], axis=1)  # (replicate, variant, checkpoint)
        found |= measured(name, ("variant", "checkpoint"), mean(own), text)
    plain = values[0]
    largest = plain["radius"].max(axis=1)
    found |= measured("growth", (), mean(np.log(largest / plain["start"])), "ln of largest over first norm")
    found |= measured("shrinkage", (), mean(np.log(largest / plain["radius"][:, -1])), "ln of largest over last norm")
    for name in ("test_error", "test_loss"):
        gains = np.stack([v[name][:, 1] - v[name][:, -1] for v in values], axis=1)
        found |= measured(f"gain_{name}", "variant", mean(gains), f"{MEASURES[name]}: fall in phase 2")
        lost = mean(gains[:, 0] - gains[:, 1])
        found |= measured(f"lost_{name}_frozen", (), lost, f"{MEASURES[name]}: fall in phase 2, plain less frozen")
    wider = np.stack([nets.log_ratio(v["sharpness"][:, 1], v["sharpness"][:, -1]) for v in values], axis=1)
    found |= measured("widening", "variant", mean(wider), "ln of the sharpness, second checkpoint over last")
    lost = mean(wider[:, 0] - wider[:, 1])
    found |= measured(
        "lost_widening_frozen", (), lost, "ln of the sharpness, second checkpoint over last: plain less frozen"
    )
    early = mean(plain["test_error"][:, 1] - plain["test_error"][:, 0])
    found |= measured("early_rise", (), early, "rise of the test error in phase 1")
    rise = mean(bump["test_error"][:, 1] - bump["test_error"][:, 0])
    found |= measured("bump_rise", (), rise, "bump: rise of the annealed test error")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """There is no curve for these phases: what they claim is an order of things, and which explanation survives."""
    return xr.Dataset()


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Two phases; what of the talk's peak is there; what the two explanations forbid."""
    plain = data.sel(variant="plain")
    last = config.phase_steps[-1]
    peak = config.phase_steps[1]
    late = plain.isel(checkpoint=slice(1, None))
    worst = int(late.train_error.values.argmax())
    return [
        Claim.exceeds("phases/growth", "Phase 1: the norm grows.", SOURCE, nets.in_errors(data, "growth")),
        Claim.exceeds("phases/shrinkage", "Phase 2: the norm shrinks.", SOURCE, nets.in_errors(data, "shrinkage")),
        Claim.equals(
            "phases/memorised", f"From step {peak} on the annealed nets make no error on the training data.", SOURCE,
            float(late.train_error[worst]), 0.0, float(late.train_error_se[worst]), bias=1 / config.phase_examples,
        ),
        Claim.exceeds(
            "phases/width", f"Phase 2: from step {peak} to {last} the minimum becomes wider.", SOURCE,
            nets.in_errors(plain, "widening"),
        ),
        Claim.exceeds(
            "phases/test-error", "Phase 2: the test error falls, at zero training error.", SOURCE,
            nets.in_errors(plain, "gain_test_error"), sigmas=4,
        ),
        Claim.exceeds(
            "phases/test-loss", "Phase 2: the test loss falls, at zero training error.", SOURCE,
            nets.in_errors(plain, "gain_test_loss"), sigmas=4,
        ),
        Claim.exceeds(
            "phases/frozen-width", "With the norm frozen at its peak the minimum widens less.", SOURCE,
            nets.in_errors(data, "lost_widening_frozen"),
        ),
        Claim.exceeds(
            "phases/frozen-loss", "With the norm frozen the test loss falls less: this is the norm's doing.", SOURCE,
            nets.in_errors(data, "lost_test_loss_frozen"), sigmas=4,
        ),
        Claim.exceeds(
            "phases/frozen-error", "With the norm frozen the test error falls all the same: not all is its doing.",
            SOURCE, nets.in_errors(data.sel(variant="frozen"), "gain_test_error"), sigmas=4,
        ),
        Claim.exceeds(
            "phases/whitened", "With inputs of one scale in every direction the test error falls all the same: no slow "
            "features of the data are needed.", SOURCE,
            nets.in_errors(data.sel(variant="whitened"), "gain_test_error"), sigmas=5,
        ),
        Claim.exceeds(
            "phases/no-peak", f"There is no peak: in phase 1 the test error rises by less than {NONE:g}, if at all.",
            SOURCE, nets.over(NONE - float(data.early_rise), float(data.early_rise_se)), sigmas=4,
        ),
        Claim.exceeds(
            "phases/no-bump", f"Nor where one was once seen: from step {BUMP_STEPS[0]} to {BUMP_STEPS[1]} the "
            f"annealed test error rises by less than {2 * NONE:g}.", SOURCE,
            nets.over(2 * NONE - float(data.bump_rise), float(data.bump_rise_se)), sigmas=4,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Norm, sharpness and test error of every variant against the step."""
    shown = {"radius": "norm of the weights", "sharpness": MEASURES["sharpness"], "test_error": "test error, annealed"}
    for panel, (name, label) in zip(axes, shown.items(), strict=True):
        for i, variant in enumerate(data["variant"].values):
            one = data.sel(variant=variant)
            look.points(panel, one.checkpoint, one[name], one[f"{name}_se"], str(variant), color=i)
        panel.axvspan(config.phase_steps[0], config.phase_steps[1], color="0.93", lw=0)
        panel.set(xscale="log", xlabel="step", ylabel=label)
    axes[0].set(yscale="log", title="Memorisation, then consolidation")
    axes[1].set(yscale="log", title="The minimum becomes wide")
    axes[2].set(title="and the test error falls")


def _run(config: Config, variant: Variant, steps: tuple[int, ...], device: Device, tell: Any) -> dict[str, Floats]:
    """Measures of the annealed copies, and the norm of the nets themselves, (replicate, checkpoint) each."""
    count, hidden = config.phase_replicates, config.phase_width
    net = nets.scale_invariant((nets.features(config), hidden, hidden, hidden, nets.classes(config)))
    replicates = list(range(count))
    data = nets.problem(config, nets.PHASES, count, config.phase_examples, variant.noise, device, whiten=variant.whiten)
    start = nets.initial(config, nets.PHASES, net, replicates, logits=variant.logits, device=device)
    start = nets.resized(start, 1.0, device)
    seed, xp = nets.seed(config, nets.PHASES), device.xp
    flats: list[Array] = []

    def train(params: Any, sgd: Any, at: list[int], way: int) -> None:
        """Train to the last of these steps, and keep the parameters at each."""
        kept = nets.Keeper(lambda frame: nn.flatten(frame.params))
        record = nn.Record([kept.quantity], at=at)
        nn.train(
            net, params, (data.x, data.y), sgd, batch_size=BATCH, steps=at[-1], seed=seed + way * 2**40, record=record,
            options=nn.Options(progress=lambda done: tell(done * count)),
        )  # fmt: skip
        flats.extend(kept.at(step) for step in at)

    plain = nn.SGD(LR, weight_decay=DECAY)
    if variant.frozen:
        train(start, plain, [steps[0]], 0)
        train(nn.unflatten(start, flats[0]), nn.SphereSGD(LR), [s - steps[0] for s in steps[1:]], 1)
    else:
        train(start, plain, list(steps), 0)
    # The copies of all checkpoints are one stack: (checkpoint, replicate).
    every = len(steps)
    places = device.asarray(np.tile(replicates, every))
    copies = nn.unflatten(nn.select(start, places), xp.concatenate(flats))
    many = data.part(places)
    sgd = nn.SGD(nn.Cosine(LR, ANNEALING))
    annealed, _ = nn.train(
        net, copies, (many.x, many.y), sgd, batch_size=BATCH, steps=ANNEALING, seed=seed + 2 * 2**40,
        record=nn.Record(["weight_norm"], at=[ANNEALING]),
        options=nn.Options(models=replicates * every, progress=lambda done: tell(done * count)),
    )  # fmt: skip
    found = _measure(config, net, annealed, many, replicates * every)
    found["radius"] = device.to_host(norm(copies))
    result = {name: np.asarray(values, float).reshape(every, count).T for name, values in found.items()}
    result["start"] = device.to_host(norm(start)).astype(float)
    return result


def _measure(config: Config, net: Any, params: Any, data: nets.Problem, replicates: list[int]) -> dict[str, Any]:
    """What `MEASURES` names, (model,) each, some models at a time."""
    device = Device.of(data.x)
    columns: dict[str, list[Any]] = {name: [] for name in MEASURES if name != "sharpness"}
    for first in range(0, len(replicates), config.phase_replicates):
        part = slice(first, first + config.phase_replicates)
        own, some = nn.select(params, part), data.part(part)
        outputs, tests = net.forward(own, some.x)[0], nn.predict(net, own, some.test_x)
        columns["train_error"].append(nn.error(outputs, some.y))
        columns["test_error"].append(nn.error(tests, some.test_y))
        columns["test_loss"].append(nn.cross_entropy.value(tests, some.test_y))
    found = {name: np.concatenate([device.to_host(v) for v in values]) for name, values in columns.items()}
    return found | {"sharpness": nets.sharpness(config, nets.PHASES, net, params, data, np.array(replicates))}
