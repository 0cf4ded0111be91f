"""The record of a stack as it grows: measuring all models, some at a time, and the dataset at the end."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simlab.core.device import Device
from simlab.nn.layers.layer import Array, Params, leaves, rebuilt, select
from simlab.nn.training.engine import Run, State, blocks_of, of_models, target_axes
from simlab.nn.training.record import Frame, Quantity, Record
from simlab.nn.training.schedules import table

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

    def rehearse(self, state: State) -> None:
        """Measure the first model by what may not fit, test data and curvature: refused before any training."""
        self._measured(state, slice(0, 1), [q for q in self.record.found if q.needs_test or q.needs_curvature])

    def write(self, state: State) -> State:
        """Measure all models, and freeze those that meet the rule for stopping."""
        parts = blocks_of(self.run, state.params, self.test[0].shape[-2])
        blocks = [self._measured(state, part, self.record.found) for part in parts]
        row = {q.name: np.concatenate([b[i] for b in blocks]) for i, q in enumerate(self.record.found)}
        self.rows[state.step] = row
        if any(q.needs_before for q in self.record.found):
            self.before = copied(state.params)
        if self.stop is None:
            return state
        met = state.alive & (row[self.stop.quantity] <= self.stop.at_most)
        return state._replace(stopped=np.where(met, state.step, state.stopped))

    def _measured(self, state: State, part: slice, quantities: Sequence[Quantity]) -> list[np.ndarray]:
        """These quantities of some models, (model) each."""
        frame, device = self._frame(state, part), Device.of(self.run.x)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of models that diverged
            values = [device.to_host(q.measure(frame)) for q in quantities]
        wanted = (part.stop - part.start,)
        for q, value in zip(quantities, values, strict=True):
            if np.shape(value) != wanted:
                raise ValueError(f"{q.name} must be a number of each model, {wanted}, got shape {np.shape(value)}.")
        return values

    def _frame(self, state: State, part: slice) -> Frame:
        """What quantities see of some models."""
        rates = table(self.run.optimiser.lr, state.step, state.step + 1, len(self.run.models))[0]
        run, (x, y) = self.run.part(part), self.test
        params = select(state.params, part)
        before = select(self.before, part) if self.before else params
        test = of_models(x, 2, part), of_models(y, target_axes(y), part)
        return Frame(run, state.step, params, before, Device.of(x).asarray(rates[part]), test)

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
