"""Training of a stack of perceptrons on the CPU: one thread takes one model through many steps inside its own cache.

For nets of some tens of units NumPy's batched products lose: each call on a small matrix costs more than its
arithmetic, and every element-wise pass goes through memory. Here all numbers of a model stand in one float32 array of
a thread, 16 columns to a panel, and a step is three kinds of products and a few passes. A product is cut into tiles of
8 rows by 32 columns (16 by 16 at an odd end): the 16 vectors of partial sums stay in registers, for every k two vectors
of the right factor are loaded and eight numbers of the left one are broadcast to the lanes, and the sums are used
before they leave the registers: the outputs get scale and bias, the gradient with respect to a layer's input gets the
slope of the activation, the gradient with respect to the weights becomes the step of the weights. The left factor may
be read along its rows (forward and backward) or its columns (gradient of the weights); the weights are transposed for
the backward product at every step, in blocks of 16 x 16. The softmax works on transposed blocks, an example per lane.

A thread's array holds, with all counts rounded up to multiples of 16, about
    in n + sum over layers of (2 or 3) in out + (2 or 3) out n
numbers for batches of n: weights, velocities, and except in the first layer transposed weights; outputs, slopes, and
under batch normalisation standardised outputs. Two hidden layers of 128 on batches of 128 take 150 thousand, 600 kB.
A call begins with the shuffle of the epoch and ends with a copy of the parameters: give it some ten steps or more.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from simlab.nn.kernels.plan import Plan, Stack, Steps, number
from simlab.nn.losses import CrossEntropy

SHARES = 4
"""Into how many shares for each thread the models are cut, so that one whose processor is busy takes fewer."""


def advance(plan: Plan, stack: Stack, x: np.ndarray, y: np.ndarray, batch_size: int, steps: Steps) -> None:
    """Take these steps, in place.

    x: (n, in) or (model, n, in); y: what the loss takes, shared or with the model axis first. The result of a model is
    the same bit for bit in whatever stack, on however many threads, and with the same steps cut into however many
    calls. ValueError where the shapes, the labels or the batch do not fit the net.
    """
    from simlab.core import jit

    kernel, at = _kernel(), layout(plan, batch_size)
    _require_fit(plan, at, stack, x, y, batch_size)
    threads, models = jit.thread_count(), len(stack.flat)
    arguments = _arguments(plan, at, stack, x, y, batch_size, steps)
    size = -(-models // (SHARES * threads))
    # The next of an iterator is taken under the lock of the interpreter: no two threads get the same models.
    shares = iter([(first, min(first + size, models)) for first in range(0, models, size)])

    def work(first: int, last: int) -> None:
        scratch = (_room(at), np.empty(x.shape[-2], np.int32))
        try:
            for share in shares:
                kernel.train(*share, scratch, *arguments)
        except BaseException:  # Ctrl-C: the other threads end with the share they are at
            for _ in shares:
                pass
            raise

    jit.run_in_threads(work, threads)


def _arguments(
    plan: Plan, at: Layout, stack: Stack, x: np.ndarray, y: np.ndarray, batch_size: int, steps: Steps
) -> tuple[Any, ...]:
    """What `kernel.train` is given beside the models of a share and the arrays of its thread."""
    models, classify = len(stack.flat), isinstance(plan.loss, CrossEntropy)
    x = np.ascontiguousarray(x, np.float32)
    labels = np.ascontiguousarray(y, np.int32) if classify else np.zeros(0, np.int32)
    targets = np.zeros(0, np.float32) if classify else np.ascontiguousarray(y, np.float32)
    apart = (a.size // models if a.ndim == core + 1 else 0 for a, core in ((x, 2), (labels, 1), (targets, 2)))
    data = (x.reshape(-1), labels.reshape(-1), targets.reshape(-1), *apart)
    radius = np.zeros(models) if stack.radius is None else stack.radius
    numbers = (np.ascontiguousarray(a, np.float32) for a in (steps.momentum, steps.weight_decay, radius))
    rates = (np.asarray(steps.lr, np.float32), *numbers)
    fixed = np.zeros((models, at.fixed), np.float32)
    if stack.fixed is not None:
        fixed = np.array(stack.fixed, np.float32, order="C")
    smooth = np.float32(plan.loss.label_smoothing if isinstance(plan.loss, CrossEntropy) else 0)
    flags = (int(stack.velocity is not None), int(steps.nesterov), int(steps.decoupled), int(classify))
    how = (x.shape[-2], batch_size, steps.first, at.panel, at.goal, *flags)
    velocity = np.zeros((1, 1), np.float32) if stack.velocity is None else stack.velocity
    net, keys = (at.blocks, at.numbers, smooth), (np.uint64(steps.key.low), np.uint64(steps.key.high))
    marks = (stack.alive, stack.diverged)
    return stack.flat, velocity, fixed, data, rates, net, how, keys, steps.models, marks


def _room(at: Layout) -> np.ndarray:
    """The array of a thread."""
    room = np.zeros(at.size + 16, np.float32)
    # A vector across two cache lines costs two loads.
    s = room[-room.ctypes.data // 4 % 16 :][: at.size]
    for start, stop in at.ones:
        s[start:stop] = 1
    return s


class Layout(NamedTuple):
    """Where the numbers of a model stand in the array of a thread; `blocks` and `numbers` as the kernel reads them."""

    blocks: np.ndarray
    numbers: np.ndarray
    panel: int
    goal: int
    ones: tuple[tuple[int, int], ...]
    size: int
    parameters: int  # trained
    fixed: int  # of fixed layers


@cache
def layout(plan: Plan, batch_size: int) -> Layout:
    """The places of everything for batches of this size; `ones` are scales of normalisations that train none."""
    from simlab.nn.kernels.cpu import memory as k

    # A row more than needed: panels of a power of two would all map to the same few cache lines.
    panel = 16 * (_up(batch_size) + 1)
    size = 0

    def take(count: int) -> int:
        nonlocal size
        start, size = size, size + count
        return start

    blocks = np.zeros((len(plan.blocks), k.COLUMNS), np.int64)
    numbers = np.zeros((len(plan.blocks), 4), np.float32)
    ones, flat, fixed, below = [], 0, 0, take(_up(plan.blocks[0].dense.n_in) // 16 * panel)
    for b, c, block in zip(blocks, numbers, plan.blocks, strict=True):
        n_in, n_out, bias = block.dense.n_in, block.dense.n_out, block.dense.bias
        height, width = _up(n_in), _up(n_out)
        outputs = width // 16 * panel
        b[[k.IN, k.OUT, k.BIAS, k.FIXED, k.X]] = n_in, n_out, bias, block.fixed, below
        b[k.FLAT] = fixed if block.fixed else flat
        b[[k.W_PANEL, k.T_PANEL]] = 16 * (height + 1), 16 * (width + 1)
        b[k.Y] = below = take(outputs)
        b[k.D] = take(outputs)
        b[k.W], b[k.V] = (take(width // 16 * b[k.W_PANEL]) for _ in range(2))
        # The first layer passes no gradient on.
        b[k.T] = 0 if block is plan.blocks[0] else take(height // 16 * b[k.T_PANEL])
        b[k.ROW], b[k.ROW_V] = take(3 * width), take(3 * width)
        c[[k.SCALE, k.BIAS_SCALE]] = block.dense.scale, block.dense.bias_scale
        count = n_in * n_out + bias * n_out
        fixed, flat = (fixed + count, flat) if block.fixed else (fixed, flat + count)
        if block.norm is not None:
            b[k.NORM_FLAT] = flat
            b[[k.NORM, k.H, k.INV]] = 2 if block.norm.affine else 1, take(outputs), take(width)
            c[k.EPS] = block.norm.eps
            flat += 2 * n_out if block.norm.affine else 0
            ones.append((int(b[k.ROW]) + width, int(b[k.ROW]) + 2 * width))
        if block.activation is not None:
            b[k.ACTIVATION], c[k.LEAK] = number(block.activation), block.activation.leak
    return Layout(blocks, numbers, panel, take(outputs), tuple(ones), size, flat, fixed)


def _require_fit(plan: Plan, at: Layout, stack: Stack, x: np.ndarray, y: np.ndarray, batch_size: int) -> None:
    """ValueError where the kernel would read or write beyond an array, or divide by nothing."""
    models = len(stack.flat)
    for array in (stack.flat,) if stack.velocity is None else (stack.flat, stack.velocity):
        if array.dtype != np.float32 or array.shape != (models, at.parameters) or not array.flags.c_contiguous:
            raise ValueError(f"parameters must be contiguous float32 (model, {at.parameters}), got {array.shape}.")
    n, n_in, n_out = x.shape[-2], plan.blocks[0].dense.n_in, plan.blocks[-1].dense.n_out
    if x.shape not in ((n, n_in), (models, n, n_in)):
        raise ValueError(f"features must have shape (n, {n_in}) or ({models}, n, {n_in}), got {x.shape}.")
    core = (n,) if isinstance(plan.loss, CrossEntropy) else (n, n_out)
    if y.shape not in (core, (models, *core)):
        raise ValueError(f"targets must have shape {core} or {(models, *core)}, got {y.shape}.")
    if len(core) == 1 and not (y.dtype.kind in "iu" and y.min() >= 0 and y.max() < n_out):
        raise ValueError(f"labels must be whole numbers in 0 ... {n_out - 1}; count classes from 0.")
    fewest = 2 if any(block.norm for block in plan.blocks) else 1
    if not fewest <= batch_size <= n:
        raise ValueError(f"batch_size must be from {fewest} to the {n} examples for this net, got {batch_size}.")


def _up(n: int) -> int:
    """The next multiple of 16."""
    return -(-n // 16) * 16


def _kernel() -> Any:
    # Imported here: numba is slow to import, and nets are built without it.
    from simlab.nn.kernels.cpu import kernel

    return kernel
