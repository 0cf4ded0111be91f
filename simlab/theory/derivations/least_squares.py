"""Page: least squares in many dimensions, where double descent can be computed by hand."""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.theory import least_squares as ls
from simlab.theory.document import Document

G, L = ls.GAMMA, ls.RIDGE
R, SIGMA, U, S, KAPPA, EIGEN, TIME = sp.symbols("r sigma u s kappa l t", positive=True)
RIDGE_OF_U = sp.factor(sp.solve(ls.QUADRATIC.subs({ls.Z: -L, ls.M: U / L}) * L, L)[0])
"""lambda as a function of u = lambda m(-lambda): rational, where u as a function of lambda has a root."""
ROOT_OF_U = sp.factor(1 - G + RIDGE_OF_U + 2 * G * U)
"""s = sqrt((1 - gamma + lambda)^2 + 4 gamma lambda) as a function of u."""


def derivation() -> Document:
    """The whole page."""
    page = Document(
        "Least squares in many dimensions: the simplest double descent", "simlab/theory/derivations/least_squares.py"
    )
    page.say(
        """The talk shows a test risk that falls, rises to a peak where the model begins to fit its training data
        exactly, and falls again. The smallest model with that curve is linear regression, and everything about it has a
        formula: where the peak is, why, what removes it, and when it appears along the epochs of training."""
    )
    page.section("The model, and what is assumed")
    page.say(
        """Training data are $y = x\\cdot\\beta + \\varepsilon$ with $x \\sim N(0, I_p)$, $|\\beta| = r$ and independent
        noise of variance $\\sigma^2$; there are $n$ of them, and $\\gamma = p/n$. The estimator $\\hat b = \\arg\\min
        |y - Xb|^2/n + \\lambda |b|^2$ has the excess risk $R = E\\,|\\hat b - \\beta|^2$. The formula (2) is exact at
        every size, given the eigenvalues of $X^TX/n$. All that follows from the distribution of those eigenvalues is
        asymptotic: $n$ and $p$ grow at fixed $\\gamma$, and at finite $n$ the error is of order $1/n$. Nothing here is
        heuristic except the last section, which neglects $p/n$."""
    )
    _estimator(page)
    _quadratic(page)
    _risk(page)
    _limits(page)
    _best_ridge(page)
    _spectrum(page)
    _flow(page)
    _speeds(page)
    return page


def _estimator(page: Document) -> None:
    page.section("Bias and variance of ridge regression")
    page.say(
        """Let $W = X^T X/n$. The normal equations give $\\hat b - \\beta = -\\lambda (W+\\lambda)^{-1}\\beta +
        (W+\\lambda)^{-1} X^T\\varepsilon/n$. The noise is independent of $X$, and the distribution of $X$ does not
        change when $\\beta$ is turned, so $\\beta\\beta^T$ may be replaced by $r^2 I/p$. In an eigendirection of $W$
        with eigenvalue $l$ the expected square is, times $p$,"""
    )
    bias, noise = R**2 * L**2 / (EIGEN + L) ** 2, G * SIGMA**2 * EIGEN / (EIGEN + L) ** 2
    page.show("R(l)", bias + noise)
    page.say(
        """and the risk is the mean of $R(l)$ over the eigenvalues. With the transform $m(z) = E\\,\\frac{1}{l - z}$ and
        its derivative $m'(z) = E\\,\\frac{1}{(l - z)^2}$ at $z = -\\lambda$,"""
    )
    m, slope = sp.symbols("m m'")
    risk = _risk_of(m, slope)
    page.show("R", risk)
    page.say("because, eigenvalue by eigenvalue, the difference of the two is")
    one = 1 / (EIGEN + L)
    page.show("R - R(l)", sp.simplify(risk.subs({m: one, slope: one**2}) - bias - noise))


def _risk_of(m: sp.Expr, slope: sp.Expr) -> sp.Expr:
    return R**2 * L**2 * slope + SIGMA**2 * G * (m - L * slope)


