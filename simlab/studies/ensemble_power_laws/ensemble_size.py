"""Scene 2, the talk's "Increasing the width and ensemble size": calibrated losses follow c + b n^-a with a < 1.

At any fixed temperature a is 1. The best temperature falls with n, and the calibrated curve is the lower envelope of
the fixed ones; it moves most at the interpolation width, and there a is least.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.progress import Progress
from simlab.quantities import given, measured, predicted
from simlab.statistics import Estimate, jackknife, mean
from simlab.studies.ensemble_power_laws import curves, fixed_temperature, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.curves import Floats

PANELS = 2
SOURCE = "talk, Increasing the width and ensemble size; Lobacheva et al. 2020"
check = fixed_temperature.check


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Calibrated losses, their exponents at moving and fixed temperature, and their last fall over the envelope's."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    both = ("width", "members")
    found |= measured("calibrated", both, mean(own.calibrated), "NLL at the best temperature", "nat")
    found |= measured("tau", both, mean(own.tau), "best temperature")
    found |= given("foretold", both, own.foretold.mean(axis=0), "envelope of the laws at fixed temperatures", "nat")
    found |= measured(
        "excess", "width", mean(own.excess), "what few validation data add to the loss of one network", "nat"
    )
    together = np.stack([own.calibrated, own.fixed], axis=1)  # (teacher, 2, width, size)
    every = jackknife(together, lambda m: _exponents(n, m))
    low, peak, wide = curves.ends(config, own)
    found |= measured("exponent", "width", Estimate(every.value[0], every.se[0]), "exponent a of n")
    found |= measured(
        "fixed_exponent", "width", Estimate(every.value[1], every.se[1]), "the same at a fixed temperature"
    )
    gap = Estimate(every.value[2, peak], every.se[2, peak])
    found |= measured("gap", (), gap, "how much smaller it is as the temperature moves, at the interpolation width")
    law = curves.laws(n, own.calibrated.mean(axis=0))
    found |= given("limit", "width", law.c, "c of the power law", "nat")
    found |= given("slope", "width", law.b, "b of the power law", "nat")
    rest = jackknife(own.calibrated, lambda m: curves.residual(n, m))
    found |= measured("rest", "width", rest, "residual of the power law over b")
    dips = jackknife(own.calibrated[:, [low, peak, wide]], lambda m: _dips(n, m))
    for k, side in enumerate(("narrow", "wide")):
        text = f"exponent at the {side} width less that at the interpolation width"
        found |= measured(f"dip_{side}", (), Estimate(dips.value[k], dips.se[k]), text)
    local = jackknife(own.calibrated[:, peak], lambda m: _local(n, m))
    found |= measured("bend", (), Estimate(local.value[1], local.se[1]), "local exponent at large n less that at small")
    falls = np.stack([own.calibrated[..., -3] - own.calibrated[..., -1],
                      own.foretold[..., -3] - own.foretold[..., -1]], axis=1)  # fmt: skip
    found |= measured("late", "width", jackknife(falls, lambda m: m[0] / m[1]), "fall over the last factor 4 in n")
    first, second = 1 / n[-3] - 1 / n[-1], 1 / n[-3] ** 2 - 1 / n[-1] ** 2
    b, d = own.law[..., 1].mean(axis=0), own.law[..., 2].mean(axis=0)
    found |= given("cut", "width", abs(d) * second / (b * first), "second order over first, at temperature 1")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The envelope of the members' laws, and the exponent 1 of any of them."""
    found = predicted("calibrated", ("width", "members"), simulation["foretold"].values, "NLL at the best temperature")
    found |= predicted("fixed_exponent", (), 1.0, "exponent at a fixed temperature")
    return xr.Dataset(found | predicted("late", (), 1.0, "fall over the envelope's"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The law at three widths, the dip of its exponent, and three checks of the explanation."""
    many = config.teachers
    last = int(data["members"][-1])
    peak = curves.places(data).peak
    claims = [
        Claim.equals(
            f"ensemble_size/law-{name}",
            f"At {text} the calibrated loss is c + b n^-a up to n = {last} with {curves.exponent(data, place)}, "
            f"but for {100 * curves.VISIBLE:g} % of b.",
            SOURCE, float(data.rest[place]), 0.0, float(data.rest_se[place]), bias=curves.VISIBLE, samples=many,
        )
        for name, text, place in curves.named(data)
    ]  # fmt: skip
    claims += [
        curves.there(
            f"ensemble_size/dip-{name}",
            f"The exponent is smaller at the interpolation width than at {curves.NAMES[name]}.",
            SOURCE, curves.far(data, f"dip_{name}"), many,
        )
        for name in ("narrow", "wide")
    ]  # fmt: skip
    claims += [
        curves.there(
            "ensemble_size/moving-temperature",
            "At the interpolation width the exponent is larger if the temperature stays where it ends.", SOURCE,
            curves.far(data, "gap"), many,
        ),
        Claim.equals(
            "ensemble_size/fixed-exponent",
            "It is then that of 1/n, but for a tenth of how far the calibrated one is from it.", SOURCE,
            float(data.fixed_exponent[peak]), 1.0, float(data.fixed_exponent_se[peak]),
            bias=0.1 * abs(1 - float(data.exponent[peak])), samples=many,
        ),
        curves.there(
            "ensemble_size/no-pure-law",
            "At the interpolation width the exponent itself rises with n: the law is effective, its a an average.",
            SOURCE, curves.far(data, "bend"), many,
        ),
    ]  # fmt: skip
    return claims + [
        Claim.equals(
            f"ensemble_size/envelope-{name}",
            f"At {text}, from n = {last // 4} to {last}, it falls as the envelope of the members' laws at fixed "
            "temperatures does, but for the second order of the series.",
            SOURCE, float(data.late[place]), 1.0, float(data.late_se[place]), bias=float(data.cut[place]),
            resolution=1.0, samples=many,
        )
        for name, text, place in curves.named(data)
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Calibrated loss less c on logarithmic axes; exponents against width."""
    panel, widths = axes
    n = data["members"].values
    dense = np.geomspace(n[0], n[-1], 60)
    for color, k in enumerate(curves.places(data)):
        a, b, c = float(data.exponent[k]), float(data.slope[k]), float(data.limit[k])
        look.points(panel, n, data.calibrated[k] - c, 0 * data.calibrated_se[k],
                    f"{config.widths[k]} hidden units, a = {a:.2f}", color=color)  # fmt: skip
        look.line(panel, dense, b * dense**-a, "_", color=color)
    panel.set(
        xscale="log", yscale="log", title="Calibrated: a power law", xlabel="members n", ylabel="calibrated NLL less c"
    )
    look.points(widths, data["width"], data.exponent, data.exponent_se, "calibrated", color=0)
    look.points(widths, data["width"], data.fixed_exponent, data.fixed_exponent_se, "temperature stays", color=1)
    look.line(widths, data["width"], 0 * data["width"] + data.fixed_exponent_theory, "theory at a fixed temperature")
    widths.axvline(config.widths[curves.places(data).peak], color="0.8", lw=0.9, zorder=0)
    widths.set(xscale="log", title="Its exponent dips where nets interpolate", xlabel="hidden units", ylabel="a")
    widths.set_ylim(0.4, 1.15)


def _exponents(n: Any, pair: Floats) -> Floats:
    moving, fixed = curves.exponents(n, pair)
    return np.array([moving, fixed, fixed - moving])


def _dips(n: Any, losses: Floats) -> Floats:
    narrow, peak, wide = curves.exponents(n, losses)
    return np.array([narrow - peak, wide - peak])


def _local(n: Any, curve: Floats) -> Floats:
    """log2 of the ratio of falls at neighbouring doublings, the first one, and the last less the first."""
    falls = -np.diff(curve[n != 3])
    slopes = np.log2(falls[:-1] / falls[1:])
    half = len(slopes) // 2
    return np.array([slopes[0], slopes[half:].mean() - slopes[:half].mean()])
