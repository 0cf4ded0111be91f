"""What a stack of nets trains on: its data beside the parameters, the loss and the optimiser, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simlab.core.checks import shown, stored
from simlab.core.device import Device
from simlab.nn.arguments import checked, pair, require_params
from simlab.nn.calculus.derivatives import population
from simlab.nn.layers.layer import Array, Layer, Params, every_array, leaves, rebuilt, select
from simlab.nn.losses import Loss, cross_entropy, logistic, mse, targets_like, unchecked
from simlab.nn.training.optimisers import Optimiser
from simlab.nn.training.options import Options, require_count
from simlab.nn.training.schedules import per_model, rate, table
from simlab.random import Key, Seed, key

TRAINING = 1
"""The cell of a seed's keys that training draws from; `init` draws from the seed itself."""


EVALUATION = 2**27
"""Bytes of activations that measuring holds at a time: of a large stack, some models at a time."""


@dataclass(frozen=True)
class Setup:
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

    def part(self, models: slice) -> Setup:
        """The same for some of the models."""
        return replace(
            self, x=of_models(self.x, 2, models), y=of_models(self.y, target_axes(self.y), models),
            models=self.models[models],
        )  # fmt: skip


def set_up(
    net: Layer, params: Params, data: Any, optimiser: Any, batch_size: int, seed: Seed, options: Options
) -> Setup:
    """The set-up of these parameters, every argument checked."""
    require_params(net, params)
    stack = len(leaves(params)[0])
    if not isinstance(optimiser, Optimiser):
        raise ValueError(f"optimiser must be one such as SGD(0.1), got {shown(optimiser)}.")
    x, y = beside_params(net, params, data, "data")
    size, n = require_count("batch_size", batch_size, 1), x.shape[-2]
    if size > n:
        raise ValueError(f"batch_size is {size} and there are {n} examples; take a batch of at most all of them.")
    index = _indices(options.models, stack)
    optimiser.numbers(stack)
    table(getattr(optimiser, "lr", None), 0, 1, stack)
    per_model("noise", rate(options.noise, 0), stack)
    loss = _default(net, y) if options.loss is None else options.loss
    y = as_rows(net, loss, x, y)
    found = Setup(net, loss, optimiser, x, y, size, key(seed, TRAINING), index, options.noise)
    _require_targets(found, stack)
    return found


def _indices(models: Sequence[int] | None, stack: int) -> np.ndarray:
    """The index of each model of the stack, (model,)."""
    index = np.arange(stack) if models is None else stored("models", models)
    if index.shape != (stack,) or index.dtype.kind not in "iu" or (index < 0).any() or (index >= 2**32).any():
        raise ValueError(f"models must name the index of each of the {stack} models of the stack, got {shown(models)}.")
    return index.astype(np.int64)


def _require_targets(setup: Setup, stack: int) -> None:
    """ValueError where the loss does not take these targets, each example one."""
    (n, width), y = setup.x.shape[-2:], setup.y
    place = y.ndim - 1 - setup.loss.target_axes(y)
    uneven = place < 0 or y.shape[place] != n
    rows = 1 if setup.shared[1] else stack
    try:
        setup.loss.value(Device.of(y).xp.zeros((rows, n, setup.net.n_out or width), setup.x.dtype), y)
    except ValueError as error:
        built_in = unchecked(setup.loss) is not setup.loss
        raise ValueError(f"data, {error}" if built_in or not uneven else _UNEVEN.format(n, y.shape)) from error
    if uneven:
        raise ValueError(_UNEVEN.format(n, y.shape))


_UNEVEN = "data: x has {} examples and y has shape {}; give each example a y."


def beside_params(net: Layer, params: Params, data: Any, name: str) -> tuple[Array, Array]:
    """The data (x, y) as arrays beside the parameters and in their dtype."""
    found, y = pair(name, data)
    x = checked(net, params, found, name)
    try:
        y = targets_like(x, y)
    except ValueError as error:
        wanted = "y must hold integer labels (n) or float targets (n, out)"
        raise ValueError(f"{name}: {wanted}; {str(error).removeprefix('y: ')}") from error
    if y.dtype.kind != "f":
        return x, y
    with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite, and is refused as such
        return x, y.astype(x.dtype)


def _default(net: Layer, y: Array) -> Loss:
    """The loss of targets of this kind; ValueError where they leave it open."""
    if y.dtype.kind in "iu":
        return logistic if net.n_out == 1 else cross_entropy
    if y.dtype.kind != "f" or y.ndim < 2:
        raise ValueError(
            f"data: y must hold integer labels (n) or float targets (n, out), got {y.dtype} {y.shape}; convert or "
            "reshape it."
        )
    if bool((y >= 0).all()) and (
        bool(((y == 0) | (y == 1)).all()) if y.shape[-1] == 1 else bool((abs(y.sum(axis=-1) - 1) < 1e-5).all())
    ):
        labels = "y.astype(int)[..., 0]" if y.shape[-1] == 1 else "y.argmax(-1)"
        raise ValueError(
            f"data: y holds labels or probabilities as floats, {y.shape}, which may mean a class or a number; give "
            f"integer labels, {labels}, or name the loss, such as Options(loss=mse) for regression."
        )
    return mse


def as_rows(net: Layer, loss: Loss, x: Array, y: Array) -> Array:
    """The targets, as floats where the loss takes a row for each example: integers count as labels elsewhere."""
    rows = loss.target_axes(y) == 1 and y.shape[-2:] == (x.shape[-2], net.n_out or x.shape[-1])
    return y.astype(x.dtype) if rows else y


def target_axes(y: Array) -> int:
    """Axes of the targets of one model: integer labels (n), float targets (n, out)."""
    return 1 if y.dtype.kind in "iu" else 2


def of_models(data: Array, core: int, models: slice) -> Array:
    """Data of some models: (core axes) shared by all, or with the model axis first."""
    return data if data.ndim == core else data[models]


def with_population(setup: Setup, params: Params) -> Params:
    """The parameters with the population statistics of the training data, where the net has any."""
    if not setup.net.couples_examples:
        return params
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of models that diverged
        parts = [population(setup.net, select(params, part), setup.part(part).x) for part in blocks_of(setup, params)]
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: list[Any]) -> Any:
    """Stacks of models one after the other."""
    if isinstance(parts[0], tuple):
        return rebuilt(parts[0], [joined(list(p)) for p in zip(*parts, strict=True)])
    return None if parts[0] is None else Device.of(parts[0]).xp.concatenate(parts)


def blocks_of(setup: Setup, params: Params, examples: int = 0) -> list[slice]:
    """Slices of models whose activations on all data fit in `EVALUATION` bytes."""
    # The last axis of every array of a layer is its width; x, y, slope and cotangent of each make four.
    widths = sum(array.shape[-1] for array in every_array(params) if array.ndim > 1)
    examples = max(setup.examples, examples)
    size = max(1, EVALUATION // (4 * examples * widths * leaves(params)[0].dtype.itemsize))
    return [slice(a, min(a + size, len(setup.models))) for a in range(0, len(setup.models), size)]