def _quadratic(page: Document) -> None:
    page.section("The Marchenko-Pastur transform")
    page.say(
        """Here the limit enters: for $n, p \\to \\infty$ the eigenvalues of $W$ no longer fluctuate, and $m$ solves
        (Marchenko & Pastur 1967)"""
    )
    page.show(ls.QUADRATIC, 0)
    page.say("At $z = -\\lambda$ the root that is positive and behaves as $1/\\lambda$ for large $\\lambda$ is")
    root = ls.transform()
    page.show(r"m(-\lambda)", root)
    page.say("Its expansion for large $\\lambda$ lists the moments of the eigenvalues, $1$, $E\\,l$, $E\\,l^2$:")
    small = sp.Symbol("epsilon", positive=True)
    series = sp.series(root.subs(L, 1 / small), small, 0, 4).removeO()
    terms = [sp.factor(sp.expand(series).coeff(small, k)) * L**-k for k in (1, 2, 3)]
    page.show(r"m(-\lambda)", " + ".join(sp.latex(t) for t in terms).replace("+ -", "-") + r" + \dots")
    page.say(
        """as it must be for the mean $1$ and the variance $\\gamma$ of the eigenvalues. The derivative follows without
        the root, by differentiating the quadratic $Q(z, m) = 0$ itself:"""
    )
    slope = -sp.diff(ls.QUADRATIC, ls.Z) / sp.diff(ls.QUADRATIC, ls.M)
    page.show(r"m'(z) = -\frac{\partial Q/\partial z}{\partial Q/\partial m}", sp.factor(slope))
    page.say("which agrees with the derivative of the root, $\\frac{d}{dz} = -\\frac{d}{d\\lambda}$:")
    difference = slope.subs({ls.Z: -L, ls.M: root}) + sp.diff(root, L)
    page.show(r"m'(-\lambda) + \frac{d}{d\lambda}\, m(-\lambda)", sp.simplify(difference))


def _risk(page: Document) -> None:
    page.section("The risk without cancellations")
    page.say(
        """The formula as it stands subtracts numbers that are nearly equal when $\\lambda$ is small or large. A better
        coordinate is $u = \\lambda\\, m(-\\lambda)$, the mean share of $\\beta$ that is not learnt: $u = 0$ without a
        ridge and with enough data, $u = 1$ with an infinite ridge. The quadratic gives $\\lambda$ as a rational
        function of it,"""
    )
    page.show(r"\lambda", RIDGE_OF_U)
    page.say(
        """and in the other direction, with $b = 1 - \\gamma + \\lambda$ and $s = \\sqrt{b^2 + 4\\gamma\\lambda} = b +
        2\\gamma u$, one has $u = \\frac{s - b}{2\\gamma} = \\frac{2\\lambda}{s + b}$ and $1 - u = \\frac{2}{1 + \\gamma
        + \\lambda + s}$, of which one form never cancels. Checks, as functions of $u$:"""
    )
    s, b = ROOT_OF_U, 1 - G + RIDGE_OF_U
    page.show(r"s^2 - b^2 - 4\gamma\lambda", sp.simplify(s**2 - b**2 - 4 * G * RIDGE_OF_U))
    page.show(r"u - \frac{2\lambda}{s + b}", sp.simplify(U - 2 * RIDGE_OF_U / (s + b)))
    page.show(r"1 - u - \frac{2}{1+\gamma+\lambda+s}", sp.simplify(1 - U - 2 / (1 + G + RIDGE_OF_U + s)))
    page.say("Let the noise amplification be")
    page.show("V", G * (1 - U) / S)
    page.say("Then the risk is a sum of positive terms:")
    stable = R**2 * U**2 * (1 + G * (1 - U) / S) + SIGMA**2 * G * (1 - U) / S
    v = sp.Symbol("V", positive=True)
    page.show("R", R**2 * U**2 * (1 + v) + SIGMA**2 * v)
    page.say(
        """The first is the bias $r^2u^2$ of the average estimator and its variance over the inputs, $r^2u^2V$; the
        second is the variance from the noise. This is what `simlab.theory.least_squares.risk` evaluates. Its difference
        from the formula of Marchenko and Pastur, with the root put in, is"""
    )
    raw = _risk_of(ls.transform(), -sp.diff(ls.transform(), L))
    root = sp.sqrt((1 - G + L) ** 2 + 4 * G * L)
    page.show("R - R_{MP}", sp.simplify(stable.subs(U, 2 * L / (root + 1 - G + L)).subs(S, root) - raw))


