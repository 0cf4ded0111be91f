"""Training steps of one model after the other, everything in the cache of one thread: the compiled half of `advance`.

All numbers of a model live in one float32 array `s`, at the places that a row of `blocks` says. A matrix is cut into
panels of 16 columns, each contiguous and padded with rows to whole tiles. So every product reads its right factor from
one end to the other, and an element-wise pass runs through a panel 16 numbers at a time. The padding
never reaches a number that counts: sums over examples, features and classes stop where those do, and all else works
lane by lane.
"""

from __future__ import annotations

from typing import Any

from numba import int64, njit, types

from simlab.core.kernel_cache import disk_cached
from simlab.nn.kernels.cpu import functions, memory, passes, simd
from simlab.nn.kernels.cpu.functions import INNER, OPTIONS, F
from simlab.nn.kernels.cpu.memory import (
    ACTIVATION,
    BIAS,
    BIAS_SCALE,
    EPS,
    FIXED,
    IN,
    INV,
    LEAK,
    NORM,
    OUT,
    ROW,
    ROW_V,
    SCALE,
    T_PANEL,
    W_PANEL,
    D,
    H,
    T,
    V,
    W,
    X,
    Y,
    carry_all,
    gather,
    put_back,
    up,
)
from simlab.nn.kernels.cpu.passes import activate, column_sums, cross_entropy, project, squared_error, standardise
from simlab.nn.kernels.cpu.simd import load, store, tile, transpose
from simlab.random import coefficients, kernels
from simlab.random import shuffle as order
from simlab.random.shuffle import STREAM, shuffle

# -- products


