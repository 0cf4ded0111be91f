"""Random nets with random parameters and data, in float64 and read-only, so that a write into an argument fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from simlab import nn
from simlab.nn.layers.dense import WeightNorm
from simlab.nn.layers.layer import Layer, rebuilt, tree_map
from simlab.nn.losses import softmax

# A large eps keeps the curvature of a batch of two within reach of finite differences; its size is tested apart.
NORMS: dict[str, Any] = {
    "none": None,
    "batch": partial(nn.batch_norm, eps=0.1),
    "bare batch": partial(nn.batch_norm, eps=0.1, affine=False),
    "layer": partial(nn.layer_norm, eps=0.1),
    "bare layer": partial(nn.layer_norm, eps=0.1, affine=False),
    "weight": "weight",
}
SMOOTH = ("tanh", "erf", "gelu", "softplus")
KINKED = ("relu", "leaky_relu")


def trained(*what: Any, **how: Any) -> Any:
    """`nn.train` with the settings of `nn.Options` among its other arguments."""
    names = {field.name for field in fields(nn.Options)}
    options = nn.Options(**{name: value for name, value in how.items() if name in names})
    return nn.train(*what, **{name: value for name, value in how.items() if name not in names}, options=options)


class Case(NamedTuple):
    """A net, a loss, and all that their derivatives take."""

    net: Any
    loss: Any
    params: Any
    x: np.ndarray
    y: np.ndarray
    draw: Callable[..., np.ndarray]

    def direction(self) -> Any:
        return frozen(nn.unflatten(self.params, self.draw(nn.flatten(self.params).shape)))

    def grad(self, flat: np.ndarray) -> np.ndarray:
        return nn.flatten(nn.value_and_grad(*self[:2], nn.unflatten(self.params, flat), self.x, self.y)[1])

    def value(self, flat: np.ndarray) -> np.ndarray:
        value: np.ndarray = nn.value_and_grad(*self[:2], nn.unflatten(self.params, flat), self.x, self.y)[0]
        return value


def frozen(params: Any) -> Any:
    """The same parameters, read-only."""

    def freeze(leaf: np.ndarray) -> np.ndarray:
        leaf = leaf.copy()
        leaf.flags.writeable = False
        return leaf

    return tree_map(freeze, params)


def unit_columns(params: Any) -> Any:
    """The same nets with directions of length 1 in weight normalisation, whose curvature is singular at length 0."""
    if isinstance(params, WeightNorm):
        return params._replace(V=params.V / np.linalg.norm(params.V, axis=-2, keepdims=True))
    return rebuilt(params, [unit_columns(part) for part in params]) if isinstance(params, tuple) else params


@st.composite
def cases(draw: Any, norms: tuple[str, ...] = tuple(NORMS), activations: tuple[str, ...] = SMOOTH + KINKED) -> Case:
    """Any depth from 1 to 4, any widths from 1 to 5, with and without a residual branch, x shared or not."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    activation = draw(st.sampled_from(activations))
    norm = draw(st.sampled_from(norms))
    scaling: Any = "standard" if norm == "weight" else draw(st.sampled_from(["standard", "ntk", "mup"]))
    net: Layer = nn.mlp(widths, activation, NORMS[norm], scaling)
    if draw(st.booleans()):
        branch = nn.mlp([widths[-1], 3, widths[-1]], activation, NORMS[norm], scaling)
        net = nn.serial(net, nn.residual(branch), nn.tanh)
    if draw(st.booleans()):
        net = nn.serial(net, nn.fixed(nn.dense(widths[-1], widths[-1])))
    # The first layer is where no tangent comes in, so every kind has to stand there.
    width = widths[0]
    before: Layer | None = draw(
        st.sampled_from(
            [
                None,
                nn.softplus,
                nn.layer_norm(width, eps=0.1),
                nn.residual(nn.dense(width, width)),
                nn.fixed(nn.dense(width, width)),
            ]
        )
    )
    net = net if before is None else nn.serial(before, net)
    models, n = draw(st.integers(1, 3)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    params = nn.init(net, models=models, seed=draw(st.integers(0, 99)), dtype="float64")
    # Away from the initial zeros of biases and ones of scales.
    flat = nn.flatten(params)
    params = unit_columns(nn.unflatten(params, flat + 0.3 * rng.standard_normal(flat.shape)))
    stack = (models,) if draw(st.booleans()) else ()
    x = rng.standard_normal((*stack, n, widths[0]))
    y: Any
    loss: Any = draw(st.sampled_from([nn.mse, nn.cross_entropy, nn.CrossEntropy(0.1), nn.logistic]))
    if loss == nn.logistic and widths[-1] > 1:
        loss = nn.cross_entropy
    if loss == nn.mse:
        y = rng.standard_normal((*stack, n, widths[-1]))
    elif loss != nn.logistic and draw(st.booleans()):
        y = softmax(rng.standard_normal((*stack, n, widths[-1])))
    else:
        y = rng.integers(0, 2 if loss == nn.logistic else widths[-1], (*stack, n))
    x.flags.writeable = y.flags.writeable = False
    return Case(net, loss, frozen(params), x, y, rng.standard_normal)


def kinks_stay(cache: Any, other: Any) -> bool:
    """Whether all pre-activations have one sign in both of two caches of a net of `KINKED` activations."""
    if isinstance(cache, tuple):
        return all(kinks_stay(a, b) for a, b in zip(cache, other, strict=True))
    return bool((np.sign(cache) == np.sign(other)).all())
