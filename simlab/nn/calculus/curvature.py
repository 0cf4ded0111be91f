"""Symmetric matrices of a net that are too large to write down: known by their products with vectors.

`hessian`, `gauss_newton` and `gradient_noise` make a `Matrix` for every model of a stack, in the order of the columns
of `flatten`; its methods, `trace`, `top_eigenvalues` and `spectral_density` work on it. The forward pass runs once; a
product with k vectors holds k times what `hvp` holds.

    H = hessian(net, loss, params, x, y)
    value, error = trace(H)
    top = top_eigenvalues(H, k=3)

Random vectors depend on the seed and on the index of a model (0, 1, ... where `index` is not given), so that a model
has the same estimate in any stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from simlab.core.checks import is_whole, shown, stored
from simlab.core.device import Device
from simlab.nn.arguments import checked, of_single_examples
from simlab.nn.calculus.derivatives import flatten, unflatten, wide_forward
from simlab.nn.calculus.views import columns
from simlab.nn.layers.layer import Array, Layer, Params, leaves, select
from simlab.nn.losses import Loss, require_loss, targets_like
from simlab.random import Seed, key, normals, uniforms

Kind = Literal["hessian", "gauss_newton", "gradient_noise"]
MOST_PROBES = 10**6
AT_ONCE = 64
"""Unit vectors in one product of a dense matrix."""
STREAM = 1
"""Separate from stream 0 of the initial parameters, which may have the same seed."""


@dataclass(frozen=True)
class Matrix:
    """One symmetric matrix for each model, made by `hessian`, `gauss_newton` or `gradient_noise`.

    product maps (model, k, size) to the same, k vectors at once. part: the matrix of some models only.
    """

    product: Callable[[Array], Array]
    models: int
    size: int
    like: Array  # an array of the device and dtype
    part: Callable[[slice], Matrix]

    def to_dense(self) -> Array:
        """The matrix written down, (model, size, size), for small nets: a product with every unit vector.

        Symmetric to rounding.
        """
        xp, dtype = Device.of(self.like).xp, self.like.dtype
        unit = xp.eye(self.size, dtype=dtype)
        blocks = [unit[i : i + AT_ONCE] for i in range(0, self.size, AT_ONCE)]
        return xp.concatenate([self.product(xp.broadcast_to(b, (self.models, *b.shape))) for b in blocks], axis=1)

    def operator(self, model: int = 0) -> Any:
        """The matrix of one model as a LinearOperator of SciPy, of CuPy on a GPU, for eigsh and similar functions.

        ValueError where the stack has no such model.
        """
        if not (is_whole(model) and 0 <= model < self.models):
            raise ValueError(f"model must be in 0 ... {self.models - 1}, got {shown(model)}.")
        one, dtype = self.part(slice(model, model + 1)), self.like.dtype
        return Device.of(self.like).linear_operator(
            (self.size, self.size), lambda v: one.product(v.reshape(1, 1, -1).astype(dtype))[0, 0], dtype
        )

    def normals(self, count: int, seed: Seed, index: Sequence[int] | None) -> Array:
        """Standard normal vectors (model, count, size)."""
        drawn = [self._drawn(normals, i, seed, index) for i in range(count)]
        return Device.of(self.like).xp.concatenate(drawn, axis=1)

    def signs(self, probe: int, seed: Seed, index: Sequence[int] | None) -> Array:
        """The vector of independent signs (Rademacher) with this number, (model, 1, size)."""
        return 2 * (self._drawn(uniforms, probe, seed, index) > 0.5).astype(self.like.dtype) - 1

    def _drawn(self, draw: Callable[..., Array], vector: int, seed: Seed, index: Sequence[int] | None) -> Array:
        given: Any = range(self.models) if index is None else index
        numbers = stored("index", given)
        if numbers.shape != (self.models,) or numbers.dtype.kind not in "iu" or numbers.min() < 0:
            raise ValueError(f"index must hold a number from 0 for each of the {self.models} models, got {index!r}.")
        xp = Device.of(self.like).xp
        walker, place = xp.asarray(numbers.astype("int64"))[:, None, None], xp.arange(self.size)[None, None, :]
        return draw(key(seed), walker, place, vector, STREAM).astype(self.like.dtype)


def hessian(net: Layer, loss: Loss, params: Params, x: Array, y: Array, *, layer: str | None = None) -> Matrix:
    """The exact Hessian of the loss, by `hvp`.

    layer: the rows and columns of one layer or one array only, by a name of `by_layer`. ValueError on an unknown name,
    and on input that does not fit the net.
    """
    x, y = checked(net, params, x), _targets(params, loss, x, y, curved=True)
    return _matrix("hessian", net, loss, params, x, y, layer)


def gauss_newton(net: Layer, loss: Loss, params: Params, x: Array, y: Array, *, layer: str | None = None) -> Matrix:
    """J^T H J with the Jacobian J of the outputs and the Hessian H of the loss in them (Schraudolph 2002).

    Arguments as in `hessian`.
    """
    x, y = checked(net, params, x), _targets(params, loss, x, y, curved=True)
    return _matrix("gauss_newton", net, loss, params, x, y, layer)


def gradient_noise(net: Layer, loss: Loss, params: Params, x: Array, y: Array, *, layer: str | None = None) -> Matrix:
    """The covariance over examples of the gradient g_i of one, C = mean_i (g_i - g)(g_i - g)^T.

    A batch of B examples drawn with replacement has the covariance C / B. C v costs a tangent and a gradient and holds
    no more than they do: (g_i - g) . v is a tangent of the outputs, and the rest is one gradient with every example
    weighted by it. Arguments as in `hessian`; ValueError for a net with batch normalisation, too.
    """
    x, y = of_single_examples(net, params, x), _targets(params, loss, x, y, curved=False)
    return _matrix("gradient_noise", net, loss, params, x, y, layer)


def _targets(params: Params, loss: Loss, x: Array, y: Array, curved: bool) -> Array:
    """The targets beside the parameters; ValueError for those of another number of models."""
    require_loss(loss, curved=curved)
    y, models = targets_like(leaves(params)[0], y), len(leaves(params)[0])
    if y.ndim == 2 + loss.target_axes(y) and len(y) != models:
        raise ValueError(f"y: targets of {len(y)} models are given and there are {models}; give one for all, or each.")
    return y


def _matrix(kind: Kind, net: Layer, loss: Loss, params: Params, x: Array, y: Array, layer: str | None) -> Matrix:
    """The matrix of this kind, ready for products, its arguments checked."""
    leaf = leaves(params)[0]
    block = columns(params, layer)
    wide, outputs, cache = wide_forward(net, params, x)
    own_targets = y.ndim == 2 + loss.target_axes(y)
    targets = y[:, None] if own_targets else y
    grad, n = loss.grad(outputs, targets), outputs.shape[-2]

    def product(v: Array) -> Array:
        along = _wide(params, v, block)
        rate, trace = net.linearize(wide, cache, along, None)
        if kind == "hessian":
            found = net.gradient_tangent(wide, cache, along, trace, grad, loss.hvp(outputs, targets, rate))
        elif kind == "gauss_newton":
            found = net.gradient(wide, cache, loss.hvp(outputs, targets, rate))
        else:
            share = n * (grad * rate).sum(axis=-1, keepdims=True)
            found = net.gradient(wide, cache, grad * (share - share.mean(axis=-2, keepdims=True)))
        return flatten(found, axes=2)[..., block]

    def part(models: slice) -> Matrix:
        own_x, own_y = x[models] if x.ndim == 3 else x, y[models] if own_targets else y
        return _matrix(kind, net, loss, select(params, models), own_x, own_y, layer)

    return Matrix(product, len(leaf), block.stop - block.start, leaf, part)


def require_matrix(matrix: Any) -> Matrix:
    """ValueError unless this is a `Matrix`."""
    if not isinstance(matrix, Matrix):
        raise ValueError(f"matrix must be made by hessian, gauss_newton or gradient_noise, got {shown(matrix)}.")
    return matrix


def trace(
    matrix: Matrix, *, probes: int = 32, seed: Seed = 0, index: Sequence[int] | None = None
) -> tuple[Array, Array]:
    """An estimate of the trace and its standard error, (model,) each: the mean of v . M v over random signs v.

    Hutchinson 1990. Its variance is 2 sum_(i != j) M_ij^2 / probes: none for a diagonal matrix. The error is taken
    from the scatter over the probes. ValueError for fewer than 2.
    """
    m = require_matrix(matrix)
    require_probes(probes)
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
