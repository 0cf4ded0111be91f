"""Scene 1, the talk's Langevin dynamics: dx = -U'(x) dt + sqrt(2 T) dW in a well (Ito; the noise is additive).

Three experiments on one equation: where walkers are and how fast they forget (histogram), how the law depends on the
step (moments), and how long a walker stays behind a barrier (escape).
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from simlab.claims import Claim
from simlab.device import Device
from simlab.progress import Progress
from simlab.studies.langevin_drift import escape, histogram, moments, potential
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import model

PARTS = (histogram, moments, escape)
PANELS = len(PARTS)


def check(config: Config) -> None:
    """Refuse a potential that does not confine, steps that are unstable and barriers that nobody crosses."""
    sde = model(config)
    potential.check(sde, config)
    escape.check(sde, config)


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
