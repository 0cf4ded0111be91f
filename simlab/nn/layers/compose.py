"""Nets from layers: in series, around a residual, and the usual multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from simlab.core.checks import is_whole, require_width, shown
from simlab.nn.layers.activations import ACTIVATIONS, Activation
from simlab.nn.layers.dense import Role, dense, weight_norm
from simlab.nn.layers.infinite_width import Covariances
from simlab.nn.layers.layer import Array, Cache, Layer, Params, Trace, require_layer
from simlab.nn.layers.norms import batch_norm, layer_norm
from simlab.random import Key, key


@dataclass(frozen=True)
class Serial(Layer):
    """Layers one after the other; params, cache and trace are tuples with an entry for each."""

    layers: tuple[Layer, ...]
    n_in: int | None
    n_out: int | None
    couples_examples: bool

    def init(self, key: Key, model: Array, dtype: Any) -> tuple[Params, ...]:
        return tuple(layer.init(_subkey(key, i), model, dtype) for i, layer in enumerate(self.layers))

    def forward(self, params: Params, x: Array) -> tuple[Array, tuple[Cache, ...]]:
        caches = []
        for layer, p in zip(self.layers, params, strict=True):
            x, cache = layer.forward(p, x)
            caches.append(cache)
        return x, tuple(caches)

    def vjp(self, params: Params, cache: Cache, dy: Array) -> tuple[Params, Array]:
        above, dy = self._vjp_above_first(params, cache, dy)
        first, dx = self.layers[0].vjp(params[0], cache[0], dy)
        return (first, *above), dx

    def per_example(self, params: Params, cache: Cache, dy: Array) -> tuple[tuple[Params, ...], Array]:
        gradients = []
        for layer, p, c in list(zip(self.layers, params, cache, strict=True))[::-1]:
            gradient, dy = layer.per_example(p, c, dy)
            gradients.append(gradient)
        return tuple(gradients[::-1]), dy

    def gradient(self, params: Params, cache: Cache, dy: Array) -> Params:
        above, dy = self._vjp_above_first(params, cache, dy)
        return (self.layers[0].gradient(params[0], cache[0], dy), *above)

    def _vjp_above_first(self, params: Params, cache: Cache, dy: Array) -> tuple[list[Params], Array]:
        gradients = []
        for layer, p, c in list(zip(self.layers, params, cache, strict=True))[:0:-1]:
            gradient, dy = layer.vjp(p, c, dy)
            gradients.append(gradient)
        return gradients[::-1], dy

    def linearize(
        self, params: Params, cache: Cache, dparams: Params, dx: Array | None
    ) -> tuple[Array, tuple[Trace, ...]]:
        traces = []
        for layer, p, c, dp in zip(self.layers, params, cache, dparams, strict=True):
            dx, trace = layer.linearize(p, c, dp, dx)
            traces.append(trace)
        return dx, tuple(traces)

    def vjp_tangent(
        self, params: Params, cache: Cache, dparams: Params, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[Params, Array, Array]:
        above, *moved = self._vjp_tangent_above_first(params, cache, dparams, trace, dy, dy_dot)
        first, dx, dx_dot = self.layers[0].vjp_tangent(params[0], cache[0], dparams[0], trace[0], *moved)
        return (first, *above), dx, dx_dot

    def gradient_tangent(
        self, params: Params, cache: Cache, dparams: Params, trace: Trace, dy: Array, dy_dot: Array
    ) -> Params:
        above, *moved = self._vjp_tangent_above_first(params, cache, dparams, trace, dy, dy_dot)
        return (self.layers[0].gradient_tangent(params[0], cache[0], dparams[0], trace[0], *moved), *above)

    def _vjp_tangent_above_first(
        self, params: Params, cache: Cache, dparams: Params, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[list[Params], Array, Array]:
        rates = []
        for layer, p, c, dp, t in list(zip(self.layers, params, cache, dparams, trace, strict=True))[:0:-1]:
            rate, dy, dy_dot = layer.vjp_tangent(p, c, dp, t, dy, dy_dot)
            rates.append(rate)
        return rates[::-1], dy, dy_dot

    def infinite_width(self, before: Covariances) -> Covariances:
        for layer in self.layers:
            before = layer.infinite_width(before)
        return before

    def predict(self, params: Params, x: Array) -> Array:
        for layer, p in zip(self.layers, params, strict=True):
            x = layer.predict(p, x)
        return x

    def with_statistics(self, params: Params, x: Array) -> tuple[Params, ...]:
        found = []
        for layer, p in zip(self.layers, params, strict=True):
            found.append(layer.with_statistics(p, x))
            x = layer.predict(found[-1], x)
        return tuple(found)


class Residual(NamedTuple):
    """Parameters of `residual`: those of the branch."""

    branch: Params


@dataclass(frozen=True)
class ResidualLayer(Layer):
    """y = x + branch(x)."""

    branch: Layer
    n_in: int | None
    n_out: int | None
    couples_examples: bool

    def init(self, key: Key, model: Array, dtype: Any) -> Residual:
        return Residual(self.branch.init(key, model, dtype))

    def forward(self, params: Residual, x: Array) -> tuple[Array, Cache]:
        y, cache = self.branch.forward(params.branch, x)
        return x + y, cache

    def vjp(self, params: Residual, cache: Cache, dy: Array) -> tuple[Residual, Array]:
        gradient, dx = self.branch.vjp(params.branch, cache, dy)
        return Residual(gradient), dy + dx

    def per_example(self, params: Residual, cache: Cache, dy: Array) -> tuple[Residual, Array]:
        gradient, dx = self.branch.per_example(params.branch, cache, dy)
        return Residual(gradient), dy + dx

    def linearize(self, params: Residual, cache: Cache, dparams: Residual, dx: Array | None) -> tuple[Array, Trace]:
        dy, trace = self.branch.linearize(params.branch, cache, dparams.branch, dx)
        return (dy if dx is None else dx + dy), trace

    def vjp_tangent(
        self, params: Residual, cache: Cache, dparams: Residual, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[Residual, Array, Array]:
        rate, dx, dx_dot = self.branch.vjp_tangent(params.branch, cache, dparams.branch, trace, dy, dy_dot)
        return Residual(rate), dy + dx, dy_dot + dx_dot

    def infinite_width(self, before: Covariances) -> Covariances:
        branch = self.branch.infinite_width(before)
        if not branch.gaussian:
            # Only fresh weights make the branch independent of what it is added to.
            raise ValueError("a residual branch has such a limit where it ends in a dense layer; put one last.")
        ntk = None if before.ntk is None or branch.ntk is None else before.ntk + branch.ntk
        left, right = before.left + branch.left, before.right + branch.right
        return Covariances(before.nngp + branch.nngp, ntk, left, right, before.gaussian)

    def predict(self, params: Residual, x: Array) -> Array:
        return x + self.branch.predict(params.branch, x)

    def with_statistics(self, params: Residual, x: Array) -> Residual:
        return Residual(self.branch.with_statistics(params.branch, x))


def serial(*layers: Layer) -> Serial:
    """The layers one after the other.

    ValueError where there is none, one is no layer, or the feature counts of two do not meet.
    """
    if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
        raise ValueError("layers must be given one by one, serial(*layers), got all of them in one list.")
    if not layers:
        raise ValueError("layers must be given: serial needs at least one layer.")
    first = width = None
    for i, layer in enumerate(layers):
        require_layer(f"layers[{i}]", layer)
        if width is not None and layer.n_in not in (None, width):
            raise ValueError(f"layers: layer {i} takes {layer.n_in} features and gets {width}; make the widths meet.")
        # Element-wise layers take any width, so the first layer with one decides.
        first = layer.n_in if first is None else first
        width = width if layer.n_out is None else layer.n_out
    return Serial(layers, first, width, any(layer.couples_examples for layer in layers))


def residual(*layers: Layer) -> ResidualLayer:
    """The sum x + serial(*layers)(x) (He et al. 2016). ValueError where the branch changes the number of features."""
    branch = serial(*layers)
    if branch.n_in != branch.n_out:
        raise ValueError(f"layers: a residual branch must keep its {branch.n_in} features, it makes {branch.n_out}.")
    return ResidualLayer(branch, branch.n_in, branch.n_out, branch.couples_examples)


def mlp(
    widths: int | Sequence[int],
    *more: Any,
    activation: Any = "relu",
    norm: Any = None,
    scaling: Any = "standard",
) -> Serial:
    """Dense layers of widths (in, hidden, ..., out), with a normalisation and an activation after all but the last.

    widths: one list, or one by one, mlp([64, 16, 10]) or mlp(64, 16, 10). After a list, `more` may hold activation,
    norm and scaling in this order. activation: "relu", "leaky_relu", "tanh", "erf", "gelu", "softplus" or a layer of
    `activations`; it also sets the gain of the weights before it (He et al. 2015). norm: None, "batch", "layer",
    "weight", or a function of the width that makes the layer, such as partial(batch_norm, affine=False, eps=0.0). A
    dense layer before "batch" or such a function has no bias, which the mean of the normalisation would take away or
    its shift replace. scaling as in `dense`.
    ValueError on an unknown name, fewer than two widths, a width below 1, or a scaled net with "weight", which sets the
    size of its weights by itself.
    """
    named = (activation, norm, scaling)
    if is_whole(widths):
        sizes = _sizes((widths, *more))
    elif len(more) <= len(named):
        sizes, (activation, norm, scaling) = _sizes(widths), (*more, *named[len(more) :])
    else:
        raise ValueError(f"widths must be one list, mlp([64, 16, 10]), or numbers alone, got {shown(widths)} and more.")
    act = _activation(activation)
    if not (norm is None or callable(norm) or (isinstance(norm, str) and norm in ("batch", "layer", "weight"))):
        known = 'None, "batch", "layer", "weight" or a function of the width'
        raise ValueError(f"norm must be {known}, got {shown(norm)}.")
    if norm == "weight" and scaling != "standard":
        raise ValueError(f'norm="weight" fixes the size of the weights; use scaling="standard", not {scaling!r}.')
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes[:-1])):
        if norm == "weight":
            layers.append(weight_norm(n_in, n_out, gain=act.gain))
        else:
            role: Role = "hidden" if i else "input"
            bias = norm is None or norm == "layer"
            layers.append(dense(n_in, n_out, scaling=scaling, role=role, gain=act.gain, bias=bias))
        if callable(norm):
            layers.append(norm(n_out))
        elif norm in ("batch", "layer"):
            layers.append(batch_norm(n_out) if norm == "batch" else layer_norm(n_out))
        layers.append(act)
    last = weight_norm(*sizes[-2:]) if norm == "weight" else dense(*sizes[-2:], scaling=scaling, role="output")
    return serial(*layers, last)


def _sizes(widths: Any) -> list[int]:
    """The widths of a net, from the inputs to the outputs."""
    if isinstance(widths, str) or not isinstance(widths, Iterable) or getattr(widths, "ndim", 1) == 0:
        raise ValueError(f"widths must be whole numbers such as [64, 16, 10], got {shown(widths)}.")
    sizes = [require_width(width, f"widths[{i}]") for i, width in enumerate(widths)]
    if len(sizes) < 2:
        raise ValueError(f"widths must name at least the inputs and the outputs, got {sizes}.")
    return sizes


def _activation(given: Any) -> Activation:
    """An activation by its name, or as it is."""
    if isinstance(given, str) and given in ACTIVATIONS:
        return ACTIVATIONS[given]
    if isinstance(given, Activation):
        return given
    name = getattr(given, "__name__", None)  # of np.tanh, say, whose slope we would not know
    own = ", or an Activation with its slope and second_derivative"
    mend = f'; give its name, "{name}"' if name in ACTIVATIONS else own
    raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {shown(given)}{mend}.")


def _subkey(parent: Key, index: int) -> Key:
    """The key of a part: layers have independent parameters, however the net is nested."""
    return key(parent.low | parent.high << 32, index)
