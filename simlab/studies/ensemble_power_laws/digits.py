"""Scene 7: real data, the digits or the user's own.

Shuffles of one data set share its examples: error bars are those of the split, the networks and the halves, not of
other handwriting. The training error vanishes at small widths and a few hundred test examples are easy to get right,
so that a law's limit c is known to some hundredths only; what is compared within a shuffle is known much better.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import Cost, affordable
from simlab.lab.quantities import given, measured, predicted
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, fixed_temperature, memory_split, needs, pool, task
from simlab.studies.ensemble_power_laws.config import Config

PANELS = 1
SOURCE = "talk, Power law wrt width of DNN and Memory split effect"


def check(config: Config) -> None:
    """Refuse data that cannot be used."""
    pool.check(config)
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """The pools of the shuffles."""
    return needs.digits(config)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Losses before and after calibration, the law of the members, and the split at the largest network's budget."""
    own, n = pool.digits(config, device, progress), pool.sizes(config)
    p = _parameters(config)
    found: dict[str, Any] = given("width", "width", np.array(pool.few(config)), "hidden units of a network")
    found |= given("members", "members", n, "members n of an ensemble")
    found |= given("parameters", "width", p, "trained numbers of one network")
    found |= measured("calibrated", ("width", "members"), mean(own.calibrated), "NLL at the best temperature", "nat")
    warm = mean(np.log(own.tau[..., 0]).mean(axis=1))
    found |= measured("warm", (), warm, "log of the best temperature of one network, mean over widths")
    exponent = jackknife(own.calibrated, lambda m: curves.exponents(n, m))
    found |= measured("exponent", "width", exponent, "exponent a of n")
    rest = jackknife(own.calibrated[:, -1], lambda m: curves.residual(n, m))
    found |= measured("rest", (), rest, "residual of the power law over its range at the largest width")
    half = pool.half_sizes(config)
    falls = np.stack([own.half[:, -1, -2] - own.half[:, -1, -1], *fixed_temperature.fall(own.law[:, -1], half)], axis=1)
    found |= measured("fall", (), jackknife(falls, lambda m: m[0] / m[1]), "fall at the last doubling, over theory")
    found |= given("cut", (), falls[:, 2].mean() / falls[:, 1].mean(), "share of the last term in theory's fall")
    found |= measured("gain", (), mean(memory_split.gain(p, n, own.calibrated)), "loss of the widest network less that "
                      "of a split of its budget", "nat")  # fmt: skip
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The fall that the spread of other members foretells."""
    return xr.Dataset(predicted("fall", (), 1.0, "fall at the last doubling, over theory"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Calibration, the laws in n, and the split."""
    many, last = config.splits, int(pool.half_sizes(config)[-1])
    return [
        curves.there(
            "digits/calibration", "One network is too sure: its best temperature is above 1, on average over widths.",
            SOURCE, curves.far(data, "warm"), many,
        ),
        Claim.equals(
            "digits/fixed-temperature",
            f"At the largest width, from {last // 2} to {last} members, the loss falls as the spread of other members "
            "foretells, but for the square of the last term of the series.",
            SOURCE, float(data.fall), 1.0, float(data.fall_se), bias=float(data.cut) ** 2, samples=many,
        ),
        curves.follows("digits/law", "There the calibrated loss is c + b n^-a", SOURCE, data, many, -1),
        curves.there(
            "digits/several-beat-one",
            f"The parameters of one network of {config.widths[-1]} hidden units are better spent on several.", SOURCE,
            curves.far(data, "gain"), many,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Loss against all parameters, for one width a line."""
    (panel,) = axes
    p, n = data.parameters.values, data["members"].values
    for color, k in enumerate(np.unique(np.linspace(0, len(p) - 1, 5).round().astype(int))):
        panel.errorbar(p[k] * n, data.calibrated[k], yerr=2 * data.calibrated_se[k], fmt="o-", ms=3, lw=1,
                       color=look.COLORS[color], label=f"{pool.few(config)[k]} hidden units")  # fmt: skip
    name = "digits" if config.data is None else "data"
    panel.set(xscale="log", yscale="log", title=f"Real data ({name})", xlabel="parameters in all",
              ylabel="calibrated NLL")  # fmt: skip


def _parameters(config: Config) -> Any:
    every = task.load(config.data)
    assert every.classes is not None
    return pool.parameters(pool.few(config), every.x.shape[1], len(every.classes))