def product(finish: Any, transposed: bool) -> Any:
    """C = A B, or A^T B, tile by tile: each sum handed to `finish` while it is in registers."""
    wide, tall, short = tile(8, 2, transposed), tile(16, 1, transposed), tile(8, 1, transposed)

    @njit(**INNER)
    def run(s: Any, rows: Any, columns: Any, K: Any, A: Any, B: Any, C: Any, env: Any) -> None:
        """rows: a multiple of 8. A, B, C: (place, distance from one panel to the next)."""
        panels = (columns + 15) // 16
        for i in range(0, rows, 16):
            # The rows of A^T are columns, the next 16 of them in the next panel.
            left = (A[0] + (i // 16 * A[1] if transposed else i * 16), A[1])
            below = (left[0] + (8 if transposed else 128), A[1])
            for j in range(0, panels, 2):
                right, to = (B[0] + j * B[1], B[1]), (C[0] + j * C[1] + i * 16, C[1], j)
                under = (to[0] + 128, C[1], j)
                if j + 1 < panels:
                    wide(s, K, left, right, to, finish, env)
                    if i + 8 < rows:
                        wide(s, K, below, right, under, finish, env)
                elif i + 8 < rows:
                    tall(s, K, left, right, to, finish, env)
                else:
                    short(s, K, left, right, to, finish, env)

    return run


@njit(**INNER)
def affine(product: Any, s: Any, place: Any, panel: Any, env: Any) -> None:
    """Forward: the scaled product plus the scaled bias."""
    scale, bias_scale, bias = env
    store(product * scale + load(s, bias + panel * 16) * bias_scale, s, place)


@njit(**INNER)
def pulled(product: Any, s: Any, place: Any, panel: Any, env: Any) -> None:
    """Backward: the scaled product times the slopes that stand in its place."""
    store(load(s, place) * (product * env[0]), s, place)


@njit(**INNER)
def stepped(gradient: Any, s: Any, place: Any, shift: Any, rates: Any) -> None:
    """One step of 16 parameters, their velocity `shift` further on."""
    lr, momentum, coupled, lead, follow, decoupled, has_velocity = rates
    old = load(s, place)
    gradient = old * coupled + gradient
    direction = gradient
    if has_velocity:
        velocity = load(s, place + shift) * momentum + gradient
        store(velocity, s, place + shift)
        direction = velocity * follow + gradient * lead
    store(old - (old * decoupled + direction) * lr, s, place)


@njit(**INNER)
def learned(product: Any, s: Any, place: Any, panel: Any, env: Any) -> None:
    """The gradient w.r.t. the weights, used at once."""
    stepped(product * env[0], s, place, env[1], env[2])


forward, backward, learn = product(affine, False), product(pulled, False), product(learned, True)


# -- one model


@njit(**INNER)
def ascend(s: Any, blocks: Any, numbers: Any, n: Any, panel: Any) -> None:
    """Forward through all blocks."""
    for k in range(blocks.shape[0]):
        b, c = blocks[k], numbers[k]
        width = up(b[OUT], 16)
        env = (c[SCALE], c[BIAS_SCALE], b[ROW])
        forward(s, up(n, 8), b[OUT], b[IN], (b[X], panel), (b[W], b[W_PANEL]), (b[Y], panel), env)
        for j in range(0, width if b[NORM] else 0, 16):
            at, row = j // 16 * panel, b[ROW] + j
            scale, shift = load(s, row + width), load(s, row + 2 * width)
            standardise(s, 16 * n, c[EPS], b[Y] + at, b[H] + at, b[INV] + j, scale, shift)
        activate(b[ACTIVATION], s, width // 16 * panel, b[Y], b[D], c[LEAK])


@njit(**INNER)
def descend(s: Any, blocks: Any, numbers: Any, n: Any, panel: Any, rates: Any) -> None:
    """Backward from the gradient w.r.t. the outputs; a block takes its step once the one below has what it needs."""
    for k in range(blocks.shape[0] - 1, -1, -1):
        b, c = blocks[k], numbers[k]
        width, shift = up(b[OUT], 16), b[ROW_V] - b[ROW]
        for j in range(0, width, 16):
            at, row = j // 16 * panel, b[ROW] + j
            if b[NORM]:
                pair = project(s, 16 * n, b[D] + at, b[H] + at, b[INV] + j, load(s, row + width))
                if b[NORM] == 2:
                    stepped(pair[0], s, row + width, shift, rates)
                    stepped(pair[1], s, row + 2 * width, shift, rates)
            if b[BIAS] and not b[FIXED]:
                stepped(column_sums(s, 16 * n, b[D] + at) * c[BIAS_SCALE], s, row, shift, rates)
        if k > 0:
            for j in range(0, b[OUT], 16):
                for i in range(0, b[IN], 16):
                    to = b[T] + i // 16 * b[T_PANEL] + j * 16
                    transpose(s, b[W] + j // 16 * b[W_PANEL] + i * 16, to)
            below = (blocks[k - 1, D], panel)
            backward(s, up(n, 8), b[IN], b[OUT], (b[D], panel), (b[T], b[T_PANEL]), below, (c[SCALE],))
        env = (c[SCALE], b[V] - b[W], rates)
        if not b[FIXED]:
            learn(s, up(b[IN], 8), b[OUT], n, (b[X], panel), (b[D], panel), (b[W], b[W_PANEL]), env)


def _read(number: Any, axes: int = 1, order: str = "C") -> Any:
    """The type of an array that is only read."""
    return types.Array(number, axes, order, readonly=True)


_f, _i, _matrix = types.float32, types.int64, types.float32[:, ::1]
_data = types.Tuple([_read(_f), _read(types.int32), _read(_f), _i, _i, _i])
_rates = types.Tuple([_read(_f, 2, "A"), _read(_f), _read(_f), _read(_f)])
_net, _scratch = types.Tuple([types.int64[:, ::1], _matrix, _f]), types.Tuple([_f[::1], types.int32[::1]])
_marks = types.Tuple([_read(types.boolean), types.int64[::1]])
_how, _keys = types.UniTuple(_i, 9), types.UniTuple(types.uint64, 2)


_train = types.void(_i, _i, _scratch, _matrix, _matrix, _matrix, _data, _rates, _net, _how, _keys, _read(_i), _marks)


@disk_cached(
    coefficients, kernels, order, simd, functions, memory, passes, signatures=(_train,), **OPTIONS
)  # fmt: skip
def train(
    begin: Any, end: Any, scratch: Any, flat: Any, velocity: Any, fixed: Any, data: Any, rates: Any, net: Any, how: Any,
    keys: Any, models: Any, marks: Any,
) -> None:  # fmt: skip
    """Models begin ... end - 1 through all steps of the learning rates, in place.

    scratch: s and an order of n, this thread's own. fixed: the parameters that stay, (model, number). data: features,
    labels, targets, and the three distances from those of one model to the next. rates: lr (step, model), momentum,
    weight_decay, radius of the sphere or 0. net: blocks, numbers, label smoothing. how: n, batch_size, first step,
    distance of panels, place of the targets, and whether there is momentum, of Nesterov's kind, decoupled decay, a
    cross-entropy. marks: alive, diverged.
    """
    x, labels, targets, x_model, label_model, target_model = data
    lr, momentum, weight_decay, radius = rates
    blocks, numbers, smooth = net
    s, shuffled = scratch
    n, batch, step, panel, goal, has_velocity, nesterov, decoupled, classify = how
    alive, diverged = marks
    last, per_epoch = blocks[-1], n // batch
    # As numbers of a type: numba compiles a function anew for every literal that it is given.
    no, yes, w, v, row, row_v = int64(0), int64(1), int64(W), int64(V), int64(ROW), int64(ROW_V)
    for m in range(begin, end):
        if not alive[m] or diverged[m] >= 0:
            continue
        carry_all(s, blocks, flat[m], no, w, row, no)
        carry_all(s, blocks, fixed[m], yes, w, row, no)
        if has_velocity:
            carry_all(s, blocks, velocity[m], no, v, row_v, no)
        lead, follow = (F(1), momentum[m]) if nesterov else (F(0), F(1))
        coupled, apart = (F(0), weight_decay[m]) if decoupled else (weight_decay[m], F(0))
        epoch = -1
        for t in range(lr.shape[0]):
            if batch < n and epoch != (step + t) // per_epoch:
                epoch = (step + t) // per_epoch
                shuffle(keys[0], keys[1], STREAM, models[m], epoch, shuffled)
            elif batch == n and t == 0:
                for i in range(n):
                    shuffled[i] = i
            place = (step + t) % per_epoch * batch
            chosen = shuffled[place : place + batch]
            if batch < n or t == 0:
                gather(s, blocks[0, X], panel, blocks[0, IN], x, m * x_model, chosen)
                if not classify:
                    gather(s, goal, panel, last[OUT], targets, m * target_model, chosen)
            ascend(s, blocks, numbers, batch, panel)
            if classify:
                own = labels[m * label_model : m * label_model + n]
                finite = cross_entropy(s, panel, last[OUT], smooth, last[Y], last[D], goal, own, chosen)
            else:
                finite = squared_error(s, panel, last[OUT], last[Y], last[D], goal, 16 * batch)
            if not finite:
                diverged[m] = step + t
                break
            now = (lr[t, m], momentum[m], coupled, lead, follow, apart, has_velocity)
            descend(s, blocks, numbers, batch, panel, now)
            if radius[m] > 0:
                put_back(s, blocks, radius[m])
        carry_all(s, blocks, flat[m], no, w, row, yes)
        if has_velocity:
            carry_all(s, blocks, velocity[m], no, v, row_v, yes)
