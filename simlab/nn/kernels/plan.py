"""Which nets and losses the kernels cover, and what an `advance` of either kernel is given: models, data, steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from simlab.nn.layers.activations import ACTIVATIONS, Activation, leaky_relu
from simlab.nn.layers.compose import Serial
from simlab.nn.layers.dense import DenseLayer
from simlab.nn.layers.fixed import FixedLayer
from simlab.nn.layers.layer import Layer
from simlab.nn.layers.norms import BatchNormLayer
from simlab.nn.losses import CrossEntropy, Loss, MeanSquaredError
from simlab.random import Key

Array = Any


@dataclass(frozen=True)
class Block:
    """A dense layer with the normalisation and the activation behind it."""

    dense: DenseLayer
    norm: BatchNormLayer | None = None
    activation: Activation | None = None
    fixed: bool = False


@dataclass(frozen=True)
class Plan:
    """A net and a loss that the kernel covers."""

    blocks: tuple[Block, ...]
    loss: CrossEntropy | MeanSquaredError


class Stack(NamedTuple):
    """The numbers of a stack of models, which a kernel changes in place.

    flat, velocity: (model, parameter) float32, contiguous, in the order of `flatten`; velocity is None where no model
    has momentum. alive: bool (model), False leaves a model as it is. diverged: int64 (model), -1 until a model has a
    loss that is not finite, then the number of that step, which changes nothing any more; where it is not -1 the model
    stays as it is. On the CPU only: fixed, (model, number), the parameters of fixed layers one after the other, where
    the net has any; radius, (model), the norm to which all trained parameters are rescaled after every step, or None.
    """

    flat: Array
    velocity: Array | None
    alive: Array
    diverged: Array
    fixed: Array | None = None
    radius: Array | None = None


class Steps(NamedTuple):
    """SGD from step `first` on, as many steps as `lr` has rows.

    models: (model,) the indices by which `random.shuffle` shuffles, int64 on the host. lr: (step, model); momentum,
    weight_decay: (model). With the gradient g of the loss and the weight decay d, a step is
        v <- momentum v + g + d w,    w <- w - lr v,
    with g + d w + momentum v in place of v under nesterov, and with d w in the second equation if decoupled.
    """

    key: Key
    models: np.ndarray
    first: int
    lr: Array
    momentum: Array
    weight_decay: Array
    nesterov: bool
    decoupled: bool


def plan(net: Layer, loss: Loss) -> Plan | None:
    """How the kernel runs a net under a loss: None where it does not.

    It runs dense layers, fixed ones too, with, after all but the last, batch normalisation or not and one of the
    activations or none, under the cross-entropy or the mean squared error.
    """
    if type(net) is not Serial or not isinstance(loss, CrossEntropy | MeanSquaredError):
        return None
    blocks: list[Block] = []
    for layer in net.layers:
        last = blocks[-1] if blocks else None
        if type(layer) is DenseLayer:
            blocks.append(Block(layer))
        elif type(layer) is FixedLayer and type(layer.layer) is DenseLayer:
            blocks.append(Block(layer.layer, fixed=True))
        elif last is None or last.activation is not None:
            return None
        elif type(layer) is BatchNormLayer and last.norm is None:
            blocks[-1] = replace(last, norm=layer)
        elif type(layer) is Activation and number(layer):
            blocks[-1] = replace(last, activation=layer)
        else:
            return None
    ends_dense = blocks[-1].norm is None and blocks[-1].activation is None
    return Plan(tuple(blocks), loss) if ends_dense else None


def number(layer: Activation) -> int:
    """The number by which the kernel knows an activation, 0 for one that it does not know."""
    known = [leaky_relu(layer.leak) if name == "leaky_relu" else ACTIVATIONS[name] for name in ACTIVATIONS]
    return known.index(layer) + 1 if layer in known else 0
