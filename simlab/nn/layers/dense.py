"""The dense layer in its three scalings, and the dense layer with normalised weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from simlab.core.checks import number, one_of, require_flag, require_width
from simlab.core.device import Device
from simlab.nn.layers.infinite_width import Covariances
from simlab.nn.layers.layer import Array, Layer, added, zeros_if_none
from simlab.random import Key, normals

Scaling = Literal["standard", "ntk", "mup"]
Role = Literal["input", "hidden", "output"]


class Dense(NamedTuple):
    """Parameters of `dense`; b is None without a bias."""

    W: Array  # (model, in, out)
    b: Array | None  # (model, out)


class WeightNorm(NamedTuple):
    """Parameters of `weight_norm`: each column of V gives a direction, g its length; b is None without a bias."""

    V: Array  # (model, in, out)
    g: Array  # (model, out)
    b: Array | None  # (model, out)


def gaussian(key: Key, model: Array, shape: tuple[int, int], std: float, dtype: Any) -> Array:
    """(model, *shape) of independent normals: walker = index of the model, step = place of the entry."""
    xp = Device.of(model).xp
    z = normals(key, model[:, None], xp.arange(math.prod(shape), dtype=xp.int64)[None, :])
    return (std * z).astype(dtype).reshape(len(model), *shape)


def flipped(a: Array) -> Array:
    """The last two axes exchanged."""
    return a.swapaxes(-1, -2)


def transposed_product(x: Array, dy: Array) -> Array:
    """x^T dy, the gradient w.r.t. the weights: (..., n, in), (..., n, out) -> (..., in, out)."""
    # For one example at a time BLAS is three times slower than what remains, an outer product.
    return flipped(x) * dy if x.shape[-2] == 1 else flipped(x) @ dy


def outer_products(x: Array, dy: Array) -> Array:
    """x_i dy_j of every example: (..., n, in), (..., n, out) -> (..., n, in, out)."""
    if Device.of(dy).name == "gpu":
        return x[..., :, None] * dy[..., None, :]
    from simlab.nn.layers import outer  # numba, which few callers need

    return outer.outer_products(x, dy)


@dataclass(frozen=True)
class DenseLayer(Layer):
    """y = scale x W + bias_scale b, with W ~ N(0, std^2) and b = 0 at the start."""

    n_in: int
    n_out: int
    std: float
    scale: float
    bias_scale: float
    bias: bool
    scaling: Scaling

    def init(self, key: Key, model: Array, dtype: Any) -> Dense:
        W = gaussian(key, model, (self.n_in, self.n_out), self.std, dtype)
        return Dense(W, Device.of(model).xp.zeros((len(model), self.n_out), dtype) if self.bias else None)

    def forward(self, params: Dense, x: Array) -> tuple[Array, Array]:
        return self._affine(x @ params.W, params.b), x

    def vjp(self, params: Dense, cache: Array, dy: Array) -> tuple[Dense, Array]:
        return self.gradient(params, cache, dy), self._scaled(dy @ flipped(params.W))

    def per_example(self, params: Dense, cache: Array, dy: Array) -> tuple[Dense, Array]:
        scaled = self._scaled(dy)
        gradient = Dense(outer_products(cache, scaled), self.bias_scale * dy if self.bias else None)
        return gradient, scaled @ flipped(params.W)

    def gradient(self, params: Dense, cache: Array, dy: Array) -> Dense:
        return self._gradient(transposed_product(cache, dy), dy)

    def linearize(self, params: Dense, cache: Array, dparams: Dense, dx: Array | None) -> tuple[Array, Array | None]:
        product = cache @ dparams.W
        return self._affine(product if dx is None else product + dx @ params.W, dparams.b), dx

    def vjp_tangent(
        self, params: Dense, cache: Array, dparams: Dense, trace: Array | None, dy: Array, dy_dot: Array
    ) -> tuple[Dense, Array, Array]:
        W_t = flipped(params.W)
        rate = self.gradient_tangent(params, cache, dparams, trace, dy, dy_dot)
        return rate, self._scaled(dy @ W_t), self._scaled(dy_dot @ W_t + dy @ flipped(dparams.W))

    def infinite_width(self, before: Covariances) -> Covariances:
        if self.scaling == "mup":
            raise ValueError('the scaling "mup" learns features, so no fixed kernel describes it; use scaling="ntk".')
        if self.scaling == "standard" and before.ntk is not None:
            raise ValueError(
                'the tangent kernel of the scaling "standard" grows with the width; use scaling="ntk", or ntk=False '
                "for the covariance alone."
            )
        gain = (self.std * self.scale) ** 2 * self.n_in
        nngp = gain * before.nngp
        ntk = None if before.ntk is None else nngp + gain * before.ntk + (1.0 if self.bias else 0.0)
        return Covariances(nngp, ntk, gain * before.left, gain * before.right, True)

    def gradient_tangent(
        self, params: Dense, cache: Array, dparams: Dense, trace: Array | None, dy: Array, dy_dot: Array
    ) -> Dense:
        product = transposed_product(cache, dy_dot)
        return self._gradient(product if trace is None else product + transposed_product(trace, dy), dy_dot)

    def _scaled(self, a: Array) -> Array:
        """Times the scale; the standard scaling needs no such pass over memory."""
        return a if self.scale == 1 else self.scale * a

    def _affine(self, product: Array, b: Array | None) -> Array:
        return added(self._scaled(product), b if b is None or self.bias_scale == 1 else self.bias_scale * b)

    def _gradient(self, product: Array, dy: Array) -> Dense:
        return Dense(self._scaled(product), self.bias_scale * dy.sum(axis=-2) if self.bias else None)


def dense(
    n_in: int,
    n_out: int,
    *,
    scaling: Scaling = "standard",
    role: Role = "hidden",
    gain: float = 1.0,
    bias: bool = True,
) -> DenseLayer:
    """A dense layer (n, in) -> (n, out) whose outputs have the variance gain |x|^2 / in at the start.

    scaling: "standard" has y = x W + b, W ~ N(0, gain / in); "ntk" has y = sqrt(gain / in) x W + b, W ~ N(0, 1)
    (Jacot, Gabriel & Hongler 2018); "mup" is the maximal update parametrisation at a learning rate free of the width
    (Yang & Hu 2021, table 1): with weights of variance 1 / width, the first layer is multiplied by sqrt(width), the
    last divided by it, and biases count as a first layer. Only "mup" reads the role: its last layer starts smaller than
    the rule above by a factor sqrt(width), which is the point of it.
    ValueError on an unknown scaling or role, a width below 1, or a gain that is not positive.
    """
    n_in, n_out = require_width(n_in, "n_in"), require_width(n_out, "n_out")
    gain = number("gain", gain, above=0, allowed="positive and finite")
    require_flag("bias", bias)
    one_of("role", role, ("input", "hidden", "output"))
    one_of("scaling", scaling, ("standard", "ntk", "mup"))
    std, scale, bias_scale = math.sqrt(gain / n_in), 1.0, 1.0
    if scaling == "ntk":
        std, scale = 1.0, std
    elif scaling == "mup":
        bias_scale = 1.0 if role == "output" else math.sqrt(n_out)
        if role == "input":
            std, scale = std / math.sqrt(n_out), math.sqrt(n_out)
        elif role == "output":
            scale = 1 / math.sqrt(n_in)
    return DenseLayer(n_in, n_out, std, scale, bias_scale, bias, scaling)


@dataclass(frozen=True)
class WeightNormLayer(Layer):
    """y = x W + b with the columns W = g V / |V|, V ~ N(0, gain / in) and g = |V| at the start."""

    n_in: int
    n_out: int
    gain: float
    bias: bool

    def init(self, key: Key, model: Array, dtype: Any) -> WeightNorm:
        xp = Device.of(model).xp
        V = gaussian(key, model, (self.n_in, self.n_out), math.sqrt(self.gain / self.n_in), dtype)
        b = xp.zeros((len(model), self.n_out), dtype) if self.bias else None
        return WeightNorm(V, xp.sqrt((V * V).sum(axis=-2)), b)

    def forward(self, params: WeightNorm, x: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        inv = (params.V * params.V).sum(axis=-2, keepdims=True) ** -0.5
        u = params.V * inv
        return added(x @ (params.g[..., None, :] * u), params.b), (x, u, inv)

    def vjp(self, params: WeightNorm, cache: tuple[Array, Array, Array], dy: Array) -> tuple[WeightNorm, Array]:
        x, u, inv = cache
        g = params.g[..., None, :]
        dW = transposed_product(x, dy)
        db = dy.sum(axis=-2) if self.bias else None
        return WeightNorm(g * inv * _across(u, dW), (u * dW).sum(axis=-2), db), dy @ flipped(g * u)

    def per_example(self, params: WeightNorm, cache: tuple[Array, Array, Array], dy: Array) -> tuple[WeightNorm, Array]:
        x, u, inv = cache
        g = params.g[..., None, :]
        along = (x @ u) * dy  # u . dW of every unit, without the outer products
        turn, part = (g * inv)[..., None, :, :], u[..., None, :, :]
        dV = turn * (outer_products(x, dy) - part * along[..., None, :])
        return WeightNorm(dV, along, dy if self.bias else None), dy @ flipped(g * u)

    def linearize(
        self, params: WeightNorm, cache: tuple[Array, Array, Array], dparams: WeightNorm, dx: Array | None
    ) -> tuple[Array, tuple[Array, Array, Array, Array]]:
        x, u, inv = cache
        g, g_dot = params.g[..., None, :], dparams.g[..., None, :]
        u_dot = inv * _across(u, dparams.V)
        W_dot = g_dot * u + g * u_dot
        inv_dot = -(inv**2) * (u * dparams.V).sum(axis=-2, keepdims=True)
        dx = zeros_if_none(dx, x)
        return added(dx @ (g * u) + x @ W_dot, dparams.b), (dx, u_dot, inv_dot, W_dot)

    def vjp_tangent(
        self,
        params: WeightNorm,
        cache: tuple[Array, Array, Array],
        dparams: WeightNorm,
        trace: tuple[Array, Array, Array, Array],
        dy: Array,
        dy_dot: Array,
    ) -> tuple[WeightNorm, Array, Array]:
        x, u, inv = cache
        x_dot, u_dot, inv_dot, W_dot = trace
        g, g_dot = params.g[..., None, :], dparams.g[..., None, :]
        W_t = flipped(g * u)
        dW = transposed_product(x, dy)
        dW_dot = transposed_product(x_dot, dy) + transposed_product(x, dy_dot)
        turned = u_dot * (u * dW).sum(axis=-2, keepdims=True) + u * (u_dot * dW).sum(axis=-2, keepdims=True)
        dV_dot = (g_dot * inv + g * inv_dot) * _across(u, dW) + g * inv * (_across(u, dW_dot) - turned)
        dg_dot = (u_dot * dW + u * dW_dot).sum(axis=-2)
        db_dot = dy_dot.sum(axis=-2) if self.bias else None
        return WeightNorm(dV_dot, dg_dot, db_dot), dy @ W_t, dy_dot @ W_t + dy @ flipped(W_dot)


def weight_norm(n_in: int, n_out: int, *, gain: float = 1.0, bias: bool = True) -> WeightNormLayer:
    """A dense layer (n, in) -> (n, out) with weights g V / |V|, the norm taken over the inputs of each unit.

    Salimans & Kingma 2016, equation 2. It starts as the standard dense layer. ValueError as in `dense`.
    """
    plain = dense(n_in, n_out, gain=gain, bias=bias)
    return WeightNormLayer(plain.n_in, plain.n_out, float(gain), bias)


def _across(u: Array, d: Array) -> Array:
    """The part of each column of d that is orthogonal to the unit column of u."""
    return d - u * (u * d).sum(axis=-2, keepdims=True)
