"""The walkers of scene 1: SGD with weight decay on a loss of the direction, in equilibrium and on the way to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.nn.training.draws import LANGEVIN, Draw
from simlab.random import key
from simlab.studies.scale_invariance.config import Config
from simlab.theory import scale_invariant as theory_of

Array = Any
SCENE = 7
"""The scene's cell in the keys of the seed."""
FRAMES, CURVE = 40, 16
"""Frames of a walker that are averaged, recorded steps of the relaxation."""
LR = 0.05
CLAIMED = (0.5, 1.5, 4.0)
"""Lifetimes at which the relaxation is judged."""
START = 3.0
"""The norm at the start of the relaxation, in units of its equilibrium."""


class Stationary(NamedTuple):
    """A walker's own averages over its frames, (walker,) each, and its cosine in the last one."""

    cosine: Floats
    square: Floats  # rho^2
    turn: Floats  # -2 ln cos of the angle of a step
    last: Floats


def steps_of(product: float) -> int:
    """Steps of a run at equilibrium, of this learning rate times weight decay."""
    return _burn(product) + FRAMES * _gap(product)


def _burn(product: float) -> int:
    """Steps before the first frame: six lifetimes of rho^4, from its equilibrium."""
    return round(1.5 / product)


def _gap(product: float) -> int:
    """Steps between frames."""
    return max(1, round(0.05 / product))


def stationary(
    config: Config, device: Device, number: int, d: int, lr: float, wd: float, tell: Callable[[int], Any]
) -> Stationary:
    """Walkers of one setting at equilibrium."""
    rho = float(theory_of.equilibrium_norm(lr, wd, (d - 1) * config.sigma**2))
    walk = Walk(config, device, number, d, lr, wd, config.kappa)
    w = walk.start(rho)
    burn, gap = _burn(lr * wd), _gap(lr * wd)
    sums = [device.xp.zeros(config.walkers) for _ in range(3)]
    for step in range(steps_of(lr * wd)):
        if step >= burn and (step - burn) % gap == gap - 1:
            square, cosine, growth = walk.look(w, step)
            # The growth is orthogonal to w, so that the tangent of the angle is its length over what decay leaves.
            turn = device.xp.log1p(growth / ((1 - lr * wd) ** 2 * square))
            for total, value in zip(sums, (cosine, square, turn), strict=True):
                total += value / FRAMES
        w = walk.step(w, step)
        if step % 100 == 99:
            tell(100)
    last = device.to_host(w[0] / (w * w).sum(axis=0) ** 0.5).astype(float)
    cosine, square, turn = (device.to_host(total) for total in sums)
    return Stationary(cosine, square, turn, last)


class Walk(NamedTuple):
    """SGD on -kappa mu.w/|w|, mu being the first axis, for walkers side by side: w is (d, walker) in float32."""

    config: Config
    device: Device
    number: int
    d: int
    lr: float
    wd: float
    kappa: float

    def start(self, rho: float) -> Array:
        """All walkers at mu, at this norm."""
        w = self.device.xp.zeros((self.d, self.config.walkers), np.float32)
        w[0] = rho
        return w

    def gradient(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """The gradient times |w|, |w|^2 and the cosine, in the tangent space of each walker."""
        draw = Draw(key(self.config.seed, SCENE, self.number), np.array([0]), step)
        push = self.config.sigma * draw.normals(w.size, LANGEVIN, w).reshape(w.shape)
        push[0] -= self.kappa
        square = (w * w).sum(axis=0)
        push -= (push * w).sum(axis=0) / square * w
        return push, square, w[0] / square**0.5

    def step(self, w: Array, step: int) -> Array:
        """W - lr (g + wd w)."""
        push, square, _ = self.gradient(w, step)
        return (1 - self.lr * self.wd) * w - self.lr / square**0.5 * push

    def look(self, w: Array, step: int) -> tuple[Array, Array, Array]:
        """Before this step: |w|^2 and the cosine, and the lr^2 |g|^2 that it adds."""
        push, square, cosine = self.gradient(w, step)
        return square, cosine, self.lr**2 * (push * push).sum(axis=0) / square


def relaxation(config: Config, device: Device, d: int, product: float) -> tuple[Any, Floats]:
    """Norms from `START` equilibria without any force, at recorded steps: (step,), (walker, step)."""
    rho = float(theory_of.equilibrium_norm(LR, product / LR, (d - 1) * config.sigma**2))
    curve, claimed = np.round(np.linspace(0, 1 / product, CURVE)), np.array(CLAIMED) / (4 * product)
    steps = np.unique(np.array([*curve, *claimed]).astype(int))
    walk = Walk(config, device, 99, d, LR, product / LR, 0.0)
    w, norms = walk.start(START * rho), []
    for step in range(steps[-1] + 1):
        if step in steps:
            norms.append(device.to_host((w * w).sum(axis=0) ** 0.5).astype(float))
        w = walk.step(w, step)
    return steps, np.stack(norms, axis=1)
