"""Which nets and losses the compiled paths see as blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simlab import nn
from simlab.nn.blocks import Block, plan


@pytest.mark.parametrize("norm", [None, "batch"])
def test_a_perceptron_is_its_blocks(norm: Any) -> None:
    net = nn.mlp([3, 4, 5, 2], "tanh", norm)
    found = plan(net, nn.CrossEntropy(0.1))
    assert found is not None
    assert found.loss == nn.CrossEntropy(0.1)
    step = 2 if norm is None else 3
    norms = [None, None] if norm is None else list(net.layers[1::3])
    hidden = [Block(net.layers[step * k], norms[k], nn.tanh) for k in range(2)]  # type: ignore[arg-type]
    assert list(found.blocks) == [*hidden, Block(net.layers[-1])]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("net", "loss"),
    [
        (nn.mlp([3, 4, 2], norm="layer"), nn.cross_entropy),
        (nn.mlp([3, 4, 2], norm="weight"), nn.cross_entropy),
        (nn.mlp([3, 4, 1]), nn.logistic),
        (nn.serial(nn.tanh, nn.dense(3, 2)), nn.mse),
        (nn.serial(nn.dense(3, 2), nn.tanh), nn.mse),
        (nn.serial(nn.dense(3, 2), nn.tanh, nn.batch_norm(2), nn.dense(2, 2)), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.residual(nn.dense(3, 3))), nn.mse),
        (nn.serial(nn.dense(3, 3), nn.fixed(nn.dense(3, 3))), nn.mse),
        (nn.mlp([3, 4, 1], replace(nn.tanh, name="own")), nn.mse),
        (nn.dense(3, 2), nn.mse),
    ],
)
def test_other_nets_and_losses_have_no_plan(net: Any, loss: Any) -> None:
    assert plan(net, loss) is None


def test_a_leak_is_part_of_the_plan() -> None:
    for leak in (nn.leaky_relu(), nn.leaky_relu(0.01), nn.leaky_relu(leak=0.3)):
        found = plan(nn.mlp([3, 4, 1], leak), nn.mse)
        assert found is not None
        assert found.blocks[0].activation == leak
