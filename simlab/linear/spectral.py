"""All ridges and all epochs of gradient descent from one decomposition of the features.

Both are filters: with Z = U diag(s) V^T every such solution is b = V diag(f(s^2)/s) U^T y, where f is l/(l + ridge) for
ridge regression and 1 - (1 - lr l)^t for t steps of gradient descent on |y - Z b|^2/2 from b = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simlab.core import checks
from simlab.core.device import Device, real, stored
from simlab.linear.arguments import finite, problem
from simlab.linear.rank import directions, precision

Array = Any
SIZES = 1e-150, 1e150
"""Singular values whose squares are numbers of full precision."""


class Spectrum(NamedTuple):
    """A data set in the basis of its singular vectors, r = min(n, N) of them.

    values: eigenvalues s^2 of Z^T Z (r), 0 where there is none. targets: U^T y (r). directions: V^T (r, N).
    """

    values: Array
    targets: Array
    directions: Array

    def filtered(self, shares: Array) -> Array:
        """Coefficients for filters f (..., r) -> (..., N)."""
        device = Device.of(self.values)
        xp, shares = device.xp, real("shares", shares, device)
        if shares.shape[-1:] not in (self.values.shape, (1,)):
            raise ValueError(f"shares must have shape (..., {len(self.values)}), got {tuple(shares.shape)}.")
        root = xp.sqrt(self.values)
        inverse = xp.where(root > 0, 1 / xp.where(root > 0, root, 1), 0)
        return (shares * inverse * self.targets) @ self.directions

    def ridge(self, ridges: Array) -> Array:
        """Coefficients at every ridge (k) -> (k, N); ridge 0 is the minimum-norm solution.

        ValueError for a ridge that is negative or no finite number.
        """
        device = Device.of(self.values)
        xp, ridges = device.xp, _counts("ridges", ridges, device)
        total = self.values + ridges[..., None]
        return self.filtered(xp.where(total > 0, self.values / xp.where(total > 0, total, 1), 0))

    def descent(self, steps: Array, lr: float) -> Array:
        """Coefficients after every number of steps (k) -> (k, N) of gradient descent on |y - Z b|^2/2 from 0.

        ValueError for steps that are no whole numbers from 0, for an lr that is not positive, and where lr times the
        largest eigenvalue is not below 2.
        """
        device = Device.of(self.values)
        steps, lr = _counts("steps", steps, device), checks.number("lr", lr, above=0)
        if not bool((steps == device.xp.floor(steps)).all()):
            raise ValueError("steps must be whole numbers of steps, got fractions among them.")
        largest = float(self.values.max())
        if not lr * largest < 2:
            raise ValueError(f"lr = {lr:g} is unstable: times the largest eigenvalue {largest:.3g} it must be below 2.")
        return self.filtered(1 - (1 - lr * self.values) ** steps[..., None])


def decompose(features: Array, targets: Array) -> Spectrum:
    """The spectrum of a data set: features (n, N), targets (n), in float64 on the device of the features.

    Directions that do not count by the rule of `simlab.linear.rank`, to the precision in which features are given, have
    the eigenvalue 0, so that no solution has a part along them. ValueError for shapes that do not match, NaN or
    infinity, and for features so large, so small or (where they are dependent) so different in size that float64 loses
    them.
    """
    z = finite("features", features)
    y, single = problem(z, finite("targets", targets, Device.of(z)))
    if z.ndim != 2 or not single:
        raise ValueError(f"features and targets must be (n, N) and (n), got shapes {tuple(z.shape)} and {y.shape}.")
    u, s, v_t = directions(z, precision(stored("features", features)))
    if bool((((s > 0) & (s < SIZES[0])) | (s > SIZES[1])).any()):
        raise ValueError(
            f"features must have singular values from {SIZES[0]:g} to {SIZES[1]:g}, or their squares are no numbers, "
            f"got {float(s.min()):.1e} to {float(s.max()):.1e}; scale them."
        )
    return Spectrum(s**2, u.T @ y[:, 0], v_t)


def _counts(name: str, values: Array, device: Device) -> Array:
    """Finite numbers of at least 0."""
    found = real(name, values, device)
    if not bool((found >= 0).all() & device.xp.isfinite(found).all()):
        raise ValueError(f"{name} must be finite numbers of at least 0, got {checks.shown(values)}.")
    return found
