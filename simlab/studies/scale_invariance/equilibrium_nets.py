"""The nets of scene 3: how they are trained, what is recorded of them, and the budget of their norm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab import nn
from simlab.core.checks import Floats
from simlab.lab.lab import Lab
from simlab.studies.scale_invariance import nets
from simlab.studies.scale_invariance.config import Config

BATCH, EVERY, RARELY = 50, 7, 98
"""Examples of a minibatch; steps between measurements of norm and gradient, and of loss and error.

The minibatches of an epoch are without replacement, and the gradient on one depends on its place: an interval that has
no common factor with the usual 20 places measures all of them equally often."""
TOGETHER = 64
"""Nets that are trained side by side, where replicates are fewer."""
JUMP = 3.0
"""The factor by which the learning rate jumps, after half of the run."""
FIRST, FAR = 8.0, 20.0
"""The first norm at the first rate, and that of one more setting: equilibrium must not depend on it."""


class Setting(NamedTuple):
    """How nets are trained. jump: the factor of the learning rate in the second half."""

    lr: float
    wd: float
    first_norm: float
    jump: float = 1.0

    def __str__(self) -> str:
        """The name in figures and claims."""
        return f"lr {self.lr:g}, wd {self.wd:.2g}" + (f", first norm {FAR:g}" if self.first_norm == FAR else "")

    @property
    def decay_factor(self) -> float:
        """The factor by which weight decay multiplies rho^2 in a step."""
        return (1 - self.lr * self.wd) ** 2


class Path(NamedTuple):
    """What was recorded of nets in training, (step, replicate); NaN where it was not measured."""

    norm: Floats
    batch_gradient_norm: Floats
    effective_lr: Floats
    loss: Floats
    test_error: Floats

    @property
    def square(self) -> Floats:
        """The squared norm rho^2."""
        return self.norm**2

    @property
    def unit_gradient(self) -> Floats:
        """|g~|^2, the squared gradient on the minibatch at norm 1."""
        return (self.batch_gradient_norm * self.norm) ** 2


class Budget(NamedTuple):
    """The balance of rho^2 in the late window, (replicate,) each: time averages, and the change between its ends."""

    decay: Floats  # of rho^2 per step, with the change of rho^2
    growth: Floats
    turn: Floats  # -2 ln cos(angle of a step) over theory, minus 1
    fourth: Floats  # rho^4
    expected_fourth: Floats  # lr^2 |g~|^2/(1 - (1 - lr wd)^2)
    variation: Floats  # of |g~|^2
    moved: Floats


def settings(config: Config) -> list[Setting]:
    """Every learning rate, and the first one with a far larger initial norm; all have one product lr wd.

    Initial norms go as sqrt(lr), so that the approach to equilibrium, too, is the same in the space of functions.
    """
    lrs = config.lrs
    steady = [Setting(lr, config.product / lr, FIRST * (lr / lrs[0]) ** 0.5) for lr in lrs]
    return [*steady, steady[0]._replace(first_norm=FAR)]


def jumping(config: Config) -> Setting:
    """The first setting, with a learning rate that jumps."""
    return settings(config)[0]._replace(jump=JUMP)


def steps_of(config: Config) -> int:
    """The length of a run."""
    return round(config.lifetimes / config.product / EVERY) * EVERY


def recorded(config: Config) -> np.ndarray:
    """The steps of all records."""
    return np.arange(0, steps_of(config) + 1, EVERY)


def late(config: Config) -> np.ndarray:
    """Which records are in the window of the last two lifetimes."""
    return np.asarray(recorded(config) >= (config.lifetimes - 2) / config.product)


def jump_at(config: Config) -> int:
    """The first step of the larger learning rate, in the middle."""
    return round(config.lifetimes / config.product / 2 / EVERY) * EVERY


def groups(config: Config) -> list[tuple[Setting, ...]]:
    """All settings, the one that jumps last, in groups that are trained side by side.

    Measuring few nets takes as long as measuring many.
    """
    all_settings, size = [*settings(config), jumping(config)], max(1, TOGETHER // config.replicates)
    return [tuple(all_settings[i : i + size]) for i in range(0, len(all_settings), size)]


def train(config: Config, group: tuple[Setting, ...], lab: Lab) -> list[Path]:
    """Nets in these settings, side by side: (setting, replicate)."""
    steps, count = steps_of(config), config.replicates
    lr, wd, first_norm, jump = (np.repeat(values, count) for values in zip(*group, strict=True))
    start = nets.stack(
        config, lab, "equilibrium", (config.width, config.width), replicates=count, examples=config.examples,
        noise=config.noise, logits=1.0,
    ).part(np.tile(np.arange(count), len(group))).at_norm(first_norm)  # fmt: skip
    sgd = nn.SGD(nn.Piecewise([0, jump_at(config)], [lr, jump * lr]), weight_decay=wd)
    names = ["weight_norm", "batch_gradient_norm", "effective_lr", "loss", "test_error"]
    with lab.task("nets", steps) as task:
        _, record = start.train(
            sgd, steps, batch=BATCH, key=lab.key("equilibrium", "batches"), at=recorded(config),
            record=[*names[:3], _rarely("loss"), _rarely("test_error")], progress=task.advance,
        )  # fmt: skip
    columns = [record[name].values.astype(float).reshape(-1, len(group), count) for name in names]
    return [Path(*(column[:, i] for column in columns)) for i in range(len(group))]


def budget(config: Config, setting: Setting, path: Path) -> Budget:
    """The balance of rho^2 in the late window.

    It is exact from the first step of the window to the last: growth minus decay is the change of rho^2.
    """
    window, lr, factor = late(config), setting.lr, setting.decay_factor
    square, unit, span = path.square[window], path.unit_gradient[window], np.ptp(recorded(config)[window])
    growth = lr**2 * path.batch_gradient_norm[window] ** 2
    moved, moved_log = (square[-1] - square[0]) / span, np.log(square[-1] / square[0]) / span
    turn = (np.log1p(growth / (factor * square))[:-1].mean(axis=0) - moved_log) / -np.log(factor) - 1
    return Budget(
        decay=((1 - factor) * square[:-1]).mean(axis=0) + moved,
        growth=growth[:-1].mean(axis=0),
        turn=turn,
        fourth=(square**2).mean(axis=0),
        expected_fourth=lr**2 / (1 - factor) * unit.mean(axis=0),
        variation=unit.var(axis=0) / unit.mean(axis=0) ** 2,
        moved=moved,
    )


def recursion(config: Config, path: Path) -> Floats:
    """The norm (step, replicate), after the jump by the exact recursion from its value there; before it as measured.

    The squared gradient of each net between two measurements is taken to be the first of them.
    """
    lr, wd, steps = JUMP * config.lrs[0], config.product / config.lrs[0], recorded(config)
    curve, unit = path.square, path.unit_gradient
    for i in range(int(np.searchsorted(steps, jump_at(config))), len(steps) - 1):
        now = curve[i]
        for _ in range(EVERY):
            now = (1 - lr * wd) ** 2 * now + lr**2 * unit[i] / now
        curve[i + 1] = now
    return curve**0.5


def _rarely(name: str) -> nn.Quantity:
    """A quantity of that name, measured where a step is a multiple of RARELY."""
    usual = nn.QUANTITIES[name]
    return usual._replace(measure=lambda f: usual.measure(f) if f.step % RARELY == 0 else f.lr * np.nan)
