"""Page: SGD in a valley of zero loss, and which parts of the usual picture hold."""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.theory import fokker_planck as fp
from simlab.theory import sgd
from simlab.theory.document import Document

X, Y = sp.symbols("x y", real=True)
S, SIGMA, TAU = sp.symbols("s sigma tau", positive=True)
H = sp.Symbol("h", positive=True)


def derivation() -> Document:
    """The whole page."""
    page = Document("SGD along a valley of zero loss", "simlab/theory/derivations/sgd.py")
    page.say(
        """The talk suggests that after reaching zero loss SGD drifts along the manifold of minima, that the noise is
        larger where the curvature is higher, and that the stationary distribution of a random walk with changing
        variance follows. The smallest loss in which all of this can be computed has the line $y = 0$ as its manifold of
        minima and the curvature $h(x)$ across it."""
    )
    _update(page)
    _across(page)
    _drift(page)
    _along(page)
    _verdict(page)
    return page


def _update(page: Document) -> None:
    curvature = sp.Function("h")(X)
    page.section("The chain")
    chain = sgd.sgd(curvature * Y**2 / 2, (X, Y), [TAU, S])
    page.show("L(x, y)", curvature * Y**2 / 2)
    page.say("One step of SGD with gradient noise $s\\,\\xi$ across the valley and $\\tau\\,\\xi$ along it is")
    for symbol, update in zip(("x'", "y'"), chain.update, strict=True):
        page.show(symbol, update)
    page.say(
        """With labels that carry fresh noise of variance $\\sigma^2$ the gradient noise across the valley is the
        gradient of the model output times that noise, and its covariance is the Hessian: $s^2 = \\sigma^2 h$. That is
        the talk's "the higher the curvature the larger the variance"."""
    )


def _across(page: Document) -> None:
    page.section("Across the valley: a stationary width")
    page.say(
        """At fixed $x$ the step across is linear. Squaring it and taking the mean,
        $\\langle y'^2\\rangle = \\langle y^2\\rangle$ gives"""
    )
    page.show(r"\langle y^2 \rangle", sgd.normal_variance(H, S))
    page.say("exact in the learning rate; SGD is stable for $\\mathrm{lr}\\,h < 2$. Under label noise it becomes")
    page.show(r"\langle y^2 \rangle_{\mathrm{label}}", sp.cancel(sgd.normal_variance(H, SIGMA * sp.sqrt(H))))


def _drift(page: Document) -> None:
    curvature = sp.Function("h")(X)
    page.section("Along the valley: a drift")
    page.say("The step in $x$ has the mean $-\\frac{\\mathrm{lr}}{2} h'(x) \\langle y^2\\rangle$:")
    page.show(r"\langle x' - x\rangle_{\mathrm{constant}}", sp.factor(sgd.mean_drift(curvature, S)))
    page.show(
        r"\langle x' - x\rangle_{\mathrm{label}}", sp.cancel(sgd.mean_drift(curvature, SIGMA * sp.sqrt(curvature)))
    )
    page.say(
        """Both point to lower curvature. Under label noise the drift is $-\\mathrm{lr}\\,R'(x)$ with the potential of
        Damian, Ma & Lee (2021),"""
    )
    potential = sgd.label_noise_potential(H, SIGMA)
    page.show("R", potential)
    page.say("which for small steps is proportional to the curvature itself:")
    page.show("R", sp.series(potential, sgd.LR, 0, 3).removeO())
    h = 1 + X**2
    rows = []
    for lr in (0.05, 0.2, 0.5):
        at = {X: 1, sgd.LR: lr, S: 0.3, SIGMA: 0.3}
        rows.append([f"{lr:g}", *(float(sgd.mean_drift(h, n).subs(at)) for n in (S, SIGMA * sp.sqrt(h)))])
    page.say("Numbers for $h = 1 + x^2$ at $x = 1$ with $s = \\sigma = 0.3$:")
    page.table(["lr", "drift per step, constant noise", "drift per step, label noise"], rows)


def _along(page: Document) -> None:
    page.section("With noise along the valley: a density")
    beta, c = sp.symbols("beta c", positive=True)
    curvature = 1 + c * sp.cos(X)
    page.say(
        """So far there is no diffusion along the valley: the noise lives in the range of the Hessian. Let the step in
        $x$ also have a noise of standard deviation $t$. When both noises are small, $x$ alone follows the Ito equation
        $dx = -\\mathrm{lr}\\,R'(x)\\,dn + t\\,dW$ with $n$ counting steps. By the page on Langevin dynamics its density
        is $\\exp(-2\\,\\mathrm{lr}\\,R/t^2)$; with $\\beta = \\mathrm{lr}\\,\\sigma^2/t^2$ and $h = 1 + c\\cos x$,"""
    )
    label = sp.sqrt(beta / sgd.LR) * sp.sqrt(curvature)  # sigma sqrt(h) in units of t
    equation = sgd.reduced(curvature, label, sp.Integer(1))
    density = (1 - sgd.LR * curvature / 2) ** beta
    page.show(r"p(x)", density, r"\propto")
    page.say("It solves the stationary Fokker-Planck equation of the reduced process:")
    page.show(r"-\partial_x (b\,p) + \tfrac12\,\partial_x^2 (s^2 p)", sp.simplify(fp.residual(equation, density)))
    rows = []
    for value in (1, 6, 20):
        law = fp.density(equation.subs({c: 0.8, sgd.LR: 0.2, beta: value}), {})
        flat = law.cdf(np.array([1.5 * np.pi])) - law.cdf(np.array([0.5 * np.pi]))
        rows.append([f"{value}", float(flat[0])])
    page.say("Share of time in the flat half of the circle ($c = 0.8$, $\\mathrm{lr} = 0.2$):")
    page.table(["beta", "share in the flat half"], rows)


def _verdict(page: Document) -> None:
    page.section("What of the talk's sentence survives")
    page.say(
        """"Drift within this manifold is possible": yes, towards flat places, wherever noise across the valley survives
        at zero loss (label noise, weight decay, a plateau). At exact interpolation the gradient noise is zero with the
        gradient, and nothing moves. "The stationary distribution of a random walk with changing variance": only with
        noise along the manifold, whose variance then enters as $1/t(x)^2$ in the Ito sense; noise across it alone gives
        a pure drift and no stationary variance."""
    )
