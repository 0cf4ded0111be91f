"""Perceptrons as the compiled paths see them: dense layers, each with what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

from simlab.nn.activations import ACTIVATIONS, Activation, leaky_relu
from simlab.nn.compose import Serial
from simlab.nn.dense import DenseLayer
from simlab.nn.layer import Layer
from simlab.nn.losses import CrossEntropy, Loss, MeanSquaredError
from simlab.nn.norms import BatchNormLayer


@dataclass(frozen=True)
class Block:
    """A dense layer with the normalisation and the activation behind it."""

    dense: DenseLayer
    norm: BatchNormLayer | None = None
    activation: Activation | None = None


@dataclass(frozen=True)
class Plan:
    """A net and a loss that compiled paths cover; labels of the cross-entropy are integers."""

    blocks: tuple[Block, ...]
    loss: CrossEntropy | MeanSquaredError


def plan(net: Layer, loss: Loss) -> Plan | None:
    """The net as blocks and its loss; None where they are not of these kinds."""
    if not isinstance(net, Serial) or not isinstance(loss, (CrossEntropy, MeanSquaredError)):
        return None
    blocks: list[Block] = []
    for layer in net.layers:
        last = blocks[-1] if blocks else None
        if type(layer) is DenseLayer:
            blocks.append(Block(layer))
        elif last is None or last.activation is not None:
            return None
        elif type(layer) is BatchNormLayer and last.norm is None:
            blocks[-1] = Block(last.dense, layer)
        elif isinstance(layer, Activation) and _known(layer):
            blocks[-1] = Block(last.dense, last.norm, layer)
        else:
            return None
    if not blocks or blocks[-1].norm is not None or blocks[-1].activation is not None:
        return None
    return Plan(tuple(blocks), loss)


def _known(layer: Activation) -> bool:
    return layer == (leaky_relu(layer.leak) if layer.name == "leaky_relu" else ACTIVATIONS.get(layer.name))
