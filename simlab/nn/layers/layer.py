"""What a layer is, and how its parameters are traversed.

A layer is a frozen value without arrays; its parameters are a pytree of NamedTuples whose arrays have the model axis
first. By the gufunc rule only the last axes have a meaning: activations are (..., n, features), and every function of a
layer broadcasts what stands before them. So x may be (n, in), shared by all models, or (model, n, in), and several
tangents of one net are one call with an axis for them after the model axis.

The exact Hessian-vector product is Pearlmutter's R-operator (Pearlmutter 1994): push a tangent of the parameters
through the net, then take the tangent of the backward pass. `linearize` and `vjp_tangent` are these two halves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simlab.core.checks import shown
from simlab.core.device import Device, stored
from simlab.nn.layers.infinite_width import Covariances
from simlab.random import Key

Array = Any
Params = Any
Cache = Any
Trace = Any


COUPLED = "batch normalisation couples the examples; take another norm for derivatives of one example."


class NoParams(NamedTuple):
    """The parameters of a layer that has none."""


class Statistics(NamedTuple):
    """Population statistics of batch normalisation, (model, width) each: carried with the parameters, never trained."""

    mean: Array
    var: Array


class Fixed(NamedTuple):
    """Parameters of `fixed`: those of its layer, carried with the others and never trained."""

    layer: Params


class NoiseState(NamedTuple):
    """Which noise a layer adds, (model,) each: carried with the parameters, never trained."""

    low: Array  # the key of the layer, two words of 32 bits
    high: Array
    model: Array  # the model's own index, wherever it stands in a stack
    step: Array
    scale: Array  # of the standard deviation


class Layer(ABC):
    """Pure functions of (params, x); `n_in` and `n_out` are feature counts, None where any will do.

    `couples_examples` says that an output depends on the other examples of its batch, so that there is no gradient of
    one example. A layer without parameters inherits `init`; `predict` and `with_statistics` differ from the defaults
    only where prediction differs from training. A layer of a user's own trains with `init`, `forward` and `vjp`; the
    others are asked for by single-example gradients and by curvature, and are refused in a sentence where missing.
    """

    n_in: int | None
    n_out: int | None
    couples_examples: bool = False

    def init(self, key: Key, model: Array, dtype: Any) -> Params:
        """Parameters of the models with these indices, (model,); each depends on its own index and the key only."""
        return NoParams()

    @abstractmethod
    def forward(self, params: Params, x: Array) -> tuple[Array, Cache]:
        """(..., n, in) -> (..., n, out), and what the derivatives need of this pass."""

    @abstractmethod
    def vjp(self, params: Params, cache: Cache, dy: Array) -> tuple[Params, Array]:
        """Pull dy (..., n, out) back: (gradient like params, dx (..., n, in))."""

    def per_example(self, params: Params, cache: Cache, dy: Array) -> tuple[Params, Array]:
        """`vjp` with a gradient for every example: (like params with an axis n after the model axis, dx)."""
        raise self._lacks("per_example", "gradients of single examples")

    def linearize(self, params: Params, cache: Cache, dparams: Params, dx: Array | None) -> tuple[Array, Trace]:
        """Push a tangent (dparams, dx) forward: dy (..., n, out), and what `vjp_tangent` needs of it.

        dx is None where the input is constant, as it is in the first layer.
        """
        raise self._lacks("linearize", "curvature")

    def vjp_tangent(
        self, params: Params, cache: Cache, dparams: Params, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[Params, Array, Array]:
        """The derivative of `vjp` along the tangent of `linearize`, dy having the tangent dy_dot.

        Returns (tangent of the gradient like params, dx, tangent of dx); dx is that of `vjp`, for the layer below.
        """
        raise self._lacks("vjp_tangent", "the Hessian")

    def _lacks(self, method: str, purpose: str) -> ValueError:
        """The error for a method that a user's own layer lacks."""
        return ValueError(f"{type(self).__name__} has no method {method}, which {purpose} needs; write it as in Layer.")

    def infinite_width(self, before: Covariances) -> Covariances:
        """The covariances after this layer from those before it, as all widths go to infinity.

        ValueError where there is no such limit, or none is known here.
        """
        raise ValueError(
            f"{type(self).__name__} has no infinite-width limit here; build the net of dense layers, activations, "
            "residual branches and layer_norm without affine part."
        )

    def gradient(self, params: Params, cache: Cache, dy: Array) -> Params:
        """The gradient of `vjp` alone, for a first layer: the dx of the data is not needed."""
        return self.vjp(params, cache, dy)[0]

    def gradient_tangent(
        self, params: Params, cache: Cache, dparams: Params, trace: Trace, dy: Array, dy_dot: Array
    ) -> Params:
        """The tangent of the gradient of `vjp_tangent` alone, for a first layer."""
        return self.vjp_tangent(params, cache, dparams, trace, dy, dy_dot)[0]

    def jvp(self, params: Params, cache: Cache, dparams: Params, dx: Array | None) -> Array:
        """The derivative of the output along (dparams, dx): (..., n, out)."""
        return self.linearize(params, cache, dparams, dx)[0]

    def predict(self, params: Params, x: Array) -> Array:
        """The output at prediction: `forward`, with population statistics where a layer has them."""
        return self.forward(params, x)[0]

    def with_statistics(self, params: Params, x: Array) -> Params:
        """The same parameters with the population statistics of x, the input of this layer."""
        return params


