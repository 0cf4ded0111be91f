"""The nets and the data of all scenes: scale-invariant perceptrons on noisy digits, each seed with data of its own.

Hidden layers have no bias and are followed by batch normalisation without scale and shift; the last layer is fixed.
Every trained weight is then scale-invariant, and the net with all weights multiplied by c > 0 is the same function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from simlab import data, nn
from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.nn.layers.layer import Fixed, Layer, Params, leaves, rebuilt
from simlab.nn.training.draws import LANGEVIN, Draw
from simlab.random import key
from simlab.studies.scale_invariance.config import Config

Array = Any
EPS = 1e-10
"""Far below the variance of any pre-activation: the invariance is broken in the tenth digit at most."""
DISTANCE, DIRECTIONS, TOGETHER = 0.3, 4, 16
"""The width of a minimum: the mean rise of the loss at this share of the norm away, in so many random directions; nets
that are measured at a time."""
EQUIVALENCE, EQUILIBRIUM, PHASES, PERIODS, REGIMES = range(5)
"""The scene in a seed: no two scenes share data, initial weights or minibatches."""


class Problem(NamedTuple):
    """Data of all models of a stack, on the device: x (model, n, in), y (model, n), and the same for tests."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array

    def part(self, models: Any) -> Problem:
        """Some of the models, any number of times."""
        return Problem(*(a[models] for a in self))


def seed(config: Config, scene: int) -> int:
    """The seed of a scene's initial weights and minibatches."""
    return config.seed * 16 + scene


def scale_invariant(widths: tuple[int, ...], eps: float = EPS) -> Layer:
    """The net; the entries of its last layer have the variance 1 / width until `scaled` says otherwise."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [nn.dense(n_in, n_out, bias=False), nn.batch_norm(n_out, affine=False, eps=eps), nn.relu]
    return nn.serial(*layers, nn.fixed(nn.dense(*widths[-2:], bias=False)))


def initial(
    config: Config,
    scene: int,
    net: Layer,
    replicates: list[int],
    *,
    logits: Any,
    device: Device,
    dtype: str = "float32",
) -> Params:
    """Initial weights of these replicates; logits, a number or (model,), multiplies the fixed last layer."""
    params = nn.init(net, models=replicates, seed=seed(config, scene), dtype=dtype, device=device.name)
    *hidden, last = params
    size = _of_models(logits, params, device)
    return rebuilt(params, [*hidden, Fixed(last.layer._replace(W=last.layer.W * size[:, None, None]))])


def resized(params: Params, radius: Any, device: Device) -> Params:
    """The same directions at this norm of all trained weights, a number or (model,)."""
    flat = nn.flatten(params)
    share = _of_models(radius, params, device) / (flat * flat).sum(axis=1) ** 0.5
    return nn.unflatten(params, flat * share[:, None])


def _of_models(value: Any, params: Params, device: Device) -> Array:
    like = leaves(params)[0]
    return device.asarray(np.broadcast_to(np.asarray(value, like.dtype), len(like)).copy())


@cache
def _source(path: Path | None) -> data.Data:
    return data.digits() if path is None else data.read(path)


def check(config: Config, examples: str = "examples") -> None:
    """InputError where the data cannot be read, are no classes, or leave too few for tests; `examples` is a field."""
    source, wanted = _source(config.data), getattr(config, examples)
    if source.classes is None:
        raise InputError("data: y must be integer labels, for this study classifies.")
    if wanted + 50 > len(source):
        raise InputError(
            f"{examples} = {wanted}: the data have {len(source)} examples and 50 at least must be left for tests."
        )


def classes(config: Config) -> int:
    """The number of classes of the data."""
    return len(_source(config.data).counts)


def available(config: Config) -> int:
    """The number of examples of the data."""
    return len(_source(config.data))


def features(config: Config) -> int:
    """The number of features of the data."""
    return int(_source(config.data).x.shape[1])


def problem(
    config: Config, scene: int, replicates: int, examples: int, noise: float, device: Device, *, whiten: bool = False
) -> Problem:
    """A shuffle, a split and wrong labels of its own for each replicate; all features in units of one scale.

    whiten: features are rotated to principal components and divided by their deviations, so that all have one scale.
    """
    whole, parts = _source(config.data), []
    for replicate in range(replicates):
        own = seed(config, scene) * 4096 + replicate
        train, test = data.split(whole, examples, min(config.tests, len(whole) - examples), seed=own)
        train, test = data.standardise(data.noisy_labels(train, noise, seed=own), test, scale="global")
        x, test_x = _whitened(train.x, test.x) if whiten else (train.x, test.x)
        parts.append((x.astype(np.float32), train.y, test_x.astype(np.float32), test.y))
    return Problem(*(device.asarray(np.stack(column)) for column in zip(*parts, strict=True)))


def _whitened(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in the units of the training part's principal components; directions without variance become zero."""
    mean = train.mean(axis=0)
    _, sizes, turn = np.linalg.svd((train - mean) / len(train) ** 0.5, full_matrices=False)
    kept = sizes > 1e-3 * sizes[0]
    scale = np.where(kept, 1 / np.where(kept, sizes, 1), 0)
    return (train - mean) @ (turn.T * scale), (test - mean) @ (turn.T * scale)


def sharpness(config: Config, scene: int, net: Layer, params: Params, data: Problem, replicates: np.ndarray) -> Any:
    """The mean rise of the training loss `DISTANCE` norms away, in the same directions for the same replicate."""
    device, found = Device.of(data.x), []
    for first in range(0, len(replicates), TOGETHER):
        part = slice(first, first + TOGETHER)
        own, some, flat = nn.select(params, part), data.part(part), nn.flatten(nn.select(params, part))
        rise = -nn.cross_entropy.value(net.forward(own, some.x)[0], some.y)
        for direction in range(DIRECTIONS):
            draw = Draw(key(config.seed, scene), replicates[part], direction)
            z = draw.normals(flat.shape[1], LANGEVIN, flat)
            size = DISTANCE * ((flat * flat).sum(axis=1) / (z * z).sum(axis=1)) ** 0.5
            moved = net.forward(nn.unflatten(own, flat + size[:, None] * z), some.x)[0]
            rise = rise + nn.cross_entropy.value(moved, some.y) / DIRECTIONS
        found.append(device.to_host(rise))
    return np.concatenate(found)


def in_errors(data: xr.Dataset, name: str) -> float:
    """A value in its own standard errors; NaN where it has none."""
    return over(float(data[name]), float(data[f"{name}_se"]))


def over(value: float, se: float) -> float:
    """A distance in standard errors; NaN where there are none, and then there is no verdict."""
    return value / se if se > 0 else float("nan")


def log_ratio(above: Any, below: Any) -> Any:
    """ln(above/below), NaN or infinite where one of them is not positive: then there is no verdict on it."""
    with np.errstate(all="ignore"):
        return np.log(above / below)


class Keeper:
    """Records that keep flat parameters, or other arrays of all models, at every recorded step."""

    def __init__(self, what: Callable[[Any], Array]) -> None:
        self.what = what
        self._parts: dict[int, list[Array]] = {}

    @property
    def quantity(self) -> nn.Quantity:
        """What to record: it counts the models, and keeps what it sees on the way."""

        def keep(frame: Any) -> Array:
            self._parts.setdefault(frame.step, []).append(self.what(frame))
            return 0 * frame.lr + 1

        return nn.Quantity("kept", "models kept", "1", keep)

    def at(self, step: int) -> Array:
        """What was kept at this step, models first."""
        parts = self._parts[step]
        return Device.of(parts[0]).xp.concatenate(parts)