def _limits(page: Document) -> None:
    page.section("No ridge: the peak")
    page.say("$\\lambda \\to 0$ leaves the minimum-norm solution. By (9) that is a root of $\\lambda(u) = 0$, one of")
    share = sp.Symbol("u")  # of either sign, or sympy leaves out the root 0
    roots = sorted(sp.solve(RIDGE_OF_U.subs(U, share), share), key=sp.count_ops)
    page.show("u", r" \quad\text{or}\quad ".join(sp.latex(root) for root in roots))
    page.say(
        "$u$ is a share, so it is the larger of the two: the first below $\\gamma = 1$ and the second above. There"
    )
    v = G * (1 - U) / ROOT_OF_U
    for root, side in zip(roots, ("<", ">"), strict=True):
        limit = sp.cancel((R**2 * U**2 * (1 + v) + SIGMA**2 * v).subs(U, root))
        page.show(rf"R_{{\gamma {side} 1}}", sp.apart(limit, R))
    page.say(
        """Both are infinite at $\\gamma = 1$, where $p = n$ equations in as many unknowns have a unique solution that
        carries all of the noise (Hastie, Montanari, Rosset & Tibshirani 2022). A small ridge bounds the peak; at
        $\\gamma = 1$,"""
    )
    u = sp.sqrt(L**2 + 4 * L) - L
    root = sp.sqrt(L**2 + 4 * L)
    at_one = R**2 * (u / 2) ** 2 * (1 + (1 - u / 2) / root) + SIGMA**2 * (1 - u / 2) / root
    page.show("R", sp.series(at_one, L, 0, sp.Rational(1, 2)))
    page.say("Numbers for $r = 1$, $\\sigma = 1/2$ (the last column is the subject of the next section):")
    rows = []
    for gamma in (0.1, 0.5, 0.9, 1.0, 1.1, 2.0, 3.0, 10.0):
        values = [float(ls.risk(gamma, ridge)) for ridge in (0, 0.01, 0.1)]
        rows.append([f"{gamma:g}", *values, float(ls.risk(gamma, ls.optimal_ridge(gamma)))])
    page.table(["gamma", "ridge 0", "ridge 0.01", "ridge 0.1", "best ridge"], rows)


def _best_ridge(page: Document) -> None:
    page.section("The best ridge: no peak")
    page.say("Along $u$ everything is rational, and $dR/d\\lambda = (dR/du)/(d\\lambda/du)$ factors:")
    v = G * (1 - U) / ROOT_OF_U
    risk = R**2 * U**2 * (1 + v) + SIGMA**2 * v
    target = (L * R**2 - G * SIGMA**2) / S**3
    slope = sp.diff(risk, U) / sp.diff(RIDGE_OF_U, U)
    share = sp.simplify(slope / target.subs({S: ROOT_OF_U, L: RIDGE_OF_U}))
    page.show(r"\frac{dR}{d\lambda}", share * target)
    best = sp.solve(target, L)[0]
    page.say("It is negative below and positive above")
    page.show(r"\lambda_{\mathrm{best}}", best)
    page.say("so this is the only minimum, and there the risk is $r^2$ times the share that is not learnt:")
    noise = sp.solve(sp.Eq(best, RIDGE_OF_U), SIGMA)[0]
    page.show(r"R_{\mathrm{best}}", sp.simplify(risk.subs(SIGMA, noise)))
    page.say(
        """which grows smoothly with $\\gamma$ through $\\gamma = 1$: the peak is not a property of the number of
        parameters alone but of a ridge that is too small (Dobriban & Wager 2018)."""
    )


def _spectrum(page: Document) -> None:
    page.section("Features that are not alike")
    page.say(
        """For inputs of covariance $\\Sigma$ the same limit is known (Hastie et al. 2022, Bach 2024; quoted here, not
        derived). The sample acts like a ridge of its own: with $\\mathrm{df}_2 =
        \\mathrm{tr}\\,\\Sigma^2(\\Sigma+\\kappa)^{-2}$,"""
    )
    page.show(r"\kappa", r"\lambda + \frac{\kappa}{n}\,\mathrm{tr}\,\Sigma(\Sigma+\kappa)^{-1}")
    page.show(
        "R",
        r"\frac{\kappa^2\,\beta^T(\Sigma+\kappa)^{-1}\Sigma(\Sigma+\kappa)^{-1}\beta"
        r" + \sigma^2\,\mathrm{df}_2/n}{1 - \mathrm{df}_2/n}",
    )
    page.say(
        "For $\\Sigma = I$ the first equation reads, with $u = \\kappa/(1 + \\kappa)$, exactly the $\\lambda(u)$ above:"
    )
    ridge = sp.factor(KAPPA - KAPPA * G / (1 + KAPPA))
    page.show(r"\lambda", ridge)
    share = KAPPA / (1 + KAPPA)
    page.show(r"\lambda - \lambda(u)", sp.simplify(ridge - RIDGE_OF_U.subs(U, share)))
    page.say("and the second one is the risk above:")
    spoilt = G * (1 - U) ** 2
    other = (R**2 * U**2 + SIGMA**2 * spoilt) / (1 - spoilt)
    v = G * (1 - U) / ROOT_OF_U
    page.show(r"R_{\Sigma = I} - R", sp.simplify(other - R**2 * U**2 * (1 + v) - SIGMA**2 * v))


