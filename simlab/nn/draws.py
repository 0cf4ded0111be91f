"""The noise of one training step: numbers for each model of a stack, from its own index, the step and the key only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from simlab.device import Device
from simlab.random import Key, normals, uniforms

Array = Any
LANGEVIN, LABELS, FLIPS = 2, 3, 4
"""Streams; `order` has 1."""


class Draw(NamedTuple):
    """A step of training: the key of the run, the indices of its models (model,) and the step."""

    key: Key
    models: np.ndarray
    step: int

    def normals(self, count: int, stream: int, like: Array) -> Array:
        """Independent standard normals (model, count), in the dtype and on the device of `like`."""
        device = Device.of(like)
        if device.name == "cpu" and like.dtype == np.float32:
            return self._filled(count, stream)
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

    def _filled(self, count: int, stream: int) -> np.ndarray:
        """The same normals in float32 by compiled code, to rounding."""
        from simlab.random import kernels

        pairs = -(-count // 2)
        u, v = np.empty((1, pairs), np.uint64), np.empty((1, pairs), np.uint64)
        both = np.empty((2, 2 * pairs), np.float32)
        out = np.empty((len(self.models), count), np.float32)
        key = np.uint64(self.key.low), np.uint64(self.key.high)
        for m, model in enumerate(self.models):
            kernels.fill_words(0, self.step // 2, int(model), np.uint64(stream), *key, u, v)
            words = u.reshape(-1).view(np.int32), v.reshape(-1).view(np.int32)
            kernels.fill_normals32(*words, kernels.CONSTANTS32, both[0], both[1])
            out[m] = both[self.step % 2, :count]
        return out
