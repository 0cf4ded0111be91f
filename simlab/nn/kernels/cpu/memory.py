"""Where the numbers of a model stand in the array of a thread, and copies there and back, for the fused kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, njit

from simlab.nn.kernels.cpu.functions import INNER, F
from simlab.nn.kernels.cpu.simd import load, store, total

# The columns of `blocks`: sizes and kinds of a dense layer with its normalisation and activation, and whether it is
# fixed; where its parameters and those of its normalisation stand in the row of a model; places in `s` of the inputs,
# outputs, slopes (later gradients), standardised outputs and their factors, weights, velocities and transposed weights,
# and of the rows bias, scale, shift and their velocities; from one panel of weights to the next.
COLUMNS = 20
(IN, OUT, BIAS, NORM, ACTIVATION, FIXED, FLAT, NORM_FLAT) = range(8)
(X, Y, D, H, INV, W, V, T, ROW, ROW_V, W_PANEL, T_PANEL) = range(8, COLUMNS)
SCALE, BIAS_SCALE, EPS, LEAK = range(4)  # the columns of `numbers`


@njit(**INNER)
def up(n: Any, multiple: Any) -> Any:
    """The next multiple."""
    return -(-n // multiple) * multiple


@njit(**INNER)
def gather(s: Any, place: Any, panel: Any, features: Any, source: Any, start: Any, chosen: Any) -> None:
    """The chosen rows of a matrix that begins at `start` of source, as panels."""
    whole = features - features % 16
    for i in range(chosen.shape[0]):
        row, to = start + np.int64(chosen[i]) * features, place + i * 16
        for j in range(0, whole, 16):
            store(load(source, row + j), s, to)
            to += panel
        for j in range(features - whole):
            s[to + j] = source[row + whole + j]


@njit(**INNER)
def carry(s: Any, place: Any, panel: Any, row: Any, start: Any, rows: Any, columns: Any, back: Any) -> Any:
    """Copy a matrix from `row` to its panels, or back; returns where the next one starts."""
    whole = columns - columns % 16
    for i in range(rows):
        at = place + i * 16
        for _ in range(0, whole, 16):
            if back:
                store(load(s, at), row, start)
            else:
                store(load(row, start), s, at)
            at, start = at + panel, start + 16
        for j in range(columns - whole):
            if back:
                row[start + j] = s[at + j]
            else:
                s[at + j] = row[start + j]
        start += columns - whole
    return start


@njit(**INNER)
def carry_all(s: Any, blocks: Any, row: Any, fixed: Any, weights: Any, rows: Any, back: Any) -> None:
    """Copy parameters of a model (weights = W, rows = ROW) or their velocities (V, ROW_V) in or back.

    fixed: 0 for the trained ones, 1 for the others; back: 0 or 1.
    """
    one, panel = int64(1), int64(16)  # as numbers of a type: numba compiles a function anew for every literal
    for k in range(blocks.shape[0]):
        b = blocks[k]
        width = up(b[OUT], 16)
        if b[FIXED] == fixed:
            start = carry(s, b[weights], b[W_PANEL], row, b[FLAT], b[IN], b[OUT], back)
            if b[BIAS]:
                carry(s, b[rows], panel, row, start, one, b[OUT], back)
        if b[NORM] == 2 and not fixed:
            # Scale and shift, one row after the other.
            for part in range(1, 3):
                at = b[NORM_FLAT] + (part - 1) * b[OUT]
                carry(s, b[rows] + part * width, panel, row, at, one, b[OUT], back)


@njit(**INNER)
def squares(s: Any, place: Any, panel: Any, rows: Any, columns: Any) -> Any:
    """The sum of the squares of a matrix."""
    whole = columns - columns % 16
    found = F(0)
    for i in range(rows):
        at = place + i * 16
        for _ in range(0, whole, 16):
            vector = load(s, at)
            found += total(vector * vector)
            at += panel
        for j in range(columns - whole):
            found += s[at + j] * s[at + j]
    return found


@njit(**INNER)
def put_back(s: Any, blocks: Any, radius: Any) -> None:
    """Rescale all trained parameters to the norm `radius`."""
    square, one, panel = F(0), int64(1), int64(16)
    for k in range(blocks.shape[0]):
        b = blocks[k]
        width = up(b[OUT], 16)
        if not b[FIXED]:
            square += squares(s, b[W], b[W_PANEL], b[IN], b[OUT])
            square += squares(s, b[ROW], panel, one, b[OUT]) if b[BIAS] else F(0)
        if b[NORM] == 2:
            scale = squares(s, b[ROW] + width, panel, one, b[OUT])
            square += scale + squares(s, b[ROW] + 2 * width, panel, one, b[OUT])
    share = radius / np.sqrt(square)
    for k in range(blocks.shape[0]):
        b = blocks[k]
        width = up(b[OUT], 16)
        for j in range(0, width, 16):
            for i in range(0 if b[FIXED] else b[IN]):
                at = b[W] + j // 16 * b[W_PANEL] + i * 16
                store(load(s, at) * share, s, at)
            # The rows of bias, scale and shift; those that are not trained are fixed, zeros and ones.
            for part in range(3):
                if (part == 0 and b[BIAS] and not b[FIXED]) or (part > 0 and b[NORM] == 2):
                    at = b[ROW] + part * width + j
                    store(load(s, at) * share, s, at)
