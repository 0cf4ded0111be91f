"""The loss of an ensemble at any fixed temperature after averaging, from its members and without a fit.

With p_k the mean over members of the probability of class k, u_k = p_k(member)/p_k - 1, and q = softmax(log p / tau)
the prediction at temperature tau, the loss -log q_y of the average of n members is, to first order in 1/n,

    NLL_n(tau) = c(tau) + b(tau)/n,    c = E[-log q_y],
    b = E[var u_y + (1/tau - 1) sum_k q_k var u_k - var(sum_k q_k u_k)/tau]/(2 tau):

the trace of the loss's Hessian in p with the covariance of the members (delta method), averaged over examples. At
tau = 1 it is b = E[s^2/mu^2]/2 of `simlab.theory.ensembles`, for then sum_k q_k u_k = 0. The calibrated curve is the
lower envelope over tau (Lobacheva, Chirkova, Kodryan & Vetrov 2020).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from simlab import ensembles
from simlab.core.checks import Floats
from simlab.core.device import Device

Array = Any


class Expansion(NamedTuple):
    """c and b for each of the temperatures (tau)."""

    c: Floats
    b: Floats


def expand(log_probs: Array, labels: Array, taus: Floats) -> Expansion:
    """Expansion c + b/n at each temperature from members (member, example, class), extrapolated to infinitely many."""
    device = Device.of(log_probs)
    xp, members = device.xp, len(log_probs)
    mean = ensembles.average(log_probs)
    u = xp.exp(log_probs - mean) - 1
    spread = u.var(axis=0, ddof=1)
    of_truth = xp.take_along_axis(spread, labels[:, None], axis=-1)[:, 0]
    coefficients = []
    for tau in map(float, taus):
        q = xp.exp(ensembles.calibrate(mean, tau))
        along = xp.einsum("mnk,nk->mn", u, q).var(axis=0, ddof=1)
        b = float((of_truth + (1 / tau - 1) * (q * spread).sum(axis=-1) - along / tau).mean()) / (2 * tau)
        coefficients.append((float(ensembles.nll(mean, labels, tau)) - b / members, b))
    return Expansion(*np.array(coefficients).T)


def envelope(curves: Expansion, taus: Floats, n: ArrayLike) -> Floats:
    """The lowest of the curves at each n (size): a parabola in ln tau through the lowest place and its neighbours."""
    losses = curves.c[:, None] + curves.b[:, None] / np.asarray(n, float)
    k = losses.argmin(axis=0).clip(1, len(taus) - 2)
    left, middle, right = (np.take_along_axis(losses, (k + s)[None], axis=0)[0] for s in (-1, 0, 1))
    curvature, slope = left - 2 * middle + right, (right - left) / 2
    inside = (curvature > 0) & (abs(slope) <= curvature)
    return np.where(inside, middle - slope**2 / (2 * np.where(inside, curvature, 1.0)), np.minimum(left, right))
