"""The law exp(concentration mu . u) of a direction u on the unit sphere in d dimensions (von Mises 1918, Fisher 1953).

The angle t between u and its mean direction mu has the density exp(concentration cos t) sin(t)^(d - 2), which is smooth
for every d, so all is integrated over the angle, by Gauss-Legendre panels where the density is not negligible: to
rounding for every concentration. With Bessel functions the mean cosine is I_{d/2}/I_{d/2-1}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import xlogy

from simlab.theory.fokker_planck import NEGLIGIBLE, residual
from simlab.theory.quadrature import Floats, Panels, panels
from simlab.theory.sde import SDE

LARGEST = 1e12
"""Concentrations beyond this put 1 - cos within a few thousand rounding errors of zero."""
PANELS, SCAN, HALVINGS = 64, 4001, 60
ANGLE = sp.Symbol("theta", positive=True)


def diffusion(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> SDE:
    """The Ito equation of the angle where a point on the sphere follows -grad loss(theta) at this temperature.

    dtheta = (-loss' + T (d - 2) cot theta) dt + sqrt(2 T) dW: the Laplacian on the sphere of a function of theta.
    """
    drift = -sp.diff(loss, ANGLE) + temperature * (dimension - 2) * sp.cot(ANGLE)
    return SDE(ANGLE, drift, sp.sqrt(2 * temperature), "ito", (0, sp.pi), "reflecting")


def zonal_density(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> sp.Expr:
    """The stationary density of that angle up to its norm: exp(-loss/T) sin(theta)^(d - 2)."""
    return sp.exp(-loss / temperature) * sp.sin(ANGLE) ** (dimension - 2)


def zonal_residual(loss: sp.Expr, temperature: sp.Expr, dimension: sp.Expr) -> sp.Expr:
    """The right side of the Fokker-Planck equation at that density, over the density: zero."""
    density = zonal_density(loss, temperature, dimension)
    share = sp.expand(residual(diffusion(loss, temperature, dimension), density) / density)
    return sp.expand(sp.powsimp(share.subs(sp.cot(ANGLE), sp.cos(ANGLE) / sp.sin(ANGLE))))


@dataclass(frozen=True)
class VonMisesFisher:
    """The law of cos t = mu . u; ValueError unless concentration lies in [0, 1e12] and dimension is 2, 3, ..."""

    concentration: float
    dimension: int

    def __post_init__(self) -> None:
        if not 0 <= self.concentration <= LARGEST:
            raise ValueError(f"concentration must lie between 0 and {LARGEST:.0e}, got {self.concentration:g}.")
        if not (self.dimension >= 2 and self.dimension == int(self.dimension)):
            raise ValueError(f"dimension must be a whole number, 2 or more, got {self.dimension:g}.")

    @cached_property
    def _grid(self) -> Panels:
        """Panels over the angles where the density is not negligible."""
        near = np.geomspace(1e-9, np.pi / 2, SCAN)
        angles = np.concatenate([[0.0], near, np.pi - near[-2::-1], [np.pi]])
        log_p = self._log_density(angles)
        inside = np.flatnonzero(log_p > log_p.max() - NEGLIGIBLE)
        last = len(angles) - 1
        return panels(angles[max(inside[0] - 1, 0)], angles[min(inside[-1] + 1, last)], count=PANELS)

    def _log_density(self, angle: Floats) -> Floats:
        return xlogy(self.dimension - 2, np.sin(angle)) - 2 * self.concentration * np.sin(angle / 2) ** 2

    @cached_property
    def _log_norm(self) -> float:
        log_p = self._log_density(self._grid.nodes)
        return float(log_p.max() + np.log((self._grid.weights * np.exp(log_p - log_p.max())).sum()))

    @cached_property
    def _density(self) -> Floats:
        """The density of the angle at the nodes."""
        return np.exp(self._log_density(self._grid.nodes) - self._log_norm)

    @property
    def mean(self) -> float:
        """E cos t."""
        return 1 - self.mean_deficit

    @property
    def mean_deficit(self) -> float:
        """1 - E cos t, with all its digits where the concentration is large."""
        return float((self._grid.weights * self._density * 2 * np.sin(self._grid.nodes / 2) ** 2).sum())

    @property
    def variance(self) -> float:
        """The variance of cos t."""
        deficit = 2 * np.sin(self._grid.nodes / 2) ** 2
        return float((self._grid.weights * self._density * (deficit - self.mean_deficit) ** 2).sum())

    def pdf(self, cosine: Any) -> Floats:
        """The density of the cosine; zero outside [-1, 1], and infinite at the ends in two dimensions."""
        c = np.asarray(cosine, float)
        inside = np.clip(c, -1, 1)
        log_p = xlogy((self.dimension - 3) / 2, (1 - inside) * (1 + inside)) - self.concentration * (1 - inside)
        return np.where(inside == c, np.exp(log_p - self._log_norm), 0.0)[()]

    def cdf(self, cosine: Any) -> Floats:
        """The probability of a smaller cosine; the rounding of the cosine moves it by about 1e-16 concentration."""
        return 1 - self.survival(cosine)

    def survival(self, cosine: Any) -> Floats:
        """The probability of a larger cosine."""
        c = np.asarray(cosine, float)
        angles = np.arccos(np.clip(c, -1, 1)).ravel()
        return np.clip(self._grid.integral_to(angles, self._density), 0, 1).reshape(c.shape)[()]

    def probabilities(self, edges: Any) -> Floats:
        """The probabilities of the bins between rising cosines: one fewer than edges."""
        edges = np.asarray(edges, float)
        if not (edges.ndim == 1 and len(edges) >= 2 and (np.diff(edges) > 0).all()):
            raise ValueError("edges must be a row of at least two cosines that rise.")
        return -np.diff(self.survival(edges))

    def quantile(self, probability: Any) -> Floats:
        """The cosine below which there is this probability: equal steps of it make bins of equal probability."""
        p = np.asarray(probability, float)
        if not ((p >= 0) & (p <= 1)).all():
            raise ValueError("a probability lies between 0 and 1.")
        low, high = (np.full(p.size, end) for end in (self._grid.edges[0], self._grid.edges[-1]))
        for _ in range(HALVINGS):  # of the angle, whose distribution rises
            middle = (low + high) / 2
            short = self._grid.integral_to(middle, self._density) < 1 - p.ravel()
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        inner = np.cos((low + high) / 2).reshape(p.shape)
        return np.where(p == 0, -1.0, np.where(p == 1, 1.0, inner))[()]


def mean_cosine(concentration: Any, dimension: Any) -> Floats:
    """E cos t = I_{d/2}(concentration)/I_{d/2-1}(concentration); the arguments broadcast."""
    k, d = np.broadcast_arrays(np.asarray(concentration, float), np.asarray(dimension, float))
    means = [VonMisesFisher(float(a), b).mean for a, b in zip(k.flat, d.flat, strict=True)]
    return np.reshape(means, k.shape)[()]
