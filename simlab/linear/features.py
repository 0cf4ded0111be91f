"""Random features: points and weights on the sphere, and what an activation makes of their products."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab import random as noise
from simlab.core import checks
from simlab.core.device import Device, real

Array = Any


def sphere(key: noise.Key, count: int, dimension: int, *, stream: int = 0, device: Device | None = None) -> Array:
    """Points (count, dimension) uniform on the sphere of radius sqrt(dimension); row i depends on key, stream and i.

    ValueError unless count and dimension are whole numbers from 1.
    """
    count, dimension = checks.whole("count", count, 1), checks.whole("dimension", dimension, 1)
    if device is not None and not isinstance(device, Device):
        raise ValueError(f"device must be a Device, as Device.open makes them, got {checks.shown(device)}.")
    xp = (device or Device.open("cpu")).xp
    rows, columns = xp.arange(count)[:, None], xp.arange(dimension)[None, :]
    x = noise.normals(key, rows, columns, stream=stream)
    return x * xp.sqrt(dimension / (x**2).sum(axis=1, keepdims=True))


def random_features(x: Array, theta: Array, activation: str = "relu") -> Array:
    """act(x theta^T/sqrt d)/sqrt d: points (..., n, d) and weights (..., N, d) -> (..., n, N).

    activation: relu, tanh, erf, cos, sin, abs or fourier, which is sqrt(2) cos(t + pi/4). In this scaling ridge
    regression with |y - Z b|^2 + psi1 psi2 lambda |b|^2 is that of Mei & Montanari 2022 with their lambda. In float64
    whatever the input, on the device of x; NaN and infinity pass. ValueError for another activation, and for shapes
    that do not match.
    """
    device = Device.of(x)
    x, theta = real("x", x), real("theta", theta, device)
    for name, a in (("x", x), ("theta", theta)):
        if a.ndim < 2 or not a.shape[-1] or a.shape[-1] != x.shape[-1]:
            shapes = f"{tuple(x.shape)} and {tuple(theta.shape)}"
            raise ValueError(f"{name} must have shape (..., n, d), with one d for x and theta, got {shapes}.")
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite points and weights
        return _activated(x, theta, activation, device)


def _activated(x: Array, theta: Array, activation: str, device: Device) -> Array:
    """The same of arrays that fit."""
    xp, d = device.xp, x.shape[-1]
    t = x @ xp.swapaxes(theta, -1, -2)
    t *= d**-0.5
    functions = {
        "relu": lambda: xp.maximum(t, 0, out=t), "tanh": lambda: xp.tanh(t, out=t), "erf": lambda: device.erf(t),
        "cos": lambda: xp.cos(t, out=t), "sin": lambda: xp.sin(t, out=t), "abs": lambda: xp.abs(t, out=t),
        "fourier": lambda: np.sqrt(2) * xp.cos(t + np.pi / 4),
    }  # fmt: skip
    found = functions[checks.one_of("activation", activation, tuple(functions))]()
    found *= d**-0.5
    return found