def is_state(params: Params) -> bool:
    """Whether these arrays are carried with the parameters and never trained."""
    return isinstance(params, (Statistics, NoiseState, Fixed))


def leaves(params: Params) -> list[Array]:
    """The trained arrays, in order; None and untrained state are passed over."""
    if params is None or is_state(params):
        return []
    if isinstance(params, tuple):
        return [leaf for part in params for leaf in leaves(part)]
    return [params]


def every_array(params: Params) -> list[Array]:
    """All arrays in order, untrained ones too."""
    if isinstance(params, tuple):
        return [array for part in params for array in every_array(part)]
    return [] if params is None else [params]


def tree_map(function: Callable[..., Array], first: Params, *rest: Params) -> Params:
    """function(leaf of first, leaf of each rest) for every trained array; untrained state is that of `first`."""
    if first is None or is_state(first):
        return first
    if isinstance(first, tuple):
        for part in rest:
            if not isinstance(part, tuple) or len(part) != len(first):
                raise ValueError(f"rest must be trees like first, a {type(first).__name__} of {len(first)}.")
        return rebuilt(first, [tree_map(function, *parts) for parts in zip(first, *rest, strict=True)])
    return function(first, *rest)


def select(params: Params, models: slice | Array) -> Params:
    """The models at these places of the stack, a slice or an array of indices, with their population statistics.

    models may also be booleans (model,), or one index, which takes the model axis away. ValueError for places that
    are none or that the stack does not have.
    """
    if not isinstance(models, slice):
        models = _places(params, models)
    return _selected(params, models)


def _selected(params: Params, models: slice | Array) -> Params:
    if isinstance(params, tuple):
        return rebuilt(params, [_selected(part, models) for part in params])
    return None if params is None else params[models]


def _places(params: Params, models: Any) -> Any:
    """Indices of models that the stack has."""
    arrays = every_array(params)
    if not arrays or not getattr(arrays[0], "ndim", 0):
        raise ValueError(f"params must be parameters as init(net, ...) makes them, got {shown(params)}.")
    stack = len(arrays[0])
    found = stored("models", models)
    if found.dtype.kind == "f" and found.size == 0:
        found = found.astype(np.int64)
    one_each = found.dtype.kind == "b" and found.shape == (stack,)
    if not (
        one_each or (found.dtype.kind in "iu" and found.ndim < 2 and bool(((found >= -stack) & (found < stack)).all()))
    ):
        raise ValueError(f"models must be places in a stack of {stack} models, got {shown(models)}.")
    return Device.of(arrays[0]).asarray(found) if found.ndim else int(found)


def with_tangent_axis(params: Params) -> Params:
    """The same parameters, fixed ones too, with an axis of length 1 after that of the models."""
    if isinstance(params, NoiseState):  # all tangents of a model share its noise
        return params
    if isinstance(params, tuple):
        return rebuilt(params, [with_tangent_axis(part) for part in params])
    return None if params is None else params[:, None]


def zeros_if_none(dx: Array | None, x: Array) -> Array:
    """A tangent of x as an array: zero where it is None."""
    return Device.of(x).xp.zeros_like(x) if dx is None else dx


def rebuilt(like: tuple[Any, ...], parts: list[Any]) -> Any:
    """A tuple, or NamedTuple of the same kind as `like`, of these parts."""
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def added(one: Array | None, row: Array | None) -> Array:
    """A (..., n, out) plus a row (..., out) for all examples; a None row adds nothing."""
    return one if row is None else one + row[..., None, :]


def require_layer(name: str, layer: Any) -> None:
    """ValueError unless this is a layer."""
    if not isinstance(layer, Layer):
        raise ValueError(f"{name} must be a layer, such as dense(2, 3) or mlp([2, 16, 3]), got {shown(layer)}.")
    if not (hasattr(layer, "n_in") and hasattr(layer, "n_out")):
        raise ValueError(f"{name}: {type(layer).__name__} must have n_in and n_out, None where any number will do.")


def require_tree(name: str, params: Any) -> None:
    """ValueError for what is not a tree of arrays."""
    found = leaves(params) if isinstance(params, tuple) else []
    if not found or not all(hasattr(leaf, "reshape") for leaf in found):
        raise ValueError(f"{name} must be parameters as init(net, ...) makes them, got {shown(params)}.")
