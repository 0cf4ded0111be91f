"""Scene 6, three regimes on the sphere: convergence, chaotic equilibrium, divergence, by the effective learning rate.

Weights are put back on the unit sphere after every step, so that lr is the effective learning rate. The smallest loss
with these regimes is a sum of pairs a x^2/(x^2 + y^2); it converges below 1/sum(a), found here by bisection. Then nets
on digits with wrong labels: the loss still falls at the end (convergence), or stays at a level that grows with lr
(equilibrium), or is that of guessing (divergence). Annealing from every lr says where the best optimum is found from.
"""

from __future__ import annotations

from typing import Any

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
from simlab.statistics import mean
from simlab.studies.scale_invariance import needs, nets
from simlab.studies.scale_invariance.config import Config
from simlab.theory import three_regimes as toy

PANELS = 2
SCALES = (0.2, 0.5, 1.0, 2.0)
"""The a of the pairs."""
TOY_STARTS, TOY_STEPS, HALVINGS = 32, 10000, 9
BATCH, LOGITS, ANNEALING = 50, 5.0, 1000
LOWEST, HIGHEST = 3e-5, 1.0
CALM, CHAOTIC = 4e-3, 1e-2
"""Two rates in equilibrium."""
TOY_STEP = 3e-5
"""Core-seconds of a step of the toy."""
FAR = 1e6
"""The rate, in thresholds, at which the toy's angles are random: of the order 1/FAR they are not."""
SOURCE = "talk, Scale invariance of DNNs; Kodryan et al. 2022"


TEXTS = {
    "half_loss": "training loss half-way", "loss": "training loss at the end",
    "test_error": "share of test data misclassified at the end", "sharpness": "rise of the loss 0.3 norms away",
    "annealed_error": "share of test data misclassified after annealing",
}  # fmt: skip
CONTRASTS = {
    "rise_of_loss": "ln of the loss at a higher rate over that at a lower one, in equilibrium",
    "widening_of_sharpness": "ln of the sharpness at a lower rate over that at a higher one, in equilibrium",
}
CONVERGED = 1e-6
"""The toy's loss below which it has converged; in the chaos a few per cent above the threshold it is some 0.06."""
RESOLVED = float(np.log(sum(SCALES) / CONVERGED)) / (4 * TOY_STEPS)
"""A rate less than this share below the threshold cannot get there in time: the loss falls by exp(-4 share) a step."""


