"""Learning rates as functions of the step. All numbers may have shape (model,): one for each model of the stack."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from simlab.core.checks import exact, require_width, shown, stored

PerModel = Any
"""A number for all models, or an array (model,)."""


class Schedule(ABC):
    """lr at a step, counted from 0: a number, or an array (model,). A record asks for it at the end of the run, too.

    A plain function of the step serves as well; a schedule of one's own is a frozen dataclass with `__call__`, so that
    two of the same numbers are equal and a record shows them.
    """

    @abstractmethod
    def __call__(self, step: int) -> Any:
        """The learning rate that the update of this step uses."""


@dataclass(frozen=True)
class StepDecay(Schedule):
    """lr times factor^(number of whole periods of `every` steps so far)."""

    lr: PerModel
    every: int
    factor: PerModel = 0.1

    def __post_init__(self) -> None:
        require_width(self.every, "every")
        _require_rates(lr=self.lr, factor=self.factor)

    def __call__(self, step: int) -> Any:
        return np.asarray(self.lr) * np.asarray(self.factor) ** (step // self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From lr to `end` over `steps` by half a cosine, `end` from then on (Loshchilov & Hutter 2017, equation 5)."""

    lr: PerModel
    steps: int
    end: PerModel = 0.0

    def __post_init__(self) -> None:
        require_width(self.steps, "steps")
        _require_rates(lr=self.lr, end=self.end)

    def __call__(self, step: int) -> Any:
        share = (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2
        return np.asarray(self.end) + (np.asarray(self.lr) - np.asarray(self.end)) * share


@dataclass(frozen=True)
class Cyclic(Schedule):
    """Cosines from lr to `end` that start again every `period` steps (Huang et al. 2017, equation 2)."""

    lr: PerModel
    period: int
    end: PerModel = 0.0

    def __post_init__(self) -> None:
        require_width(self.period, "period")
        _require_rates(lr=self.lr, end=self.end)

    def __call__(self, step: int) -> Any:
        return Cosine(self.lr, self.period, self.end)(step % self.period)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Another rate, with (step + 1) / steps of it at the first `steps` steps (Goyal et al. 2017, section 2.2)."""

    lr: Any
    steps: int

    def __post_init__(self) -> None:
        require_width(self.steps, "steps")
        require_rate("lr", self.lr)

    def __call__(self, step: int) -> Any:
        return np.asarray(rate(self.lr, step)) * min((step + 1) / self.steps, 1)


@dataclass(frozen=True)
class Piecewise(Schedule):
    """A table: the rate rates[k] from step starts[k] on; starts must begin with 0 and increase."""

    starts: Sequence[int]
    rates: Sequence[PerModel]

    def __post_init__(self) -> None:
        starts = stored("starts", self.starts)
        count = 0 if getattr(self.rates, "shape", None) == () or not hasattr(self.rates, "__len__") else len(self.rates)
        fine = starts.ndim == 1 and starts.size == count > 0 and starts[0] == 0 and (np.diff(starts) > 0).all()
        if not (fine and starts.dtype.kind in "iu"):
            raise ValueError(
                f"rates, a table of them, need whole, increasing starts from 0, one for each rate; got {count} rates "
                f"from steps {shown(self.starts)}."
            )
        for place, value in enumerate(self.rates):
            per_model(f"rates[{place}]", value, None)

    def __call__(self, step: int) -> Any:
        return self.rates[int(np.searchsorted(self.starts, step, side="right")) - 1]


def rate(lr: Any, step: int) -> Any:
    """A rate that may be a schedule, or another function of the step, at this step."""
    return lr(step) if callable(lr) else lr


def require_rate(name: str, value: Any) -> None:
    """ValueError for what is neither a number, nor one for each model, nor a function of the step."""
    if not callable(value) or isinstance(value, type):
        per_model(name, value, None)
        return
    try:
        signature(value).bind(0)
    except TypeError as error:
        raise ValueError(f"{name}: a function must take the step and nothing else, got {shown(value)}.") from error
    except ValueError:  # of a function that is not written in Python
        pass


def per_model(
    name: str, value: PerModel, models: int | None, smallest: float = 0.0, below: float = math.inf
) -> np.ndarray:
    """A hyper-parameter of each model, (model,) in float64 on the host; ValueError outside of [smallest, below).

    models: None where their number is not known yet, and any will do.
    """
    refusal = f"{name} must be a number or one number for each model, got {shown(value)}."
    try:
        numbers = stored(name, value)
    except ValueError as error:
        raise ValueError(refusal) from error
    if numbers.dtype.kind == "b" or numbers.ndim > 1 or not numbers.size:
        raise ValueError(refusal)
    models = numbers.size if models is None else models
    numbers = numbers.astype(np.float64)
    if numbers.shape not in ((), (models,)):
        raise ValueError(f"{name} must be one number or have shape ({models},), got {numbers.shape}.")
    if not bool(((numbers >= smallest) & (numbers < below)).all()):
        limit = f"in [{smallest:g}, {below:g})" if below < math.inf else f"at least {smallest:g} and finite"
        raise ValueError(f"{name} must be {limit}, got {exact(value)}.")
    return np.broadcast_to(numbers, (models,)).copy()


def _require_rates(**numbers: PerModel) -> None:
    """ValueError, by name, for a number that no step may have: found now, not in the middle of a run."""
    for name, value in numbers.items():
        per_model(name, value, None)


def table(lr: Any, first: int, last: int, models: int) -> np.ndarray:
    """The rates of steps first ... last - 1: (step, model) in float64 on the host."""
    if not callable(lr):
        return np.broadcast_to(per_model("lr", lr, models), (last - first, models))
    return np.stack([per_model("lr", lr(step), models) for step in range(first, last)])
