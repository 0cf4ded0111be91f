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
from numpy.typing import ArrayLike

from simlab.core.checks import Floats, numbers, real_array, shown, whole
from simlab.theory.arguments import counts, together

MU, S, N = sp.symbols("mu s n", positive=True)
THIRD, FOURTH = sp.symbols("kappa_3 kappa_4", real=True)
STEP, FAR = 0.05, 80.0
"""The trapezoidal rule in ln t over |ln t| <= FAR: the integrand falls exponentially at both ends."""
MANY, ROUNDING, HIGHEST = 1000, 2e-3, 1.0
"""Members at most, what half precision may be off from a probability, and the largest cumulant of one."""


class Law(NamedTuple):
    """NLL_n = c + b/n + d/n^2."""

    c: float
    b: float
    d: float

    def at(self, n: ArrayLike) -> Floats:
        """The law at n members, at least one; infinitely many are allowed."""
        n = numbers("n", n, at_least=1, infinite=True)
        n = np.minimum(n, 1e100)  # as good as infinite, and its square is a number
        return (self.c + self.b / n + self.d / n**2)[()]


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

    ValueError where a mean is not positive: such an example costs without bound; and for what is not a probability.
    """
    mu, variance = _probabilities("mean", mean), numbers("variance", variance, at_least=0, at_most=HIGHEST)
    if not mu.size or not (mu > 0).all():
        raise ValueError("the mean probability of a true class must be positive; look for members that diverged.")
    mu, variance, third = together(
        mean=mu, variance=variance, third=numbers("third", third, at_least=-HIGHEST, at_most=HIGHEST)
    )
    # In units of the mean, which may be as small as floats are: its powers would not be.
    _, b, d = _COEFFICIENTS(1.0, np.sqrt(variance) / mu, third / mu / mu / mu)
    return Law(*(float(np.mean(np.broadcast_to(part, mu.shape))) for part in (-np.log(mu), b, d)))


def cumulants(p: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Unbiased mean, variance and third cumulant over members: p (member, example) -> (example) each.

    NaN stays NaN. ValueError with fewer than three members, and for what is not a probability.
    """
    p = _probabilities("p", p, nan=True)
    if p.ndim != 2 or len(p) < 3 or not p.size:
        raise ValueError(f"p must have shape (member, example) and at least three members, got {p.shape}.")
    members, mean = len(p), p.mean(axis=0)
    third = members * ((p - mean) ** 3).sum(axis=0) / ((members - 1) * (members - 2))
    return mean, p.var(axis=0, ddof=1), third


def law_of_members(p: ArrayLike) -> Law:
    """The law from the members themselves, without a fit: p (member, example), probabilities of the true classes.

    With the unbiased cumulants of M members. -ln of their mean is NLL_M, which is taken back to c; b and d are biased
    by O(1/M), for they are ratios. NaN stays NaN. ValueError with fewer than three members, and for what is no
    probability.
    """
    found = cumulants(p)
    if np.isnan(found[0]).any():
        return Law(np.nan, np.nan, np.nan)
    members, at_infinity = len(_probabilities("p", p)), law(*found)
    return at_infinity._replace(c=at_infinity.c - at_infinity.b / members - at_infinity.d / members**2)


def brier_law(p: ArrayLike, labels: ArrayLike) -> Law:
    """The law of the Brier score, exact for every n (d = 0): p (member, example, class), labels (example).

    NaN stays NaN. ValueError with fewer than two members, for what is not a distribution over classes, and for labels
    that are none of them.
    """
    p, labels = _probabilities("p", p, nan=True), counts("labels", labels).astype(int)
    if p.ndim != 3 or len(p) < 2 or not p.size:
        raise ValueError(f"p must have shape (member, example, class) and at least two members, got {p.shape}.")
    if (away := np.abs(p.sum(axis=-1) - 1) > ROUNDING).any():
        raise ValueError(f"p must add up to 1 over the classes, got {p.sum(axis=-1)[away][0]:g}.")
    if labels.shape != p.shape[1:2]:
        raise ValueError(f"labels must be one for each of {p.shape[1]} examples, got shape {labels.shape}.")
    if labels.max() >= p.shape[-1]:
        raise ValueError(f"labels must be below {p.shape[-1]}, the number of classes, got {labels.max()}.")
    target = np.eye(p.shape[-1])[labels]
    b = float(p.var(axis=0, ddof=1).sum(axis=-1).mean())
    return Law(float(((p.mean(axis=0) - target) ** 2).sum(axis=-1).mean()) - b / len(p), b, 0.0)


def _probabilities(name: str, values: Any, nan: bool = False) -> Floats:
    """Numbers from 0 to 1, up to the rounding of half precision."""
    found = numbers(name, values, at_least=0, nan=nan)
    if (found > 1 + ROUNDING).any():
        raise ValueError(f"{name} must be probabilities, at most 1, got {found[found > 1 + ROUNDING][0]:g}.")
    return found


def exact_nll(laplace: Callable[[Floats], Any], n: int) -> float:
    """E -ln(mean of n) for independent p of the Laplace transform E e^(-t p), to 12 digits for n up to 1000.

    By Frullani's integral -ln S = int_0^inf (e^(-t S) - e^(-t)) dt/t, so that E -ln S = int (laplace^n - e^-t) dt/t.
    For transforms that fall at least as t^(-1/2). ValueError for a larger n, whose power multiplies the rounding of the
    transform; for a function that is no Laplace transform of a positive p; and for one that falls too slowly.
    """
    n = whole("n", n, 1, MANY)
    t = np.exp(np.arange(-FAR, FAR + STEP / 2, STEP))
    if not callable(laplace):
        raise ValueError(f"laplace must be a function of an array, got {shown(laplace)}.")
    with np.errstate(all="ignore"):
        values = real_array("laplace", laplace(t))
    if values.shape != t.shape or not ((values >= -1e-9) & (values <= 1 + 1e-9)).all() or abs(values[0] - 1) > 1e-9:
        raise ValueError("laplace must be a Laplace transform of a distribution, from 1 at 0 down to 0.")
    if not abs(values[-1]) ** n < 1e-13:
        raise ValueError(f"laplace must fall at least as t^(-1/2), got {values[-1]:g} at t = {t[-1]:.0e}.")
    return float(STEP * (values**n - np.exp(-t)).sum() + np.log(n))
