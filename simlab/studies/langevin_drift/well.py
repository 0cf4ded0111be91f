"""Scene 1, the talk's Langevin dynamics: dx = -U'(x) dt + sqrt(2 T) dW in a well (Ito; the noise is additive).

Three experiments on one equation: where walkers are and how fast they forget (histogram), how the distribution depends
on the step (moments), and how long a walker stays behind a barrier (escape).
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Values
from simlab.studies.langevin_drift import escape, histogram, moments, potential
from simlab.studies.langevin_drift.config import Config
from simlab.theory import transfer

SOURCE = "talk, Langevin dynamics"
PARTS = (histogram, moments, escape)
PANELS = (histogram.draw_density, histogram.draw_correlation, moments.draw_moments, escape.draw_escape)
NODE, PATIENCE = 2e-9, 30.0
"""NODE: core-seconds of a stationary density over the cube of its nodes, at most. PATIENCE: core-seconds that all
densities may take in `check`; those of a potential that grows like |x| take three, estimated as eleven."""


def check(config: Config) -> None:
    """Refuse a potential that does not confine, steps that are unstable and barriers that no walker crosses."""
    potential.model(config)
    _solvable(config)
    potential.check(config)
    escape.check(config)


def cost(config: Config) -> list[Cost]:
    """What the three parts need."""
    return [need for part in PARTS for need in part.cost(config)]


def simulate(config: Config, lab: Lab) -> Values:
    """All three parts."""
    return {q: value for part in PARTS for q, value in part.simulate(config, lab).items()}


def theory(config: Config, axes: Axes) -> Values:
    """The references of all three parts."""
    return {q: value for part in PARTS for q, value in part.theory(config, axes).items()}


def compare(config: Config, found: Found) -> list[Claim]:
    """The claims of the parts; one that asks for a barrier or a smooth slope is made only where there is one."""
    return [claim for part in PARTS for claim in part.compare(config, found)]


def _solvable(config: Config) -> None:
    """Refuse time steps whose stationary densities, which everything else needs, would take too long to compute."""
    taken = 0.0
    for field, dt in dict.fromkeys([("dt", config.dt), *(("dts", dt) for dt in config.dts)]):
        nodes, long = _nodes(config, dt)
        taken += NODE * nodes**3
        if not taken <= PATIENCE:
            raise InputError(
                f"{field} = {dt:g} at temperature = {config.temperature:g}: the stationary density of this step needs "
                f"{nodes:.1e} nodes, and those of all steps so far over {PATIENCE:g} s before the run starts; take "
                f"{'shorter' if long else 'longer'} steps, or fewer."
            )


def _nodes(config: Config, dt: float) -> tuple[float, bool]:
    """About how many nodes the density at this step takes, and whether they are many because the step is long.

    Their distance is a fraction of the noise, smaller where the mean step is steep; see `simlab.theory.transfer`.
    """
    grid = np.linspace(*potential.gibbs(config).support, 2001)
    force = sp.lambdify(potential.X, potential.model(config).drift[0], ["scipy", "numpy"])
    drift = np.broadcast_to(force(grid), grid.shape)
    slope = float(np.abs(1 + dt * np.gradient(drift, grid)).max())
    apart = transfer.RESOLUTION * float(np.sqrt(2 * config.temperature * dt))
    return float(np.ptp(grid)) * max(1.0, slope) / apart, slope > 1
