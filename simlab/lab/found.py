"""The results of a scene: measurements, their references, and the claims that can be made about both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.lab.measured import NAN, Measured
from simlab.lab.quantity import REFERENCES, Axis, Beside, Quantity, Reference, Theory, Values, names_of
from simlab.statistics import Estimate, Joint


@dataclass
class Axes:
    """What a theory may know of a simulation: the coordinates of its axes, and its standard errors."""

    _found: Found

    def __getitem__(self, axis: Axis) -> np.ndarray[Any, Any]:
        """The coordinates of an axis; TypeError for a quantity, which a theory must not know."""
        if not isinstance(axis, Axis):
            raise TypeError(f"a theory may know the places of an axis, not what was measured of {axis!r}.")
        return self._found[axis].value

    def se(self, quantity: Quantity) -> Floats:
        """The standard errors of a quantity, for the error of a fit that will be made with them as weights."""
        return self._found[quantity].se

    def __contains__(self, quantity: Quantity) -> bool:
        """Whether it was measured at all."""
        return quantity in self._found


@dataclass
class Found:
    """The results of a scene by quantity; `dataset` is their stored form."""

    scene: str
    source: str
    names: Mapping[Quantity, str]
    dataset: xr.Dataset = field(default_factory=xr.Dataset)

    @classmethod
    def of(cls, module: Any, dataset: xr.Dataset | None = None) -> Found:
        """Empty, or with the contents of a stored result."""
        scene = module.__name__.rpartition(".")[2]
        return cls(scene, module.SOURCE, names_of(module), xr.Dataset() if dataset is None else dataset)

    def __contains__(self, quantity: Quantity) -> bool:
        """Whether it was found."""
        return self.names.get(quantity) in self.dataset.variables

    def __getitem__(self, quantity: Quantity) -> Measured:
        """A quantity; KeyError where it was not found."""
        name = self._name(quantity)
        if name not in self.dataset.variables:
            raise KeyError(f"scene {self.scene} has not found {name!r} ({quantity.meaning}).")
        kind = next((k for k in REFERENCES if name + k.suffix in self.dataset), None)
        value = self.dataset[name].values
        axes = (quantity,) if isinstance(quantity, Axis) else quantity.axes
        return Measured(
            quantity=quantity, value=value, se=self._beside(name, "_se", value.shape),
            reference=self._beside(name, kind.suffix if kind else "_theory", value.shape),
            bias=np.nan_to_num(self._beside(name, "_bias", value.shape)),
            covariance=self.dataset[f"{name}_covariance"].values if f"{name}_covariance" in self.dataset else NAN,
            samples=float(self.dataset[name].attrs.get("samples", np.inf)), kind=kind, axes=axes,
            coordinates=tuple(self.dataset[self._name(a)].values for a in axes), scene=self.scene, source=self.source,
        )  # fmt: skip

    @property
    def axes(self) -> Axes:
        """The part of the results that a theory may know."""
        return Axes(self)

    def enter_simulation(self, values: Values) -> None:
        """Add what a simulation returned; ValueError for a Theory, since a simulation has seen the data."""
        for quantity, value in values.items():
            if isinstance(value.reference if isinstance(value, Beside) else value, Theory):
                raise ValueError(
                    f"scene {self.scene}: a simulation cannot return a Theory of {self._name(quantity)}; derive it in "
                    "theory(), or call it HeldOut, Expected or Fit."
                )
        self.enter(values)

    def enter_theory(self, values: Values) -> None:
        """Add what a theory returned; ValueError where it would replace a measurement."""
        for quantity, value in values.items():
            if not isinstance(value, Reference) and quantity in self:
                raise ValueError(
                    f"scene {self.scene}: {self._name(quantity)} was measured; its theory must be a Theory(...)."
                )
        self.enter(values)

    def enter(self, values: Values) -> None:
        """Add values of any kind; ValueError for one that does not fit its declaration."""
        for quantity, value in sorted(values.items(), key=lambda pair: not isinstance(pair[0], Axis)):
            if isinstance(value, Beside):
                self._measure(quantity, value.measured)
                self._refer(quantity, value.reference)
            elif isinstance(value, Reference):
                self._refer(quantity, value)
            else:
                self._measure(quantity, value)

    def _measure(self, quantity: Quantity, value: Any) -> None:
        name, value = self._name(quantity), _stacked(value)
        dims = (name,) if isinstance(quantity, Axis) else tuple(self._name(a) for a in quantity.axes)
        attrs: dict[str, Any] = {"long_name": quantity.meaning, "units": quantity.unit}
        if isinstance(value, Joint):
            units = quantity.unit if quantity.unit == "1" else f"({quantity.unit})^2"
            about = {"long_name": f"covariance of the errors of {quantity.meaning}", "units": units}
            self._put(f"{name}_covariance", (*dims, f"{dims[-1]}_"), value.covariance, about)
            attrs["samples"] = float(value.samples)
            value = Estimate(value.value, np.sqrt(np.diagonal(value.covariance, axis1=-2, axis2=-1)))
        if isinstance(value, Estimate):
            about = {"long_name": f"standard error of {quantity.meaning}", "units": quantity.unit}
            self._put(f"{name}_se", dims, np.asarray(value.se, float), about)
            attrs["ancillary_variables"] = f"{name}_se"
            value = value.value
        self._put(name, dims, np.asarray(value), attrs)

    def _refer(self, quantity: Quantity, reference: Reference) -> None:
        name, kind = self._name(quantity), type(reference)
        dims, shape = tuple(self._name(a) for a in quantity.axes), None
        if name in self.dataset.variables:
            shape = self.dataset[name].shape
        parts = {kind.suffix: (kind.words, reference.value)}
        if isinstance(reference, Theory) and np.any(np.asarray(reference.bias) != 0):
            parts["_bias"] = ("known error of the theory at this size", reference.bias)
        for suffix, (words, numbers) in parts.items():
            array = np.asarray(numbers, float)
            if shape is not None:
                array = self._spread(name + suffix, array, shape)
            about = {"long_name": f"{words} of {quantity.meaning}", "units": quantity.unit}
            self._put(name + suffix, dims, array, about)

    def _spread(self, name: str, values: Floats, shape: tuple[int, ...]) -> Floats:
        """Numbers broadcast to this shape."""
        try:
            return np.broadcast_to(values, shape).copy()
        except ValueError:
            raise ValueError(
                f"scene {self.scene}: {name} stands beside an array of shape {shape}, got one of {values.shape}."
            ) from None

    def _put(self, name: str, dims: tuple[str, ...], values: np.ndarray[Any, Any], attrs: dict[str, Any]) -> None:
        sizes = tuple(self.dataset.sizes.get(d, n) for d, n in zip(dims, values.shape, strict=False))
        if values.ndim != len(dims) or sizes != values.shape:
            there = ", ".join(f"{d}: {self.dataset.sizes[d]}" if d in self.dataset.sizes else d for d in dims)
            raise ValueError(f"scene {self.scene}: {name} is over ({there}), got an array of shape {values.shape}.")
        if values.dtype.kind == "U":
            values = values.astype(object)
        self.dataset[name] = xr.Variable(dims, values, attrs)

    def _beside(self, name: str, suffix: str, shape: tuple[int, ...]) -> Floats:
        if name + suffix in self.dataset.variables:
            return np.asarray(self.dataset[name + suffix].values, float)
        return np.full(shape, np.nan)

    def _name(self, quantity: Quantity) -> str:
        try:
            return self.names[quantity]
        except KeyError:
            raise ValueError(
                f"scene {self.scene}: {quantity.meaning!r} is not declared in its module or its PARTS."
            ) from None


def _stacked(value: Any) -> Any:
    """Estimates, or joint ones, along a new first axis; anything else as it is."""
    if not isinstance(value, list) or not value or not isinstance(value[0], Estimate | Joint):
        return value
    if isinstance(value[0], Estimate):
        return Estimate.stack(value)
    samples = min(joint.samples for joint in value)
    return Joint(np.array([j.value for j in value]), np.array([j.covariance for j in value]), samples)
