"""The fast paths behind the same two methods as `engine.Arrays`: compiled code on the CPU, one kernel on a card.

Both take one model at a time through many steps; `fits` says whether there is one for a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.nn.calculus.derivatives import flatten, unflatten
from simlab.nn.kernels.cpu import advance as on_cpu
from simlab.nn.kernels.cuda import advance as on_card
from simlab.nn.kernels.cuda.layout import Layout
from simlab.nn.kernels.plan import Plan
from simlab.nn.kernels.plan import plan as plan_of
from simlab.nn.layers.layer import Array, Fixed
from simlab.nn.losses import CrossEntropy
from simlab.nn.training.engine import RATES, Run, State
from simlab.nn.training.optimisers import SGD, SphereSGD
from simlab.nn.training.schedules import table


class Fast(ABC):
    """What both share: parameters and velocities as two arrays that steps change in place, rates a table at a time.

    A path says in `_move` how models take the steps of one table.
    """

    name = "fused"

    def __init__(self, run: Run) -> None:
        self.run, self.device = run, Device.of(run.x)
        numbers = run.optimiser.numbers(len(run.models))
        self.numbers = {
            name: self.device.asarray(numbers[name].astype(np.float32)) for name in ("momentum", "weight_decay")
        }

    def start(self, state: State) -> State:
        """The state with parameters and velocities as views of arrays (model, parameter) of this path's own."""
        params, memory = state.params, state.memory
        moving = memory[: len(memory) - isinstance(self.run.optimiser, SphereSGD)]
        self.flat = flatten(params)  # a copy: what the caller gave stays as it is
        self.velocity = flatten(moving[0]) if moving else None
        moving = tuple(unflatten(v, self.velocity) for v in moving)
        return state._replace(params=unflatten(params, self.flat), memory=(*moving, *memory[len(moving) :]))

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        sgd, device, models = self.run.optimiser, self.device, self.run.models
        assert isinstance(sgd, SGD)
        alive, diverged = device.asarray(state.alive), device.asarray(state.diverged.copy())
        for first in range(state.step, last, RATES):
            lr = table(sgd.lr, first, min(first + RATES, last), len(models)).astype(np.float32)
            self._move(
                key=self.run.key, models=models, lr=device.asarray(lr), nesterov=sgd.nesterov, decoupled=sgd.decoupled,
                step=first, alive=alive, diverged=diverged, **self.numbers,
            )  # fmt: skip
        return state._replace(step=last, diverged=device.to_host(diverged))

    @abstractmethod
    def _move(self, **how: Any) -> None:
        """Take the steps of `lr` (step, model), in place; `how` is what both `advance` functions ask for."""


class Fused(Fast):
    """SGD by compiled code on the CPU; see `kernels.cpu.advance`."""

    def __init__(self, run: Run, plan: Plan) -> None:
        super().__init__(run)
        self.plan = plan

    def start(self, state: State) -> State:
        self.fixed = fixed_parameters(state.params)
        self.radius = state.memory[-1] if isinstance(self.run.optimiser, SphereSGD) else None
        return super().start(state)

    def _move(self, **how: Any) -> None:
        run = self.run
        on_cpu.advance(
            self.plan, self.flat, self.velocity, run.x, run.y, batch_size=run.batch_size, fixed=self.fixed,
            radius=self.radius, **how,
        )  # fmt: skip


class OnCard(Fast):
    """SGD of small nets by a kernel that keeps each model on the chip; see `kernels.cuda.advance`."""

    def __init__(self, run: Run, chosen: Layout) -> None:
        super().__init__(run)
        self.chosen = chosen

    def _move(self, **how: Any) -> None:
        on_card.advance(self.chosen, self.flat, self.velocity, self.run.x, self.run.y, **how)


def fixed_parameters(params: Any) -> Array | None:
    """Those of all fixed layers one after the other, (model, number); None where there are none."""
    if isinstance(params, Fixed):
        return flatten(params.layer)
    parts = [fixed_parameters(part) for part in params] if isinstance(params, tuple) else []
    found = [part for part in parts if part is not None]
    return np.concatenate(found, axis=1) if found else None


def fits(run: Run) -> Fused | OnCard | None:
    """The fast path for this run, or None where there is none."""
    device, sgd = Device.of(run.x), run.optimiser
    soft = isinstance(run.loss, CrossEntropy) and run.y.dtype.kind == "f"
    plan = None if soft or run.x.dtype != np.float32 else plan_of(run.net, run.loss)
    if plan is None or not isinstance(sgd, SGD) or type(sgd) not in (SGD, SphereSGD):
        return None
    if device.name == "cpu":
        return Fused(run, plan)
    if type(sgd) is not SGD or any(block.fixed for block in plan.blocks):
        return None
    moving = bool(sgd.memory(()))
    chosen = on_card.kernel(plan, run.batch_size, moving=moving, models=len(run.models), device=device)
    return None if chosen is None else OnCard(run, chosen)
