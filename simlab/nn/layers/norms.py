"""Batch and layer normalisation: one standardisation, over the examples or over the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from simlab.core.checks import number, require_flag, require_width
from simlab.core.device import Device
from simlab.nn.layers.infinite_width import Covariances
from simlab.nn.layers.layer import COUPLED, Array, Layer, Statistics, zeros_if_none
from simlab.random import Key


class BatchNorm(NamedTuple):
    """Parameters of `batch_norm`; scale and shift are None without affine part."""

    scale: Array | None  # (model, width)
    shift: Array | None  # (model, width)
    statistics: Statistics


class LayerNorm(NamedTuple):
    """Parameters of `layer_norm`; scale and shift are None without affine part."""

    scale: Array | None  # (model, width)
    shift: Array | None  # (model, width)


Norm = Any  # BatchNorm or LayerNorm
Cache = tuple[Array, Array]
"""The standardised input h and the factor 1 / sqrt(var + eps)."""
Trace = tuple[Array, Array]
"""The tangents of both."""


@dataclass(frozen=True)
class NormLayer(Layer):
    """y = scale h + shift with h = (x - mean) / sqrt(var + eps), both moments over one axis, var divided by its length.

    The derivative of h is dx -> P dx / sqrt(var + eps) with P d = d - mean(d) - h mean(h d), for any eps. P is
    symmetric, so the same function pushes tangents forward and pulls cotangents back.
    """

    n_in: int
    n_out: int
    affine: bool
    eps: float
    axis = -1

    def forward(self, params: Norm, x: Array) -> tuple[Array, Cache]:
        centred = x - x.mean(axis=self.axis, keepdims=True)
        inv = ((centred * centred).mean(axis=self.axis, keepdims=True) + self.eps) ** -0.5
        h = centred * inv
        return self._affine(params, h), (h, inv)

    def vjp(self, params: Norm, cache: Cache, dy: Array) -> tuple[Norm, Array]:
        h, inv = cache
        return self._gradient(params, h * dy, dy), inv * self._project(h, self._scaled(params, dy))

    def linearize(self, params: Norm, cache: Cache, dparams: Norm, dx: Array | None) -> tuple[Array, Trace]:
        h, inv = cache
        dx = zeros_if_none(dx, h)
        h_dot = inv * self._project(h, dx)
        inv_dot = -(inv**2) * (h * dx).mean(axis=self.axis, keepdims=True)
        dy = self._scaled(params, h_dot)
        return (dy + self._affine(dparams, h) if self.affine else dy), (h_dot, inv_dot)

    def vjp_tangent(
        self, params: Norm, cache: Cache, dparams: Norm, trace: Trace, dy: Array, dy_dot: Array
    ) -> tuple[Norm, Array, Array]:
        (h, inv), (h_dot, inv_dot) = cache, trace
        dh, dh_dot = self._scaled(params, dy), self._scaled(params, dy_dot)
        if self.affine:
            dh_dot = dh_dot + self._scaled(dparams, dy)
        across = self._project(h, dh)
        turned = h_dot * (h * dh).mean(axis=self.axis, keepdims=True)
        turned = turned + h * (h_dot * dh).mean(axis=self.axis, keepdims=True)
        dx_dot = inv_dot * across + inv * (self._project(h, dh_dot) - turned)
        return self._gradient(params, h_dot * dy + h * dy_dot, dy_dot), inv * across, dx_dot

    def _project(self, h: Array, d: Array) -> Array:
        return d - d.mean(axis=self.axis, keepdims=True) - h * (h * d).mean(axis=self.axis, keepdims=True)

    def _scaled(self, params: Norm, d: Array) -> Array:
        return d * params.scale[..., None, :] if self.affine else d

    def _affine(self, params: Norm, h: Array) -> Array:
        return self._scaled(params, h) + params.shift[..., None, :] if self.affine else h

    def _gradient(self, params: Norm, scale: Array, shift: Array) -> Norm:
        """The gradient like params from its contributions (..., n, width)."""
        if not self.affine:
            return params._replace()
        return params._replace(scale=scale.sum(axis=-2), shift=shift.sum(axis=-2))

    def _identity(self, model: Array, dtype: Any) -> tuple[Array | None, Array | None]:
        """Scale one and shift zero, or None for both."""
        xp = Device.of(model).xp
        shape = (len(model), self.n_in)
        return (xp.ones(shape, dtype), xp.zeros(shape, dtype)) if self.affine else (None, None)


class LayerNormLayer(NormLayer):
    """The moments of one example over its features."""

    axis = -1

    def init(self, key: Key, model: Array, dtype: Any) -> LayerNorm:
        return LayerNorm(*self._identity(model, dtype))

    def infinite_width(self, before: Covariances) -> Covariances:
        if not before.gaussian:
            # The mean over features, which is taken away, is 0 after a dense layer only.
            raise ValueError("layer_norm has an infinite-width limit after a dense layer only; put one before it.")
        if self.affine and before.ntk is not None:
            raise ValueError("layer_norm has a tangent kernel without affine part only; use affine=False.")
        left, right = before.left + self.eps, before.right + self.eps
        size = (left[:, None] * right) ** 0.5
        ntk = None if before.ntk is None else before.ntk / size
        return Covariances(before.nngp / size, ntk, before.left / left, before.right / right, True)

    def per_example(self, params: LayerNorm, cache: Cache, dy: Array) -> tuple[LayerNorm, Array]:
        dx = self.vjp(params, cache, dy)[1]
        return (LayerNorm(cache[0] * dy, dy) if self.affine else params), dx


class BatchNormLayer(NormLayer):
    """The moments of one feature over the examples of the batch; those of the population at prediction."""

    axis = -2
    couples_examples = True

    def init(self, key: Key, model: Array, dtype: Any) -> BatchNorm:
        xp = Device.of(model).xp
        shape = (len(model), self.n_in)
        return BatchNorm(*self._identity(model, dtype), Statistics(xp.zeros(shape, dtype), xp.ones(shape, dtype)))

    def forward(self, params: BatchNorm, x: Array) -> tuple[Array, Cache]:
        if x.shape[-2] < 2:
            raise ValueError("batch normalisation needs at least 2 examples in a batch, got 1; take a larger batch.")
        return super().forward(params, x)

    def per_example(self, params: BatchNorm, cache: Cache, dy: Array) -> tuple[BatchNorm, Array]:
        raise ValueError(COUPLED)

    def predict(self, params: BatchNorm, x: Array) -> Array:
        mean, var = (a[..., None, :] for a in params.statistics)
        return self._affine(params, (x - mean) * (var + self.eps) ** -0.5)

    def with_statistics(self, params: BatchNorm, x: Array) -> BatchNorm:
        xp, shape = Device.of(x).xp, params.statistics.mean.shape
        moments = (xp.broadcast_to(moment, shape).copy() for moment in (x.mean(axis=-2), x.var(axis=-2)))
        return params._replace(statistics=Statistics(*moments))

    def _gradient(self, params: BatchNorm, scale: Array, shift: Array) -> BatchNorm:
        # Statistics are no parameters: a gradient holds zeros there, so that a plain update leaves them alone.
        zeros = Statistics(*map(Device.of(shift).xp.zeros_like, params.statistics))
        gradient: BatchNorm = super()._gradient(params, scale, shift)._replace(statistics=zeros)
        return gradient


def batch_norm(width: int, *, affine: bool = True, eps: float = 1e-5) -> BatchNormLayer:
    """Batch normalisation of (n, width) -> (n, width); Ioffe & Szegedy 2015, algorithm 1.

    The variance is divided by n, in training and in the population statistics (PyTorch divides the latter by n - 1).
    eps is exact: with eps=0 the net is scale invariant to rounding, and a constant feature gives NaN. `predict` uses
    the population statistics that `population` puts in, mean 0 and variance 1 before. ValueError on a width below 1, a
    negative eps, or a batch of one.
    """
    return BatchNormLayer(*_checked(width, affine, eps))


def layer_norm(width: int, *, affine: bool = True, eps: float = 1e-5) -> LayerNormLayer:
    """Layer normalisation of (n, width) -> (n, width); Ba, Kiros & Hinton 2016, equation 3, with eps under the root.

    ValueError on a width below 1 or a negative eps.
    """
    return LayerNormLayer(*_checked(width, affine, eps))


def _checked(width: int, affine: bool, eps: float) -> tuple[int, int, bool, float]:
    """n_in, n_out and the rest of a normalisation's fields."""
    width = require_width(width)
    require_flag("affine", affine)
    return width, width, affine, number("eps", eps, at_least=0, allowed="at least 0 and finite")
