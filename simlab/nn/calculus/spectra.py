"""Eigenvalues of the matrices of `curvature` by Lanczos: the top of the spectrum, and its density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from simlab.core.checks import is_whole, number, shown, stored, whole
from simlab.core.device import Device
from simlab.nn.calculus.curvature import Matrix, require_matrix, require_probes
from simlab.nn.layers.layer import Array
from simlab.random import Seed

CHECKS = 4
"""Blocks between two tests for convergence."""


class Eigenpairs(NamedTuple):
    """The largest eigenvalues, (model, k) in descending order, and unit eigenvectors (model, k, parameter).

    residuals: |M v - value v|, (model, k): the matrix has an eigenvalue within the residual of each value, and the
    error of a value is at most its residual squared over the distance to the others.
    """

    values: Array
    vectors: Array
    residuals: Array


class Density(NamedTuple):
    """The spectral density of each model by quadrature: a sum of points of weight, (model, probe, node) both.

    The weights of a probe sum to 1. Their sum of node^p is v . M^p v for p up to 2 steps - 1, v the probe.
    """

    nodes: Array
    weights: Array

    def moment(self, power: int) -> tuple[Array, Array]:
        """The estimate of trace(M^power) / parameters and its standard error over the probes, (model,) each."""
        power = whole("power", power)
        return _over_probes((self.weights * self.nodes**power).sum(axis=-1))

    def smooth(self, at: Array, width: float) -> tuple[Array, Array]:
        """The density smoothed by Gaussians of standard deviation `width` and its standard error, (model, points) each.

        at: (points). The integral is 1. The standard error is of the probes; the width is a bias of its own.
        """
        width = number("width", width, above=0, allowed="positive and finite")
        xp, at = Device.of(self.nodes).xp, at if hasattr(at, "dtype") else stored("at", at)
        total = 0
        # A node at a time: the whole of it would be points * probes * nodes numbers.
        for k in range(self.nodes.shape[-1]):
            z = (xp.asarray(at, self.nodes.dtype) - self.nodes[..., k, None]) / width
            total = total + self.weights[..., k, None] * xp.exp(-0.5 * z * z)
        return _over_probes(total / (width * math.sqrt(2 * math.pi)))


def top_eigenvalues(
    matrix: Matrix, k: int = 1, *, steps: int = 100, seed: Seed = 0, index: Sequence[int] | None = None
) -> Eigenpairs:
    """The k largest eigenvalues (with their sign) of every model, by block Lanczos with full reorthogonalisation.

    A block of k vectors finds eigenvalues that occur up to k times, as those of a linear net with several outputs do.
    It stops when all residuals are below sqrt(eps) of the largest eigenvalue, where values are as exact as rounding,
    after `steps` blocks, or with the whole space; the residuals that remain are returned. NaN for a net whose matrix
    is not finite.
    Memory: model * k * steps vectors. ValueError unless 1 <= k <= parameters and steps >= 1.
    Golub & Underwood 1977.
    """
    m = require_matrix(matrix)
    if not (is_whole(k) and 1 <= k <= m.size):
        raise ValueError(f"k must be in 1 ... {m.size}, the number of parameters, got {shown(k)}.")
    _require_steps(steps)
    basis = _orthonormal(m.normals(k, seed, index), None)
    block, projected = basis, Device.of(m.like).xp.zeros((m.models, 0, 0), m.like.dtype)
    for step in range(1, steps + 1):
        image = m.product(block)
        inside = basis @ image.swapaxes(-1, -2)  # the new columns of M in the basis
        projected = _bordered(projected, inside)
        rest = image - inside.swapaxes(-1, -2) @ basis
        size, last = basis.shape[1], step == steps or basis.shape[1] == m.size
        if last or step % CHECKS == 0:
            found = _ritz_pairs(projected, basis, rest, k)
            if last or _converged(found):
                return found
        # The last block may be narrower: together they are never more than the space.
        block = _orthonormal(rest[:, : m.size - size], basis)
        basis = Device.of(m.like).xp.concatenate([basis, block], axis=1)
    raise AssertionError("the last step returns")


def _bordered(projected: Array, inside: Array) -> Array:
    """The symmetric matrix with these last columns (model, size, k) and last rows beside the one before."""
    (models, size, _), old = inside.shape, projected.shape[1]
    grown = Device.of(inside).xp.zeros((models, size, size), inside.dtype)
    grown[:, :old, :old] = projected
    grown[:, :, old:] = inside
    grown[:, old:, :] = inside.swapaxes(-1, -2)
    return grown


def _ritz_pairs(projected: Array, basis: Array, rest: Array, k: int) -> Eigenpairs:
    """The k largest eigenpairs in the span of the basis; rest: what M times its last rows has outside of the span."""
    values, turn = _eigh(projected)
    values, turn = values[:, : -k - 1 : -1], turn[:, :, : -k - 1 : -1]
    outside = rest.swapaxes(-1, -2) @ turn[:, turn.shape[1] - rest.shape[1] :]
    residuals = Device.of(rest).xp.sqrt((outside**2).sum(axis=1))
    return Eigenpairs(values, turn.swapaxes(-1, -2) @ basis, residuals)


def _converged(found: Eigenpairs) -> bool:
    """Whether all residuals are below sqrt(eps) of the largest eigenvalue; NaN counts as such, it will not improve."""
    tolerance = float(Device.of(found.values).xp.finfo(found.values.dtype).eps) ** 0.5
    above = found.residuals > tolerance * abs(found.values).max(axis=1, keepdims=True)
    return not bool(above.any())


def spectral_density(
    matrix: Matrix, *, probes: int = 8, steps: int = 40, seed: Seed = 0, index: Sequence[int] | None = None
) -> Density:
    """The density of eigenvalues by stochastic Lanczos quadrature; Ghorbani, Krishnan & Xiao 2019, algorithm 2.

    From each probe, a vector of random signs, Lanczos makes a matrix of `steps` rows whose eigenvalues are the nodes
    and the squares of the first entries of whose eigenvectors are the weights (Golub & Welsch 1969). Memory:
    model * steps vectors. ValueError for fewer than 2 probes, which give no standard error, or fewer than 1 step.
    """
    m = require_matrix(matrix)
    require_probes(probes)
    _require_steps(steps)
    xp = Device.of(m.like).xp
    starts = (m.signs(i, seed, index) / m.size**0.5 for i in range(probes))
    rules = [_quadrature(m, start, min(steps, m.size)) for start in starts]
    return Density(*(xp.concatenate(parts, axis=1) for parts in zip(*rules, strict=True)))


def _quadrature(m: Matrix, start: Array, steps: int) -> tuple[Array, Array]:
    """Nodes and weights (model, 1, steps) of Lanczos from unit vectors start (model, 1, size)."""
    xp, dtype = Device.of(start).xp, start.dtype
    basis = xp.zeros((m.models, steps, m.size), dtype)
    tri = xp.zeros((m.models, steps, steps), dtype)
    v = start
    for i in range(steps):
        basis[:, i : i + 1] = v
        image = m.product(v)
        tri[:, i, i] = (image * v).sum(axis=(1, 2))
        if i + 1 == steps:
            break
        size = xp.sqrt((image * image).sum(axis=(1, 2), keepdims=True))
        for _ in range(2):
            image = image - (image @ basis.swapaxes(-1, -2)) @ basis
        beta = xp.sqrt((image * image).sum(axis=(1, 2), keepdims=True))
        # Once the probe's Krylov space is exhausted only rounding is left: what follows is decoupled, at weight 0.
        beta = xp.where(beta > m.size**0.5 * float(xp.finfo(dtype).eps) * size, beta, 0)
        v = image / xp.where(beta > 0, beta, 1) * (beta > 0)
        tri[:, i, i + 1] = tri[:, i + 1, i] = beta[:, 0, 0]
    nodes, vectors = _eigh(tri)
    return nodes[:, None], vectors[:, None, 0] ** 2


def _eigh(matrices: Array) -> tuple[Array, Array]:
    """Eigenvalues (model, n) and vectors (model, n, n), the values NaN where a matrix is not finite.

    One net that has diverged must not end the run of all others, and LAPACK would raise.
    """
    xp = Device.of(matrices).xp
    finite = xp.isfinite(matrices).all(axis=(1, 2))
    values, vectors = xp.linalg.eigh(xp.where(finite[:, None, None], matrices, 0))
    return xp.where(finite[:, None], values, xp.nan), vectors


def _orthonormal(rows: Array, basis: Array | None) -> Array:
    """Orthonormal rows (model, k, size) that with those of the basis span what both did, if that has the dimension.

    Where it has not, the remaining rows are arbitrary, orthonormal to the span.
    """
    xp = Device.of(rows).xp
    # Twice is enough (Giraud, Langou & Rozloznik 2005), and once more for rows that were mere rounding.
    for _ in range(3):
        if basis is not None:
            rows = rows - (rows @ basis.swapaxes(-1, -2)) @ basis
        rows = xp.linalg.qr(rows.swapaxes(-1, -2))[0].swapaxes(-1, -2)
    return rows


def _over_probes(samples: Array) -> tuple[Any, Any]:
    """Mean and standard error over the second axis."""
    return samples.mean(axis=1), samples.std(axis=1, ddof=1) / samples.shape[1] ** 0.5


def _require_steps(steps: int) -> None:
    if not (is_whole(steps) and steps >= 1):
        raise ValueError(f"steps must be at least 1 and whole, got {shown(steps)}.")
