"""How a stack moves from one step to another: array by array, for everything, or fused, one model after the other.

`State` is all that training carries from step to step; what comes out depends on it and on the run only, never on how
the steps are cut into calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from simlab.core.device import Device
from simlab.nn.calculus.derivatives import population
from simlab.nn.layers.layer import Array, Layer, Params, every_array, leaves, rebuilt, select, tree_map
from simlab.nn.layers.noise import at_step
from simlab.nn.losses import Loss, trusting
from simlab.nn.training.draws import Draw
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.schedules import rate, table
from simlab.random import Key

RATES = 1024
"""Steps whose learning rates are tabled at a time."""


EVALUATION = 2**27
"""Bytes of activations that measuring holds at a time: of a large stack, some models at a time."""


class State(NamedTuple):
    """Where training stands. Steps at which a model was frozen are -1 for one that goes on."""

    step: int
    params: Params
    memory: Params
    diverged: np.ndarray  # (model,) the first step whose batch loss is not finite; the model keeps what it had before
    stopped: np.ndarray  # (model,) the record at which the model met the rule for stopping

    @property
    def alive(self) -> np.ndarray:
        """Which models still move, (model,)."""
        return (self.diverged < 0) & (self.stopped < 0)


@dataclass(frozen=True)
class Run:
    """What does not change while a stack trains. x: (n, in) or (model, n, in); y as the loss takes it, beside x."""

    net: Layer
    loss: Loss
    optimiser: Optimiser
    x: Array
    y: Array
    batch_size: int
    key: Key
    models: np.ndarray  # (model,) int64, on the host
    noise: Any = 1.0  # what the noise on activations is multiplied by, a number, (model,) or a schedule

    @property
    def examples(self) -> int:
        """n, of the training data of one model."""
        return int(self.x.shape[-2])

    @property
    def shared(self) -> tuple[bool, bool]:
        """Whether all models have the same x, and the same y."""
        return self.x.ndim == 2, self.y.ndim == target_axes(self.y)

    def part(self, models: slice) -> Run:
        """The same for some of the models."""
        return replace(
            self, x=of_models(self.x, 2, models), y=of_models(self.y, target_axes(self.y), models),
            models=self.models[models],
        )  # fmt: skip


def target_axes(y: Array) -> int:
    """Axes of the targets of one model: integer labels (n), float targets (n, out)."""
    return 1 if y.dtype.kind in "iu" else 2


def of_models(data: Array, core: int, models: slice) -> Array:
    """Data of some models: (core axes) shared by all, or with the model axis first."""
    return data if data.ndim == core else data[models]


def with_population(run: Run, params: Params) -> Params:
    """The parameters with the population statistics of the training data, where the net has any."""
    if not run.net.couples_examples:
        return params
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of models that diverged
        parts = [population(run.net, select(params, part), run.part(part).x) for part in blocks_of(run, params)]
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: list[Any]) -> Any:
    """Stacks of models one after the other."""
    if isinstance(parts[0], tuple):
        return rebuilt(parts[0], [joined(list(p)) for p in zip(*parts, strict=True)])
    return None if parts[0] is None else Device.of(parts[0]).xp.concatenate(parts)


def blocks_of(run: Run, params: Params, examples: int = 0) -> list[slice]:
    """Slices of models whose activations on all data fit in `EVALUATION` bytes."""
    # The last axis of every array of a layer is its width; x, y, slope and cotangent of each make four.
    widths = sum(array.shape[-1] for array in every_array(params) if array.ndim > 1)
    examples = max(run.examples, examples)
    size = max(1, EVALUATION // (4 * examples * widths * leaves(params)[0].dtype.itemsize))
    return [slice(a, min(a + size, len(run.models))) for a in range(0, len(run.models), size)]


class Batches:
    """The minibatches of a run; it keeps the order of one epoch."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._epoch = -1
        self._order: Array = None

    def at(self, step: int) -> tuple[Array, Array]:
        """The examples of a step, (model, batch, in), or (n, in) where all see the same; and their targets."""
        from simlab.random import shuffle

        run, device = self.run, Device.of(self.run.x)
        if run.batch_size == run.examples:
            y = run.y
            return run.x, device.xp.broadcast_to(y, (len(run.models), *y.shape)) if run.shared[1] else y
        per_epoch = run.examples // run.batch_size
        if self._epoch != step // per_epoch:
            self._epoch = step // per_epoch
            self._order = device.asarray(shuffle.batches(run.key, run.models, run.examples, run.batch_size, step))
        places = self._order[step % per_epoch]
        rows = device.xp.arange(len(run.models))[:, None]
        x, y = (a[places] if shared else a[rows, places] for a, shared in zip((run.x, run.y), run.shared, strict=True))
        return x, y


class Arrays:
    """Training by the functions of the layers, the whole stack at every step."""

    name = "arrays"

    def __init__(self, run: Run) -> None:
        self.run = run
        self.device = Device.of(run.x)
        numbers = run.optimiser.numbers(len(run.models))
        self.numbers = {name: self.device.asarray(value) for name, value in numbers.items()}
        self.loss = trusting(run.loss)  # the targets were checked, and a look at them would make a card wait
        self.batches = Batches(run)

    def start(self, state: State) -> State:
        """The state as this path keeps it."""
        return state

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        run, device, xp = self.run, self.device, self.device.xp
        params, memory = state.params, state.memory
        diverged, alive = device.asarray(state.diverged), device.asarray(state.alive)
        noisy = at_step(params, 0) is not params
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a diverging model does no harm
            for step in range(state.step, last):
                place = (step - state.step) % RATES
                if place == 0:
                    rates = table(run.optimiser.lr, step, min(step + RATES, last), len(run.models))
                    rates = device.asarray(rates)
                draw = Draw(run.key, run.models, step)
                number = {**self.numbers, "lr": rates[place]}
                x, y = self.batches.at(step)
                y = run.optimiser.targets(y, run.net.n_out or 0, leaves(params)[0], number, draw)
                if noisy:
                    params = at_step(params, step, device.asarray(rate(run.noise, step)))
                outputs, cache = run.net.forward(params, x)
                finite = xp.isfinite(self.loss.value(outputs, y))
                grads = run.net.gradient(params, cache, self.loss.grad(outputs, y))
                moved = run.optimiser.update(params, memory, grads, number, draw)
                diverged = xp.where(alive & ~finite, step, diverged)
                alive = alive & finite
                params, memory = kept(alive, moved, (params, memory))
        return state._replace(step=last, params=params, memory=memory, diverged=device.to_host(diverged))


def kept(alive: Array, new: Params, old: Params) -> Params:
    """The new arrays where a model is alive, the old ones where it is not."""
    device = Device.of(alive)
    if device.name == "cpu" and bool(alive.all()):
        return new
    return tree_map(lambda a, b: device.xp.where(alive.reshape(-1, *(1,) * (a.ndim - 1)), a, b), new, old)
