"""A layer that stays as it was drawn: the fixed last layer of a scale-invariant net, random features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simlab.core.device import Device
from simlab.nn.layers.layer import Array, Cache, Fixed, Layer, Trace, rebuilt, require_layer
from simlab.random import Key


@dataclass(frozen=True)
class FixedLayer(Layer):
    """The functions of a layer whose parameters are constant."""

    layer: Layer
    n_in: int | None
    n_out: int | None
    couples_examples: bool

    def init(self, key: Key, model: Array, dtype: Any) -> Fixed:
        return Fixed(self.layer.init(key, model, dtype))

    def forward(self, params: Fixed, x: Array) -> tuple[Array, Cache]:
        return self.layer.forward(params.layer, x)

    def vjp(self, params: Fixed, cache: Cache, dy: Array) -> tuple[Fixed, Array]:
        return _zeros(params), self.layer.vjp(params.layer, cache, dy)[1]

    def gradient(self, params: Fixed, cache: Cache, dy: Array) -> Fixed:
        return _zeros(params)

    def per_example(self, params: Fixed, cache: Cache, dy: Array) -> tuple[Fixed, Array]:
        return self.vjp(params, cache, dy)

    def linearize(self, params: Fixed, cache: Cache, dparams: Fixed, dx: Array | None) -> tuple[Array, Trace]:
        return self.layer.linearize(params.layer, cache, _zeros(params).layer, dx)

    def vjp_tangent(
        self, params: Fixed, cache: Cache, dparams: Fixed, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[Fixed, Array, Array]:
        zeros = _zeros(params)
        return zeros, *self.layer.vjp_tangent(params.layer, cache, zeros.layer, trace, dy, dy_dot)[1:]

    def predict(self, params: Fixed, x: Array) -> Array:
        return self.layer.predict(params.layer, x)

    def with_statistics(self, params: Fixed, x: Array) -> Fixed:
        return Fixed(self.layer.with_statistics(params.layer, x))


def fixed(layer: Layer) -> FixedLayer:
    """The layer with parameters that no gradient, norm or optimiser sees; `init` draws them as usual."""
    require_layer("layer", layer)
    return FixedLayer(layer, layer.n_in, layer.n_out, layer.couples_examples)


def _zeros(params: Any) -> Any:
    """A gradient, or a tangent, of constant parameters: zeros that take no memory."""
    if isinstance(params, tuple):
        return rebuilt(params, [_zeros(part) for part in params])
    xp = Device.of(params).xp if params is not None else None
    return None if xp is None else xp.broadcast_to(xp.zeros((), params.dtype), params.shape)
