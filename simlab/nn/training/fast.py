"""The fast engines beside `engine.Arrays`: compiled code on the CPU, one kernel on a GPU.

Both take one model at a time through many steps; `select_engine` says which engine takes a set-up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.nn.calculus.derivatives import flatten, unflatten
from simlab.nn.kernels.cpu import advance as on_cpu
from simlab.nn.kernels.cuda import advance as on_gpu
from simlab.nn.kernels.cuda.layout import Layout
from simlab.nn.kernels.plan import Plan, Stack, Steps
from simlab.nn.kernels.plan import plan as plan_of
from simlab.nn.layers.layer import Array, Fixed
from simlab.nn.losses import CrossEntropy
from simlab.nn.training.engine import RATES, Arrays, Engine, State
from simlab.nn.training.optimisers import SGD, SphereSGD
from simlab.nn.training.schedules import table
from simlab.nn.training.setup import Setup


class Fast(ABC):
    """What both share: copies of parameters and velocities as two arrays that steps change, rates a table at a time.

    An engine says in `_move` how models take the steps of one table.
    """

    name = "fused"

    def __init__(self, setup: Setup) -> None:
        self.setup, self.device = setup, Device.of(setup.x)
        numbers = setup.optimiser.numbers(len(setup.models))
        self.numbers = {
            name: self.device.asarray(numbers[name].astype(np.float32)) for name in ("momentum", "weight_decay")
        }

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        if last == state.step:
            return state
        sgd, device, models = self.setup.optimiser, self.device, self.setup.models
        assert isinstance(sgd, SGD)
        stack = self._stack(state)
        for first in range(state.step, last, RATES):
            lr = device.asarray(table(sgd.lr, first, min(first + RATES, last), len(models)).astype(np.float32))
            how = {"nesterov": sgd.nesterov, "decoupled": sgd.decoupled, **self.numbers}
            self._move(stack, Steps(self.setup.key, models, first, lr, **how))
        opt_state = state.opt_state
        if stack.velocity is not None:
            opt_state = (unflatten(opt_state[0], stack.velocity), *opt_state[1:])
        return State(
            last, unflatten(state.params, stack.flat), opt_state, device.to_host(stack.diverged), state.stopped
        )

    def _stack(self, state: State) -> Stack:
        """The numbers of the state in arrays of their own: what the caller gave stays as it is."""
        sphere = isinstance(self.setup.optimiser, SphereSGD)
        velocity = flatten(state.opt_state[0]) if len(state.opt_state) > sphere else None
        alive, diverged = self.device.asarray(state.alive), self.device.asarray(state.diverged.copy())
        radius = state.opt_state[-1] if sphere else None
        return Stack(flatten(state.params), velocity, alive, diverged, fixed_parameters(state.params), radius)

    @abstractmethod
    def _move(self, stack: Stack, steps: Steps) -> None:
        """Take these steps, in place."""


class Fused(Fast):
    """SGD by compiled code on the CPU; see `kernels.cpu.advance`."""

    def __init__(self, setup: Setup, plan: Plan) -> None:
        super().__init__(setup)
        self.plan = plan

    def _move(self, stack: Stack, steps: Steps) -> None:
        on_cpu.advance(self.plan, stack, self.setup.x, self.setup.y, self.setup.batch_size, steps)


class OnGpu(Fast):
    """SGD of small nets by a kernel that keeps each model on the chip; see `kernels.cuda.advance`."""

    def __init__(self, setup: Setup, chosen: Layout) -> None:
        super().__init__(setup)
        self.chosen = chosen

    def _move(self, stack: Stack, steps: Steps) -> None:
        on_gpu.advance(self.chosen, stack, self.setup.x, self.setup.y, steps)


def fixed_parameters(params: Any) -> Array | None:
    """Those of all fixed layers one after the other, (model, number); None where there are none."""
    if isinstance(params, Fixed):
        return flatten(params.layer)
    parts = [fixed_parameters(part) for part in params] if isinstance(params, tuple) else []
    found = [part for part in parts if part is not None]
    return np.concatenate(found, axis=1) if found else None


def select_engine(setup: Setup, name: str) -> Engine:
    """The engine of this name, or for "auto" the fast one where there is one; ValueError for "fused" where not."""
    fast = None if name == "arrays" else _fast_engine(setup)
    if name == "fused" and fast is None:
        raise ValueError('engine: the fused path covers mlp nets in float32 with SGD; take engine="auto".')
    return fast or Arrays(setup)


def _fast_engine(setup: Setup) -> Fused | OnGpu | None:
    """The fast engine for this set-up, or None where there is none."""
    device, sgd = Device.of(setup.x), setup.optimiser
    soft = isinstance(setup.loss, CrossEntropy) and setup.y.dtype.kind == "f"
    plan = None if soft or setup.x.dtype != np.float32 else plan_of(setup.net, setup.loss)
    if plan is None or not isinstance(sgd, SGD) or type(sgd) not in (SGD, SphereSGD):
        return None
    if device.name == "cpu":
        return Fused(setup, plan)
    if type(sgd) is not SGD or any(block.fixed for block in plan.blocks):
        return None
    momentum = bool(sgd.init(()))
    chosen = on_gpu.kernel(plan, setup.batch_size, momentum=momentum, models=len(setup.models), device=device)
    return None if chosen is None else OnGpu(setup, chosen)
