"""The walkers of scene 1: SGD with weight decay on a loss that depends on the direction of the weights only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab import random
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.lab.lab import Lab
from simlab.nn.training.draws import LANGEVIN, Draw
from simlab.statistics import Estimate, mean
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of
from simlab.theory.von_mises_fisher import VonMisesFisher

Array = Any
FRAMES, CURVE = 40, 16
"""Frames of a walker that are averaged; recorded steps of the relaxation."""
BINS = 16
"""Bins of the cosine."""
LR = 0.05
CLAIMED = (0.5, 1.5, 4.0)
"""Times, in relaxation times 1/(4 lr wd), at which the relaxation is tested."""
START = 3.0
"""The norm at the start of the relaxation, in units of its equilibrium."""


class Setting(NamedTuple):
    """Walkers in d dimensions; runs of different `number` have independent noise."""

    number: int
    d: int
    lr: float
    wd: float


class Stationary(NamedTuple):
    """Averages over walkers at equilibrium; share: of the walkers in each bin of the cosine, in the last frame."""

    cosine: Estimate
    square: Estimate  # rho^2
    turn: Estimate  # -2 ln cos(angle of a step)
    share: Floats


def steps_of(product: float) -> int:
    """Steps of a run at equilibrium, for this product of learning rate and weight decay."""
    return _burn(product) + FRAMES * _gap(product)


def _burn(product: float) -> int:
    """Steps of burn-in: six relaxation times of rho^4, starting at its equilibrium."""
    return round(1.5 / product)


def _gap(product: float) -> int:
    """Steps between frames."""
    return max(1, round(0.05 / product))


def direction(config: Config, d: int, product: float, *, corrected: bool = True) -> VonMisesFisher:
    """The distribution of the cosine in the limit lr wd -> 0, or with the first correction."""
    arguments = (config.kappa, config.sigma, LR, product / LR, d)
    share = float(theory_of.concentration_error(*arguments)) if corrected else 0.0
    return VonMisesFisher(float(theory_of.concentration(*arguments)) / (1 + share), d)


def edges(config: Config, d: int, product: float) -> Floats:
    """Edges of equally probable bins of the cosine."""
    quantiles: Floats = direction(config, d, product).quantile(np.linspace(0, 1, BINS + 1))
    return quantiles


def stationary(config: Config, setting: Setting, lab: Lab) -> Stationary:
    """Walkers of one setting at equilibrium."""
    number, d, lr, wd = setting
    xp, count = lab.device.xp, config.walkers
    walk = Walk(lab.device, lab.key("sphere", "stationary", number), d, lr, wd, config.kappa, config.sigma)
    w = walk.start(float(theory_of.equilibrium_norm(lr, wd, (d - 1) * config.sigma**2)), count)
    burn, gap, steps = _burn(lr * wd), _gap(lr * wd), steps_of(lr * wd)
    sums = [xp.zeros(count) for _ in range(3)]
    with lab.task("walkers", steps) as task:
        for step in range(steps):
            if step >= burn and (step - burn) % gap == gap - 1:
                square, cosine, growth = walk.look(w, step)
                # The gradient is orthogonal to w, so the tangent of the angle is its length over that of the decayed w.
                turn = xp.log1p(growth / ((1 - lr * wd) ** 2 * square))
                for total, value in zip(sums, (cosine, square, turn), strict=True):
                    total += value / FRAMES
            w = walk.step(w, step)
            task.advance(1)
    last = lab.device.to_host(w[0] / (w * w).sum(axis=0) ** 0.5).astype(float)
    share = np.histogram(last, edges(config, d, lr * wd))[0] / count
    mean_cosine, mean_square, mean_turn = (mean(lab.device.to_host(total)) for total in sums)
    return Stationary(mean_cosine, mean_square, mean_turn, share)


def relaxation(config: Config, product: float, lab: Lab) -> tuple[np.ndarray, Estimate]:
    """The norm without a force, from `START` times its equilibrium on: recorded steps, and its mean there."""
    d = middle(config)
    rho = float(theory_of.equilibrium_norm(LR, product / LR, (d - 1) * config.sigma**2))
    curve, claimed = np.round(np.linspace(0, 1 / product, CURVE)), np.array(CLAIMED) / (4 * product)
    steps = np.unique(np.array([*curve, *claimed]).astype(int))
    walk = Walk(lab.device, lab.key("sphere", "relaxation"), d, LR, product / LR, 0.0, config.sigma)
    w, norms = walk.start(START * rho, config.walkers), []
    for step in range(steps[-1] + 1):
        if step in steps:
            norms.append(lab.device.to_host((w * w).sum(axis=0) ** 0.5).astype(float))
        w = walk.step(w, step)
    return steps, mean(np.stack(norms, axis=1))


def middle(config: Config) -> int:
    """The dimension of everything that is not done in all dimensions."""
    return config.dimensions[len(config.dimensions) // 2]


class Walk(NamedTuple):
    """SGD on -kappa mu.w/|w|, mu being the first axis, for walkers side by side: w is (d, walker) in float32."""

    device: Device
    key: random.Key
    d: int
    lr: float
    wd: float
    kappa: float
    sigma: float

    def start(self, rho: float, walkers: int) -> Array:
        """All walkers at mu, at this norm."""
        w = self.device.xp.zeros((self.d, walkers), np.float32)
        w[0] = rho
        return w

    def gradient(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """The gradient times |w|, |w|^2 and the cosine, in the tangent space of each walker."""
        noise = Draw(self.key, np.array([0]), step).normals(w.size, LANGEVIN, w)
        force = self.sigma * noise.reshape(w.shape)
        force[0] -= self.kappa
        square = (w * w).sum(axis=0)
        force -= (force * w).sum(axis=0) / square * w
        return force, square, w[0] / square**0.5

    def step(self, w: Array, step: int) -> Array:
        """One step, to w - lr (g + wd w)."""
        force, square, _ = self.gradient(w, step)
        return (1 - self.lr * self.wd) * w - self.lr / square**0.5 * force

    def look(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """|w|^2 and the cosine before this step, and lr^2 |g|^2, by which it increases |w|^2."""
        force, square, cosine = self.gradient(w, step)
        return square, cosine, self.lr**2 * (force * force).sum(axis=0) / square
