"""Optimisers: the parameters after a step from those before, the gradients and the optimiser's state.

An optimiser is a frozen value; its numbers may have shape (model,), one for each model of the stack, and `lr` may be a
schedule. g is the gradient of the batch, w the parameters, all trained ones alike; steps count from 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from simlab.core.checks import require_flag
from simlab.core.device import Device
from simlab.nn.calculus.derivatives import flatten, unflatten
from simlab.nn.calculus.views import norm, on
from simlab.nn.layers.layer import Array, Params, leaves, tree_map
from simlab.nn.training.draws import FLIPS, LABELS, LANGEVIN, Draw
from simlab.nn.training.schedules import PerModel, per_model, require_rate

Numbers = Mapping[str, Array]
"""The numbers of an optimiser at a step, each (model,) in float64 beside the parameters."""


class Optimiser(ABC):
    """What training asks of an optimiser; `ranges` names its numbers, each with the interval [low, high) it is from.

    lr: a number, one for each model, or a schedule. An optimiser of a user's own is a frozen dataclass with `lr`, its
    numbers, and `update`; ValueError where a number is none or outside of its range, when it is made.
    """

    lr: Any
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}

    def __post_init__(self) -> None:
        for name, limits in self.ranges.items():
            value = getattr(self, name)
            if value is not None or getattr(type(self), name, 0) is not None:  # None where that is the default
                per_model(name, value, None, *limits)
        require_rate("lr", self.lr)
        for name in ("nesterov", "decoupled"):
            require_flag(name, getattr(self, name, False))

    def numbers(self, models: int) -> dict[str, Any]:
        """All numbers except the learning rate, (model,) each, in float64 on the host; ValueError out of range."""
        return {
            name: per_model(name, getattr(self, name), models, *limits)
            for name, limits in self.ranges.items()
            if getattr(self, name) is not None
        }

    def init(self, params: Params) -> Params:
        """The optimiser's state before the first step: a tuple of arrays with the model axis first."""
        return ()

    @abstractmethod
    def update(
        self, params: Params, opt_state: Params, grads: Params, number: Numbers, draw: Draw
    ) -> tuple[Params, Params]:
        """The parameters and the optimiser's state after one step; neither is changed in place."""

    def targets(self, y: Array, outputs: int, like: Array, number: Numbers, draw: Draw) -> Array:
        """The targets (model, batch, ...) that this step learns from, of a net with so many outputs."""
        return y


@dataclass(frozen=True)
class SGD(Optimiser):
    """Gradient descent on minibatches, with heavy-ball momentum (Polyak 1964) and weight decay.

    g' = g + weight_decay w,  v <- momentum v + g',  w <- w - lr v; nesterov: w <- w - lr (g' + momentum v) (Sutskever
    et al. 2013). decoupled: the decay stays out of v, w <- (1 - lr weight_decay) w - lr v (Loshchilov & Hutter 2019).
    """

    lr: Any
    momentum: PerModel = 0.0
    weight_decay: PerModel = 0.0
    nesterov: bool = False
    decoupled: bool = False

    ranges: ClassVar = {"momentum": (0, 1), "weight_decay": (0, float("inf"))}

    def init(self, params: Params) -> Params:
        return (tree_map(_zeros, params),) if _any(self.momentum) else ()

    def update(
        self, params: Params, opt_state: Params, grads: Params, number: Numbers, draw: Draw
    ) -> tuple[Params, Params]:
        lr, momentum, decay = (number[name] for name in ("lr", "momentum", "weight_decay"))
        step = grads
        if _any(self.weight_decay) and not self.decoupled:
            step = tree_map(lambda g, w: g + on(decay, w) * w, grads, params)
        if opt_state:
            pulled = step
            step = tree_map(lambda v, g: on(momentum, v) * v + g, opt_state[0], pulled)
            opt_state = (step, *opt_state[1:])
            if self.nesterov:
                step = tree_map(lambda g, v: g + on(momentum, v) * v, pulled, step)
        if _any(self.weight_decay) and self.decoupled:
            return tree_map(lambda w, d: w - on(lr, w) * (d + on(decay, w) * w), params, step), opt_state
        return tree_map(lambda w, d: w - on(lr, w) * d, params, step), opt_state


@dataclass(frozen=True)
class SphereSGD(SGD):
    """SGD whose parameters, all trained ones, are projected back onto a sphere after every step: w <- radius w / |w|.

    For a scale-invariant net this fixes the effective learning rate lr / radius^2 (Kodryan et al. 2022, section 3).
    radius: that of the initial parameters where it is None.
    """

    radius: PerModel | None = None

    ranges: ClassVar = {**SGD.ranges, "radius": (1e-30, float("inf"))}

    def init(self, params: Params) -> Params:
        device, like = Device.of(leaves(params)[0]), leaves(params)[0]
        if self.radius is None:
            return (*super().init(params), norm(params))
        return (*super().init(params), device.asarray(per_model("radius", self.radius, len(like)), like.dtype))

    def update(
        self, params: Params, opt_state: Params, grads: Params, number: Numbers, draw: Draw
    ) -> tuple[Params, Params]:
        *velocity, radius = opt_state
        params, moved = super().update(params, tuple(velocity), grads, number, draw)
        share = radius / norm(params)
        return tree_map(lambda w: on(share, w) * w, params), (*moved, radius)