def _flow(page: Document) -> None:
    page.section("Training time: gradient flow")
    page.say(
        """Gradient flow on $|y - Xb|^2/2n$ from $b = 0$ decouples in the eigendirections of $W$; in one of them the
        target of the flow is $\\beta_i + \\varepsilon_i$ with $\\varepsilon_i$ of variance $\\sigma^2/(n l)$:"""
    )
    w, start = sp.Function("w"), sp.Symbol("w_*", real=True)
    page.show(r"\frac{dw}{dt}", -EIGEN * (w(TIME) - start))
    solution = sp.dsolve(sp.Eq(w(TIME).diff(TIME), -EIGEN * (w(TIME) - start)), w(TIME), ics={w(0): 0}).rhs
    page.show("w(t)", sp.factor(solution))
    page.say("The mean square of $w(t) - \\beta_i$, times $p$, with $q = e^{-lt}$ the share that is left, is")
    q = sp.Symbol("q", positive=True)
    one = R**2 * q**2 + G * SIGMA**2 * (1 - q) ** 2 / EIGEN
    page.show("R(l, t)", one)
    page.say(
        """averaged over the distribution of Marchenko and Pastur, of which a share $1 - 1/\\gamma$ sits at $l = 0$ if
        $\\gamma > 1$ and keeps its $r^2$ (Advani, Saxe & Sompolinsky 2020). Each direction is best at"""
    )
    best = sp.solve(sp.diff(one, q), q)[0]
    page.show(r"q_{\mathrm{best}}", sp.factor(best))
    ridge = G * SIGMA**2 / R**2
    page.say("the shrinkage of the best ridge,")
    page.show(
        r"q_{\mathrm{best}} - \frac{\lambda_{\mathrm{best}}}{l + \lambda_{\mathrm{best}}}",
        sp.simplify(best - ridge / (EIGEN + ridge)),
    )
    page.say(
        """but $e^{-lt}$ cannot be that for all $l$ at once, so stopping early comes close to the best ridge and does
        not reach it. From $r^2 = 1$ at $t = 0$ to the minimum norm at the end, $\\sigma = 1/2$:"""
    )
    times = np.array([1.0, 3.0, 10.0, 100.0, 1e4])
    rows = []
    for gamma in (0.5, 0.9, 1.0, 1.1, 2.0):
        path = ls.gradient_flow(gamma, np.geomspace(0.01, 1e4, 2000)).min()
        rows.append(
            [
                f"{gamma:g}",
                *ls.gradient_flow(gamma, times),
                ls.risk(gamma, 0.0),
                path,
                ls.risk(gamma, ls.optimal_ridge(gamma)),
            ]
        )
    page.table(["gamma", *(f"t = {t:g}" for t in times), "min-norm", "best time", "best ridge"], rows)
    page.say("Each curve falls once and rises once: with features all alike there is no second descent in time.")


def _speeds(page: Document) -> None:
    page.section("Two speeds: descent, ascent, descent along the epochs")
    s, power, v, q = sp.symbols("s_i P_i v q", positive=True)
    page.say(
        """Now let the features have variances $s_i$, and $n \\gg p$ (Heckel & Yilmaz 2021); what follows is the leading
        order in $p/n$. After $t$ steps of gradient descent the share $q = (1 - \\mathrm{lr}_i s_i)^t$ of direction $i$
        is left, and with $P_i = \\beta_i^2$ and $v = \\sigma^2/n$ it adds to the risk"""
    )
    one = s * power * q**2 + v * (1 - q) ** 2
    page.show("R_i", one)
    best = sp.solve(sp.diff(one, q), q)[0]
    page.say("a U-shaped curve of its own, with the minimum at")
    page.show(r"q_i", best)
    page.show(r"R_i(q_i)", sp.factor(one.subs(q, best)))
    page.say(
        """Directions of large $s_i$ pass their minimum and overfit before slow ones have begun: two U-shaped curves of
        separated speed make two descents. Step sizes with $(1 - \\mathrm{lr}_i s_i)^T = q_i$ for one common $T$ bring
        all minima to the same time; every $R_i$ falls before $T$ and rises after it, so their sum has one minimum, and
        it is the sum of the minima. Ten directions with $s = 1$, $P = 0.01$ and ten with $s = 0.01$, $P = 5$; $\\sigma
        = 1$, $n = 100$, $\\mathrm{lr} = 0.05$:"""
    )
    spectrum, powers = np.repeat([1.0, 0.01], 10), np.repeat([0.01, 5.0], 10)
    matched = ls.matching_steps(spectrum, powers, 0.05, 100, noise=1.0)
    rows = []
    for steps in (0, 5, 14, 40, 60, 100, 300, 1000, 3500, 20000):
        curves = [float(ls.two_speeds(spectrum, powers, lr, steps, 100, noise=1.0)) for lr in (0.05, matched)]
        rows.append([f"{steps}", *curves])
    page.table(["steps", "one step size", "matched step sizes"], rows)
    page.say(
        """That is the talk's epoch-wise double descent in a convex problem: no memorising in a narrow minimum comes
        into it, only two time scales."""
    )
