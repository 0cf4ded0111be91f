"""Page: random features, the model in which width, ensembles and the memory split all have a formula."""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.theory import activations, least_squares, memory_split
from simlab.theory import random_features as rf
from simlab.theory.document import Document

P, ZETA, XI, MU1, MU2, RIDGE = sp.symbols("p zeta xi mu_1 mu_* lambda", positive=True)
PSI1, PSI2 = sp.symbols("psi_1 psi_2", positive=True)
NAMES = {rf.PSI1: PSI1, rf.PSI2: PSI2, rf.ZETA: ZETA}
FREEDOM = P + ZETA**2 * P / (1 + ZETA**2 * P)
DETERMINANT = rf.A * rf.B + rf.C * (rf.A + rf.B)
SHARE = 1 / (1 + ZETA**2 * P)
IN_P = {rf.A: PSI1 - FREEDOM, rf.B: PSI2 - FREEDOM, rf.U: SHARE, rf.S: 1 - SHARE, rf.C: P + SHARE * (1 - SHARE)}
"""a, b, u, s and c as functions of p."""


def derivation() -> Document:
    """The whole page."""
    page = Document(
        "Random features: width, ensembles and the memory split", "simlab/theory/derivations/random_features.py"
    )
    page.say(
        """In least squares the number of parameters is the dimension of the data. Here it is free: a network of two
        layers with a random first layer of any width $N$. Its risk has the talk's double descent in $N$; it can be
        averaged over many networks; and the best division of a budget of parameters between width and number
        follows."""
    )
    _model(page)
    _equations(page)
    _newton(page)
    _risk(page)
    _ensemble(page)
    _features(page)
    _parts(page)
    _split(page)
    return page


def _in_p(e: sp.Expr) -> sp.Expr:
    """An expression of the theory as a function of p."""
    return e.subs({rf.CHI: -P, **NAMES}).subs(IN_P)


def _model(page: Document) -> None:
    page.section("The model, and what is assumed")
    page.say(
        """Inputs $x$ and first-layer weights $\\theta_a$ are uniform on the sphere of radius $\\sqrt d$. The targets
        are $y = F_1 \\beta\\cdot x + F_* (\\text{purely nonlinear}) + \\text{noise}$ with $|\\beta| = 1$; what the
        nonlinear part adds acts as noise, so that $\\tau^2$ below is the variance of the noise plus $F_*^2$. The
        network $f(x) = \\sum_{a \\le N} w_a\\, \\sigma(\\theta_a\\cdot x/\\sqrt d)$ minimises $\\frac1n\\sum (y - f)^2
        + \\frac{N\\lambda}{d} |w|^2$. The theorem of Mei & Montanari (2022) holds for $N, n, d \\to \\infty$ at fixed
        $\\psi_1 = N/d$ and $\\psi_2 = n/d$; at finite $d$ the error is of order $1/d$. It is quoted: what this page
        derives is everything that follows from it. All that such a wide network knows of its activation are three
        moments over a standard normal $G$: $\\mu_0 = E\\,\\sigma(G)$, $\\mu_1 = E\\,G\\sigma(G)$ and $\\mu_*^2 =
        E\\,\\sigma(G)^2 - \\mu_0^2 - \\mu_1^2$, of which $\\zeta = \\mu_1/\\mu_*$ is linear part over noise. For
        ReLU,"""
    )
    closed = activations.closed_form("relu")
    assert closed
    first, linear, square = closed
    page.show(r"\mu_0", first)
    page.show(r"\mu_1", linear)
    page.show(r"\mu_*^2", sp.simplify(square - first**2 - linear**2))
    rows = []
    for name in activations.ACTIVATIONS:
        m = activations.moments(name)
        rows.append([name, f"{m.mu0:.6f}".replace("-0.000000", "0.000000"), f"{m.mu1:.6f}", f"{m.mu2:.6f}"])
    page.table(["activation", "mu0", "mu1", "mu*"], rows)


