"""Training of a stack of perceptrons on the CPU with every model in the cache of one thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simlab import compiled
from simlab.nn.activations import ACTIVATIONS, Activation, leaky_relu
from simlab.nn.compose import Serial
from simlab.nn.dense import DenseLayer
from simlab.nn.layer import Layer
from simlab.nn.losses import CrossEntropy, Loss, MeanSquaredError
from simlab.nn.norms import BatchNormLayer
from simlab.random import Key


@dataclass(frozen=True)
class Block:
    """A dense layer with the normalisation and the activation behind it."""

    dense: DenseLayer
    norm: BatchNormLayer | None = None
    activation: Activation | None = None


@dataclass(frozen=True)
class Plan:
    """A net and a loss that the kernel covers."""

    blocks: tuple[Block, ...]
    loss: CrossEntropy | MeanSquaredError


def plan(net: Layer, loss: Loss) -> Plan | None:
    """How the kernel runs this net under this loss; None where it does not apply."""
    if not isinstance(net, Serial) or type(loss) not in (CrossEntropy, MeanSquaredError):
        return None
    blocks: list[Block] = []
    for layer in net.layers:
        if type(layer) is DenseLayer:
            blocks.append(Block(layer))
        elif not blocks or blocks[-1].activation is not None:
            return None
        elif type(layer) is BatchNormLayer and blocks[-1].norm is None:
            blocks[-1] = Block(blocks[-1].dense, layer)
        elif type(layer) is Activation and layer == (leaky_relu(layer.leak) if layer.name == "leaky_relu" else ACTIVATIONS.get(layer.name)):
            blocks[-1] = Block(blocks[-1].dense, blocks[-1].norm, layer)
        else:
            return None
    if blocks[-1].norm is not None or blocks[-1].activation is not None:
        return None
    return Plan(tuple(blocks), loss)


@cache
def kernel() -> Any:
    from simlab.nn import order, simd
    from simlab.random import coefficients, kernels

    text = Path(__file__).with_name("fused_kernel.py").read_text(encoding="utf-8")
    return compiled.load(text, order, simd, kernels, coefficients)


def lanes(features: int) -> int:
    return 4 if features <= 4 else 8 if features <= 8 else 16


def up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


@cache
def layout(plan: Plan, batch: int):
    """(blocks, numbers, place of targets, ones, size)."""
    k = kernel()
    names = [d.dense for d in plan.blocks]
    blocks = np.zeros((len(names), 18), np.int64)
    numbers = np.zeros((len(names), 4), np.float32)
    height, size, flat = up(batch, 8), 0, 0
    ones = []

    def take(n: int) -> int:
        nonlocal size
        start, size = size, size + up(n, 16)
        return start

    below = None
    for i, block in enumerate(plan.blocks):
        B, d = blocks[i], block.dense
        n_in, n_out = d.n_in, d.n_out
        panel = up(n_out, lanes(n_out)) * height
        B[k.IN], B[k.OUT], B[k.IN_LANES], B[k.LANES] = n_in, n_out, lanes(n_in), lanes(n_out)
        B[k.BIAS], B[k.FLAT] = d.bias, flat
        B[k.X] = take(up(n_in, lanes(n_in)) * height) if below is None else below
        B[k.Y] = below = take(panel)
        B[k.S] = take(panel)
        width = up(n_out, 16)
        weights = up(n_in, 16) * up(n_out, lanes(n_out))
        B[k.W], B[k.V] = take(weights), take(weights)
        B[k.WT] = take(width * up(n_in, lanes(n_in))) if i else 0
        B[k.ROWS], B[k.ROW_V] = take(3 * width), take(3 * width)
        flat += n_in * n_out + d.bias * n_out
        numbers[i, : k.EPS] = d.scale, d.bias_scale
        if block.norm is not None:
            B[k.NORM], B[k.H], B[k.INV] = 2 if block.norm.affine else 1, take(panel), take(width)
            numbers[i, k.EPS] = block.norm.eps
            flat += 2 * n_out * block.norm.affine
            ones.append((B[k.ROWS] + width, width))
        if block.activation is not None:
            B[k.ACTIVATION] = k.ACTIVATIONS.index(block.activation.name)
            numbers[i, k.LEAK] = block.activation.leak
    if isinstance(plan.loss, CrossEntropy):
        numbers[-1, k.LEAK] = plan.loss.label_smoothing
    goal = take(panel)
    return blocks, numbers, goal, ones, size


def advance(plan, flat, velocity, x, y, *, key: Key, models, batch_size, lr, momentum, weight_decay, nesterov, decoupled, step, alive, diverged) -> None:
    k = kernel()
    blocks, numbers, goal, ones, size = layout(plan, batch_size)
    n = x.shape[-2]
    moving = velocity is not None
    classify = isinstance(plan.loss, CrossEntropy)
    x = np.ascontiguousarray(x, np.float32)
    labels = np.ascontiguousarray(y, np.int32) if classify else np.zeros(0, np.int32)
    targets = np.zeros(0, np.float32) if classify else np.ascontiguousarray(y, np.float32)
    strides = np.array([x[0].size * (x.ndim == 3), n * (labels.ndim == 2), n * numbers_out(plan) * (targets.ndim == 3)], np.int64)
    how = (n, batch_size, step, int(moving), int(nesterov), int(decoupled), int(classify), goal)
    keys = (np.uint64(key.low), np.uint64(key.high))

    def run(first: int, last: int) -> None:
        raw = np.zeros(size + 16, np.float32)
        s = raw[-raw.ctypes.data // 4 % 16 :][:size]
        for at, width in ones:
            s[at : at + width] = 1
        order = np.empty(n, np.int32)
        k.train(
            first, last, flat, velocity if moving else np.zeros((0, 0), np.float32), x.reshape(-1), labels.reshape(-1), targets.reshape(-1), strides,
            lr, momentum, weight_decay, blocks, numbers, s, order, how, keys, models, alive, diverged,
        )

    compiled.spread(run, len(flat))


def numbers_out(plan):
    return plan.blocks[-1].dense.n_out
