"""The likelihood of an ensemble at a fixed temperature, in powers of 1/n.

Members are drawn independently, and the probability that one gives to the true class of an example has the mean mu,
the variance s^2 and the third cumulant k over members. Those of the average of n are mu, s^2/n and k/n^2, so that

    NLL_n = E -ln(mean of n) = c + b/n + d/n^2 + O(1/n^3),
    c = E -ln mu,    b = E s^2/(2 mu^2),    d = E [3 s^4/(4 mu^4) - k/(3 mu^3)],

averaged over examples: exact order by order, an asymptotic series, poor where members give a true class next to no
probability. The Brier score is quadratic, and its law c + b/n is exact for every n.

A fitted temperature moves with n and adds to d a term that is never positive, -b'^2/(2 c''): the calibrated curve is
the lower envelope over temperatures of laws c(tau) + b(tau)/n, and is concave in 1/n to that order.

Source of b: Lobacheva, Chirkova, Kodryan & Vetrov 2020. The rest is derived in theory/ensembles.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MU, S, N = sp.symbols("mu s n", positive=True)
THIRD, FOURTH = sp.symbols("kappa_3 kappa_4", real=True)
STEP, FAR = 0.05, 80.0
"""The trapezoidal rule in ln t over |ln t| <= FAR: the integrand falls exponentially at both ends."""


class Law(NamedTuple):
    """NLL_n = c + b/n + d/n^2."""

    c: float
    b: float
    d: float

    def at(self, n: ArrayLike) -> Floats:
        """The law at n members."""
        n = np.asarray(n, float)
        return self.c + self.b / n + self.d / n**2


def moments() -> tuple[sp.Expr, ...]:
    """E x^k, k = 1 ... 4, of x = (mean of n)/mu - 1, from the cumulants of the mean."""
    second, third, fourth = S**2 / N / MU**2, THIRD / N**2 / MU**3, FOURTH / N**3 / MU**4
    return sp.Integer(0), second, third, fourth + 3 * second**2


def expansion() -> sp.Expr:
    """E -ln(mean of n) of one example to 1/n^2; the moments from the fifth on are of order 1/n^3."""
    x = sp.Symbol("x")
    series = sp.Poly(sp.series(-sp.log(1 + x), x, 0, 5).removeO(), x)
    mean = sum(series.coeff_monomial(x**k) * moment for k, moment in enumerate(moments(), 1))
    terms = sp.Poly(sp.expand(mean).subs(N, 1 / sp.Symbol("h")), sp.Symbol("h"))
    return -sp.log(MU) + sum(terms.coeff_monomial(sp.Symbol("h") ** k) / N**k for k in (1, 2))


_COEFFICIENTS = sp.lambdify(
    (MU, S, THIRD), [sp.expand(expansion()).subs(N, sp.oo), *(sp.expand(expansion()).coeff(N, -k) for k in (1, 2))]
)


def law(mean: ArrayLike, variance: ArrayLike, third: ArrayLike = 0.0) -> Law:
    """The law from the mean, variance and third cumulant over members of the true class's probability (example).

    ValueError where a mean is not positive: such an example costs without bound.
    """
    mu, variance = np.asarray(mean, float), np.asarray(variance, float)
    if not (mu > 0).all():
        raise ValueError("the mean probability of a true class must be positive; look for members that diverged.")
    return Law(*(float(np.mean(part)) for part in _COEFFICIENTS(mu, np.sqrt(variance), np.asarray(third, float))))


def cumulants(p: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Unbiased mean, variance and third cumulant over members: p (member, example) -> (example) each.

    ValueError with fewer than three members.
    """
    p = np.asarray(p, float)
    if p.ndim != 2 or len(p) < 3:
        raise ValueError(f"p must have shape (member, example) and at least three members, got {p.shape}.")
    members, mean = len(p), p.mean(axis=0)
    third = members * ((p - mean) ** 3).sum(axis=0) / ((members - 1) * (members - 2))
    return mean, p.var(axis=0, ddof=1), third


def law_of_members(p: ArrayLike) -> Law:
    """The law from the members themselves, without a fit: p (member, example), probabilities of the true classes.

    With the unbiased cumulants of M members. -ln of their mean is NLL_M, which is taken back to c; b and d are biased
    by O(1/M), for they are ratios. ValueError with fewer than three members.
    """
    members, found = len(np.asarray(p)), law(*cumulants(p))
    return found._replace(c=found.c - found.b / members - found.d / members**2)


def brier_law(p: ArrayLike, labels: ArrayLike) -> Law:
    """The law of the Brier score, exact for every n (d = 0): p (member, example, class), labels (example)."""
    p, labels = np.asarray(p, float), np.asarray(labels)
    target = np.eye(p.shape[-1])[labels]
    b = float(p.var(axis=0, ddof=1).sum(axis=-1).mean())
    return Law(float(((p.mean(axis=0) - target) ** 2).sum(axis=-1).mean()) - b / len(p), b, 0.0)


def exact_nll(laplace: Callable[[Floats], Any], n: int) -> float:
    """E -ln(mean of n) for independent p of the Laplace transform E e^(-t p), to 12 digits.

    By Frullani's integral -ln S = int_0^inf (e^(-t S) - e^(-t)) dt/t, so that E -ln S = int (laplace^n - e^-t) dt/t.
    For transforms that fall at least as t^(-1/2).
    """
    t = np.exp(np.arange(-FAR, FAR + STEP / 2, STEP))
    return float(STEP * (np.asarray(laplace(t)) ** n - np.exp(-t)).sum() + np.log(n))