def _equations(page: Document) -> None:
    m1, m2 = sp.symbols("m_1 m_2", positive=True)
    page.section("Two equations become one")
    page.say("With $\\xi^2 = \\psi_1\\psi_2\\lambda/\\mu_*^2$ the source has two coupled equations for $m_1, m_2 > 0$,")
    other = {m1: m2, m2: m1}
    first = XI + m2 + ZETA**2 * m2 / (1 + ZETA**2 * m1 * m2)
    page.show("m_1", PSI1 / first)
    page.show("m_2", PSI2 / first.subs(other, simultaneous=True))
    page.say("Multiply out. Both contain $m_1$ and $m_2$, apart from $\\xi m_1$ and $\\xi m_2$, only as $p = m_1 m_2$:")
    a, b = sp.simplify(PSI1 - m1 * first + XI * m1), sp.simplify(PSI2 - m2 * first.subs(other, simultaneous=True))
    page.show(r"\xi m_1", r"\psi_1 - g(p) = a")
    page.show(r"\xi m_2", r"\psi_2 - g(p) = b")
    page.show("g(p)", FREEDOM)
    page.say("The differences from the equations multiplied out are")
    page.show(r"\Delta_1", sp.simplify(a.subs(m2, P / m1) - (PSI1 - FREEDOM)))
    page.show(r"\Delta_2", sp.simplify((b + XI * m2).subs(m1, P / m2) - (PSI2 - FREEDOM)))
    page.say("and the product of the two lines is one equation in $p$:")
    page.show("F(p) = (\\psi_1 - g)(\\psi_2 - g) - \\xi^2 p", 0)
    page.say(
        """$g$ has a meaning: it is the number of degrees of freedom of the fit, over $d$. It is below both $\\psi_1$
        and $\\psi_2$, and $a$ and $b$ are what parameters and data have to spare."""
    )


def _newton(page: Document) -> None:
    g = sp.Function("g")(P)
    equation = (PSI1 - g) * (PSI2 - g) - XI**2 * P
    page.section("Why Newton's iteration cannot fail")
    page.say("$g$ rises and is concave,")
    page.show("g'", sp.factor(sp.diff(FREEDOM, P)))
    page.show("g''", sp.factor(sp.diff(FREEDOM, P, 2)))
    page.say("so that, between $p = 0$ and the first root, where $a, b > 0$,")
    page.show("F'", sp.diff(equation, P))
    page.show("F''", sp.diff(equation, P, 2))
    page.say(
        """$F' < 0$ and $F'' > 0$, term by term. A convex falling function lies above its tangents, so from $p = 0$,
        where $F = \\psi_1\\psi_2 > 0$, each step of Newton's iteration goes up and none passes the root: it converges
        from below, and quadratically, for every $\\psi_1$, $\\psi_2$ and $\\lambda$ without any damping. At $\\psi_1 =
        \\psi_2 = 3$, $\\lambda = 10^{-3}$, ReLU:"""
    )
    m = activations.moments("relu")
    values = {PSI1: 3.0, PSI2: 3.0, XI: 3 * np.sqrt(1e-3) / m.mu2, ZETA: m.zeta}
    f = _in_p((PSI1 - FREEDOM) * (PSI2 - FREEDOM) - XI**2 * P).subs(values)
    value, slope = sp.lambdify(P, f), sp.lambdify(P, sp.diff(f, P))
    p, rows = 0.0, []
    root = float(rf.solve(3.0, 3.0, 1e-3, m).p)
    for step in range(8):
        rows.append([f"{step}", f"{p:.10f}", f"{root - p:.1e}"])
        p -= value(p) / slope(p)
    page.table(["step", "p", "below the root by"], rows)
    page.say(
        """Without a ridge $\\xi = 0$, and the root is where $g(p) = \\min(\\psi_1, \\psi_2)$: $a = 0$ for a network
        with fewer parameters than data, $b = 0$ for one with more, both at $N = n$."""
    )


