"""Test error at every width, or at every sample size, from one factorisation.

Nested features share their work: the Cholesky factor of the leading block of Z^T Z + a I is the leading block of the
factor, L. With u = L^-1 Z^T y and V = L^-1 Z_test^T the predictions at width N are sum_{j <= N} u_j V_j, and the error
follows from inner products of the rows of V, block by block. The same identity in the other direction, with the factor
of Z Z^T + a I, gives every sample size.

Beyond n features the matrix Z Z^T + a I (n, n) is the smaller one. Its inverse P is carried from block to block of
features B (n, b): with C C^T = I + B^T P B the next u is C^-1 B^T P y and the next V is C^-1 (B_test^T - B^T P k),
where k = Z Z_test^T so far. That costs n^2 + n m for a feature, where the first way costs N^2 + N m.
"""

from __future__ import annotations

from typing import Any

from simlab.core.device import Device
from simlab.linear.arguments import finite, positive

Array = Any
BLOCK = 96
"""Rows of V at a time: their products are matrix products, and what is held in memory is (BLOCK, test examples)."""
SWITCH = 1.25
"""Features over examples at which the second way takes over."""
PRECISION = 2e-10
"""Smallest ridge over the largest eigenvalue of Z^T Z for which double precision leaves eight digits."""

LARGE = 1e140
"""Size of numbers up to which sums of many squares are finite."""


def width_curve(features: Array, targets: Array, test_features: Array, test_targets: Array, ridge: float) -> Array:
    """Mean squared test error of ridge regression on the first N features, for every N at once.

    b_N = argmin |y - Z_N b|^2 + ridge |b|^2. features: (n, N) or (replicate, n, N); targets: (n) or (replicate, n);
    test_features: (m, N), test_targets: (m), with or without a replicate axis of their own. NumPy arrays stay on the
    CPU, CuPy arrays on the GPU; all work is in float64, whatever the input. Returns (N) or (replicate, N), on the
    device of `features`, equal to a solve at each width to 1e-8. Cost for each: min(N, n)^2 N + m n N.
    ValueError for shapes that do not match, NaN, sizes above 1e140, and a ridge too small for double precision.
    """
    return _over_replicates(_width_curve, features, targets, test_features, test_targets, ridge)


def sample_curve(features: Array, targets: Array, test_features: Array, test_targets: Array, ridge: float) -> Array:
    """Mean squared test error of ridge regression on the first n examples, for every n at once.

    Arguments as in `width_curve`; the ridge is the same for every n. Returns (n) or (replicate, n).
    """
    return _over_replicates(_sample_curve, features, targets, test_features, test_targets, ridge)


def _width_curve(z: Array, y: Array, t: Array, t_y: Array, a: float, device: Device) -> Array:
    xp, (n, width) = device.xp, z.shape
    first = width if width <= SWITCH * n else min(width, n)
    errors = xp.empty(width)
    head = z[:, :first]
    factor = _factor(head.T @ head, a, device)
    u = device.solve_lower(factor, head.T @ y)
    rows = device.solve_lower(factor, t[:, :first].T)
    rest = -t_y
    for start in range(0, first, BLOCK):
        part = slice(start, min(start + BLOCK, first))
        errors[part], rest = _advance(rest, u[part], rows[part], xp)
    if first == width:
        return errors / len(t_y)
    del rows
    inverse = _inverse(head @ head.T, a, device)
    cross = head @ t[:, :first].T  # (n, m)
    for start in range(first, width, BLOCK):
        part = slice(start, min(start + BLOCK, width))
        block, test_block = z[:, part], t[:, part].T
        reach = inverse @ block  # (n, b)
        half = device.solve_lower(_factor(block.T @ reach, 1.0, device), xp.eye(reach.shape[1]))
        gain = half @ reach.T  # (b, n)
        rows = half @ (test_block - reach.T @ cross)
        errors[part], rest = _advance(rest, gain @ y, rows, xp)
        if part.stop < width:
            inverse -= gain.T @ gain
            cross += block @ test_block
    return errors / len(t_y)


def _sample_curve(z: Array, y: Array, t: Array, t_y: Array, a: float, device: Device) -> Array:
    xp, n = device.xp, z.shape[0]
    errors = xp.empty(n)
    factor = _factor(z @ z.T, a, device)
    u = device.solve_lower(factor, y)
    rows = device.solve_lower(factor, z @ t.T)
    rest = -t_y
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        errors[part], rest = _advance(rest, u[part], rows[part], xp)
    return errors / len(t_y)