@dataclass(frozen=True)
class LabelNoiseSGD(SGD):
    """SGD on targets with independent noise at every step (Blanc et al. 2020).

    noise: the standard deviation of what is added to float targets; for integer labels the probability that a label is
    replaced by another one, all others equally likely.
    """

    noise: PerModel = 0.0

    ranges: ClassVar = {**SGD.ranges, "noise": (0, float("inf"))}

    def targets(self, y: Array, outputs: int, like: Array, number: Numbers, draw: Draw) -> Array:
        xp, count = Device.of(like).xp, y[0].size
        if y.dtype.kind == "f":
            return y + on(number["noise"], y) * draw.normals(count, LABELS, like).reshape(y.shape)
        share = per_model("noise", self.noise, len(y), below=1 + 1e-12)
        flipped = draw.uniforms(count, FLIPS, like) < Device.of(like).asarray(share)[:, None]
        classes = max(outputs, 2)
        y = y.astype(xp.int64)  # sums of bytes would not hold
        turn = 1 + xp.floor(draw.uniforms(count, LABELS, like) * (classes - 1)).astype(y.dtype)
        flipped, turn = flipped.reshape(y.shape), turn.reshape(y.shape)
        return xp.where(flipped, (y + turn) % classes, y)


@dataclass(frozen=True)
class SGLD(Optimiser):
    """Stochastic gradient Langevin dynamics: w <- w - lr (g + weight_decay w) + sqrt(2 lr temperature) xi.

    Welling & Teh 2011: the Euler step with dt = lr, in the sense of Ito, of dw = -grad U dt + sqrt(2 T) dW with U = L +
    weight_decay |w|^2 / 2. Full batches sample exp(-U / T) as lr -> 0; minibatches add noise of their own.
    """

    lr: Any
    temperature: PerModel
    weight_decay: PerModel = 0.0

    ranges: ClassVar = {"temperature": (0, float("inf")), "weight_decay": (0, float("inf"))}

    def update(
        self, params: Params, opt_state: Params, grads: Params, number: Numbers, draw: Draw
    ) -> tuple[Params, Params]:
        lr, decay = number["lr"], number["weight_decay"]
        flat = flatten(params)
        size = on((2 * lr * number["temperature"]) ** 0.5, flat)
        kick = unflatten(params, size * draw.normals(flat.shape[1], LANGEVIN, flat))
        return tree_map(lambda w, g, k: w - on(lr, w) * (g + on(decay, w) * w) + k, params, grads, kick), opt_state


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam (Kingma & Ba 2015, algorithm 1), with coupled or, as in AdamW, decoupled weight decay."""

    lr: Any
    beta1: PerModel = 0.9
    beta2: PerModel = 0.999
    eps: PerModel = 1e-8
    weight_decay: PerModel = 0.0
    decoupled: bool = True

    ranges: ClassVar = {
        "beta1": (0, 1), "beta2": (0, 1), "eps": (0, float("inf")), "weight_decay": (0, float("inf"))
    }  # fmt: skip

    def init(self, params: Params) -> Params:
        return tree_map(_zeros, params), tree_map(_zeros, params)

    def update(
        self, params: Params, opt_state: Params, grads: Params, number: Numbers, draw: Draw
    ) -> tuple[Params, Params]:
        lr, beta1, beta2, eps, decay = (number[n] for n in ("lr", "beta1", "beta2", "eps", "weight_decay"))
        if _any(self.weight_decay) and not self.decoupled:
            grads = tree_map(lambda g, w: g + on(decay, w) * w, grads, params)
        first = tree_map(lambda m, g: on(beta1, m) * m + on(1 - beta1, m) * g, opt_state[0], grads)
        second = tree_map(lambda v, g: on(beta2, v) * v + on(1 - beta2, v) * (g * g), opt_state[1], grads)
        unbiased1, unbiased2 = 1 - beta1 ** (draw.step + 1), 1 - beta2 ** (draw.step + 1)
        decoupled = lr * decay if self.decoupled else 0 * decay

        def moved(w: Array, m: Array, v: Array) -> Array:
            root = (v / on(unbiased2, v)) ** 0.5 + on(eps, v)
            return w - on(lr, w) * (m / on(unbiased1, m)) / root - on(decoupled, w) * w

        return tree_map(moved, params, first, second), (first, second)


def _zeros(leaf: Array) -> Array:
    return Device.of(leaf).xp.zeros_like(leaf)


def _any(value: Any) -> bool:
    """Whether a number of an optimiser, one or one for each model, differs from 0 anywhere."""
    return bool(np.any(np.asarray(value)))
