"""Bad input is refused by a ValueError of one sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simlab import nn
from tests.refusals import refused_in_one_sentence

NET = nn.mlp([4, 5, 3])
BATCH = nn.mlp([4, 5, 3], norm="batch")
PARAMS = nn.init(NET, models=2, dtype="float64")
X = np.ones((6, 4))
Y = np.array([0, 1, 2, 0, 1, 2])
CURVED = (nn.cross_entropy, PARAMS, X, Y)
NAN = np.where(np.arange(24).reshape(6, 4) == 7, np.nan, 1.0)


def grad(x: Any = X, y: Any = Y, loss: Any = nn.cross_entropy, net: Any = NET) -> Any:
    return nn.value_and_grad(net, loss, PARAMS if net is NET else nn.init(net, models=2), x, y)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: grad(y=Y + 1), "labels must be in 0 ... 2"),
    (lambda: grad(y=Y - 1), "labels must be in 0 ... 2"),
    (lambda: grad(y=Y + 0.5), "integer labels"),
    (lambda: grad(y=np.full((6, 2), 0.5)), "probabilities of shape"),
    (lambda: grad(y=np.full((3, 6, 3), 1 / 3)), "probabilities of shape"),
    (lambda: grad(y=np.full((6, 3), 0.3)), "sum to 1"),
    (lambda: grad(y=np.tile([1.5, -0.5, 0.0], (6, 1))), "at least 0"),
    (lambda: grad(y=np.full((6, 3), np.nan)), "probabilities must be"),
    (lambda: grad(y=Y[:-1]), "labels of shape"),
    (lambda: grad(y=np.stack([Y] * 3)), "labels of shape"),
    (lambda: grad(loss=nn.logistic), "a net with one output, got 3"),
    (lambda: nn.logistic.value(np.ones((6, 1)), Y), "labels must be in 0 ... 1"),
    (lambda: grad(loss=nn.mse), "targets of shape"),
    (lambda: grad(loss=nn.mse, y=np.zeros((3, 6, 3))), "targets of shape"),
    (lambda: grad(loss=nn.mse, y=np.full((6, 3), np.nan)), "targets hold NaN"),
    (lambda: grad(x=NAN), "features hold NaN"),
    (lambda: nn.predict(NET, PARAMS, np.inf * X), "features hold NaN"),
    (lambda: nn.predict(NET, PARAMS, X[:, :3]), "takes 4 features, got 3"),
    (lambda: nn.predict(NET, PARAMS, X[0]), "features must have shape"),
    (lambda: nn.predict(NET, PARAMS, np.stack([X] * 3)), "features must have shape"),
    (lambda: nn.predict(NET, PARAMS, X[:0]), "no examples"),
    (lambda: grad(net=BATCH, x=X[:1], y=Y[:1]), "at least 2 examples"),
    (lambda: nn.per_example_grads(BATCH, nn.cross_entropy, nn.init(BATCH, models=1), X, Y), "couples the examples"),
    (lambda: nn.tangent_kernel(BATCH, nn.init(BATCH, models=1), X), "couples the examples"),
    (lambda: nn.per_example_grads(NET, nn.cross_entropy, PARAMS, X, 1), "labels of shape"),
    (lambda: nn.hvp(NET, nn.cross_entropy, PARAMS, X, Y, nn.init(NET, models=1)), "shapes of the parameters"),
    (lambda: nn.unflatten(PARAMS, np.zeros((2, 7))), "flat must have shape"),
    (lambda: nn.mlp([4, 0, 3]), r"widths\[1\] must be a positive integer, got 0"),
    (lambda: nn.mlp([4]), "at least the inputs and the outputs"),
    (lambda: nn.mlp([4, 3, 2], "swish"), "activation must be one of"),
    (lambda: nn.mlp([4, 3, 2], norm="group"), "norm must be"),
    (lambda: nn.mlp([4, 3, 2], norm="weight", scaling="ntk"), "fixes the size of the weights"),
    (lambda: nn.mlp([4, 3, 2], scaling="lecun"), "scaling must be"),
    (lambda: nn.dense(0, 3), "n_in must be a positive integer"),
    (lambda: nn.dense(3, 2.5), "n_out must be a positive integer"),  # type: ignore[arg-type]
    (lambda: nn.dense(3, 2, role="middle"), "role must be"),  # type: ignore[arg-type]
    (lambda: nn.dense(3, 2, gain=0.0), "gain must be positive"),
    (lambda: nn.batch_norm(0), "width must be a positive integer"),
    (lambda: nn.layer_norm(3, eps=-1.0), "eps must be at least 0"),
    (lambda: nn.leaky_relu(1.5), "leak must be in"),
    (lambda: nn.CrossEntropy(1.0), "label_smoothing must be in"),
    (lambda: nn.serial(), "at least one layer"),
    (lambda: nn.serial(nn.dense(2, 3), nn.relu, nn.dense(4, 1)), "layer 2 takes 4 features and gets 3"),
    (lambda: nn.residual(nn.dense(2, 3)), "must keep its 2 features"),
    (lambda: nn.trace(NET), "matrix must be made by hessian"),  # type: ignore[arg-type]
    (lambda: nn.hessian(NET, *CURVED, layer="1"), "layer must be a part of 0.W, 0.b, 2.W, 2.b"),
    (lambda: nn.hessian(NET, *CURVED).operator(2), "model must be in 0 ... 1"),
    (lambda: nn.gradient_noise(BATCH, nn.cross_entropy, nn.init(BATCH, models=1), X, Y), "couples the examples"),
    (lambda: nn.trace(nn.hessian(NET, *CURVED), probes=1), "probes must be at least 2"),
    (lambda: nn.trace(nn.hessian(NET, *CURVED), index=[0]), "for each of the 2 models"),
    (lambda: nn.spectral_density(nn.hessian(NET, *CURVED), probes=1), "probes must be at least 2"),
    (lambda: nn.spectral_density(nn.hessian(NET, *CURVED), steps=0), "steps must be at least 1"),
    (lambda: nn.spectral_density(nn.hessian(NET, *CURVED)).smooth(np.zeros(1), 0.0), "width must be positive"),
    (lambda: nn.top_eigenvalues(nn.hessian(NET, *CURVED), 0), "k must be in 1 ... 43"),
    (lambda: nn.top_eigenvalues(nn.hessian(NET, *CURVED), 44), "k must be in 1 ... 43"),
    (lambda: nn.top_eigenvalues(nn.hessian(NET, *CURVED), steps=0), "steps must be at least 1"),
    (lambda: nn.init(NET, models=0), "models must be a positive number"),
    (lambda: nn.init(NET, models=[-1]), "models must be a positive number"),
    (lambda: nn.init(NET, models=2.5), "models must be a positive number"),  # type: ignore[arg-type]
    (lambda: nn.init(NET, models=[2**32]), "models must be a positive number"),
    (lambda: nn.predict(NET, PARAMS, [["a"] * 4]), "features must be an array of real numbers"),
    (lambda: nn.predict(NET, PARAMS, [[1.0], [1.0, 2.0]]), "features must be an array of real numbers"),
    (lambda: nn.init(NET, models=1, dtype="float16"), "dtype must be"),
    (lambda: nn.init(NET, models=1, seed=-1), "seed must be"),
    (lambda: nn.init(nn.serial(nn.relu), models=1), "no parameters"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_in_one_sentence(call: Callable[[], Any], message: str) -> None:
    refused_in_one_sentence(call, message)
