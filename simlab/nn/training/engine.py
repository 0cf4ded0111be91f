"""How a stack moves from one step to another by the functions of its layers: the path that runs everything.

`State` is all that training carries from step to step; what comes out depends on it and on the set-up only, never on
how the steps are cut into calls. An engine has a `name` and one pure method, `advance(state, last)`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from simlab.core.device import Device
from simlab.nn.layers.layer import Array, Params, leaves, tree_map
from simlab.nn.layers.noise import at_step
from simlab.nn.losses import unchecked
from simlab.nn.training.draws import Draw
from simlab.nn.training.schedules import rate, table
from simlab.nn.training.setup import Setup

RATES = 1024
"""Steps whose learning rates are tabled at a time."""


class State(NamedTuple):
    """Where training stands, after `step` updates. Steps at which a model was frozen are -1 for one that continues.

    params: with those of batch normalisation as they were given: `Run.eval_params` adds the population statistics.
    opt_state: the optimiser's, such as velocities. diverged: (model,) the first step whose batch loss is not finite;
    the model keeps the parameters it had before. stopped: (model,) the record at which the model met the rule for
    stopping.
    """

    step: int
    params: Params
    opt_state: Params
    diverged: np.ndarray
    stopped: np.ndarray

    @property
    def alive(self) -> np.ndarray:
        """Which models still train, (model,)."""
        return (self.diverged < 0) & (self.stopped < 0)


class Engine(Protocol):
    """A path from one state to a later one."""

    name: str

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`; the one given is left as it is."""


class Batches:
    """The minibatches of a set-up; it keeps the order of one epoch."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._epoch = -1
        self._order: Array = None

    def at(self, step: int) -> tuple[Array, Array]:
        """The examples of a step, (model, batch, in), or (n, in) where all see the same; and their targets."""
        from simlab.random import shuffle

        s, device = self.setup, Device.of(self.setup.x)
        if s.batch_size == s.examples:
            return s.x, device.xp.broadcast_to(s.y, (len(s.models), *s.y.shape)) if s.shared[1] else s.y
        per_epoch = s.examples // s.batch_size
        if self._epoch != step // per_epoch:
            self._epoch = step // per_epoch
            self._order = device.asarray(shuffle.batches(s.key, s.models, s.examples, s.batch_size, step))
        places = self._order[step % per_epoch]
        rows = device.xp.arange(len(s.models))[:, None]
        x, y = (a[places] if shared else a[rows, places] for a, shared in zip((s.x, s.y), s.shared, strict=True))
        return x, y


class Arrays:
    """Training by the functions of the layers, the whole stack at every step."""

    name = "arrays"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.device = Device.of(setup.x)
        numbers = setup.optimiser.numbers(len(setup.models))
        self.numbers = {name: self.device.asarray(value) for name, value in numbers.items()}
        self.loss = unchecked(setup.loss)  # re-checking targets would synchronise the GPU at every step
        self.batches = Batches(setup)

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        s, device, xp = self.setup, self.device, self.device.xp
        params, opt_state = state.params, state.opt_state
        diverged, alive = device.asarray(state.diverged), device.asarray(state.alive)
        noisy = at_step(params, 0) is not params
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a diverging model does no harm
            for step in range(state.step, last):
                place = (step - state.step) % RATES
                if place == 0:
                    rates = table(s.optimiser.lr, step, min(step + RATES, last), len(s.models))
                    rates = device.asarray(rates)
                draw = Draw(s.key, s.models, step)
                number = {**self.numbers, "lr": rates[place]}
                x, y = self.batches.at(step)
                y = s.optimiser.targets(y, s.net.n_out or 0, leaves(params)[0], number, draw)
                if noisy:
                    params = at_step(params, step, device.asarray(rate(s.noise, step)))
                outputs, cache = s.net.forward(params, x)
                finite = xp.isfinite(self.loss.value(outputs, y))
                grads = s.net.gradient(params, cache, self.loss.grad(outputs, y))
                moved = s.optimiser.update(params, opt_state, grads, number, draw)
                diverged = xp.where(alive & ~finite, step, diverged)
                alive = alive & finite
                params, opt_state = where_alive(alive, moved, (params, opt_state))
        return state._replace(step=last, params=params, opt_state=opt_state, diverged=device.to_host(diverged))


def where_alive(alive: Array, new: Params, old: Params) -> Params:
    """The new arrays where a model is alive, the old ones where it is not."""
    device = Device.of(alive)
    if device.name == "cpu" and bool(alive.all()):
        return new
    return tree_map(lambda a, b: device.xp.where(alive.reshape(-1, *(1,) * (a.ndim - 1)), a, b), new, old)
