"""The record of a stack as it trains: measuring all models, some at a time, and the dataset at the end."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from simlab.core.device import Device
from simlab.nn.layers.layer import Array, Params, leaves, select
from simlab.nn.training.engine import State
from simlab.nn.training.options import Until
from simlab.nn.training.record import Frame, Quantity, Record
from simlab.nn.training.schedules import table
from simlab.nn.training.setup import Setup, as_rows, beside_params, blocks_of, of_models, target_axes

if TYPE_CHECKING:
    import xarray as xr

Rows = dict[int, dict[str, np.ndarray]]


class Log:
    """rows: {step: {quantity: (model,)}}; before: the parameters at the last record, if a quantity asks for them."""

    def __init__(self, setup: Setup, params: Params, record: Record, stop: Until | None) -> None:
        self.setup, self.record, self.stop = setup, record, stop
        self.test = _test(setup, params, record)
        self.rows: Rows = {}
        self.before: Params = ()

    def rehearse(self, state: State) -> None:
        """Measure test data and curvature of the first model, so that what does not fit is refused before training."""
        self._measured(state, slice(0, 1), [q for q in self.record.found if q.needs_test or q.needs_curvature])

    def write(self, state: State) -> State:
        """Measure all models, and freeze those that meet the rule for stopping."""
        parts = blocks_of(self.setup, state.params, self.test[0].shape[-2])
        blocks = [self._measured(state, part, self.record.found) for part in parts]
        row = {q.name: np.concatenate([b[i] for b in blocks]) for i, q in enumerate(self.record.found)}
        self.rows[state.step] = row
        if any(q.needs_before for q in self.record.found):
            self.before = state.params
        if self.stop is None:
            return state
        met = state.alive & (row[self.stop.quantity] <= self.stop.at_most)
        return state._replace(stopped=np.where(met, state.step, state.stopped))

    def _measured(self, state: State, part: slice, quantities: Sequence[Quantity]) -> list[np.ndarray]:
        """These quantities of some models, (model) each."""
        frame, device = self._frame(state, part), Device.of(self.setup.x)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of models that diverged
            values = [device.to_host(q.measure(frame)) for q in quantities]
        wanted = (part.stop - part.start,)
        for q, value in zip(quantities, values, strict=True):
            if np.shape(value) != wanted:
                raise ValueError(f"{q.name} must be a number of each model, {wanted}, got shape {np.shape(value)}.")
        return values

    def _frame(self, state: State, part: slice) -> Frame:
        """What quantities see of some models."""
        rates = table(self.setup.optimiser.lr, state.step, state.step + 1, len(self.setup.models))[0]
        setup, (x, y) = self.setup.part(part), self.test
        params = select(state.params, part)
        before = select(self.before, part) if self.before else params
        test = of_models(x, 2, part), of_models(y, target_axes(y), part)
        return Frame(setup, state.step, params, before, Device.of(x).asarray(rates[part]), test)

    def dataset(self, state: State, steps: list[int], engine: str) -> xr.Dataset:
        """What was recorded, with dims (step, model)."""
        import xarray as xr

        setup = self.setup
        found = {
            q.name: (
                ("step", "model"),
                np.array([self.rows[step][q.name] for step in steps]).reshape(len(steps), len(setup.models)),
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
            "model": ("model", setup.models, {"long_name": "index of the model", "units": "1"}),
        }
        attributes = {
            "optimiser": repr(setup.optimiser), "loss": repr(setup.loss), "batch_size": setup.batch_size,
            "examples": setup.examples, "parameters": sum(prod(leaf.shape[1:]) for leaf in leaves(state.params)),
            "engine": engine, "device": Device.of(setup.x).description,
        }  # fmt: skip
        return xr.Dataset(found | ends, coords, attributes)


def _test(setup: Setup, params: Params, record: Record) -> tuple[Array, Array]:
    """The test data; the training data stand where no quantity asks for any."""
    if record.test is None:
        return setup.x, setup.y
    x, y = beside_params(setup.net, params, record.test, "test")
    if x.shape[-2] not in y.shape:
        raise ValueError(f"test has {x.shape[-2]} examples and y has shape {y.shape}; give each example a y.")
    return x, as_rows(setup.net, setup.loss, x, y)
