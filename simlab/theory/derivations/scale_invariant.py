"""Page: SGD with weight decay on a scale-invariant loss, and why the width of a minimum is not scale-invariant."""

from __future__ import annotations

import sympy as sp

from simlab.theory import norm_dynamics as nd
from simlab.theory import scale_invariant as si
from simlab.theory import three_regimes as toy
from simlab.theory import von_mises_fisher as vmf
from simlab.theory.document import Document
from simlab.theory.sgd import LR

X, Y, C, T = sp.symbols("x y c T", positive=True)
SHAPE = sp.Function("F")(Y / X)
"""Any scale-invariant function of two weights."""


def derivation() -> Document:
    """The whole page."""
    page = Document("Scale-invariant losses", "simlab/theory/derivations/scale_invariant.py")
    page.say(
        """With normalisation layers the loss does not change when the weights that feed them are multiplied by a
        number, $f(c\\,w) = f(w)$. The talk draws two conclusions: the width of a minimum does change, and training
        has two phases, one in which the norm of the weights grows and one in which it falls. Here is what follows
        from one step of SGD. Below $\\rho = |w|$, $\\tilde g$ is the gradient at $w/\\rho$, and $G = E\\,|\\tilde
        g|^2$."""
    )
    _width(page)
    _norm(page)
    _equilibrium(page)
    _relaxation(page)
    _growing(page)
    _direction(page)
    _error(page)
    _edge(page)
    _toy(page)
    return page


def _width(page: Document) -> None:
    page.section("The width of a minimum")
    page.say("Take any scale-invariant function of two weights, $F(y/x)$. Its gradient is orthogonal to the weights:")
    gradient = [sp.diff(SHAPE, s).doit() for s in (X, Y)]
    page.show(r"w \cdot \nabla f", sp.simplify(X * gradient[0] + Y * gradient[1]))
    page.say("and at $c\\,w$ the gradient is smaller by $c$ and the Hessian by $c^2$:")
    page.show(r"\nabla f(c\,w) - \nabla f(w)/c", sp.Matrix(_far(gradient, 1)))
    hessian = [sp.diff(SHAPE, a, b).doit() for a in (X, Y) for b in (X, Y)]
    page.show(r"H(c\,w) - H(w)/c^2", sp.Matrix(2, 2, _far(hessian, 2)))
    page.say(
        """So the curvature at radius $\\rho$ is that on the unit sphere over $\\rho^2$: a minimum at a large norm is
        wide in the weights, with the same predictions. What does not depend on the norm is $\\rho^2 H$, the curvature
        on the unit sphere; and what a step sees is $\\mathrm{lr}\\,H = (\\mathrm{lr}/\\rho^2)\\,\\rho^2 H$. So the
        norm acts through the effective learning rate $\\mathrm{lr}/\\rho^2$ alone (van Laarhoven 2017): as the norm
        falls, the same step size becomes a larger one on the sphere, and only minima that are wide on the sphere hold
        it."""
    )


def _far(entries: list[sp.Expr], power: int) -> list[sp.Expr]:
    """The entries at c w minus those at w over c^power."""
    return [sp.simplify(e.subs({X: C * X, Y: C * Y}, simultaneous=True).doit() - e / C**power) for e in entries]


def _norm(page: Document) -> None:
    page.section("One step")
    velocity = nd.heavy_ball()[1]
    page.say("SGD with weight decay $\\lambda$ and momentum $m$, with the velocity $v$ and the gradient $g$:")
    page.show("v'", velocity)
    page.show("w'", "w - \\mathrm{lr}\\,v'")
    page.say("Without momentum, since $w \\cdot g = 0$ and $|g| = |\\tilde g|/\\rho$, exactly")
    page.show(r"\rho'^2", nd.norm_step())
    page.say("where $G$ stands for $|\\tilde g|^2$ of that step.")


