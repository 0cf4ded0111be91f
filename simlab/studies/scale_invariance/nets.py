"""The nets of all scenes: scale-invariant perceptrons, many side by side, each with data of its own.

Hidden layers have no bias and are followed by batch normalisation without scale and shift; the last layer is fixed.
Every trained weight is then scale-invariant, and the net with all weights multiplied by c > 0 is the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from simlab import nn, random
from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.lab.lab import Lab
from simlab.nn.layers.layer import Fixed, Layer, Params, leaves, rebuilt
from simlab.nn.training.draws import LANGEVIN, Draw
from simlab.studies.scale_invariance import problem
from simlab.studies.scale_invariance.config import Config

Array = Any
EPS = 1e-10
"""Far below the variance of any pre-activation: the invariance is broken in the tenth digit at most."""
DISTANCE, DIRECTIONS, TOGETHER = 0.3, 4, 16
"""The width of a minimum is measured by the mean rise of the loss at a distance of DISTANCE norms, in DIRECTIONS
random directions; TOGETHER nets are measured at a time."""


class Stack(NamedTuple):
    """Nets side by side with their data; those of one replicate share data, initial weights and minibatches."""

    net: Layer
    params: Params
    data: problem.Problem
    replicates: np.ndarray  # (model,)

    @property
    def device(self) -> Device:
        """The device of the arrays."""
        return Device.of(self.data.x)

    @property
    def weights(self) -> Array:
        """All trained weights, (model, weight)."""
        return nn.flatten(self.params)

    def with_weights(self, weights: Array) -> Stack:
        """The same nets with other trained weights, (model, weight)."""
        return self._replace(params=nn.unflatten(self.params, weights))

    def at_norm(self, radius: float | Floats) -> Stack:
        """The same functions at this norm of all trained weights, a number or (model,)."""
        share = _of_models(radius, self.params, self.device) / (self.weights * self.weights).sum(axis=1) ** 0.5
        return self.with_weights(self.weights * share[:, None])

    def part(self, models: slice | np.ndarray) -> Stack:
        """Some of the nets, any number of times."""
        places = models if isinstance(models, slice) else self.device.asarray(models)
        return Stack(self.net, nn.select(self.params, places), self.data.part(places), self.replicates[models])

    def train(
        self, optimiser: nn.SGD | nn.SphereSGD, steps: int, *, batch: int, key: random.Key,
        progress: Callable[[int], Any], record: Sequence[str | nn.Quantity] = ("weight_norm",), at: Iterable[int] = (),
    ) -> tuple[Stack, xr.Dataset]:  # fmt: skip
        """The nets after `steps` steps, and what was recorded at the steps `at`, (step, model)."""
        x, y, *test = self.data
        params, found = nn.train(
            self.net, self.params, (x, y), optimiser, batch_size=batch, steps=steps, seed=key,
            record=nn.Record(record, at=at, test=(test[0], test[1])),
            options=nn.Options(models=self.replicates.tolist(), progress=progress),
        )  # fmt: skip
        return self._replace(params=params), found

    def weights_at(
        self, optimiser: nn.SGD | nn.SphereSGD, steps: Sequence[int], *, batch: int, key: random.Key,
        progress: Callable[[int], Any],
    ) -> list[Array]:  # fmt: skip
        """The trained weights, (model, weight), at each of these steps of one training."""
        kept = Keeper(lambda frame: nn.flatten(frame.params))
        self.train(optimiser, steps[-1], batch=batch, key=key, progress=progress, record=[kept.quantity], at=steps)
        return [kept.at(step) for step in steps]

    def sharpness(self, key: random.Key) -> Floats:
        """The mean rise of the training loss `DISTANCE` norms away, in the same directions for the same replicate."""
        found = []
        for first in range(0, len(self.replicates), TOGETHER):
            some = self.part(slice(first, first + TOGETHER))
            x, y, flat = some.data.x, some.data.y, some.weights
            rise = -nn.cross_entropy.value(self.net.forward(some.params, x)[0], y)
            for direction in range(DIRECTIONS):
                z = Draw(key, some.replicates, direction).normals(flat.shape[1], LANGEVIN, flat)
                size = DISTANCE * ((flat * flat).sum(axis=1) / (z * z).sum(axis=1)) ** 0.5
                moved = self.net.forward(some.with_weights(flat + size[:, None] * z).params, x)[0]
                rise = rise + nn.cross_entropy.value(moved, y) / DIRECTIONS
            found.append(self.device.to_host(rise))
        return np.concatenate(found).astype(float)


def stack(
    config: Config, lab: Lab, scene: str, hidden: Sequence[int], *, replicates: int, examples: int, noise: float,
    logits: float, whiten: bool = False, eps: float = EPS, dtype: str = "float32",
) -> Stack:  # fmt: skip
    """Nets with hidden layers of these widths, one for each replicate, at the start of training.

    logits multiplies the fixed last layer. All stacks of a scene have the same data, except for wrong labels where
    `noise` differs, and the same initial weights.
    """
    net = scale_invariant((problem.features(config), *hidden, problem.classes(config)), eps)
    params = nn.init(net, models=replicates, seed=lab.key(scene, "weights"), dtype=dtype, device=lab.device.name)
    keys = [lab.key(scene, "data", replicate) for replicate in range(replicates)]
    data = problem.make(config, keys, examples, noise, lab.device, whiten=whiten, dtype=dtype)
    return Stack(net, _with_logits(params, logits, lab.device), data, np.arange(replicates))


def scale_invariant(widths: tuple[int, ...], eps: float = EPS) -> Layer:
    """The net; the entries of its last layer have the variance 1 / width until `stack` says otherwise."""
    layers: list[Layer] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [nn.dense(n_in, n_out, bias=False), nn.batch_norm(n_out, affine=False, eps=eps), nn.relu]
    return nn.serial(*layers, nn.fixed(nn.dense(*widths[-2:], bias=False)))


def log_ratio(above: Any, below: Any) -> Any:
    """ln(above/below), NaN or infinite where one of them is not positive; claims about it are then undecided."""
    with np.errstate(all="ignore"):
        return np.log(above / below)


class Keeper:
    """Records that keep flat parameters, or other arrays of all models, at every recorded step."""

    def __init__(self, what: Callable[[Any], Array]) -> None:
        self.what = what
        self._parts: dict[int, list[Array]] = {}

    @property
    def quantity(self) -> nn.Quantity:
        """The quantity to record; measuring it stores the arrays."""

        def keep(frame: Any) -> Array:
            self._parts.setdefault(frame.step, []).append(self.what(frame))
            return 0 * frame.lr + 1

        return nn.Quantity("kept", "models kept", "1", keep)

    def at(self, step: int) -> Array:
        """What was kept at this step, models first."""
        parts = self._parts[step]
        return Device.of(parts[0]).xp.concatenate(parts)


def _with_logits(params: Params, logits: float, device: Device) -> Params:
    """The same with the fixed last layer multiplied."""
    *hidden, last = params
    size = _of_models(logits, params, device)
    return rebuilt(params, [*hidden, Fixed(last.layer._replace(W=last.layer.W * size[:, None, None]))])


def _of_models(value: float | Floats, params: Params, device: Device) -> Array:
    """A number for each model, in the precision of the parameters."""
    like = leaves(params)[0]
    return device.asarray(np.broadcast_to(np.asarray(value, like.dtype), len(like)).copy())
