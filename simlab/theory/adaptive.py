"""Panels that are halved until each agrees with its polynomial: kinks that no formula shows are found numerically."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.theory.quadrature import GAUSS, ORDER, TO_LEGENDRE, Chart, Function

SPLITS, MOST = 80, 20000
"""Times that a panel may be halved, and panels beyond which an integrand is given up."""
TOLERANCE = 1e-13
"""Error of the integral over a panel, beside a few roundings of the integrand."""
ROUGH = 2e-12
"""Relative error of a density in a panel: the logarithm of a density of 1e-300 is rounded to 1e-13."""
NEAR_END = 1 - 1e-8
"""Where near its ends a panel is compared with its polynomial: a kink may hide between an end and the first node."""


class NotResolved(ValueError):
    """An integrand that panels do not resolve."""


@dataclass
class Sampled:
    """Rows of functions of u on panels (left, right), at their nodes and near their ends: (rows, panels, ORDER + 2)."""

    function: Function
    chart: Chart
    left: Floats
    right: Floats
    values: Floats

    @classmethod
    def on(cls, function: Function, chart: Chart, ends: Floats) -> Sampled:
        """On the panels between these ends."""
        left, right = ends[:-1], ends[1:]
        return cls(function, chart, left, right, _sample(function, left, right))

    @property
    def edges(self) -> Floats:
        """The ends of the panels."""
        return np.append(self.left, self.right[-1])

    @property
    def samples(self) -> Floats:
        """The rows at the nodes (rows, panels * ORDER)."""
        return self.values[..., :ORDER].reshape(len(self.values), -1)

    def unresolved(self) -> NDArray[np.bool_]:
        """Which panels hold more than their polynomials say."""
        half = (self.right - self.left) / 2
        nodes, near_ends = self.values[..., :ORDER], self.values[..., ORDER:]
        coefficients = nodes @ TO_LEGENDRE.T
        missed = np.abs(coefficients @ np.polynomial.legendre.legvander([-NEAR_END, NEAR_END], ORDER - 1).T - near_ends)
        error = half * (np.abs(coefficients[..., -2:]).sum(axis=-1) + missed.max(axis=-1))
        x = self.chart.x(self.left), self.chart.x(self.right)
        of_x = np.maximum(*np.abs(x)) / np.maximum(x[1] - x[0], np.finfo(float).tiny)  # steep functions see it
        of_x[self.chart.close(self.left) | self.chart.close(self.right)] = 0
        noise = 256 * np.abs(nodes).max(axis=-1) + 8 * np.ptp(nodes, axis=-1) * of_x
        rounding = np.finfo(float).eps * half * noise
        return ~((error <= TOLERANCE + rounding) & np.isfinite(rounding)).all(axis=0)

    def split(self, which: NDArray[np.bool_]) -> None:
        """Halve some panels; NotResolved where they are as small as numbers allow, or too many."""
        left, right = self.left[which], self.right[which]
        middle = (left + right) / 2
        smallest = right - left <= 8 * np.finfo(float).eps * np.maximum(np.abs(left), np.abs(right))
        if smallest.any() or len(self.left) + len(left) > MOST:
            raise NotResolved(float(middle[smallest][0] if smallest.any() else middle[len(middle) // 2]))
        new = np.concatenate([left, middle]), np.concatenate([middle, right])
        order = np.argsort(left_ends := np.concatenate([self.left[~which], new[0]]), kind="stable")
        values = np.concatenate([self.values[:, ~which], _sample(self.function, *new)], axis=1)
        self.left, self.right = left_ends[order], np.concatenate([self.right[~which], new[1]])[order]
        self.values = values[:, order]

    def refine(self, unresolved: Callable[[], NDArray[np.bool_]]) -> None:
        """Halve panels until none is named; NotResolved holds the place of one that never will be."""
        with np.errstate(all="ignore"):
            for _ in range(SPLITS):
                if not (which := unresolved()).any():
                    return
                self.split(which)
            raise NotResolved(float(self.left[unresolved()][0]))


def rough(samples: Floats) -> NDArray[np.bool_]:
    """Which panels do not resolve a function given at the nodes, relative to its largest value in the panel."""
    coefficients = samples.reshape(-1, ORDER) @ TO_LEGENDRE.T
    return ~(np.abs(coefficients[:, -2:]).sum(axis=1) <= ROUGH * np.abs(samples.reshape(-1, ORDER)).max(axis=1))


def _sample(function: Function, left: Floats, right: Floats) -> Floats:
    t = np.concatenate([GAUSS, [-NEAR_END, NEAR_END]])
    u = ((left + right) / 2)[:, None] + ((right - left) / 2)[:, None] * t
    return function(u.ravel()).reshape(-1, *u.shape)