def _advance(rest: Array, u: Array, rows: Array, xp: Any) -> tuple[Array, Array]:
    """|rest + sum_{i <= j} u_i rows_i|^2 for every j of a block, and the rest after the block.

    rest (m): prediction minus target so far. u (b), rows (b, m). From inner products: the predictions of every width
    are never written down.
    """
    products = rows @ rows.T
    products *= u[:, None] * u
    doubled = xp.cumsum(xp.cumsum(products, axis=0), axis=1)
    errors = rest @ rest + 2 * xp.cumsum(u * (rows @ rest)) + xp.diagonal(doubled)
    return errors, rest + u @ rows


def _factor(gram: Array, a: float, device: Device) -> Array:
    """The lower Cholesky factor of gram + a I."""
    index = device.xp.arange(len(gram))
    gram[index, index] += a
    return device.xp.linalg.cholesky(gram)


def _inverse(gram: Array, a: float, device: Device) -> Array:
    """(gram + a I)^-1."""
    half = device.solve_lower(_factor(gram, a, device), device.xp.eye(len(gram)))
    return half.T @ half


def _over_replicates(curve: Any, z: Array, y: Array, t: Array, t_y: Array, ridge: float) -> Array:
    device, ridge = Device.of(z), positive(ridge)
    names = ("features", "targets", "test_features", "test_targets")
    z, y, t, t_y = (finite(name, a, device) for name, a in zip(names, (z, y, t, t_y), strict=True))
    _check(z, y, t, t_y)
    for name, a in zip(names, (z, y, t, t_y), strict=True):
        if float(abs(a).max()) > LARGE:
            raise ValueError(f"{name} must be at most {LARGE:.0e} in size, so that squares are numbers; scale them.")
    if z.ndim == 2:
        return curve(z, y, t, t_y, _safe(z, ridge), device)
    runs = []
    for i in range(z.shape[0]):
        one = [a[i] if a.ndim == own else a for a, own in ((z, 3), (y, 2), (t, 3), (t_y, 2))]
        runs.append(curve(*one, _safe(one[0], ridge), device))
    return device.xp.stack(runs)


def _safe(z: Array, ridge: float) -> float:
    """The ridge, if double precision can carry it.

    The trace bounds the largest eigenvalue and is enough for most; a few power iterations find the eigenvalue itself,
    from the longest feature, which no symmetry of the others can make orthogonal to its direction.
    """
    squares = (z * z).sum(axis=0)
    if ridge >= PRECISION * float(squares.sum()):
        return ridge
    v = z.T @ z[:, int(squares.argmax())]
    for _ in range(8):
        v = z.T @ (z @ (v / max(float((v @ v) ** 0.5), 1e-300)))
    largest = float((v @ v) ** 0.5)
    if ridge < PRECISION * largest:
        raise ValueError(
            f"ridge = {ridge:g} is too small for double precision: with these features take at least "
            f"{PRECISION * largest:.1e}, or simlab.linear.min_norm for the limit 0."
        )
    return ridge


def _check(z: Array, y: Array, t: Array, t_y: Array) -> None:
    """Shapes that fit."""
    vectors = (1, z.ndim - 1)
    if z.ndim not in (2, 3) or t.ndim not in (2, z.ndim) or y.ndim not in vectors or t_y.ndim not in vectors:
        raise ValueError(
            "features must be (n, N) or (replicate, n, N), targets (n), and test_features and test_targets alike, with "
            "or without replicates as well."
        )
    replicates = {a.shape[0] for a, own in ((z, 3), (y, 2), (t, 3), (t_y, 2)) if a.ndim == own}
    same = y.shape[-1] == z.shape[-2] and t_y.shape[-1] == t.shape[-2] and t.shape[-1] == z.shape[-1]
    if not same or len(replicates) > 1 or 0 in (*z.shape, *t.shape):
        shapes = ", ".join(str(tuple(a.shape)) for a in (z, y, t, t_y))
        raise ValueError(
            "the shapes do not match, or hold no number: features, targets, test_features and test_targets are "
            f"{shapes}."
        )
