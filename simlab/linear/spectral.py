"""All ridges and all epochs of gradient descent from one decomposition of the features.

Both are filters: with Z = U diag(s) V^T every such solution is b = V diag(f(s^2)/s) U^T y, where f is l/(l + ridge) for
ridge regression and 1 - (1 - lr l)^t for t steps of gradient descent on |y - Z b|^2/2 from b = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from simlab.device import Device

Array = Any


class Spectrum(NamedTuple):
    """A data set in the basis of its singular vectors, r = min(n, N) of them.

    values: eigenvalues s^2 of Z^T Z (r). targets: U^T y (r). directions: V^T (r, N).
    """

    values: Array
    targets: Array
    directions: Array

    def filtered(self, shares: Array) -> Array:
        """Coefficients for filters f (..., r) -> (..., N)."""
        xp = Device.of(self.values).xp
        root = xp.sqrt(self.values)
        inverse = xp.where(root > 0, 1 / xp.where(root > 0, root, 1), 0)
        return (shares * inverse * self.targets) @ self.directions

    def ridge(self, ridges: Array) -> Array:
        """Coefficients at every ridge (k) -> (k, N); ridge 0 is the minimum-norm solution."""
        xp = Device.of(self.values).xp
        ridges = xp.asarray(ridges, dtype=self.values.dtype)
        total = self.values + ridges[..., None]
        return self.filtered(xp.where(total > 0, self.values / xp.where(total > 0, total, 1), 0))

    def descent(self, steps: Array, lr: float) -> Array:
        """Coefficients after every number of steps (k) -> (k, N) of gradient descent on |y - Z b|^2/2 from 0.

        ValueError where lr times the largest eigenvalue is not below 2.
        """
        xp = Device.of(self.values).xp
        largest = float(self.values.max())
        if not 0 < lr * largest < 2:
            raise ValueError(f"lr = {lr:g} is unstable: times the largest eigenvalue {largest:.3g} it must be below 2.")
        steps = xp.asarray(steps, dtype=self.values.dtype)
        return self.filtered(1 - (1 - lr * self.values) ** steps[..., None])


def decompose(features: Array, targets: Array) -> Spectrum:
    """The spectrum of a data set: features (n, N), targets (n)."""
    xp = Device.of(features).xp
    u, s, v_t = xp.linalg.svd(features, full_matrices=False)
    return Spectrum(s**2, u.T @ targets, v_t)
