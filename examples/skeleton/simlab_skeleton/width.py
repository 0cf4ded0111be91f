"""The variance of dx = -x dt + sqrt(2) dW in Euler steps: 1/(1 - dt/2), where continuous time has 1."""

import sympy as sp

from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import SDE
from simlab.statistics import Estimate, mean
from simlab_skeleton import Config

SOURCE, STEPS = "talk, Langevin dynamics", (0.1, 0.5, 1.0)
X, DT = sp.Symbol("x", real=True), axis("time step dt")
VARIANCE = quantity("variance of x", DT)


def check(config: Config) -> None:
    """Whatever the types of Config cannot see is refused here, by an InputError."""


def cost(config: Config) -> list[Cost]:
    return [Cost(("walkers",), 20 / min(STEPS), 100.0 * config.walkers, 1e-6 * config.walkers)]


def simulate(config: Config, lab: Lab) -> Values:
    return {DT: STEPS, VARIANCE: lab.cells(variance, config, STEPS, "width")}


def variance(config: Config, dt: float, lab: Lab) -> Estimate:
    walkers = lab.walkers(SDE(X, -X, sp.sqrt(2)), config.walkers, f"width at dt = {dt}", dt=dt)
    walkers.run(int(20 / dt))
    return mean(walkers.positions()[:, 0] ** 2)


def theory(config: Config, axes: Axes) -> Values:
    return {VARIANCE: Theory(1 / (1 - axes[DT] / 2))}


def compare(config: Config, found: Found) -> list[Claim]:
    return [found[VARIANCE].agrees("variance", "The variance of Euler walkers is 1/(1 - dt/2) at every time step.")]


def draw(config: Config, found: Found, panel: Panel) -> None:
    panel.points(VARIANCE, "walkers")
    panel.line(VARIANCE, "1/(1 - dt/2)")


PANELS = (draw,)
