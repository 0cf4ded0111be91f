"""Training of a stack of perceptrons on the CPU: one thread takes one model through many steps inside its own cache.

For nets of some tens of units NumPy's batched products lose: each call on a small matrix costs more than its
arithmetic, and every element-wise pass goes through memory. Here all numbers of a model stand in one float32 array of
a thread, 16 columns to a panel, and a step is three kinds of products and a few passes. A product is cut into tiles of
8 rows by 32 columns (16 by 16 at an odd end): the 16 vectors of partial sums stay in registers, for every k two vectors
of the right factor are loaded and eight numbers of the left one are spread over the lanes, and the sums are used before
they leave the registers: the outputs get scale and bias, the gradient in a layer's input gets the slope of the
activation, the gradient in the weights becomes the step of the weights. The left factor may be read along its rows
(forward and backward) or its columns (gradient in the weights); the transposed weights of the backward product are made
anew each step, in blocks of 16 x 16. The softmax works on blocks turned the same way, an example in each lane.

A thread's array holds, with all counts rounded up to multiples of 16, about
    in n + sum over layers of (2 or 3) in out + (2 or 3) out n
numbers for batches of n: weights, velocities, and but in the first layer transposed weights; outputs, slopes, and under
batch normalisation standardised outputs. Two hidden layers of 128 on batches of 128 are 150 thousand, 600 kB.
A call begins with the shuffle of the epoch and ends with a copy of the parameters: give it some ten steps or more.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from simlab.nn.kernels.plan import Plan, number
from simlab.nn.losses import CrossEntropy
from simlab.random import Key

SHARES = 4
"""Into how many shares for each thread the models are cut, so that one whose processor is busy takes fewer."""


def advance(
    plan: Plan,
    flat: np.ndarray,
    velocity: np.ndarray | None,
    x: np.ndarray,
    y: np.ndarray,
    *,
    key: Key,
    models: np.ndarray,
    batch_size: int,
    lr: np.ndarray,
    momentum: np.ndarray,
    weight_decay: np.ndarray,
    nesterov: bool,
    decoupled: bool,
    step: int,
    alive: np.ndarray,
    diverged: np.ndarray,
    fixed: np.ndarray | None = None,
    radius: np.ndarray | None = None,
) -> None:
    """Train models from `step` on, as many steps as `lr` has rows; flat and velocity change in place.

    flat, velocity: (model, parameter) float32 in the order of `flatten`; velocity is None where no model has momentum.
    x: (n, in) or (model, n, in); y: what the loss takes, shared or with the model axis first. lr: (step, model);
    momentum, weight_decay: (model). models: the numbers by which `simlab.random.shuffle` shuffles, int64 (model).
    With the gradient g of the loss and the weight decay d, a step is
        v <- momentum v + g + d w,    w <- w - lr v,
    with g + d w + momentum v in place of v under nesterov, and with d w in the second equation if decoupled.
    fixed: (model, number), the parameters of fixed layers one after the other, where the net has any. radius: (model),
    the norm to which all trained parameters are brought back after every step, None for no such sphere.
    alive: bool (model), False leaves a model as it is. diverged: int64 (model), -1 until a model has a loss that is
    not finite, then the number of that step, which changes nothing any more; where it is not -1 the model stays.
    The result of a model is the same bit for bit in whatever stack, on however many threads, and with the same steps
    spread over however many calls. ValueError where the shapes, the labels or the batch do not fit the net.
    """
    from simlab.core import jit

    kernel, at = _kernel(), layout(plan, batch_size)
    _require_fit(plan, at, flat, velocity, x, y, batch_size)
    n = x.shape[-2]
    classify = isinstance(plan.loss, CrossEntropy)
    x = np.ascontiguousarray(x, np.float32)
    labels = np.ascontiguousarray(y, np.int32) if classify else np.zeros(0, np.int32)
    targets = np.zeros(0, np.float32) if classify else np.ascontiguousarray(y, np.float32)
    apart = (a.size // len(flat) if a.ndim == core + 1 else 0 for a, core in ((x, 2), (labels, 1), (targets, 2)))
    data = (x.reshape(-1), labels.reshape(-1), targets.reshape(-1), *apart)
    sphere = np.zeros(len(flat)) if radius is None else radius
    numbers = (np.ascontiguousarray(a, np.float32) for a in (momentum, weight_decay, sphere))
    rates = (np.asarray(lr, np.float32), *numbers)
    still = np.zeros((len(flat), at.still), np.float32) if fixed is None else np.array(fixed, np.float32, order="C")
    smooth = np.float32(plan.loss.label_smoothing if isinstance(plan.loss, CrossEntropy) else 0)
    flags = (int(velocity is not None), int(nesterov), int(decoupled), int(classify))
    how = (n, batch_size, step, at.panel, at.goal, *flags)
    keys = (np.uint64(key.low), np.uint64(key.high))
    moving = np.zeros((1, 1), np.float32) if velocity is None else velocity

    threads = jit.thread_count()
    size = -(-len(flat) // (SHARES * threads))
    # The next of an iterator is taken under the lock of the interpreter: no two threads get the same models.
    shares = iter([(first, min(first + size, len(flat))) for first in range(0, len(flat), size)])

    def work(first: int, last: int) -> None:
        room = np.zeros(at.size + 16, np.float32)
        # A vector that lies across two lines of the cache costs two loads.
        s = room[-room.ctypes.data // 4 % 16 :][: at.size]
        for start, stop in at.ones:
            s[start:stop] = 1
        scratch, net = (s, np.empty(n, np.int32)), (at.blocks, at.numbers, smooth)
        marks = (alive, diverged)
        try:
            for share in shares:
                kernel.train(*share, flat, moving, still, data, rates, net, scratch, how, keys, models, marks)
        except BaseException:  # Ctrl-C: the other threads end with the share they are at
            for _ in shares:
                pass
            raise

    jit.spread(work, threads)


class Layout(NamedTuple):
    """Where the numbers of a model stand in the array of a thread; `blocks` and `numbers` as the kernel reads them."""

    blocks: np.ndarray
    numbers: np.ndarray
    panel: int
    goal: int
    ones: tuple[tuple[int, int], ...]
    size: int
    parameters: int  # trained
    still: int  # fixed


@cache
def layout(plan: Plan, batch_size: int) -> Layout:
    """The places of everything for batches of this size; `ones` are scales of normalisations that train none."""
    from simlab.nn.kernels.cpu import memory as k

    # A row more than needed: panels of a power of two would all meet in the same few lines of the cache.
    panel = 16 * (_up(batch_size) + 1)
    size = 0

    def take(count: int) -> int:
        nonlocal size
        start, size = size, size + count
        return start

    blocks = np.zeros((len(plan.blocks), k.COLUMNS), np.int64)
    numbers = np.zeros((len(plan.blocks), 4), np.float32)
    ones, flat, still, below = [], 0, 0, take(_up(plan.blocks[0].dense.n_in) // 16 * panel)
    for b, c, block in zip(blocks, numbers, plan.blocks, strict=True):
        n_in, n_out, bias = block.dense.n_in, block.dense.n_out, block.dense.bias
        height, width = _up(n_in), _up(n_out)
        outputs = width // 16 * panel
        b[[k.IN, k.OUT, k.BIAS, k.FIXED, k.X]] = n_in, n_out, bias, block.fixed, below
        b[k.FLAT] = still if block.fixed else flat
        b[[k.W_PANEL, k.T_PANEL]] = 16 * (height + 1), 16 * (width + 1)
        b[k.Y] = below = take(outputs)
        b[k.D] = take(outputs)
        b[k.W], b[k.V] = (take(width // 16 * b[k.W_PANEL]) for _ in range(2))
        # The first layer sends no gradient on.
        b[k.T] = 0 if block is plan.blocks[0] else take(height // 16 * b[k.T_PANEL])
        b[k.ROW], b[k.ROW_V] = take(3 * width), take(3 * width)
        c[[k.SCALE, k.BIAS_SCALE]] = block.dense.scale, block.dense.bias_scale
        count = n_in * n_out + bias * n_out
        still, flat = (still + count, flat) if block.fixed else (still, flat + count)
        if block.norm is not None:
            b[k.NORM_FLAT] = flat
            b[[k.NORM, k.H, k.INV]] = 2 if block.norm.affine else 1, take(outputs), take(width)
            c[k.EPS] = block.norm.eps
            flat += 2 * n_out if block.norm.affine else 0
            ones.append((int(b[k.ROW]) + width, int(b[k.ROW]) + 2 * width))
        if block.activation is not None:
            b[k.ACTIVATION], c[k.LEAK] = number(block.activation), block.activation.leak
    return Layout(blocks, numbers, panel, take(outputs), tuple(ones), size, flat, still)


def _require_fit(
    plan: Plan, at: Layout, flat: np.ndarray, velocity: np.ndarray | None, x: np.ndarray, y: np.ndarray, batch_size: int
) -> None:
    """ValueError where the kernel would read or write beyond an array, or divide by nothing."""
    stacks = [flat] if velocity is None else [flat, velocity]
    for stack in stacks:
        if stack.dtype != np.float32 or stack.shape != (len(flat), at.parameters) or not stack.flags.c_contiguous:
            raise ValueError(f"parameters must be contiguous float32 (model, {at.parameters}), got {stack.shape}.")
    n, n_in, n_out = x.shape[-2], plan.blocks[0].dense.n_in, plan.blocks[-1].dense.n_out
    if x.shape not in ((n, n_in), (len(flat), n, n_in)):
        raise ValueError(f"features must have shape (n, {n_in}) or ({len(flat)}, n, {n_in}), got {x.shape}.")
    core = (n,) if isinstance(plan.loss, CrossEntropy) else (n, n_out)
    if y.shape not in (core, (len(flat), *core)):
        raise ValueError(f"targets must have shape {core} or {(len(flat), *core)}, got {y.shape}.")
    if len(core) == 1 and not (y.dtype.kind in "iu" and y.min() >= 0 and y.max() < n_out):
        raise ValueError(f"labels must be whole numbers in 0 ... {n_out - 1}; count classes from 0.")
    fewest = 2 if any(block.norm for block in plan.blocks) else 1
    if not fewest <= batch_size <= n:
        raise ValueError(f"batch_size must be from {fewest} to the {n} examples for this net, got {batch_size}.")


def _up(n: int) -> int:
    """The next multiple of 16."""
    return -(-n // 16) * 16


def _kernel() -> Any:
    # Imported here: numba takes its time, and nets are built without it.
    from simlab.nn.kernels.cpu import kernel

    return kernel
