"""Training of a stack of small perceptrons on an NVIDIA GPU: one thread block per model, many steps per launch.

A model's numbers stay on the chip from the first step of a launch to the last; global memory gives the minibatches and
the rates. For a batch of B examples, with s(n) = 4 times the next odd number from n / 4 up, a block takes

    weights   the sum over layers of (in, up to a multiple of 4, + rows) s(out); rows: bias, scale and shift, if any;
    gradient  as much again, and so the velocity where there is momentum;
    values    the sum of B s(out), and again for the layers whose derivative needs their input; B s(in) for the batch;
    the rest  two for each thread, s(out) for each normalisation, and the targets

numbers of 4 bytes. What of this does not fit into the shared memory of a block (227 kB on compute capability 9.0) lies
in global memory, small enough for the L2 cache: the velocities first, then inputs, gradients and the batch. A net is
refused where its values and all weights except those of one layer do not fit. As many blocks reside on a
multiprocessor as its shared memory, 64 K registers and 2048 threads allow, so a stack should have as many models as
the GPU has multiprocessors, and for small nets several times as many.

Products are sums in registers in single precision (no tensor cores), in an order that depends on the sizes and the
number of threads only. So a model's result depends neither on the stack around it nor on how steps are cut into calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from simlab.core.device import Device
from simlab.nn.kernels.cuda.layout import Layout, layout
from simlab.nn.kernels.cuda.text import source
from simlab.nn.kernels.plan import Plan, Stack, Steps
from simlab.nn.layers.layer import Array
from simlab.nn.losses import CrossEntropy
from simlab.random import Key, cuda_text
from simlab.random.shuffle import STREAM, shuffle_text

LANES = 32
RESERVED = 1024
"""Bytes of shared memory that the driver reserves for each block."""
ORDERS = 1 << 26
"""Bytes that the orders of examples take at most, unless those of one epoch take more."""


def kernel(plan: Plan, batch_size: int, *, momentum: bool, models: int, device: Device) -> Layout | None:
    """How a GPU trains so many models by this plan, with or without momentum; None where a model does not fit.

    Velocities go to global memory if only then all models are resident at once.
    """
    gpu = device.gpu_properties()
    whole = layout(plan, batch_size, momentum, gpu.shared_block)
    share = gpu.shared // -(-models // gpu.processors) - RESERVED
    if whole is None or whole.shared_bytes <= share:
        return whole
    narrow = layout(plan, batch_size, momentum, share)
    return narrow if narrow and all(p.on_chip or p.name.startswith("V") for p in narrow.places) else whole


def advance(chosen: Layout, stack: Stack, x: Array, y: Array, steps: Steps) -> None:
    """Take these steps, in place; returns before the GPU is done.

    x: (n, in) or (model, n, in); y: integer labels (n) or (model, n), or targets beside x. ValueError where the kernel
    would read or write beyond an array; values of labels are not looked at.
    """
    device, xp = Device.of(stack.flat), Device.of(stack.flat).xp
    integers = isinstance(chosen.plan.loss, CrossEntropy)
    _require_fit(chosen, stack, x, y)
    x = xp.ascontiguousarray(x, chosen.dtype)
    y = xp.ascontiguousarray(y, "int32" if integers else chosen.dtype)
    n, models = x.shape[-2], len(stack.flat)
    apart = [np.int64(a[0].size if a.ndim > core else 0) for a, core in ((x, 2), (y, 1 if integers else 2))]
    numbers = [xp.ascontiguousarray(a, chosen.dtype) for a in (steps.momentum, steps.weight_decay)]
    lr = xp.ascontiguousarray(steps.lr, chosen.dtype)
    work = xp.empty(max(1, models * chosen.work), chosen.dtype)
    index, train = device.asarray(steps.models, np.uint32), _train(chosen, device)
    velocity = stack.flat if stack.velocity is None else stack.velocity
    for first, stop, order in _launches(chosen.batch, n, index, steps, device):
        train(
            (models,),
            (chosen.threads,),
            (
                *(stack.flat, velocity, work, x, apart[0], y, apart[1], order, np.int64(n)),
                *(lr[first - steps.first :], *numbers, np.int32(steps.nesterov), np.int32(steps.decoupled)),
                *(np.int64(first), np.int64(stop - first), stack.alive, stack.diverged),
            ),
            shared_mem=chosen.shared_bytes,
        )


def _launches(batch: int, n: int, index: Array, steps: Steps, device: Device) -> Iterator[tuple[int, int, Array]]:
    """First and last step of each launch, and the orders of examples of its epochs."""
    per_epoch, first, last = n // batch, steps.first, steps.first + len(steps.lr)
    while first < last:
        epochs = max(1, ORDERS // (4 * n * len(index))) if batch < n else last
        stop = min(last, (first // per_epoch + epochs) * per_epoch)
        order = device.xp.zeros(1, "int32")
        if batch < n:
            epochs = (stop - 1) // per_epoch - first // per_epoch + 1
            order = orders(steps.key, index, n, first // per_epoch, epochs, device)
        yield first, stop, order
        first = stop


def _require_fit(chosen: Layout, stack: Stack, x: Array, y: Array) -> None:
    """ValueError where arrays are not what the kernel takes them for."""
    models, parameters, dtype = len(stack.flat), chosen.parameters, chosen.dtype
    rows = {"flat": (stack.flat, (models, parameters), dtype), "alive": (stack.alive, (models,), "bool")}
    rows |= {"diverged": (stack.diverged, (models,), "int64")}
    if stack.velocity is not None:
        rows["velocity"] = (stack.velocity, (models, parameters), dtype)
    for name, (a, shape, kind) in rows.items():
        if a.shape != shape or a.dtype != kind or not a.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous {kind} of shape {shape}, got {a.dtype} {a.shape}.")
    if chosen.momentum != (stack.velocity is not None):
        raise ValueError("the kernel and its call do not agree on momentum; give both a velocity or neither.")
    n, blocks = x.shape[-2], chosen.plan.blocks
    core = (n,) if isinstance(chosen.plan.loss, CrossEntropy) else (n, blocks[-1].dense.n_out)
    for name, a, own in (("features", x, (n, blocks[0].dense.n_in)), ("targets", y, core)):
        if a.shape not in (own, (models, *own)):
            raise ValueError(f"{name} must have shape {own} or {(models, *own)}, got {a.shape}.")
    if len(core) == 1 and y.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, got {y.dtype}; count classes from 0.")
    if chosen.batch > n:
        raise ValueError(f"the kernel takes batches of {chosen.batch} and there are {n} examples; make it for fewer.")


def orders(key: Key, models: Array, n: int, epoch: int, epochs: int, device: Device) -> Array:
    """The orders of `random.shuffle` for these models (model, uint32) and epochs: (epoch, model, n), int32, on it."""
    found = device.xp.empty((epochs, len(models), n), "int32")
    on_chip = 4 * (4 * LANES + n) <= device.gpu_properties().shared_block
    shuffle = _shuffle(device)
    shuffle(
        (epochs * len(models),),
        (LANES,),
        (
            *(found, np.int64(n), models, np.uint32(len(models)), np.uint32(epoch)),
            *(np.uint32(key.low), np.uint32(key.high), np.int32(on_chip)),
        ),
        shared_mem=4 * (4 * LANES + (n if on_chip else 0)),
    )
    return found


@cache
def _train(chosen: Layout, device: Device) -> Any:
    """The compiled kernel (CuPy keeps its own cache on disk)."""
    train = device.compile(source(chosen), "train")
    train.max_dynamic_shared_size_bytes = chosen.shared_bytes
    return train


@cache
def _shuffle(device: Device) -> Any:
    """The kernel that writes the orders."""
    head = f"constexpr int LANES = {LANES};\nconstexpr unsigned STREAM = {STREAM};\n"
    shuffle = device.compile(cuda_text() + head + shuffle_text(), "shuffle")
    shuffle.max_dynamic_shared_size_bytes = device.gpu_properties().shared_block
    return shuffle
