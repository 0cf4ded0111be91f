"""Symmetric matrices of a net that are too large to write down: spectra, traces and blocks from products with vectors.

`which` names the matrix, in the order of the columns of `flatten`:
"hessian"         the Hessian of the loss, exact (`hvp`);
"gauss_newton"    J^T H J with the Jacobian J of the outputs and the Hessian H of the loss in them (Schraudolph 2002);
"gradient_noise"  the covariance over examples of the gradient of one, C = mean_i (g_i - g)(g_i - g)^T, so that a batch
                  of B examples drawn with replacement has the covariance C / B. C v costs a tangent and a gradient and
                  holds no more than they do: (g_i - g) . v is a tangent of the outputs, and the rest is one gradient
                  with every example weighted by it.

`layer` restricts the matrix to the parameters of one layer or one array, by a name of `by_layer`. The forward pass runs
once; a product with k vectors holds k times what `hvp` holds.
Random vectors depend on the seed and on the index of a model (0, 1, ... where `index` is not given), so that a model
has the same estimate in any stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simlab.core.checks import is_whole, one_of, shown, stored
from simlab.core.device import Device
from simlab.nn.arguments import checked, of_single_examples
from simlab.nn.calculus.derivatives import flatten, unflatten, wide_forward
from simlab.nn.calculus.views import columns
from simlab.nn.layers.layer import Array, Layer, Params, leaves, select
from simlab.nn.losses import Loss, require_loss, targets_like
from simlab.random import Seed, key, normals, uniforms

Which = Literal["hessian", "gauss_newton", "gradient_noise"]
MOST_PROBES = 10**6
AT_ONCE = 64
"""Unit vectors in one product of a dense matrix."""
STREAM = 1
"""Apart from the stream 0 of initial parameters, which may have the same seed."""


@dataclass(frozen=True)
class Matrix:
    """One symmetric matrix for each model: product maps (model, k, size) to the same, k vectors at once."""

    product: Callable[[Array], Array]
    models: int
    size: int
    like: Array  # an array of the device and dtype

    def normals(self, count: int, seed: Seed, index: Sequence[int] | None) -> Array:
        """Standard normal vectors (model, count, size)."""
        drawn = [self._drawn(normals, i, seed, index) for i in range(count)]
        return Device.of(self.like).xp.concatenate(drawn, axis=1)

    def signs(self, probe: int, seed: Seed, index: Sequence[int] | None) -> Array:
        """The vector of independent signs (Rademacher) of this number, (model, 1, size)."""
        return 2 * (self._drawn(uniforms, probe, seed, index) > 0.5).astype(self.like.dtype) - 1

    def _drawn(self, draw: Callable[..., Array], vector: int, seed: Seed, index: Sequence[int] | None) -> Array:
        given: Any = range(self.models) if index is None else index
        numbers = stored("index", given)
        if numbers.shape != (self.models,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
            raise ValueError(f"index must hold a number from 0 for each of the {self.models} models, got {index!r}.")
        xp = Device.of(self.like).xp
        walker, place = xp.asarray(numbers.astype("int64"))[:, None, None], xp.arange(self.size)[None, None, :]
        return draw(key(seed), walker, place, vector, STREAM).astype(self.like.dtype)


def matrix(
    net: Layer, loss: Loss, params: Params, x: Array, y: Array, which: Which = "hessian", layer: str | None = None
) -> Matrix:
    """The matrix `which` of every model, ready for products; ValueError on an unknown name or layer."""
    one_of("which", which, ("hessian", "gauss_newton", "gradient_noise"))
    x = (of_single_examples if which == "gradient_noise" else checked)(net, params, x)
    require_loss(loss, curved=which != "gradient_noise")
    y = targets_like(x, y)
    leaf = leaves(params)[0]
    part = columns(params, layer)
    wide, outputs, cache = wide_forward(net, params, x)
    y = y[:, None] if y.ndim == 2 + loss.target_axes(y) else y
    grad, n = loss.grad(outputs, y), outputs.shape[-2]

    def product(v: Array) -> Array:
        along = _wide(params, v, part)
        rate, pushed = net.linearize(wide, cache, along, None)
        if which == "hessian":
            found = net.gradient_tangent(wide, cache, along, pushed, grad, loss.hvp(outputs, y, rate))
        elif which == "gauss_newton":
            found = net.gradient(wide, cache, loss.hvp(outputs, y, rate))
        else:
            share = n * (grad * rate).sum(axis=-1, keepdims=True)
            found = net.gradient(wide, cache, grad * (share - share.mean(axis=-2, keepdims=True)))
        return flatten(found, axes=2)[..., part]

    return Matrix(product, len(leaf), part.stop - part.start, leaf)


def hessian(
    net: Layer,
    loss: Loss,
    params: Params,
    x: Array,
    y: Array,
    *,
    which: Which = "hessian",
    layer: str | None = None,
) -> Array:
    """The matrix `which` written down, (model, parameter, parameter), for small nets: a product with every unit vector.

    Symmetric to rounding.
    """
    m = matrix(net, loss, params, x, y, which, layer)
    xp, dtype = Device.of(m.like).xp, m.like.dtype
    unit = xp.eye(m.size, dtype=dtype)
    blocks = [unit[i : i + AT_ONCE] for i in range(0, m.size, AT_ONCE)]
    return xp.concatenate([m.product(xp.broadcast_to(b, (m.models, *b.shape))) for b in blocks], axis=1)


def gradient_noise(net: Layer, loss: Loss, params: Params, x: Array, y: Array, *, layer: str | None = None) -> Array:
    """The covariance C of single-example gradients written down, (model, parameter, parameter), for small nets."""
    return hessian(net, loss, params, x, y, which="gradient_noise", layer=layer)


def hessian_operator(
    net: Layer,
    loss: Loss,
    params: Params,
    x: Array,
    y: Array,
    model: int = 0,
    *,
    which: Which = "hessian",
    layer: str | None = None,
) -> Any:
    """The matrix of one model as a LinearOperator of SciPy, of CuPy on a card, for eigsh and its like.

    ValueError where the stack has no such model.
    """
    x = checked(net, params, x)
    require_loss(loss)
    models = len(leaves(params)[0])
    if not (is_whole(model) and 0 <= model < models):
        raise ValueError(f"model must be in 0 ... {models - 1}, got {shown(model)}.")
    y = targets_like(x, y)
    if y.ndim == 2 + loss.target_axes(y) and len(y) != models:
        raise ValueError(f"y: targets of {len(y)} models are given and there are {models}; give one for all, or each.")
    one = slice(model, model + 1)
    x, y = x[one] if x.ndim == 3 else x, y[one] if y.ndim == 2 + loss.target_axes(y) else y
    m = matrix(net, loss, select(params, one), x, y, which, layer)
    return Device.of(m.like).linear_operator(
        (m.size, m.size), lambda v: m.product(v.reshape(1, 1, -1).astype(m.like.dtype))[0, 0], m.like.dtype
    )


def trace(
    net: Layer,
    loss: Loss,
    params: Params,
    x: Array,
    y: Array,
    *,
    probes: int = 32,
    which: Which = "hessian",
    layer: str | None = None,
    seed: Seed = 0,
    index: Sequence[int] | None = None,
) -> tuple[Array, Array]:
    """An estimate of the trace and its standard error, (model,) each: the mean of v . M v over random signs v.

    Hutchinson 1990. Its variance is 2 sum_(i != j) M_ij^2 / probes: none for a diagonal matrix. The error is taken
    from the spread over the probes. ValueError for fewer than 2.
    """
    require_probes(probes)
    m = matrix(net, loss, params, x, y, which, layer)
    # One vector at a time, so that the memory does not grow with the probes.
    signs = (m.signs(i, seed, index) for i in range(probes))
    found = Device.of(m.like).xp.concatenate([(v * m.product(v)).sum(axis=-1) for v in signs], axis=1)
    return found.mean(axis=1), found.std(axis=1, ddof=1) / probes**0.5


def require_probes(probes: Any) -> int:
    """A number of random vectors; ValueError below 2, and above a million."""
    if not (is_whole(probes) and 2 <= probes <= MOST_PROBES):
        raise ValueError(
            f"probes must be at least 2, or there is no standard error, and at most {MOST_PROBES}; got {shown(probes)}."
        )
    return int(probes)


def _wide(params: Params, v: Array, part: slice) -> Params:
    """Vectors (model, k, size) of the columns `part` as parameters (model, k, ...), zero in all other columns."""
    models, k, size = v.shape
    total = flatten(params).shape[1]
    if size != total:
        full = Device.of(v).xp.zeros((models, k, total), v.dtype)
        full[..., part] = v
        v = full
    return unflatten(params, v)
