"""The noise of one training step: numbers for each model of a stack, from its own index, the step and the key only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab.core.device import Device
from simlab.random import Key, normals, uniforms

Array = Any
LANGEVIN, LABELS, FLIPS = 2, 3, 4
"""Streams; `random.shuffle` has 1."""


class Draw(NamedTuple):
    """A step of training: the key of the run, the indices of its models (model,) and the step."""

    key: Key
    models: np.ndarray
    step: int

    def normals(self, count: int, stream: int, like: Array) -> Array:
        """Independent standard normals (model, count), in the dtype and on the device of `like`."""
        device = Device.of(like)
        if device.name == "cpu" and like.dtype == np.float32:
            from simlab.random.stacks import stack_normals  # numba, which training without noise does not need

            places = ((self.key, int(model), stream) for model in self.models)
            return stack_normals(places, self.step, 1, count, like.dtype)[:, 0]
        walker, model = self._places(device, count)
        return normals(self.key, walker, device.asarray(self.step), component=model, stream=stream).astype(like.dtype)

    def uniforms(self, count: int, stream: int, like: Array) -> Array:
        """Independent uniforms on (0, 1): (model, count) in float64, on the device of `like`."""
        device = Device.of(like)
        walker, model = self._places(device, count)
        return uniforms(self.key, walker, device.asarray(self.step), component=model, stream=stream)

    def _places(self, device: Device, count: int) -> tuple[Array, Array]:
        """(1, count) places and (model, 1) indices of models."""
        return device.xp.arange(count)[None, :], device.asarray(self.models.astype(np.uint64))[:, None]
