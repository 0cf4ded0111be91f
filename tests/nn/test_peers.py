"""Gradients, Hessian products and gradients of single examples against PyTorch, layer by layer in its own words.

A net is written again here with the functions that PyTorch has for it; only the formulas of our parametrisations (the
scales of dense layers, weight normalisation) are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from simlab import nn
from simlab.nn.layers.activations import Activation
from simlab.nn.layers.compose import ResidualLayer, Serial
from simlab.nn.layers.dense import DenseLayer, WeightNormLayer
from simlab.nn.layers.fixed import FixedLayer
from simlab.nn.layers.layer import leaves, tree_map
from simlab.nn.layers.norms import NormLayer
from tests.nn.calculus.test_derivatives import close
from tests.nn.nets import NORMS, Case, cases

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed; `make peers` brings it.")
F = torch.nn.functional

ACTIVATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "gelu": F.gelu,
    "softplus": F.softplus,
}
NO_BATCH = tuple(norm for norm in NORMS if "batch" not in norm)
ROUNDING = 1e-12  # of float64: three hundred random nets came within 3e-14


def outputs(layer: Any, params: Any, x: Any) -> Any:
    """The outputs (n, out) of one model."""
    match layer:
        case Serial():
            for part, p in zip(layer.layers, params, strict=True):
                x = outputs(part, p, x)
            return x
        case ResidualLayer():
            return x + outputs(layer.branch, params.branch, x)
        case FixedLayer():
            return outputs(layer.layer, tree_map(torch.tensor, params.layer), x)
        case DenseLayer():
            b = None if params.b is None else layer.bias_scale * params.b
            return F.linear(x, layer.scale * params.W.T, b)
        case WeightNormLayer():
            return F.linear(x, (params.g * F.normalize(params.V, dim=0, eps=0)).T, params.b)
        case NormLayer(axis=-1):
            return F.layer_norm(x, (layer.n_in,), params.scale, params.shift, layer.eps)
        case NormLayer():
            return F.batch_norm(x, None, None, params.scale, params.shift, training=True, eps=layer.eps)
        case Activation():
            return ACTIVATIONS[layer.name](x)
    raise AssertionError(f"no peer for {layer}")


def loss(case: Case, outputs: Any, y: Any) -> Any:
    """The loss of one model."""
    if case.loss == nn.mse:
        return F.mse_loss(outputs, y)
    if case.loss == nn.logistic:
        return F.binary_cross_entropy_with_logits(outputs[:, 0], y.to(outputs.dtype))
    return F.cross_entropy(outputs, y, label_smoothing=case.loss.label_smoothing)


def each_model(case: Case, derivative: Callable[..., Any], *trees: Any) -> np.ndarray:
    """derivative(value, parameters, x, y, *trees) of every model in a row, flat like `nn.flatten`.

    Parameters and trees like them are lists of tensors, and value is a function of such a list, of x and of y.
    """
    return np.stack([one_model(case, k, derivative, trees) for k in range(len(leaves(case.params)[0]))])


def one_model(case: Case, k: int, derivative: Callable[..., Any], trees: Any) -> np.ndarray:
    """The row of model k, (parameter), or (example, parameter) of a derivative with an axis of examples in front."""
    params, *others = ([torch.tensor(leaf[k]) for leaf in leaves(tree)] for tree in (case.params, *trees))
    axes = 1 + case.loss.target_axes(case.y)
    x = torch.tensor(case.x[k] if case.x.ndim > 2 else case.x)
    y = torch.tensor(case.y[k] if case.y.ndim > axes else case.y)

    own = nn.select(case.params, k)

    def value(tensors: Any, x: Any, y: Any) -> Any:
        parts = iter(tensors)
        return loss(case, outputs(case.net, tree_map(lambda leaf: next(parts), own), x), y)

    found = derivative(value, params, x, y, *others)
    flat = [part.flatten(part.ndim - leaf.ndim) for part, leaf in zip(found, params, strict=True)]
    row: np.ndarray = torch.cat(flat, -1).detach().numpy()
    return row


def gradient(value: Any, params: Any, x: Any, y: Any) -> Any:
    """By reverse mode, on a graph."""
    params = [leaf.requires_grad_() for leaf in params]
    return torch.autograd.grad(value(params, x, y), params)


def hessian_product(value: Any, params: Any, x: Any, y: Any, v: Any) -> Any:
    """By reverse over reverse mode, which a symmetric Hessian allows; forward mode lacks some of these functions."""
    return torch.func.vjp(lambda p: torch.func.grad(value)(p, x, y), params)[1](v)[0]


def each_example(value: Any, params: Any, x: Any, y: Any) -> Any:
    """The gradient of each example's loss alone, as a share of the mean."""
    gradients = torch.func.vmap(torch.func.grad(value), (None, 0, 0))(params, x[:, None], y[:, None])
    return [part / len(x) for part in gradients]


@given(cases())
def test_gradient(case: Case) -> None:
    found = nn.flatten(nn.value_and_grad(*case[:5])[1])
    assert close(found, each_model(case, gradient), ROUNDING)


@given(cases())
def test_hessian_product(case: Case) -> None:
    v = case.direction()
    found = nn.flatten(nn.hvp(*case[:5], v))
    assert close(found, each_model(case, hessian_product, v), ROUNDING)


@given(cases(norms=NO_BATCH))
def test_gradient_of_each_example(case: Case) -> None:
    shares = nn.per_example_grads(*case[:5])
    found = np.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves(shares)], axis=-1)
    assert close(found, each_model(case, each_example), ROUNDING)