def _risk(page: Document) -> None:
    page.section("The risk without cancellations")
    page.say("The source gives the excess risk as $R = (F_1^2 E_1 + \\tau^2 E_2)/E_0 + F_*^2$, with $\\chi = -p$ and")
    for k, e in enumerate((rf.E0, rf.E1, rf.E2)):
        page.show(f"E_{k}", e.subs(NAMES))
    page.say(
        """alternating polynomials, in which digits cancel. Let $u = 1/(1 + \\zeta^2 p)$ be the share of the linear part
        that is not learnt, $s = 1 - u$, and $c = g - s^2 = p + s u$. Then all three factor:"""
    )
    signal, noise = rf.PSI2 * rf.U * (rf.C + rf.U * rf.A), rf.C**2 + rf.S**2 * (rf.A + rf.C)
    for k, (e, form) in enumerate(((rf.E0, DETERMINANT), (rf.E1, signal), (rf.E2, noise))):
        factor = sp.factor(sp.cancel(_in_p(e) / _in_p(form)))
        page.show(f"E_{k}", rf"{sp.latex(factor)}\,\big({sp.latex(form.subs(NAMES))}\big)")
    page.say("and the risk is a sum of three terms, none of them negative:")
    amplification = sp.Symbol("V", positive=True)
    features = sp.Symbol(r"\Phi", positive=True)
    page.show("R", rf.SIGNAL**2 * rf.U**2 * (1 + amplification) + rf.TAU**2 * amplification + features)
    page.show("V", rf.AMPLIFICATION)
    page.show(r"\Phi", rf.FEATURES.subs(NAMES))
    page.say("The difference from the quotient of the three factors, with $\\psi_2 = b + c + s^2$ and $u = 1 - s$, is")
    quotient = (rf.SIGNAL**2 * signal + rf.TAU**2 * noise) / DETERMINANT
    difference = (rf.RISK - quotient).subs(rf.PSI2, rf.B + rf.C + rf.S**2).subs(rf.U, 1 - rf.S)
    page.show(r"R - \frac{F_1^2 E_1 + \tau^2 E_2}{E_0}", sp.cancel(difference))
    page.say(
        """The small one of $a$ and $b$ is not computed as a difference either: $a - b = \\psi_1 - \\psi_2$ and $ab =
        \\xi^2 p$ determine both. So `simlab.theory.random_features` keeps all its digits for $\\psi$ from 0.01 to 100
        and ridges from $10^{-10}$ to $10^3$, on the peak as well."""
    )


def _ensemble(page: Document) -> None:
    page.section("Infinitely many networks: the effective ridge")
    page.say(
        """Train $K$ networks on the same data, each with features of its own, and average. Given the data they are
        independent and alike, so averaging divides their variance by $K$ and changes nothing else: for every finite
        size, exactly, $E_K = E_\\infty + (E_1 - E_\\infty)/K$. The average over all features is, in the same limit as
        before, kernel ridge regression with $\\mathcal K = \\mu_1^2 XX^T/d + \\mu_*^2 I$ and a larger ridge (Jacot et
        al. 2020, quoted), $\\tilde\\lambda = \\psi_2\\lambda + \\frac{\\tilde\\lambda}{N}\\,\\mathrm{tr}\\,\\mathcal
        K(\\mathcal K+\\tilde\\lambda)^{-1}$. The claim is that this is"""
    )
    effective = MU2**2 * rf.B / P
    page.show(r"\tilde\lambda", effective)
    page.say(
        """The linear part of $\\mathcal K$ is the least-squares problem with $\\gamma = 1/\\psi_2$ and the ridge
        $\\lambda_r = (\\mu_*^2 + \\tilde\\lambda)/(\\mu_1^2\\psi_2)$. First, $u/\\lambda_r$ solves the quadratic of
        Marchenko and Pastur there; what is left of it is"""
    )
    scale = {ZETA: MU1 / MU2}
    kernel = (MU2**2 + effective) / (MU1**2 * PSI2)
    at = {least_squares.GAMMA: 1 / PSI2, least_squares.Z: -kernel, least_squares.M: rf.U / kernel}
    page.show("Q(-\\lambda_r, u/\\lambda_r)", sp.simplify(least_squares.QUADRATIC.subs(at).subs(IN_P).subs(scale)))
    page.say(
        """Second, with that transform, $n - d$ eigenvalues of $\\mathcal K$ equal to $\\mu_*^2$ (where $n < d$ that
        many are subtracted) and $\\mathrm{tr}\\,\\mathcal K(\\mathcal K+\\tilde\\lambda)^{-1} = n - \\tilde\\lambda\\,
        \\mathrm{tr}\\,(\\mathcal K + \\tilde\\lambda)^{-1}$, the trace over $d$ is $g$:"""
    )
    resolvent = (rf.U / kernel + (PSI2 - 1) / kernel) / (MU1**2 * PSI2)
    trace = PSI2 - effective * resolvent
    page.show(
        r"\tfrac1d \mathrm{tr}\,\mathcal K(\mathcal K+\tilde\lambda)^{-1} - g",
        sp.simplify((trace.subs(IN_P) - FREEDOM).subs(scale)),
    )
    page.say("so the fixed point is $\\tilde\\lambda\\,a/\\psi_1 = \\psi_2\\lambda$, which is $F(p) = 0$ once more:")
    fixed = effective * rf.A / PSI1 - PSI2 * RIDGE
    page.show(
        r"\tilde\lambda\,\frac{a}{\psi_1} - \psi_2\lambda",
        sp.simplify(fixed.subs(rf.A, XI**2 * P / rf.B).subs(XI, sp.sqrt(PSI1 * PSI2 * RIDGE) / MU2)),
    )
    page.say("Third, the noise amplification of least squares, which has $V/(1+V) = \\gamma(1-u)^2$, is the $V$ above:")
    learnt = (1 - rf.U) ** 2 / PSI2
    difference = sp.cancel(_in_p(learnt / (1 - learnt) - rf.AMPLIFICATION))
    page.show(r"\frac{\gamma(1-u)^2}{1 - \gamma(1-u)^2} - V", difference)
    page.say(
        """So $E_\\infty = F_1^2u^2(1 + V) + \\tau^2 V + F_*^2$ is the risk of kernel ridge regression, and $\\Phi$ is
        what one network adds: the variance over its features. A finite width acts as a ridge, and the average over
        networks keeps that ridge and loses the variance."""
    )


