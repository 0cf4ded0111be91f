"""The record of a stack as it grows: measuring all models, some at a time, and the dataset at the end."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.device import Device
from simlab.nn.engine import Run, State, blocks_of, of_models, target_axes
from simlab.nn.layer import Array, Params, leaves, rebuilt, select
from simlab.nn.record import Frame, Record
from simlab.nn.schedules import table

if TYPE_CHECKING:
    import xarray as xr

Rows = dict[int, dict[str, np.ndarray]]


class Until(NamedTuple):
    """A rule for stopping a model: at the first record where a quantity is at most this."""

    quantity: str
    at_most: float


class Log:
    """rows: {step: {quantity: (model,)}}; before: the parameters at the last record, if a quantity asks for them."""

    def __init__(self, run: Run, record: Record, test: tuple[Array, Array], stop: Until | None) -> None:
        self.run, self.record, self.test, self.stop = run, record, test, stop
        self.rows: Rows = {}
        self.before: Params = ()

    def write(self, state: State) -> State:
        """Measure all models, and freeze those that meet the rule for stopping."""
        device = Device.of(self.run.x)
        rates = device.asarray(table(self.run.optimiser.lr, state.step, state.step + 1, len(self.run.models))[0])
        blocks = []
        for part in blocks_of(self.run, state.params, self.test[0].shape[-2]):
            frame = self._frame(state, part, rates)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of models that diverged
                blocks.append([device.to_host(q.measure(frame)) for q in self.record.found])
        row = {q.name: np.concatenate([b[i] for b in blocks]) for i, q in enumerate(self.record.found)}
        self.rows[state.step] = row
        if any(q.needs_before for q in self.record.found):
            self.before = copied(state.params)
        if self.stop is None:
            return state
        met = state.alive & (row[self.stop.quantity] <= self.stop.at_most)
        return state._replace(stopped=np.where(met, state.step, state.stopped))

    def _frame(self, state: State, part: slice, rates: Array) -> Frame:
        """What quantities see of some models."""
        run, (x, y) = self.run.part(part), self.test
        params = select(state.params, part)
        before = select(self.before, part) if self.before else params
        test = of_models(x, 2, part), of_models(y, target_axes(y), part)
        return Frame(run, state.step, params, before, rates[part], test)

    def dataset(self, state: State, steps: list[int], engine: str) -> xr.Dataset:
        """What was recorded, with dims (step, model)."""
        import xarray as xr

        run = self.run
        found = {
            q.name: (
                ("step", "model"),
                np.array([self.rows[step][q.name] for step in steps]).reshape(len(steps), len(run.models)),
                {"long_name": q.long_name, "units": q.units},
            )
            for q in self.record.found
        }
        ends = {
            name: ("model", steps_, {"long_name": f"step at which the model {text}, -1 if it did not", "units": "1"})
            for name, steps_, text in (
                ("diverged", state.diverged, "was frozen because its batch loss is not finite"),
                ("stopped", state.stopped, "met the rule for stopping"),
            )
        }
        coords = {
            "step": ("step", steps, {"long_name": "updates made", "units": "1"}),
            "model": ("model", run.models, {"long_name": "index of the model", "units": "1"}),
        }
        attributes = {
            "optimiser": repr(run.optimiser), "loss": repr(run.loss), "batch_size": run.batch_size,
            "examples": run.examples, "parameters": sum(prod(leaf.shape[1:]) for leaf in leaves(state.params)),
            "engine": engine, "device": Device.of(run.x).description,
        }  # fmt: skip
        return xr.Dataset(found | ends, coords, attributes)


def copied(params: Any) -> Any:
    """The same numbers in arrays of their own."""
    if isinstance(params, tuple):
        return rebuilt(params, [copied(part) for part in params])
    return None if params is None else params.copy()
