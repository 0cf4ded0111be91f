"""Passes of the fused kernel through its panels of 16 columns: activations, batch normalisation, losses.

Each works in place on the one array `s` of a thread, 16 numbers at a time; `count` is 16 times the examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from simlab.nn.kernels.cpu.functions import ACTIVATIONS, INNER, OPTIONS, F, exp
from simlab.nn.kernels.cpu.simd import lane_numbers, load, splat, square_root, store, total, transpose, where_less


def passing(function: Any) -> Any:
    """An activation: values in place, slopes to `slope`."""

    @njit(**INNER)
    def run(s: Any, count: Any, y: Any, slope: Any, leak: Any) -> None:
        for i in range(0, count, 16):
            value, derivative = function(load(s, y + i), leak)
            store(value, s, y + i)
            store(derivative, s, slope + i)

    return run


relu, leaky_relu, tanh, erf, gelu, softplus = map(passing, ACTIVATIONS)


@njit(**OPTIONS)
def activate(kind: Any, s: Any, count: Any, y: Any, slope: Any, leak: Any) -> None:
    """The activation of this number, in the order of ACTIVATIONS from 1 on; 0 is none."""
    if kind == 1:
        relu(s, count, y, slope, leak)
    elif kind == 2:
        leaky_relu(s, count, y, slope, leak)
    elif kind == 3:
        tanh(s, count, y, slope, leak)
    elif kind == 4:
        erf(s, count, y, slope, leak)
    elif kind == 5:
        gelu(s, count, y, slope, leak)
    elif kind == 6:
        softplus(s, count, y, slope, leak)


@njit(**INNER)
def column_sums(s: Any, count: Any, d: Any) -> Any:
    """The sums over the examples; two chains of additions, since one would be bound by latency."""
    even = odd = splat(F(0))
    for i in range(0, count - 16, 32):
        even, odd = even + load(s, d + i), odd + load(s, d + i + 16)
    return even + odd + load(s, d + count - 16) if count % 32 else even + odd


@njit(**INNER)
def standardise(s: Any, count: Any, eps: Any, y: Any, h: Any, inv: Any, scale: Any, shift: Any) -> None:
    """Let h = (y - mean) / sqrt(var + eps), y = scale h + shift; inv gets the factor."""
    share = F(16) / F(count)
    mean, squares = column_sums(s, count, y) * share, splat(F(0))
    for i in range(0, count, 16):
        centred = load(s, y + i) - mean
        store(centred, s, h + i)
        squares = centred * centred + squares
    factor = F(1) / square_root(squares * share + eps)
    store(factor, s, inv)
    for i in range(0, count, 16):
        value = load(s, h + i) * factor
        store(value, s, h + i)
        store(value * scale + shift, s, y + i)


@njit(**INNER)
def project(s: Any, count: Any, d: Any, h: Any, inv: Any, scale: Any) -> Any:
    """The gradient w.r.t. the outputs of a normalisation becomes that w.r.t. its inputs; returns scale and shift's."""
    share, in_shift, in_scale = F(16) / F(count), column_sums(s, count, d), splat(F(0))
    for i in range(0, count, 16):
        in_scale = load(s, d + i) * load(s, h + i) + in_scale
    factor = load(s, inv) * scale
    mean, along = in_shift * share, in_scale * share
    for i in range(0, count, 16):
        store(((load(s, d + i) - mean) - load(s, h + i) * along) * factor, s, d + i)
    return in_scale, in_shift


# Losses: the gradient w.r.t. the outputs y goes to d, and they return whether the loss is finite.


@njit(**INNER)
def cross_entropy(
    s: Any, panel: Any, classes: Any, smooth: Any, y: Any, d: Any, t: Any, labels: Any, chosen: Any
) -> Any:
    """16 examples at a time, transposed so that each has a lane: t holds a row of 16 for each class, and one more.

    Without the logarithm of the sum, which is between 0 and ln classes and so never decides whether the loss is finite.
    """
    n = chosen.shape[0]
    share, floor = F(1) / F(n), F(smooth) / F(classes)
    value, even = F(0), splat(F(0))
    for i in range(0, n, 16):
        for p in range(0, classes, 16):
            transpose(s, y + p // 16 * panel + i * 16, t + p * 16)
        largest = load(s, t)
        for c in range(1, classes):
            f = load(s, t + c * 16)
            largest = where_less(largest, f, f, largest)
        norm = splat(F(0))
        for c in range(classes):
            shifted = load(s, t + c * 16) - largest
            even = where_less(lane_numbers(), F(n - i), shifted * floor, F(0)) + even
            e = exp(shifted)
            store(e, s, t + c * 16)
            norm = norm + e
        factor = share / norm
        for c in range(classes):
            store(load(s, t + c * 16) * factor - floor * share, s, t + c * 16)
        for p in range(0, classes, 16):
            transpose(s, t + p * 16, d + p // 16 * panel + i * 16)
        store(largest, s, t)
        for k in range(i, min(i + 16, n)):
            label = labels[chosen[k]]
            place = label // 16 * panel + k * 16 + label % 16
            s[d + place] -= (F(1) - smooth) * share
            value += s[t + k - i] - s[y + place]
    # Even without smoothing: 0 times a shift that is not finite is NaN.
    return np.isfinite((F(1) - smooth) * value - total(even))


@njit(**INNER)
def squared_error(s: Any, panel: Any, outputs: Any, y: Any, d: Any, targets: Any, count: Any) -> Any:
    """The mean over examples and outputs of (y - target)^2."""
    factor, squares = F(32) / F(count * outputs), splat(F(0))
    for p in range(0, outputs, 16):
        for i in range(p // 16 * panel, p // 16 * panel + count, 16):
            error = where_less(lane_numbers(), F(outputs - p), load(s, y + i) - load(s, targets + i), F(0))
            squares = error * error + squares
            store(error * factor, s, d + i)
    return np.isfinite(total(squares))
