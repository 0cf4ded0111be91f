"""The rank of a matrix: the one rule by which a singular value counts as zero.

With columns scaled to length one, so that units do not matter, a direction counts where its singular value is more than
`cutoff` of the largest. That is max(n, N) eps of double precision, the error of a decomposition, and no less than 8 eps
of the precision in which the numbers were given: what is twice the same column differs by so much once it is rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab.core.device import Device

Array = Any
EPS = float(np.finfo(np.float64).eps)
CAREFUL = 1e-8
"""Singular values below this share of the largest may be wrong by rounding of the large columns."""


def precision(given: Array) -> float:
    """The eps of numbers as they were given: of floats narrower than double their own, of all others that of double."""
    dtype = np.dtype(given.dtype)
    return float(np.finfo(dtype).eps) if dtype.kind == "f" and dtype.itemsize < 8 else EPS


def cutoff(size: int, eps: float = EPS) -> float:
    """Singular values up to this share of the largest count as zero; size: the larger of rows and columns."""
    return max(size * EPS, 8 * eps)


def scaled(columns: Array) -> Array:
    """Columns (..., n, N) of length one; those of zeros stay."""
    xp = Device.of(columns).xp
    size = xp.abs(columns).max(axis=-2, keepdims=True)  # first, or squares of entries might overflow
    columns = columns / xp.where(size > 0, size, 1)
    length = xp.sqrt((columns * columns).sum(axis=-2, keepdims=True))
    return columns / xp.where(length > 0, length, 1)


def rank(columns: Array, eps: float = EPS, size: int = 0) -> Array:
    """The number of directions (...) of matrices (..., n, N) that are finite; size as in `cutoff`, at least theirs."""
    s = Device.of(columns).xp.linalg.svd(scaled(columns), compute_uv=False)
    return (s > cutoff(max(size, *columns.shape[-2:]), eps) * s[..., :1]).sum(axis=-1)


def directions(z: Array, eps: float = EPS) -> tuple[Array, Array, Array]:
    """U (..., n, r), s (..., r) and V^T (..., r, N) of z = U diag(s) V^T, r = min(n, N); s that count as zero are 0.

    Every s that is left is accurate in itself where columns are independent, however they differ in size. ValueError
    where they do and are not, for then rounding of the large ones hides what the small ones add.
    """
    xp = Device.of(z).xp
    u, s, v_t = xp.linalg.svd(z, full_matrices=False)
    cut, most = cutoff(max(z.shape[-2:]), eps), s.shape[-1]
    # Columns of length one have a condition number within sqrt(N) of the best scaling's (van der Sluis 1969).
    if bool((s > max(CAREFUL, z.shape[-1] ** 0.5 * cut) * s[..., :1]).all()):
        return u, s, v_t
    known = rank(z, eps)
    if most == z.shape[-1] and bool((known == most).all()):
        return _graded(z)
    kept = s > cut * s[..., :1]
    if bool((kept.sum(axis=-1) < known).any()):
        raise ValueError(
            "features have columns of such different sizes that rounding of the large ones hides the small ones; "
            "divide each column by its length first."
        )
    return u, xp.where(kept, s, 0), v_t


def _graded(z: Array) -> tuple[Array, Array, Array]:
    """The same for independent columns of any sizes.

    Columns in falling order make a triangular factor R whose rows fall as well, and the singular values of R^T come out
    each with a small error of its own, where those of z have one error, that of the largest.
    """
    xp = Device.of(z).xp
    order = xp.argsort(-xp.abs(z).max(axis=-2), axis=-1)
    q, r = xp.linalg.qr(xp.take_along_axis(z, order[..., None, :], axis=-1))
    v, s, w = xp.linalg.svd(xp.swapaxes(r, -1, -2))
    v_t = xp.take_along_axis(xp.swapaxes(v, -1, -2), xp.argsort(order, axis=-1)[..., None, :], axis=-1)
    return q @ xp.swapaxes(w, -1, -2), s, v_t
