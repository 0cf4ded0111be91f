"""Scene 1: at a fixed temperature the loss is c + b/n, with b from the spread of the members and without a fit.

One half of the members foretells the ensembles that the other half makes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, predicted
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, needs, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.theory.ensembles import Law

PANELS = 1
SOURCE = "talk, Increasing the width and ensemble size; Lobacheva et al. 2020"


def check(config: Config) -> None:
    """Refuse what no scene of these networks can work with."""
    pool.check(config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """The pools of the teachers, which are trained once for all scenes."""
    return needs.teachers(config)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Losses of ensembles of one half of the members, the laws of the other half, and the last fall over theirs."""
    own = pool.teachers(config, device, progress)
    n = pool.half_sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    found |= given("members", "members", n, "members n of an ensemble")
    above = mean(own.half - own.law[..., :1])
    found |= measured("above", ("width", "members"), above, "NLL at temperature 1 less c of other members", "nat")
    text = f"{', '.join(Law._fields)} of the other half's law"
    found |= measured("law", ("width", "coefficient"), mean(own.law), text, "nat")
    both = np.stack([own.half[..., -2] - own.half[..., -1], *fall(own.law, n)], axis=1)  # (teacher, 3, width)
    found |= measured("fall", "width", jackknife(both, lambda m: m[0] / m[1]), "fall at the last doubling, over theory")
    _, first, second = both.mean(axis=0)
    found |= given("cut", "width", second / first, "share of the last term in theory's fall")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The law b/n + d/n^2 of the other half, and 1 for the fall over it."""
    n = simulation["members"].values
    _, b, d = simulation["law"].values.T[..., None]
    found = predicted("above", ("width", "members"), b / n + d / n**2, "NLL less c", "nat")
    return xr.Dataset(found | predicted("fall", (), 1.0, "fall at the last doubling"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The last fall at three widths; terms left out fall off as those kept, and the next one is about their square."""
    last = data["members"].values[-1]
    return [
        Claim.equals(
            f"fixed_temperature/{name}",
            f"At {text}, from {last // 2} to {last} members, the loss falls as the spread of other members foretells, "
            "but for the square of the last term of the series.",
            SOURCE, float(data.fall[place]), 1.0, float(data.fall_se[place]), bias=float(data.cut[place]) ** 2,
            resolution=0.5, samples=config.teachers,
        )
        for name, text, place in curves.named(data)
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Loss less its limit against the number of members, at three widths."""
    (panel,) = axes
    n = data["members"].values
    dense = np.geomspace(n[0], n[-1], 60)
    for color, k in enumerate(curves.at(data)):
        _, b, d = data["law"].values[k]
        look.points(panel, n, data.above[k], data.above_se[k], f"{config.widths[k]} hidden units", color=color)
        look.line(panel, dense, b / dense, "_", color=color)
        panel.plot(dense, b / dense + d / dense**2, ":", color=look.COLORS[color], lw=1, zorder=1)
    panel.plot([], [], "-", color="0.3", label="b/n of other members, no fit")
    panel.plot([], [], ":", color="0.3", label="b/n + d/n²")
    panel.set(xscale="log", yscale="log", title="Fixed temperature: 1/n", xlabel="members n", ylabel="NLL less c")


def fall(law: Floats, n: Any) -> tuple[Floats, Floats]:
    """What laws (..., 3) say about the fall at the last doubling, and its part of second order."""
    first, second = 1 / n[-2] - 1 / n[-1], 1 / n[-2] ** 2 - 1 / n[-1] ** 2
    return law[..., 1] * first + law[..., 2] * second, law[..., 2] * second