def _equilibrium(page: Document) -> None:
    page.section("Equilibrium")
    page.say(
        """The gradients of successive steps are taken as uncorrelated, as noise is. Then the mean products $\\rho^2 =
        \\langle w \\cdot w\\rangle$, $C = \\langle w \\cdot v\\rangle$, $M = \\langle v \\cdot v\\rangle$ obey three
        equations, and at rest"""
    )
    fourth, cosine = nd.stationary()
    page.show(r"\rho^4", fourth)
    page.say("The cosine between successive weights, and from it the angle of a step, no longer knows the loss:")
    page.show(r"\cos\Delta", cosine)
    page.show(r"\tan^2\Delta\,\big|_{m = 0}", nd.tangent_square().subs(nd.MOMENTUM, 0))
    leading = sp.symbols("epsilon", positive=True)
    small = sp.diff(nd.tangent_square().subs(nd.WD, leading * nd.WD), leading).subs(leading, 0) * leading
    page.show(r"\tan^2\Delta", sp.factor(small.subs(leading, 1)), r"\approx")
    rows = [
        [f"{lr:g}", f"{wd:g}", f"{m:g}", float(si.equilibrium_norm(lr, wd, 49.0, m)) ** 4, float(si.angle(lr, wd, m))]
        for lr, wd, m in ((0.1, 0.01, 0.0), (0.02, 0.01, 0.5), (0.02, 0.01, 0.9))
    ]
    page.say("Numbers for $G = 49$:")
    page.table(["lr", "lambda", "m", "rho^4", "angle"], rows)
    page.say(
        """The fixed point is exact where $|\\tilde g|^2$ is a number. Where it fluctuates with the relative variance
        $V$, so does $\\rho^2$; the step made linear about the fixed point gives its relative variance,"""
    )
    page.show(r"\mathrm{Var}(\rho^2)/\langle\rho^2\rangle^2", nd.relative_norm_variance())
    page.say(
        """With $s$ for this, $\\langle\\rho^2\\rangle = \\rho_*^4 \\langle\\rho^{-2}\\rangle$ and
        $\\langle\\rho^{-2}\\rangle \\approx (1 + s)/\\langle\\rho^2\\rangle$ give $\\langle\\rho^4\\rangle \\approx
        \\rho_*^4 (1 + 2 s)$: a bias of about $\\mathrm{lr}\\,\\lambda\\,V$, with $V = 2/(d - 1)$ for isotropic
        Gaussian noise."""
    )


def _relaxation(page: Document) -> None:
    page.section("Relaxation")
    page.say("For small steps the recursion becomes a Bernoulli equation, with time counted in steps,")
    page.show(r"\frac{d\rho^2}{dt}", nd.norm_flow())
    page.say("which sympy solves:")
    solution = nd.norm_solution()
    page.show(r"\rho^4(t)", solution)
    check = sp.diff(sp.sqrt(solution), nd.TIME) - nd.norm_flow().subs(nd.RHO, solution ** sp.Rational(1, 4))
    page.show(r"\frac{d\rho^2}{dt} - \text{right-hand side}", sp.simplify(check))
    page.say("So $\\rho^4$ forgets its start at the rate")
    page.show(r"1/\tau", nd.relaxation_rate())
    page.say("and without decay it grows for ever:")
    page.show(r"\rho^4(t)\,\big|_{\lambda = 0}", nd.growth())
    page.say(
        """These are the talk's two phases: large gradients, while the net still learns, drive the norm up within few
        steps; once the gradients are small, decay takes it down at the rate $\\mathrm{lr}\\,\\lambda$. With momentum
        the vector $w - \\frac{\\mathrm{lr}\\,m}{1 - m} v$ moves as the weights do without momentum at the learning
        rate $\\mathrm{lr}/(1 - m)$:"""
    )
    weights, velocity = nd.heavy_ball()
    slow = LR * nd.MOMENTUM / (1 - nd.MOMENTUM)
    move = (weights - slow * velocity) - (nd.WEIGHTS - slow * nd.VELOCITY)
    page.show(r"\Delta\left(w - \tfrac{\mathrm{lr}\,m}{1 - m}\,v\right)", sp.factor(sp.simplify(move)))


def _growing(page: Document) -> None:
    page.section("Weight decay is a growing learning rate")
    page.say(
        """Write $w_t = (1 - \\mathrm{lr}\\,\\lambda)^t\\,v_t$. Both have the same direction, and since $g(c\\,v) =
        g(v)/c$ the $v_t$ make steps without decay with the learning rate (Li & Arora 2020)"""
    )
    page.show(r"\mathrm{lr}_t", nd.growing_lr())


