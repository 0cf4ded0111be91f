"""The fast paths behind the same two methods as `engine.Arrays`: compiled code on the CPU, one kernel on a card.

Both take one model at a time through many steps; `fits` says whether there is one for a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab.device import Device
from simlab.nn import fused, persistent
from simlab.nn.derivatives import flatten, unflatten
from simlab.nn.engine import RATES, Run, State
from simlab.nn.layer import Array, Fixed
from simlab.nn.losses import CrossEntropy
from simlab.nn.optimisers import SGD, SphereSGD
from simlab.nn.persistent_layout import Layout
from simlab.nn.schedules import table


class Fused:
    """Training by compiled code that takes one model at a time through many steps; see `fused`."""

    name = "fused"

    def __init__(self, run: Run, plan: fused.Plan) -> None:
        self.run, self.plan = run, plan
        numbers = run.optimiser.numbers(len(run.models))
        self.numbers = {name: numbers[name].astype(np.float32) for name in ("momentum", "weight_decay")}

    def start(self, state: State) -> State:
        """The state with parameters and memory as views of two arrays (model, parameter) that steps change in place."""
        params, memory = state.params, state.memory
        self.flat = flatten(params)  # a copy: what the caller gave stays as it is
        sgd: Any = self.run.optimiser
        *velocity, radius = memory if isinstance(sgd, SphereSGD) else (*memory, None)
        self.velocity, self.radius = flatten(velocity[0]) if velocity else None, radius
        self.fixed = fixed_parameters(params)
        moving = tuple(unflatten(v, self.velocity) for v in velocity)
        return state._replace(params=unflatten(params, self.flat), memory=(*moving, *memory[len(moving) :]))

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        run, diverged = self.run, state.diverged.copy()
        sgd: Any = run.optimiser
        for first in range(state.step, last, RATES):
            lr = table(sgd.lr, first, min(first + RATES, last), len(run.models)).astype(np.float32)
            fused.advance(
                self.plan, self.flat, self.velocity, run.x, run.y, key=run.key, models=run.models,
                batch_size=run.batch_size, lr=lr, nesterov=sgd.nesterov, decoupled=sgd.decoupled, step=first,
                alive=state.alive & (diverged < 0), diverged=diverged, fixed=self.fixed, radius=self.radius,
                **self.numbers,
            )  # fmt: skip
        return state._replace(step=last, diverged=diverged)


class OnCard:
    """SGD of small nets by a kernel that keeps each model on the chip; see `persistent`."""

    name = "fused"

    def __init__(self, run: Run, chosen: Layout) -> None:
        self.run, self.chosen, self.device = run, chosen, Device.of(run.x)
        numbers = run.optimiser.numbers(len(run.models))
        self.numbers = {
            name: self.device.asarray(numbers[name].astype(np.float32)) for name in ("momentum", "weight_decay")
        }

    def start(self, state: State) -> State:
        """As in `Fused`."""
        self.flat = flatten(state.params)
        self.velocity = flatten(state.memory[0]) if state.memory else None
        memory = () if self.velocity is None else (unflatten(state.memory[0], self.velocity),)
        return state._replace(params=unflatten(state.params, self.flat), memory=memory)

    def advance(self, state: State, last: int) -> State:
        """The state at step `last`."""
        run, sgd, device = self.run, self.run.optimiser, self.device
        assert isinstance(sgd, SGD)
        diverged, alive = device.asarray(state.diverged.copy()), device.asarray(state.alive)
        for first in range(state.step, last, RATES):
            lr = table(sgd.lr, first, min(first + RATES, last), len(run.models)).astype(np.float32)
            persistent.advance(
                self.chosen, self.flat, self.velocity, run.x, run.y, key=run.key, models=run.models,
                lr=device.asarray(lr), nesterov=sgd.nesterov, decoupled=sgd.decoupled, step=first, alive=alive,
                diverged=diverged, **self.numbers,
            )  # fmt: skip
        return state._replace(step=last, diverged=np.asarray(device.to_host(diverged)))


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
    plan = None if soft or run.x.dtype != np.float32 else fused.plan(run.net, run.loss)
    if plan is None or not isinstance(sgd, SGD) or type(sgd) not in (SGD, SphereSGD):
        return None
    if device.name == "cpu":
        return Fused(run, plan)
    if type(sgd) is not SGD or any(block.fixed for block in plan.blocks):
        return None
    moving = bool(sgd.memory(()))
    chosen = persistent.kernel(plan, run.batch_size, moving=moving, models=len(run.models), device=device)
    return None if chosen is None else OnCard(run, chosen)
