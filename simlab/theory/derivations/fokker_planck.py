"""Page: from the stochastic differential equation to the distributions that the first study measures."""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.theory import fokker_planck as fp
from simlab.theory import transfer
from simlab.theory.chain import DT
from simlab.theory.document import Document
from simlab.theory.schemes import EULER, HEUN, SCHEMES, Scheme
from simlab.theory.sde import SDE, Calculus, langevin

X, T, K, S = (
    sp.Symbol("x", real=True),
    sp.Symbol("T", positive=True),
    sp.Symbol("k", positive=True),
    sp.Symbol("s", positive=True),
)
U = X**4 / 4 - X**2 / 2


def derivation() -> Document:
    """The whole page."""
    page = Document(
        "Langevin dynamics: stationary distributions, finite steps, escape",
        "simlab/theory/derivations/fokker_planck.py",
    )
    page.say(
        """The talk writes down a stochastic differential equation and says that, after some warm-up, each point of the
        trajectory is a sample. This page derives what exactly it samples: in continuous time, at a finite step, and how
        long the warm-up may take. Equations (1), (2) and the integral for first passages are those of the textbooks;
        the others are printed from what sympy computed of the expressions that the simulation runs."""
    )
    _stationary(page)
    _two_readings(page)
    _gibbs(page)
    _finite_step(page)
    _escape(page)
    return page


def _stationary(page: Document) -> None:
    page.section("The stationary density")
    page.say(
        """A walker follows, in the sense of Ito, $dx = b(x)\\,dt + s(x)\\,dW$. Its density obeys the Fokker-Planck
        equation"""
    )
    page.show(r"\partial_t p", r"-\partial_x (b\,p) + \tfrac12\,\partial_x^2 (s^2 p) = -\partial_x J")
    page.say(
        """At a stationary state on a line that confines (or between reflecting walls) the flux
        $J = b p - \\frac12 (s^2 p)'$ is zero. That is a first-order equation for $q = s^2 p$, namely
        $q' = (2b/s^2)\\,q$, with the solution"""
    )
    page.show("p(x)", r"\frac{C}{s(x)^2}\,\exp\!\int^x \frac{2\,b(z)}{s(z)^2}\,dz")
    ou = SDE(X, -K * X, S)
    page.say("For the linear drift $b = -kx$ and constant $s$ this is a Gaussian,")
    page.show(r"p(x)", fp.stationary(ou), r"\propto")
    page.say("and putting it back into the Fokker-Planck equation leaves, as it must,")
    page.show(r"-\partial_x (b\,p) + \tfrac12\,\partial_x^2 (s^2 p)", sp.simplify(fp.residual(ou, fp.stationary(ou))))


def _two_readings(page: Document) -> None:
    a = sp.Symbol("a", positive=True)
    noise = 1 + a * sp.sin(X)
    page.section("A random walk with changing variance")
    page.say(
        """The talk's Experiment 2: no drift, noise that depends on the place, $dx = s(x)\\,dW$. The symbol $dW$ has two
        readings. Ito evaluates $s$ before the step; Stratonovich takes the middle of the step. They are different
        processes: a Stratonovich equation with noise $s$ is an Ito equation with the additional drift"""
    )
    strat = SDE(X, 0, noise, "stratonovich")
    page.show(r"b = \tfrac12\, s\, s'", strat.to("ito").drift[0])
    page.say("here for $s = 1 + a \\sin x$ on a circle. The stationary densities of the two readings are")
    page.show(r"p_{\mathrm{Ito}}", fp.stationary(SDE(X, 0, noise)), r"\propto")
    page.show(r"p_{\mathrm{Stratonovich}}", sp.factor(sp.expand_log(sp.simplify(fp.stationary(strat)))), r"\propto")
    page.say(
        """that is $1/s^2$ and $1/s$: walkers stay where the noise is small, and how strongly depends on the reading.
        The integrators choose it: Euler's step converges to Ito, Heun's to Stratonovich."""
    )
    for scheme in SCHEMES.values():
        page.show(f"x'_{{\\mathrm{{{scheme.name}}}}}", scheme.formula)
    rows = []
    readings: tuple[tuple[Calculus, Scheme], ...] = (("ito", EULER), ("stratonovich", HEUN))
    for name, scheme in readings:
        free = SDE(X, 0, noise, name)
        limit = fp.density(SDE(X, 0, noise, name, (0, 2 * sp.pi), "periodic"), {a: 0.6}).expect(np.sin)
        chains = [transfer.koopman(scheme(free), {a: 0.6, DT: dt}, 0, 2 * np.pi).expect(np.sin) for dt in (0.04, 0.01)]
        rows.append([f"{name} ({scheme.name})", limit, chains[1], chains[0]])
    page.say("The mean of $\\sin x$ at $a = 0.6$, from the densities and from the exact chain at two steps:")
    page.table(["reading", "dt = 0", "chain, dt = 0.01", "chain, dt = 0.04"], rows)


def _gibbs(page: Document) -> None:
    page.section("Gibbs, and the talk's form")
    page.say("In a potential, $dx = -U'(x)\\,dt + \\sqrt{2T}\\,dW$, the integral in (2) is the potential itself:")
    sde = langevin(U, X, T)
    page.show(r"p(x)", sp.simplify(fp.stationary(sde)), r"\propto")
    page.say(
        """here for $U = x^4/4 - x^2/2$; the factor in front does not depend on $x$. The talk's form
        $dx = \\frac12 (\\log p)'\\,dt + dW$ is the same equation with $U = -\\frac12 \\log p$ and $T = \\frac12$, so it
        samples $e^{-U/T} = p$. As a check,"""
    )
    target = sp.exp(-(X**4))
    page.show(
        r"\text{target } e^{-x^4}:\quad p(x)",
        fp.stationary(langevin(-sp.log(target).expand(force=True) / 2, X, sp.Rational(1, 2))),
        r"\propto",
    )


