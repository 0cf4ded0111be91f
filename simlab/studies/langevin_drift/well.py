"""Scene 1, the talk's Langevin dynamics: dx = -U'(x) dt + sqrt(2 T) dW in a well (Ito; the noise is additive).

Three experiments on one equation: where walkers are and how fast they forget (histogram), how the law depends on the
step (moments), and how long a walker stays behind a barrier (escape).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
import xarray as xr

from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.sde import SDE
from simlab.studies.langevin_drift import escape, histogram, moments, potential
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import X, model
from simlab.theory import transfer

PARTS = (histogram, moments, escape)
PANELS = len(PARTS)
NODE, PATIENCE = 2e-9, 30.0
"""Core-seconds of a stationary density over the cube of its nodes, at most, and how many all may take together in
`check`: a potential that grows like |x| takes three, counted as eleven."""


def check(config: Config) -> None:
    """Refuse a potential that does not confine, steps that are unstable and barriers that no walker crosses."""
    sde = model(config)
    _solvable(sde, config)
    potential.check(sde, config)
    escape.check(sde, config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """What the three parts need."""
    return [own for part in PARTS for own in part.cost(model(config), config)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """All three parts; `diverged` counts the walkers that any of them lost."""
    found = [part.simulate(model(config), config, device, progress) for part in PARTS]
    lost = sum(int(data.get("diverged", 0)) for data in found)
    joined = xr.merge([data.drop_vars("diverged", errors="ignore") for data in found])
    return joined.assign(diverged=found[0]["diverged"].copy(data=lost))


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The laws of the chains, Gibbs' law, and what leads from one to the other."""
    return xr.merge([part.theory(model(config), config, simulation) for part in PARTS])


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The claims of the parts; one that asks for a barrier or a smooth slope is made only where there is one."""
    return [claim for part in PARTS for claim in part.compare(config, data)]


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """A panel each."""
    for part, panel in zip(PARTS, axes, strict=True):
        part.plot(config, data, panel)


def _solvable(sde: SDE, config: Config) -> None:
    """Refuse steps whose stationary densities, which all that follows needs, would take too long."""
    taken = 0.0
    for field, dt in dict.fromkeys([("dt", config.dt), *(("dts", dt) for dt in config.dts)]):
        nodes, long = _nodes(sde, config.temperature, dt)
        taken += NODE * nodes**3
        if not taken <= PATIENCE:
            raise InputError(
                f"{field} = {dt:g} at temperature = {config.temperature:g}: theory resolves such a step by {nodes:.1e} "
                f"nodes, and all steps so far by more than {PATIENCE:g} s of work before anything runs; take "
                f"{'shorter' if long else 'longer'} steps, or fewer."
            )


def _nodes(sde: SDE, temperature: float, dt: float) -> tuple[float, bool]:
    """About how many nodes the density at this step has, and whether the length of the step makes them many.

    Nodes are a share of the noise apart, less where the mean step has a slope; see `simlab.theory.transfer`.
    """
    grid = np.linspace(*potential.gibbs(sde, temperature).support, 2001)
    drift = np.broadcast_to(sp.lambdify(X, sde.drift[0], ["scipy", "numpy"])(grid), grid.shape)
    slope = float(np.abs(1 + dt * np.gradient(drift, grid)).max())
    apart = transfer.RESOLUTION * float(np.sqrt(2 * temperature * dt))
    return float(np.ptp(grid)) * max(1.0, slope) / apart, slope > 1
