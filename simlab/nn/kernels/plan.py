"""Which nets and losses the kernels cover, and as what they see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simlab.nn.layers.activations import ACTIVATIONS, Activation, leaky_relu
from simlab.nn.layers.compose import Serial
from simlab.nn.layers.dense import DenseLayer
from simlab.nn.layers.fixed import FixedLayer
from simlab.nn.layers.layer import Layer
from simlab.nn.layers.norms import BatchNormLayer
from simlab.nn.losses import CrossEntropy, Loss, MeanSquaredError


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
