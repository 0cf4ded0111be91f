"""Scene 3, real nets at equilibrium: the norm that balances growth and decay, and what lr wd alone decides.

Scale-invariant perceptrons learn digits with wrong labels, which keep the loss and its gradient above zero. Growth is
measured apart from the norm, by the gradient on the minibatch of the next step; over a window the exact recursion of
rho^2 must then balance. All settings but the last have one product lr wd and share data, first weights and minibatches,
so they are compared pair by pair. In the last the learning rate jumps in the middle, and the norm relaxes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import nn
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.statistics import chi_square, joint_mean, mean, ratio
from simlab.studies.scale_invariance import needs, nets
from simlab.studies.scale_invariance.config import Config

PANELS = 2
BATCH, EVERY, RARELY = 50, 7, 98
"""Examples of a batch; steps between measurements of norm and gradient, and of loss and error.

The batches of an epoch are without replacement, and the gradient on one depends on its place: with a step that shares
no factor with the usual 20 places all are seen alike."""
SHOWN = 41
"""Steps of the curves that are kept."""
JUMP = 3.0
"""The factor by which the learning rate jumps in the last setting, after half of its run."""
FIRST, FAR = 8.0, 20.0
"""The first norm at the first rate, and that of the setting before the last: equilibrium must not depend on it."""
CLAIMED = (0.25, 1.0, 3.0)
"""Times after the jump, in units of 1/(4 lr wd), at which the relaxation is judged."""
COMPARED = {"loss": "training loss", "test_error": "share of test data misclassified", "effective_lr": "lr/rho^2"}
SOURCE = "talk, Scale invariance of DNNs; van Laarhoven 2017; Wan et al. 2021; Li, Lyu & Arora 2020"


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    nets.check(config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """One stack of all settings; gradients are measured often, losses rarely."""
    own = needs.Stack(config, (len(config.lrs) + 2) * config.replicates, config.width, 2, config.examples)
    steps, records = _steps(config), _steps(config) / EVERY
    seconds = own.training(BATCH, steps) + records * (needs.RECORD + 3 * own.forward(BATCH))
    seconds += steps / RARELY * own.forward(config.examples + config.tests)
    memory = own.memory(config.replicates, 16) + records * (needs.RECORDED + 100.0 * own.models)
    fields = ("lifetimes", "product", "lrs", "replicates", "width", "examples")
    return [Cost(fields, steps, memory, seconds)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """One stack of all settings and replicates; arrays are (step, setting, replicate) until they are averaged."""
    record = _train(config, device, progress)
    lr, wd = (a[:-1, None] for a in _settings(config)[:2])
    steps, late = record.step.values, record.step.values >= (config.lifetimes - 2) / config.product
    rho2, gradient2 = (record[q].values.astype(float) ** 2 for q in ("weight_norm", "batch_gradient_norm"))
    still, kept, span = rho2[late, :-1], (1 - lr * wd) ** 2, steps[late][-1] - steps[late][0]
    growth = lr**2 * gradient2[late, :-1]
    # The window is exact from its first to its last step: what it does not balance has moved the norm.
    moved, moved_log = (still[-1] - still[0]) / span, np.log(still[-1] / still[0]) / span
    lost = ((1 - kept) * still[:-1]).mean(axis=0) + moved
    balance = ratio(lost.T, growth[:-1].mean(axis=0).T)
    turn = (np.log1p(growth / (kept * still))[:-1].mean(axis=0) - moved_log) / -np.log(kept) - 1
    unit = gradient2 * rho2  # |g~|^2
    fourth = ratio((still**2).mean(axis=0).T, (lr**2 / (1 - kept) * unit[late, :-1].mean(axis=0)).T)
    found: dict[str, Any] = given("setting", "setting", _names(config), "learning rate, weight decay and first norm")
    found |= measured("balance", "setting", balance, "decay of rho^2 over its growth, a step")
    found |= measured("fourth", "setting", fourth, "rho^4 over lr^2 E|g~|^2/(1 - (1 - lr wd)^2)")
    found |= measured_jointly("turn", "setting", joint_mean(turn.T), "-2 ln cos(angle of a step) over theory, less 1")
    spread = unit[late, :-1].var(axis=0) / unit[late, :-1].mean(axis=0) ** 2
    found |= given("variation", "setting", spread.mean(axis=1), "relative variance of |g~|^2")
    found |= given("moved", "setting", abs(moved / lost).mean(axis=1), "share of the growth that moves the norm")
    for name, text in COMPARED.items():
        values = record[name].values.astype(float)[late & (steps % RARELY == 0)].mean(axis=0)[: len(config.lrs)].T
        joint = joint_mean(nets.log_ratio(values[:, 1:], values[:, :1]))
        found |= measured_jointly(f"same_{name}", "contrast", joint, f"{text}: logarithm of the ratio at one lr wd")
    curve = _recursion(config, steps, rho2[:, -1], unit[:, -1])
    places = [int(np.abs(steps - step).argmin()) for step in _stages(config)]
    relaxed = rho2[places, -1] ** 0.5 / curve[places]
    found |= given("stage", "stage", steps[places], "steps at which the relaxation is judged")
    found |= measured("relaxed", "stage", mean(relaxed.T), "norm after the jump over the recursion's")
    shown = np.unique(np.linspace(0, len(steps) - 1, SHOWN).astype(int))  # a figure needs no more
    norms = rho2[shown] ** 0.5
    found |= given("step", "step", steps[shown], "steps", "steps")
    found |= measured("norm", ("step", "setting"), mean(norms[:, :-1].transpose(2, 0, 1)), "norm of the weights")
    found |= measured("jump", "step", mean(norms[:, -1].T), "norm of the weights, learning rate jumping")
    found |= given(
        "recursion", "step", curve[shown].mean(axis=1), "recursion with the measured gradients, mean over nets"
    )
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Growth and decay in balance, equal functions, and the exact recursion after the jump."""
    ones = np.ones(simulation.sizes["setting"])
    found: dict[str, Any] = predicted("balance", "setting", ones, "decay of rho^2 over its growth, a step")
    found |= predicted("fourth", "setting", ones, "rho^4 over lr^2 E|g~|^2/(1 - (1 - lr wd)^2)")
    found |= predicted("turn", "setting", 0 * ones, "-2 ln cos(angle of a step) over theory, less 1")
    for name, text in COMPARED.items():
        found |= predicted(
            f"same_{name}", "contrast", np.zeros(len(config.lrs) - 1), f"{text}: logarithm of the ratio at one lr wd"
        )
    found |= predicted("relaxed", "stage", np.ones(len(CLAIMED)), "norm after the jump over the recursion's")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Each setting's norm; all angles; all pairs of settings; the relaxation."""
    claims = []
    for i, name in enumerate(data["setting"].values):
        one = data.isel(setting=i)
        claims.append(Claim.equals(
            f"equilibrium/balance-{i + 1}", f"{name}: decay of the norm balances its measured growth.", SOURCE,
            float(one.balance), 1.0, float(one.balance_se), resolution=0.05, samples=config.replicates,
        ))  # fmt: skip
        bias = config.product * float(one.variation) + float(one.moved)
        claims.append(Claim.equals(
            f"equilibrium/norm-{i + 1}", f"{name}: rho^4 is lr^2 E|g~|^2/(1 - (1 - lr wd)^2).", SOURCE,
            float(one.fourth), 1.0, float(one.fourth_se), bias=bias, resolution=0.05,
            samples=config.replicates,
        ))  # fmt: skip
    claims.append(Claim.chi_square(
        "equilibrium/angle", "In every setting a step turns the weights by the angle that lr wd alone sets.", SOURCE,
        *chi_square(data["turn"].values, data["turn_covariance"].values, config.replicates),
    ))  # fmt: skip
    for name, text in COMPARED.items():
        joint = chi_square(data[f"same_{name}"].values, data[f"same_{name}_covariance"].values, config.replicates)
        claims.append(Claim.chi_square(
            f"equilibrium/same-{name.replace('_', '-')}",
            f"At one lr wd the learning rate makes no difference to: {text}.", SOURCE, *joint,
        ))  # fmt: skip
    for i, times in enumerate(CLAIMED):
        one = data.isel(stage=i)
        claims.append(Claim.equals(
            f"equilibrium/relaxation-{i + 1}",
            f"{times:g}/(4 lr wd) steps after a jump of the learning rate the norm is where the recursion puts it.",
            SOURCE, float(one.relaxed), 1.0, float(one.relaxed_se), resolution=0.05, samples=config.replicates,
        ))  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Norms of every setting in units of sqrt(lr), where they are the same; the relaxation after the jump."""
    norms, jump = axes
    lrs = _settings(config)[0]
    for i, name in enumerate(data["setting"].values):
        one = data.isel(setting=i)
        look.points(norms, one.step, one.norm / lrs[i] ** 0.5, one.norm_se / lrs[i] ** 0.5, str(name), color=i)
    norms.set(title="One equilibrium for one lr wd", xlabel="step", ylabel="norm / sqrt(lr)")
    look.points(jump, data.step, data.jump, data.jump_se, "nets")
    after = data.step >= _jump(config)
    look.line(jump, data.step[after], data.recursion[after], "exact recursion, measured gradients")
    jump.set(title=f"The learning rate jumps by {JUMP:g}", xlabel="step", ylabel="norm of the weights")


def _settings(config: Config) -> tuple[Floats, Floats, Floats]:
    """Learning rates, weight decays, first norms: one for each rate, one from far away, and the one that jumps.

    First norms go as sqrt(lr), so that also the way to equilibrium is the same in the space of functions.
    """
    lrs = np.array([*config.lrs, config.lrs[0], config.lrs[0]])
    radii = FIRST * np.sqrt(lrs / config.lrs[0])
    radii[-2] = FAR
    return lrs, config.product / lrs, radii


def _names(config: Config) -> list[str]:
    lrs, decays, radii = (values[:-1] for values in _settings(config))
    far = ["" if r != FAR else f" from {FAR:g}" for r in radii]
    return [f"lr {a:g}, wd {b:.2g}{text}" for a, b, text in zip(lrs, decays, far, strict=True)]


def _steps(config: Config) -> int:
    return round(config.lifetimes / config.product / EVERY) * EVERY


def _jump(config: Config) -> int:
    """The first step of the larger learning rate, in the middle."""
    return round(config.lifetimes / config.product / 2 / EVERY) * EVERY


def _stages(config: Config) -> list[float]:
    return [_jump(config) + times / (4 * JUMP * config.product) for times in CLAIMED]


def _train(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """The record with dims (step, setting, replicate)."""
    lrs, decays, radii = _settings(config)
    net = nets.scale_invariant((nets.features(config), config.width, config.width, nets.classes(config)))
    replicates = list(range(config.replicates)) * len(lrs)
    own = nets.problem(config, nets.EQUILIBRIUM, config.replicates, config.examples, config.noise, device)
    own = own.part(device.asarray(np.array(replicates)))
    params = nets.initial(config, nets.EQUILIBRIUM, net, replicates, logits=1.0, device=device)
    params = nets.resized(params, np.repeat(radii, config.replicates), device)
    each, decay = (np.repeat(values, config.replicates) for values in (lrs, decays))
    later = each.copy()
    later[-config.replicates :] *= JUMP
    sgd = nn.SGD(nn.Piecewise([0, _jump(config)], [each, later]), weight_decay=decay)
    quantities: list[Any] = [
        "weight_norm",
        "batch_gradient_norm",
        "effective_lr",
        _rarely("loss"),
        _rarely("test_error"),
    ]
    record = nn.Record(quantities, at=range(0, _steps(config) + 1, EVERY), test=(own.test_x, own.test_y))
    with progress.task("equilibrium: nets", _steps(config)) as task:
        _, found = nn.train(
            net, params, (own.x, own.y), sgd, batch_size=BATCH, steps=_steps(config),
            seed=nets.seed(config, nets.EQUILIBRIUM), record=record,
            options=nn.Options(models=replicates, progress=task.advance),
        )  # fmt: skip
    shape = {"setting": len(lrs), "replicate": config.replicates}
    return xr.Dataset({
        name: (("step", *shape), found[name].values.reshape(-1, *shape.values()))
        for name in ("weight_norm", "batch_gradient_norm", "effective_lr", "loss", "test_error")
    }, {"step": found.step})  # fmt: skip


def _rarely(name: str) -> nn.Quantity:
    """A quantity of that name, measured where a step is a multiple of RARELY."""
    usual = nn.QUANTITIES[name]
    return usual._replace(measure=lambda f: usual.measure(f) if f.step % RARELY == 0 else f.lr * np.nan)


def _recursion(config: Config, steps: Any, rho2: Floats, unit: Floats) -> Floats:
    """Rho after the jump by the exact recursion from what the norm was there, (step, replicate); before it as measured.

    The squared gradient of each net between two measurements is the first of them.
    """
    lr, wd = JUMP * config.lrs[0], config.product / config.lrs[0]
    first = int(np.searchsorted(steps, _jump(config)))
    curve = rho2.copy()
    for i in range(first, len(steps) - 1):
        now = curve[i]
        for _ in range(steps[i + 1] - steps[i]):
            now = (1 - lr * wd) ** 2 * now + lr**2 * unit[i] / now
        curve[i + 1] = now
    return curve**0.5