def _features(page: Document) -> None:
    page.section("What diverges at N = n, and how it decays")
    page.say(
        """$V$ and $u$ are finite everywhere, since $c > 0$. The only denominator that vanishes is that of $\\Phi$, at
        $a = b = 0$: no ridge and $N = n$. Near the peak, with $\\psi_1 = \\psi_2$ and a small ridge, $a = b =
        \\xi\\sqrt p$ and"""
    )
    near = sp.limit(rf.FEATURES.subs(NAMES).subs(rf.B, rf.A) * rf.A, rf.A, 0) / (XI * sp.sqrt(P))
    near = sp.simplify(near.subs(XI, PSI2 * sp.sqrt(RIDGE) / MU2))
    page.show(r"\Phi", near, r"\simeq")
    page.say(
        """The peak of double descent in the width is variance over the initialisation; averaging networks removes it.
        It is at $N = n$ in the limit $\\lambda \\to 0$, and a little below for a ridge. For $\\psi_2 = 3$, $\\tau =
        1/2$, ReLU:"""
    )
    near_peak, rows = np.linspace(2.7, 3.1, 4001), []
    for ridge in (1e-3, 1e-4, 1e-5, 1e-6):
        risks = rf.risk(near_peak, 3.0, ridge)
        rows.append([f"{ridge:g}", f"{near_peak[risks.argmax()]:.3f}", f"{risks.max():.3f}"])
    page.table(["ridge", "N/d of the peak", "its height"], rows)
    page.say(
        """On the other side, for $\\psi_1 \\to \\infty$, $a \\to \\psi_1$ while $b$, $c$ and $u$ tend to those of the
        kernel machine with $\\tilde\\lambda = \\psi_2\\lambda$, and"""
    )
    far = sp.limit(rf.FEATURES.subs(NAMES) * rf.A, rf.A, sp.oo) / PSI1
    page.show(r"E_1 - E_\infty", sp.factor(far), r"\simeq")
    page.say("a power law in the width with the exponent 1. Local exponents of $\\Phi$ in $N$ for $\\psi_2 = 3$, ReLU:")
    widths, rows = np.array([4.0, 10.0, 30.0, 100.0, 1000.0]), []
    for ridge in (1e-3, 0.1, 1.0):
        steps = np.log([rf.parts(widths * k, 3.0, ridge).features for k in (0.999, 1.001)])
        rows.append([f"{ridge:g}", *(f"{x:.3f}" for x in (steps[0] - steps[1]) / np.log(1.001 / 0.999))])
    page.table(["ridge", *(f"N/d = {w:g}" for w in widths)], rows)