def _finite_step(page: Document) -> None:
    page.section("What a finite step samples")
    page.say(
        """Euler's step is not the equation. In a harmonic well its own stationary variance solves
        $v = (1 - k\\,dt)^2 v + s^2 dt$:"""
    )
    page.show("v", fp.euler_harmonic_variance(K, S))
    page.say(
        """which is larger than the continuous $s^2/2k$ and infinite at $k\\,dt = 2$. In general one asks for the
        equation that the chain follows better than its own: drift $b + dt\\,b_1$ and noise $s + dt\\,s_1$. Matching the
        mean and the mean square of one step to order $dt^2$, where the Ito-Taylor expansion of the new equation uses
        its generator $L = b\\,\\partial_x + \\frac12 s^2 \\partial_x^2$, gives"""
    )
    b, s = sp.Function("b")(X), sp.Symbol("s", positive=True)
    drift, noise = fp.modified_equation(SDE(X, b, s))
    page.show(r"b + dt\,b_1", drift)
    page.show(r"s + dt\,s_1", noise)
    page.say(
        "The stationary density of this equation, expanded in $dt$, is $p\\,(1 + dt\\,\\phi)$ with, up to a constant,"
    )
    page.show(r"\phi", sp.expand(fp.density_correction(SDE(X, b, s))))
    sde = langevin(U, X, T)
    page.say("For the double well,")
    page.show(r"\phi", sp.expand(fp.density_correction(sde)))
    values = {T: 0.5}
    page.say(
        """and any mean moves with the step at the rate
        $d\\langle A\\rangle/d\\,dt = \\langle A\\phi\\rangle - \\langle A\\rangle\\langle\\phi\\rangle$.
        At $T = 1/2$:"""
    )
    slope = fp.slope(sde, X**2, values)
    gibbs = fp.density(sde, values).expect(np.square)
    page.show(r"\frac{d\langle x^2\rangle}{d\,dt}", f"{slope:.6f}")
    page.say(
        """The expansion is asymptotic: $1 + dt\\,\\phi$ must not be written $e^{dt\\,\\phi}$, whose leading power of
        $x$ would diverge. The reference without any expansion is the distribution of the chain itself, the leading
        eigenvector of the operator $(Kf)(x) = E[f(x')\\,|\\,x]$ on quadrature nodes."""
    )
    rows = []
    for dt in (0.01, 0.02, 0.05, 0.1):
        chain = transfer.gaussian(EULER(sde), {**values, DT: dt})
        rows.append(
            [f"{dt:g}", chain.expect(np.square), gibbs + slope * dt, chain.second[0], chain.relaxation_steps * dt]
        )
    page.say(f"With $\\langle x^2\\rangle = {gibbs:.6f}$ at $dt = 0$:")
    page.table(["dt", "<x^2> of the chain", "first order", "second eigenvalue", "relaxation time"], rows)
    page.say(
        """The second eigenvalue $\\lambda_2$ sets the warm-up: what is left of the start decays as $\\lambda_2^n$, and
        its eigenfunction has the autocorrelation $\\lambda_2^n$ exactly."""
    )


def _escape(page: Document) -> None:
    page.section("How long the warm-up can take: escape over a barrier")
    page.say(
        """The mean first-passage time from $a$ to $c$ solves $L\\tau = -1$ with $\\tau(c) = 0$. Two integrations give,
        with $\\psi = \\exp\\int 2b/s^2 = e^{-U/T}$,"""
    )
    page.show(
        r"\tau",
        r"2\int_a^c \frac{dy}{\psi(y)} \int_{-\infty}^y \frac{\psi(z)}{s(z)^2}\,dz"
        r" \;=\; \frac1T \int_a^c dy\; e^{U(y)/T} \int_{-\infty}^y dz\; e^{-U(z)/T}",
    )
    page.say(
        """which for high barriers tends to Kramers' $2\\pi\\,e^{\\Delta U/T}/\\sqrt{U''(a)\\,|U''(b)|}$. A chain looks
        at the boundary only every $dt$ and misses excursions beyond it: to leading order the boundary seems to stand
        further out by $\\beta\\, s \\sqrt{dt}$ with $\\beta = -\\zeta(1/2)/\\sqrt{2\\pi}$ (Siegmund 1985):"""
    )
    page.show(r"\beta", f"{fp.DISCRETE_BOUNDARY_SHIFT:.6f}")
    sde, cold = langevin(U, X, T), {T: 0.1}
    page.say(
        f"""For the double well at $T = 0.1$, from $-1$ to $+1$, the integral is
        {fp.mean_first_passage(sde, cold, -1.0, 1.0):.2f} and Kramers gives {fp.kramers(U, 0.1, -1.0, 0.0):.2f}: the
        barrier is only 2.5 T high. From $-1$ to the top of the barrier:"""
    )
    rows = []
    for dt in (0.04, 0.01, 0.0025):
        chain = transfer.gaussian(EULER(sde), {**cold, DT: dt}, high=0.0).first_passage(-1.0) * dt
        shifted = fp.mean_first_passage(sde, cold, -1.0, fp.DISCRETE_BOUNDARY_SHIFT * np.sqrt(0.2 * dt))
        rows.append([f"{dt:g}", chain, shifted, fp.mean_first_passage(sde, cold, -1.0, 0.0)])
    page.table(["dt", "chain (restricted operator)", "integral, boundary shifted", "integral"], rows)