def check(config: Config) -> None:
    """Refuse data that cannot be used, and rates so far apart that one is the nearest to two of those judged."""
    nets.check(config)
    if len(set(_places(config).values())) < len(_places(config)):
        raise InputError(
            f"elrs = {config.elrs}: of so many rates one is the nearest both to {CALM:g} and to {CHAOTIC:g}, which are "
            "compared; take another number, such as 14."
        )
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """The toy, and one stack of nets at all rates, trained and then annealed."""
    own = needs.Stack(config, config.elrs * config.replicates, config.width, 2, config.examples)
    seconds = own.training(BATCH, config.regime_steps + ANNEALING) + TOY_STEPS * (HALVINGS + 1) * TOY_STEP
    seconds += 20 * own.forward(config.examples + config.tests) + (1 + nets.DIRECTIONS) * own.forward(config.examples)
    fields = ("regime_steps", "elrs", "replicates", "width", "examples")
    return [Cost(fields, config.regime_steps + ANNEALING, own.memory(config.replicates, nets.TOGETHER), seconds)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """The toy's threshold and its values; nets at every rate, half-way, at the end and annealed."""
    with progress.task("regimes: toy", HALVINGS + 1) as task:
        edges = _thresholds(config, task.advance)
        values = _values(config)
        task.advance(1)
    found = measured("threshold", (), mean(edges), "toy: largest rate that converges")
    found |= measured("random", (), mean(values), "toy: loss far above the threshold")
    rates = elrs(config)
    found |= given("elr", "elr", rates, "effective learning rate")
    with progress.task("regimes: nets", config.regime_steps + ANNEALING) as task:
        nets_ = _nets(config, rates, device, task.advance)
    for name, text in TEXTS.items():
        found |= measured(name, "elr", mean(nets_[name]), text)
    fallen = nets.log_ratio(nets_["half_loss"], nets_["loss"])
    found |= measured("fallen", "elr", mean(fallen), "ln of the loss half-way over that at the end")
    for name, (a, b) in _pairs(config).items():
        quantity = nets_[name.partition("_of_")[2]]
        found |= measured(name, (), mean(nets.log_ratio(quantity[:, a], quantity[:, b])), CONTRASTS[name])
    annealed, place = nets_["annealed_error"], _places(config)
    for name in ("low", "chaotic"):
        gain = mean(annealed[:, place[name]] - annealed[:, place["high"]])
        found |= measured(
            f"gain_over_{name}", (), gain, f"annealed test error, from the {name} rate less from the highest"
        )
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The exact threshold, and the mean over random angles."""
    found = predicted("threshold", (), toy.threshold(SCALES), "toy: largest rate that converges")
    found |= predicted("random", (), toy.random_value(SCALES), "toy: loss far above the threshold")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The toy exactly; the three regimes of nets at places of the grid that were fixed before; annealing."""
    place = _places(config)
    low, chaotic, high = (data.isel(elr=place[name]) for name in ("low", "chaotic", "high"))
    edge = toy.threshold(SCALES)
    classes = nets.classes(config)
    return [
        Claim.equals(
            "regimes/toy-threshold", "The toy converges below 1/sum(a), and not above.", SOURCE, float(data.threshold),
            edge, float(data.threshold_se), bias=edge * (RESOLVED + 2.0**-HALVINGS), resolution=0.02,
        ),
        Claim.equals(
            "regimes/toy-random", "Far above it the toy is at random angles: its loss is sum(a)/2.", SOURCE,
            float(data.random), float(data.random_theory), float(data.random_se),
            bias=2 * float(data.random_theory) / FAR,
        ),
        Claim.exceeds(
            "regimes/convergence", f"At lr/rho^2 = {float(low.elr):.1e} the loss still falls in the second half.",
            SOURCE,             nets.in_errors(low, "fallen"),
        ),
        Claim.equals(
            "regimes/equilibrium", f"At {float(chaotic.elr):.1e} it is where it was half-way.", SOURCE,
            float(chaotic.fallen), 0.0, float(chaotic.fallen_se), resolution=0.1, samples=config.replicates,
        ),
        Claim.exceeds(
            "regimes/level", "In equilibrium the loss is higher, the higher the rate.", SOURCE,
            nets.in_errors(data, "rise_of_loss"),
        ),
        Claim.exceeds(
            "regimes/sharpness", "In equilibrium the minimum is wider, the higher the rate.", SOURCE,
            nets.in_errors(data, "widening_of_sharpness")
        ),
        Claim.exceeds(
            "regimes/divergence", f"At {float(high.elr):.1e} the loss is above that of guessing, ln {classes}.", SOURCE,
            nets.over(float(high.loss) - float(np.log(classes)), float(high.loss_se)),
        ),
        Claim.exceeds(
            "regimes/annealing", "Annealed from the highest rate, through equilibrium, a net is better than from "
            "convergence.", SOURCE, nets.in_errors(data, "gain_over_low"), sigmas=6,
        ),
        Claim.exceeds(
            "regimes/best-start", "Annealed from the highest rate a net is better than from equilibrium.",
            SOURCE, nets.in_errors(data, "gain_over_chaotic"), sigmas=4,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Loss half-way and at the end; test error as it is and annealed."""
    loss, error = axes
    look.points(loss, data.elr, data.half_loss, data.half_loss_se, "half-way", color=1)
    look.points(loss, data.elr, data.loss, data.loss_se, "at the end")
    loss.set(
        xscale="log", yscale="log", title="Three regimes", xlabel="effective learning rate", ylabel="training loss"
    )
    look.points(error, data.elr, data.test_error, data.test_error_se, "at the end")
    look.points(error, data.elr, data.annealed_error, data.annealed_error_se, "annealed", color=2)
    error.set(xscale="log", title="Which start is best", xlabel="effective learning rate", ylabel="test error")


def elrs(config: Config) -> Floats:
    """The effective learning rates."""
    return np.geomspace(LOWEST, HIGHEST, config.elrs)


def _places(config: Config) -> dict[str, int]:
    """Where the grid is judged: fixed rates that lie well within the regimes that others found."""
    wanted = {"low": 2e-4, "calm": CALM, "chaotic": CHAOTIC, "high": HIGHEST}
    return {name: int(np.abs(np.log(elrs(config) / rate)).argmin()) for name, rate in wanted.items()}


def _pairs(config: Config) -> dict[str, tuple[int, int]]:
    place = _places(config)
    return {
        "rise_of_loss": (place["chaotic"], place["calm"]), "widening_of_sharpness": (place["calm"], place["chaotic"])
    }  # fmt: skip


def _starts(config: Config) -> Floats:
    """Random points of the joint sphere, (start, 2, pair)."""
    z = np.random.default_rng(nets.seed(config, nets.REGIMES)).standard_normal((TOY_STARTS, 2, len(SCALES)))
    return z / np.sqrt((z**2).sum(axis=(1, 2), keepdims=True))


def _thresholds(config: Config, tell: Any) -> Floats:
    """The largest rate at which gradient descent converges from each start, by bisection."""
    low, high = (np.full(TOY_STARTS, f * toy.threshold(SCALES)) for f in (0.5, 1.5))
    for _ in range(HALVINGS):
        rate, state = (low + high) / 2, _starts(config)
        for _ in range(TOY_STEPS):
            state = toy.step(state, SCALES, rate)
        converged = toy.loss(state, SCALES) < CONVERGED
        low, high = np.where(converged, rate, low), np.where(converged, high, rate)
        tell(1)
    return (low + high) / 2


def _values(config: Config) -> Floats:
    """The mean loss of each start far above the threshold."""
    state, total, rate = _starts(config), np.zeros(TOY_STARTS), FAR * toy.threshold(SCALES)
    for step in range(TOY_STEPS):
        state = toy.step(state, SCALES, rate)
        total = total + toy.loss(state, SCALES) * (step >= TOY_STEPS // 10)
    return total / (TOY_STEPS - TOY_STEPS // 10)


def _nets(config: Config, rates: Floats, device: Device, tell: Any) -> dict[str, Floats]:
    """What `TEXTS` names, (replicate, elr) each: averages over ten records around half-way and before the end."""
    count, steps = config.replicates, config.regime_steps
    net = nets.scale_invariant((nets.features(config), config.width, config.width, nets.classes(config)))
    replicates = np.tile(np.arange(count), len(rates))
    own = nets.problem(config, nets.REGIMES, count, config.examples, config.noise, device).part(
        device.asarray(replicates)
    )
    start = nets.initial(config, nets.REGIMES, net, replicates.tolist(), logits=LOGITS, device=device)
    start = nets.resized(start, 1.0, device)
    window = np.linspace(0, steps // 10, 10).astype(int)
    late = {"half_loss": steps // 2 - window, "loss": steps - window}
    record = nn.Record(["loss", "test_error"], at=np.concatenate(list(late.values())), test=(own.test_x, own.test_y))
    each = np.repeat(rates, count)
    common: dict[str, Any] = {
        "batch_size": BATCH, "seed": nets.seed(config, nets.REGIMES),
        "options": nn.Options(models=replicates.tolist(), progress=tell),
    }  # fmt: skip
    end, found = nn.train(net, start, (own.x, own.y), nn.SphereSGD(each), steps=steps, record=record, **common)
    sgd = nn.SphereSGD(nn.Cosine(each, ANNEALING))
    common["seed"] += 2**40
    last = nn.Record(["test_error"], at=[ANNEALING], test=(own.test_x, own.test_y))
    _, annealed = nn.train(net, end, (own.x, own.y), sgd, steps=ANNEALING, record=last, **common)

    def shaped(values: Any) -> Floats:
        return np.asarray(values, float).reshape(len(rates), count).T

    return {
        "half_loss": shaped(found.loss.sel(step=late["half_loss"]).mean("step")),
        "loss": shaped(found.loss.sel(step=late["loss"]).mean("step")),
        "test_error": shaped(found.test_error.sel(step=late["loss"]).mean("step")),
        "annealed_error": shaped(annealed.test_error[-1]),
        "sharpness": shaped(nets.sharpness(config, nets.REGIMES, net, end, own, replicates)),
    }