def _parts(page: Document) -> None:
    page.section("The parts in numbers")
    page.say(
        """Bias $F_1^2u^2$, variance over samples $F_1^2u^2V$, over label noise $\\tau^2V$ and over features $\\Phi$,
        for ReLU, $F_1 = 1$, $\\tau = 1/2$, $\\psi_2 = 3$, $\\lambda = 10^{-3}$:"""
    )
    m, rows = activations.moments("relu"), []
    for width in (0.1, 0.5, 1.0, 2.0, 2.8, 3.0, 3.2, 4.0, 6.0, 30.0):
        found = rf.parts(width, 3.0, 1e-3)
        infinite = found.bias + found.sampling + found.noise
        values = [rf.effective_ridge(width, 3.0, 1e-3, m), *found[:-1], infinite, infinite + found.features]
        rows.append([f"{width:g}", *(f"{float(x):.5f}" for x in values)])
    page.table(["N/d", "effective ridge", "bias", "samples", "noise", "features", "E_inf", "E_1"], rows)
    page.say("The same at other points, for $K$ networks:")
    rows = []
    for point in ((1, 3, 0.001), (3, 3, 0.001), (6, 3, 0.001), (2, 3, 0.1), (2, 2, 0.001), (2, 2, 0.1)):
        risks = rf.risk(*point, members=np.array([1, 2, 10, np.inf]))
        rows.append([", ".join(f"{x:g}" for x in point), *(f"{r:.4f}" for r in risks)])
    page.table(["psi1, psi2, ridge", "K = 1", "K = 2", "K = 10", "K = inf"], rows)


def _split(page: Document) -> None:
    page.section("The memory split")
    page.say("A budget of $P$ parameters pays for $K = P/N$ networks. With $P$ in units of $d$ the risk of a split is")
    budget, limit, features, members = sp.symbols(r"P E_\infty \Phi K", positive=True)
    page.show("R(N)", (limit + features / members).subs(members, budget / PSI1))
    page.say(
        """($K \\ge 1$ real). The first term falls with the width only until the ridge is right, because narrow networks
        are regularised by being narrow; the second has the peak at $N = n$. For $\\psi_2 = 3$, $F_1 = 1$, ReLU:"""
    )
    budgets = np.array([0.5, 1, 2, 4, 8, 12, 16, 32, 64])
    for noise in (0.5, 1.0):
        rows = [[f"{b:g}"] for b in budgets]
        for ridge in (1e-3, 0.1):
            split = memory_split.best_split(budgets, 3.0, ridge, noise=noise)
            single = rf.risk(budgets, 3.0, ridge, noise=noise)
            for row, width, count, risk, one in zip(rows, *split[1:], single, strict=True):
                row += [f"{width:.3f}", f"{count:.2f}", f"{risk:.4f}", f"{one:.4f}"]
        page.say(f"$\\tau = {noise:g}$, with $\\lambda = 0.001$ on the left and $\\lambda = 0.1$ on the right:")
        page.table(["P/d", *("N/d", "K", "risk", "one network") * 2], rows)
    page.say(
        """The talk says that for a given budget there is an optimal width and an optimal number of networks. Here that
        is so when the ridge is too small: the best width hardly moves and the number grows with the budget, because
        narrow networks stand in for the ridge that is missing. At the smaller noise the best split jumps back to one
        network once the budget drives it past its own peak. If the ridge may be chosen too, splitting never pays: of
        400 ridges and 200 widths for each budget the best is always a single network. With $\\tau = 0.5$ on the left
        and $\\tau = 1$ on the right,"""
    )
    ridges, shares, rows = np.geomspace(1e-4, 10, 400)[:, None], np.geomspace(1, 1e-2, 200), []
    for total in (0.5, 2, 8, 32):
        rows.append([f"{total:g}"])
        for noise in (0.5, 1.0):
            risks = rf.risk(total * shares, 3.0, ridges, noise=noise, members=1 / shares)
            best, share = np.unravel_index(risks.argmin(), risks.shape)
            rows[-1] += [f"{ridges[best, 0]:.2g}", f"{1 / shares[share]:.2f}", f"{risks.min():.4f}"]
    page.table(["P/d", *("best ridge", "K", "risk") * 2], rows)