def _direction(page: Document) -> None:
    page.section("The direction is a sample at an intrinsic temperature")
    page.say(
        """At fixed norm the direction $u = w/\\rho$ moves, to first order, by $-\\frac{\\mathrm{lr}}{\\rho^2}(\\nabla
        L + \\sigma\\xi)$ along the sphere, if the gradient noise is isotropic with standard deviation $\\sigma$ on
        the unit sphere. Its stationary density is $\\exp(-L(u)/T)$, with the temperature the ratio of diffusion and
        mobility,"""
    )
    page.show("T", nd.temperature_of_direction())
    page.say("For a loss of the angle $\\theta$ to one axis in $d$ dimensions the diffusion on the sphere is")
    loss = sp.Function("L")(vmf.ANGLE)
    sde = vmf.diffusion(loss, T, nd.D)
    page.show(r"d\theta", f"\\left({sp.latex(sde.drift[0])}\\right) dt + {sp.latex(sde.noise[0])}\\,dW")
    density = vmf.zonal_density(loss, T, nd.D)
    page.show(r"p(\theta)", density, r"\propto")
    page.say("and the stationary Fokker-Planck equation is solved for every $L$ and $d$:")
    left = r"\left[-\partial_\theta (b\,p) + \tfrac12\,\partial_\theta^2 (s^2 p)\right]/p"
    page.show(left, vmf.zonal_residual(loss, T, nd.D))
    page.say(
        """For $L = -\\kappa\\,\\mu\\cdot u$ this is the distribution of von Mises and Fisher with the concentration
        $\\kappa/T$. At equilibrium $G = (d - 1)\\sigma^2$, and to first order the temperature is"""
    )
    fixed = sp.limit(nd.norm_solution(), nd.TIME, sp.oo).subs(nd.G, (nd.D - 1) * nd.SIGMA**2)
    page.show("T", sp.simplify(nd.temperature_of_direction().subs(nd.RHO, fixed ** sp.Rational(1, 4))))
    page.say("Of the settings of the optimiser only the product of learning rate and weight decay enters.")


def _error(page: Document) -> None:
    page.section("What small steps leave out")
    page.say(
        """At a fixed $\\kappa$ the distribution becomes narrow as $\\mathrm{lr}\\,\\lambda \\to 0$, and the sphere is
        flat where it lives. Two effects of the order $\\kappa\\,\\mathrm{lr}/\\rho^2$ remain there. A finite step
        widens the distribution as it widens that of SGD on a quadratic; and the drift adds its own gradient to $(d -
        1)\\sigma^2$, so that the norm is larger and the noise smaller by half as much. Together $1 - E\\cos\\theta$
        exceeds that of von Mises and Fisher by the share"""
    )
    page.show(r"\frac{1 - E\cos\theta}{1 - E_{\mathrm{vMF}}\cos\theta} - 1", nd.concentration_shift(), r"\approx")
    rows = []
    for lr, wd in ((0.05, 0.02), (0.05, 0.005), (0.5, 0.002)):
        k, share = (float(f(3, 1, lr, wd, 10)) for f in (si.concentration, si.concentration_error))
        rows.append([f"{lr:g}", f"{wd:g}", k, vmf.VonMisesFisher(k, 10).mean, share])
    page.say("Numbers for $d = 10$, $\\kappa = 3$, $\\sigma = 1$:")
    page.table(["lr", "lambda", "concentration", "E cos", "share"], rows)


def _edge(page: Document) -> None:
    page.section("The edge of stability and the period")
    page.say("At a minimum with curvature $h$ on the unit sphere a step without decay multiplies a small distance by")
    page.show(r"\delta'/\delta", nd.multiplier())
    page.say("It repels beyond $-1$, that is when $h$ exceeds")
    page.show(r"h_{\mathrm{edge}}", nd.edge())
    page.say(
        """Once the loss is near zero nothing holds the norm up: it falls from $\\rho_0$ to any smaller $\\rho$ in the
        time"""
    )
    page.show("t", nd.decay_time())
    page.say(
        """and when it reaches the $\\rho$ at which the sharpest direction is at the edge, the loss jumps, large
        gradients drive the norm up, and the next period begins (Lobacheva et al. 2021). This takes the two norms as
        given: it is a heuristic with the right scale $1/(\\mathrm{lr}\\,\\lambda)$."""
    )


def _toy(page: Document) -> None:
    page.section("Three regimes on the sphere")
    page.say("Kodryan et al. (2022) sum the simplest scale-invariant losses, one for each pair of weights,")
    page.show("f", toy.PAIR)
    page.show(r"\partial_x f", toy.gradient()[0])
    page.show(r"\partial_y f", toy.gradient()[1])
    page.say(
        """and keep all pairs together on the unit sphere. At the minimum $x = 0$ of a pair of radius $r$ a step
        multiplies $x$ by"""
    )
    page.show("x'/x", toy.multiplier())
    page.say("so the pair is stable for $r^2$ above")
    page.show(r"r^2_{\mathrm{edge}}", toy.edge_square())
    page.say(
        """A pair that is unstable gains norm at the expense of the others, and as the $r_i^2$ have the sum 1, all can
        be stable if and only if $\\mathrm{lr} < 1/\\sum_i a_i$: the first regime. Above it all pairs stay near their
        edge: the second. Written in $s_i = \\mathrm{lr}\\,a_i/r_i^2$ and the angle of the pair a step is the same for
        all pairs, so where the chaos mixes the mean of $r_i^2$ is $a_i/\\sum_j a_j$. At a large learning rate the
        angles are random: the third, with the mean of each pair"""
    )
    page.show(r"\langle f\rangle / a", toy.random_share())
