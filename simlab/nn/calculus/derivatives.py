"""Functions of a net and its parameters: predictions, gradients, curvature products, per-example gradients.

Everywhere x is (n, in), shared by all models, or (model, n, in); y is what the loss takes; results have the model axis
first. x is cast to the dtype of the parameters. Every function raises ValueError in one sentence on input that does not
fit. Training functions use batch statistics, `predict` those of the population.

Memory: beside its arguments and its result, and what one layer is working on, a gradient holds at most two arrays
(model, n, width) for each layer, a Hessian product two more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import is_whole, one_of, require_flag, shown, whole
from simlab.core.device import Device, stored
from simlab.nn.arguments import beside, checked, direction, of_single_examples
from simlab.nn.layers.infinite_width import Covariances
from simlab.nn.layers.layer import (
    Array,
    Cache,
    Layer,
    Params,
    leaves,
    require_layer,
    require_tree,
    tree_map,
    with_tangent_axis,
)
from simlab.nn.losses import Loss, require_loss
from simlab.random import Seed, key


def init(
    net: Layer, *, models: int | Sequence[int], seed: Seed = 0, dtype: str = "float32", device: str = "cpu"
) -> Params:
    """Parameters of models 0 ... models - 1, or of the models with these indices.

    Model k depends on the seed and on k only, not on the other models of the stack: init(net, models=[17]) is the
    eighteenth of init(net, models=1000). ValueError unless there is a model, dtype is "float32" or "float64", and the
    net has parameters.
    """
    require_layer("net", net)
    index = _models(models)
    one_of("dtype", dtype, ("float32", "float64"))
    one_of("device", device, ("cpu", "gpu"))
    params = net.init(key(seed), Device.open(device).asarray(index), dtype)
    if not leaves(params):
        raise ValueError("the net has no parameters; give it a dense layer.")
    return params


def _models(models: Any) -> NDArray[np.int64]:
    """Their indices."""
    refusal = f"models must be a positive number or a list of indices from 0, got {shown(models)}."
    try:
        index = np.arange(whole("models", models, 1)) if np.ndim(models) == 0 else stored("models", models)
    except ValueError as error:
        raise ValueError(refusal) from error
    if index.ndim != 1 or not index.size or index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= 2**32:
        raise ValueError(refusal)
    return index.astype(np.int64)


def predict(net: Layer, params: Params, x: Array) -> Array:
    """The outputs (model, n, out), with population statistics in batch normalisation."""
    x = checked(net, params, x)
    return net.predict(params, x)


def population(net: Layer, params: Params, x: Array) -> Params:
    """The same parameters with the population statistics of x in every batch normalisation, layer after layer.

    On the batch x itself, `predict` then gives what training on it sees.
    """
    x = checked(net, params, x)
    return net.with_statistics(params, x)


def value_and_grad(net: Layer, loss: Loss, params: Params, x: Array, y: Array) -> tuple[Array, Params]:
    """The losses (model,) and their gradients, like params."""
    x = checked(net, params, x)
    require_loss(loss)
    outputs, cache = net.forward(params, x)
    return loss.value(outputs, y), net.gradient(params, cache, loss.grad(outputs, y))


def hvp(net: Layer, loss: Loss, params: Params, x: Array, y: Array, v: Params) -> Params:
    """The Hessian of each model's loss times v, like params: exact, by the R-operator (Pearlmutter 1994).

    Second derivatives of piecewise linear functions count as 0, their value almost everywhere.
    """
    x, v = checked(net, params, x), direction(params, v)
    require_loss(loss, curved=True)
    outputs, cache = net.forward(params, x)
    rate, trace = net.linearize(params, cache, v, None)
    grad, grad_rate = loss.grad(outputs, y), loss.hvp(outputs, y, rate)
    return net.gradient_tangent(params, cache, v, trace, grad, grad_rate)


def gauss_newton_product(net: Layer, loss: Loss, params: Params, x: Array, y: Array, v: Params) -> Params:
    """J^T H J v, like params, with J the Jacobian of the outputs and H the Hessian of the loss in them.

    Schraudolph 2002, section 3. It is positive semi-definite, and the Hessian itself where the net is linear in the
    parameters.
    """
    x, v = checked(net, params, x), direction(params, v)
    require_loss(loss, curved=True)
    outputs, cache = net.forward(params, x)
    rate = net.jvp(params, cache, v, None)
    return net.gradient(params, cache, loss.hvp(outputs, y, rate))


def per_example_grads(net: Layer, loss: Loss, params: Params, x: Array, y: Array) -> Params:
    """Each example's share of the gradient, like params with a second axis: (model, n, ...).

    The loss is a mean, so the shares have the factor 1 / n and their sum over n is the gradient. Most of the
    cost is that of memory for model * n * parameters numbers. ValueError for a net with batch normalisation, where the
    loss of one example depends on all others.
    """
    x = of_single_examples(net, params, x)
    require_loss(loss)
    outputs, cache = net.forward(params, x)
    return net.per_example(params, cache, loss.grad(outputs, y))[0]


def tangent_kernel(net: Layer, params: Params, x: Array, other: Array | None = None) -> Array:
    """The empirical tangent kernel J(x) J(other)^T, (model, n, n', out, out); other = x where it is not given.

    Jacot, Gabriel & Hongler 2018, equation 4, without a factor 1 / out. ValueError for a net with batch normalisation.
    Holds the Jacobians, model * (n + n') * out * parameters entries: call it block by block on large data.
    """
    left = leaves(_jacobian(net, params, x))
    right = left if other is None else leaves(_jacobian(net, params, other, "other"))
    total = 0
    for a, b in zip(left, right, strict=True):
        (model, out, n), m = a.shape[:3], b.shape[2]
        rows, columns = a.reshape(model, out * n, -1), b.reshape(model, out * m, -1)
        total = total + (rows @ columns.swapaxes(-1, -2)).reshape(model, out, n, out, m).transpose(0, 2, 4, 1, 3)
    return total


def infinite_width(net: Layer, x: Array, other: Array | None = None, *, ntk: bool = True) -> Covariances:
    """The covariances of outputs as all widths of the net go to infinity, between x (n, in) and other (m, in), or x.

    nngp is the covariance of an output over random parameters, ntk the tangent kernel of one output, in float64;
    those of different outputs are uncorrelated. At a finite width they are off by 1 / sqrt(width).
    ntk=False leaves the tangent kernel out. ValueError for a layer without a limit, and for the tangent kernel of dense
    layers of another scaling than "ntk".
    Lee et al. 2018; Jacot, Gabriel & Hongler 2018.
    """
    require_layer("net", net)
    require_flag("ntk", ntk)
    home = Device.of(x)
    x = _inputs(net, home, "x", x)
    right = x if other is None else _inputs(net, home, "other", other)
    if right.shape[1] != x.shape[1]:
        raise ValueError(f"other: features must have shape (n, {x.shape[1]}), got {right.shape}.")
    width = x.shape[1]
    nngp = x @ right.T / width
    # The diagonal itself where there is one, so that an input and itself are at the angle 0 exactly.
    left, across = ((r * r).sum(axis=1) / width for r in (x, right))
    if other is None:
        left = across = nngp.diagonal()
    return net.infinite_width(Covariances(nngp, home.xp.zeros_like(nngp) if ntk else None, left, across, False))


def _inputs(net: Layer, home: Device, name: str, rows: Any) -> Array:
    """The features (n, in) of a net of any width, in float64."""
    rows = beside(home, f"{name}: features", rows).astype("float64")
    if rows.ndim != 2 or net.n_in not in (None, rows.shape[-1]) or 0 in rows.shape:
        raise ValueError(f"{name}: features must have shape (n, {net.n_in or 'in'}), got {rows.shape}.")
    if not bool(home.xp.isfinite(rows).all()):
        raise ValueError(f"{name}: features hold NaN or infinite values; remove or fill them first.")
    return rows


def flatten(params: Params, axes: int = 1) -> Array:
    """All trained numbers of each model in a row: (model, parameter). Population statistics are not among them.

    axes: how many axes stand before those of the parameters; the gradients of examples have 2, and become
    (model, n, parameter). ValueError for what is not a tree of arrays with so many axes.
    """
    require_tree("params", params)
    parts = leaves(params)
    if (
        not (is_whole(axes) and 1 <= axes <= min(part.ndim for part in parts))
        or len({part.shape[:axes] for part in parts}) > 1
    ):
        raise ValueError(f"axes must count the axes that all arrays of params share, got {shown(axes)}.")
    rows = [part.reshape(*part.shape[:axes], prod(part.shape[axes:])) for part in parts]
    return Device.of(parts[0]).xp.concatenate(rows, axis=-1)


def unflatten(params_like: Params, flat: Array) -> Params:
    """The inverse of `flatten`, in the shapes of params_like; population statistics are those of params_like.

    flat: (model, parameter), with the more axes between the two that `flatten` was called with; any number of models
    where there are no such statistics. The numbers are in the dtype of params_like. ValueError on another number of
    parameters.
    """
    require_tree("params_like", params_like)
    like = leaves(params_like)
    flat = stored("flat", flat).astype(like[0].dtype, copy=False)
    expected = sum(prod(leaf.shape[1:]) for leaf in like)
    if flat.ndim < 2 or flat.shape[-1] != expected:
        raise ValueError(f"flat must have shape (model, {expected}), got {flat.shape}.")
    start = 0

    def cut(leaf: Array) -> Array:
        nonlocal start
        stop = start + prod(leaf.shape[1:])
        part = flat[..., start:stop].reshape(*flat.shape[:-1], *leaf.shape[1:])
        start = stop
        return part

    return tree_map(cut, params_like)


def _jacobian(net: Layer, params: Params, x: Array, name: str = "x") -> Params:
    """The derivative of every output of every example, like params with two more axes: (model, out, n, ...)."""
    x = of_single_examples(net, params, x, name)
    xp = Device.of(x).xp
    wide, outputs, cache = wide_forward(net, params, x)
    model, _, n, out = outputs.shape
    units = xp.broadcast_to(xp.eye(out, dtype=outputs.dtype)[:, None, :], (model, out, n, out))
    return net.per_example(wide, cache, units)[0]


def wide_forward(net: Layer, params: Params, x: Array) -> tuple[Params, Array, Cache]:
    """Parameters, outputs (model, 1, n, out) and cache of a forward pass with an axis for tangents or cotangents."""
    wide = with_tangent_axis(params)
    return wide, *net.forward(wide, x[:, None] if x.ndim == 3 else x[None, None])
