"""Page: how the loss of an ensemble falls with the number of its members."""

from __future__ import annotations

from functools import partial
from typing import Any

import sympy as sp
from scipy.special import hyp1f1

from simlab.theory import ensembles as en
from simlab.theory.document import Document

A, B = sp.symbols("alpha beta", positive=True)
TAU, C0, C2, B0, B1, H = sp.symbols(r"\theta c_0 c'' b_0 b' h", real=True)


def derivation() -> Document:
    """The whole page."""
    page = Document("The loss of an ensemble", "simlab/theory/derivations/ensembles.py")
    page.say(
        """The talk shows losses of ensembles that fall with the number of members $n$ like $c + b\\,n^{-a}$. At a fixed
        temperature the exponent can be derived, and so can $b$ and $c$, from the members themselves and without a
        fit. Members are independent, given the data; $p$ is the probability that one of them gives to the true class
        of an example, with mean $\\mu$, variance $s^2$ and cumulants $\\kappa_3, \\kappa_4, \\dots$ over members."""
    )
    _fixed(page)
    _check(page)
    _quadratic(page)
    _envelope(page)
    return page


def _fixed(page: Document) -> None:
    page.section("A fixed temperature")
    page.say("The mean of $n$ members is $\\bar p = \\mu(1 + x)$. Cumulants of a mean fall as $n^{1-k}$, so that")
    for k, moment in enumerate(en.moments(), 1):
        page.show(f"E x^{k}" if k > 1 else "E x", moment)
    page.say("and moments from the fifth on are $O(n^{-3})$. Put into the series of $-\\ln(1 + x)$ this gives")
    page.show(r"E[-\ln\bar p]", sp.collect(sp.expand(en.expansion()), en.N))
    page.say(
        """up to $O(n^{-3})$, to be averaged over examples. The leading term is $b/n$ with $b = E\\,s^2/2\\mu^2$
        (Lobacheva et al. 2020): at a fixed temperature the exponent is 1. The mean over examples is the talk's curve,
        and as $\\mu$ and $s$ are means over members, a pool of them predicts it. The series is asymptotic: where
        $s/\\mu$ is large for some examples, $n$ must be large first."""
    )


def _check(page: Document) -> None:
    page.section("A check")
    page.say(
        """For a variable of Laplace transform $M(t)$ Frullani's integral
        $-\\ln S = \\int_0^\\infty (e^{-tS} - e^{-t})\\, dt/t$ makes the mean of the logarithm a single integral,"""
    )
    page.show(r"E[-\ln\bar p]", r"\ln n + \int_0^\infty \left(M(t)^n - e^{-t}\right)\frac{dt}{t}")
    page.say("For $p$ with the distribution Beta$(\\alpha, \\beta)$")
    cumulants = beta_cumulants()
    for name, value in zip((r"\mu", "s^2", r"\kappa_3"), cumulants, strict=True):
        page.show(name, sp.factor(value))
    page.say("and $M(t) = {}_1F_1(\\alpha; \\alpha + \\beta; -t)$. Exact numbers and the series:")
    rows = []
    for alpha, beta in ((2, 1), (5, 2), (1, 3)):
        mean, variance, third = (float(c.subs({A: alpha, B: beta})) for c in cumulants)
        law = en.law(mean, variance, third)
        for n in (1, 2, 5, 10, 50):
            exact = en.exact_nll(partial(_laplace, alpha, beta), n)
            rows.append([f"{alpha}, {beta}", f"{n}", exact, float(law._replace(d=0.0).at(n)), float(law.at(n))])
    page.table([r"$\alpha, \beta$", "n", "exact", "to 1/n", "to 1/n^2"], rows)
    page.say(
        """The last law is that of a classifier that is often wrong, $s/\\mu = 0.77$: one member is far from the
        asymptotic regime, ten are in it."""
    )


def _quadratic(page: Document) -> None:
    page.section("A quadratic loss")
    page.say("For the Brier score, or the squared error of a regression, the same steps end: with target $y$")
    y, mean = sp.symbols("y mu", real=True)
    page.show(r"E(\bar p - y)^2", (mean - y) ** 2 + en.S**2 / en.N)
    page.say("for every $n$. Ensembles of random features follow it, too (`simlab.theory.random_features`).")


def _envelope(page: Document) -> None:
    page.section("A temperature that is fitted")
    page.say(
        """Calibration takes the best temperature for every $n$. With a parameter $\\theta$ of the temperature that is 0
        where infinitely many members are best, and $h = 1/n$,"""
    )
    curve = C0 + C2 * TAU**2 / 2 + (B0 + B1 * TAU) * H
    page.show(r"\mathrm{NLL}_n(\theta)", curve)
    page.say("to leading orders. The minimum is at")
    best = sp.solve(sp.diff(curve, TAU), TAU)[0]
    page.show(r"\theta_n", best)
    page.show(r"\mathrm{CNLL}_n", sp.expand(curve.subs(TAU, best)))
    page.say(
        """The best temperature moves like $1/n$ and the calibrated loss bends downwards: a minimum over $\\theta$ of
        functions that are linear in $h$ is concave in $h$, whatever they are. So on any finite range of $n$ a fit of $c
        + b\\,n^{-a}$ finds $a < 1$ where the temperature moves much, and $a = 1$ returns at the largest $n$; the fitted
        exponent is a description of a range, not an asymptotic law. The part of $n^{-2}$ from fixed temperature above
        has the other sign where $3 s^4/4\\mu^4 > \\kappa_3/3\\mu^3$."""
    )


def _laplace(alpha: float, beta: float, t: Any) -> Any:
    return hyp1f1(alpha, alpha + beta, -t)


def beta_cumulants() -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Mean, variance and third cumulant of Beta(alpha, beta), from its moments."""
    first, second, third = (sp.prod([(A + k) / (A + B + k) for k in range(order)]) for order in (1, 2, 3))
    return first, sp.factor(second - first**2), sp.factor(third - 3 * first * second + 2 * first**3)
