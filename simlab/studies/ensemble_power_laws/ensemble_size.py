"""Scene 2, the talk's "Increasing the width and ensemble size": calibrated losses follow c + b n^-a with a < 1.

At any fixed temperature a is 1. The best temperature falls with n, and the calibrated curve is the lower envelope of
the fixed ones; it moves most at the interpolation width, and there a is least.
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
from simlab.lab.quantities import given, measured, predicted
from simlab.statistics import jackknife, mean, power_laws
from simlab.studies.ensemble_power_laws import curves, fixed_temperature, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.places import Ends

PANELS = 2
TAIL = 4
"""Sizes at the end of a curve that the envelope's exponent is taken from: for few members its series means nothing."""
BEYOND = 0.25
"""What the orders that the laws leave out may make of a gain at few members."""
SOURCE = "talk, Increasing the width and ensemble size; Lobacheva et al. 2020"
check, cost = fixed_temperature.check, fixed_temperature.cost


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Calibrated losses, their exponents, and what a moving temperature gains, measured and foretold."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    three = curves.ends(config, own)
    found: dict[str, Any] = curves.axes(config, own)
    both = ("width", "members")
    found |= measured("calibrated", both, mean(own.calibrated), "NLL at the best temperature", "nat")
    found |= measured("tau", both, mean(own.tau), "best temperature")
    found |= given(
        "envelope_foretold", both, own.foretold.mean(axis=0), "envelope of the laws at fixed temperatures", "nat"
    )
    excess = mean(own.excess.mean(axis=1))
    found |= measured("excess", (), excess, "what few validation data add to a network's loss, mean over widths", "nat")
    a, held = (jackknife(losses, lambda m: curves.exponents(n, m)) for losses in (own.calibrated, own.fixed))
    tail = jackknife(own.calibrated[..., -TAIL:], lambda m: curves.exponents(n[-TAIL:], m))
    found |= measured("exponent", "width", a, "exponent a of n")
    found |= measured("fixed_exponent", "width", held, "the same at a fixed temperature")
    found |= measured("late", "width", tail, f"exponent of the last {TAIL} sizes")
    ahead = curves.exponents(n[-TAIL:], own.foretold.mean(axis=0)[:, -TAIL:])
    found |= given("late_foretold", "width", ahead, "the same of the envelope")
    above = jackknife(own.calibrated[:, three], lambda m: m - power_laws(n, m).c[..., None])
    found |= measured("above", ("end", "members"), above, "calibrated NLL less c of its power law", "nat")
    rest = jackknife(own.calibrated, lambda m: curves.residual(n, m))
    found |= measured("rest", "width", rest, "residual of the power law over its range")
    every = np.stack([own.calibrated, own.fixed, own.foretold], axis=1)  # (teacher, 3, width, size)
    found |= measured("contrast", "claimed", jackknife(every, lambda m: _contrasts(n, m, three)), "; ".join(CONTRASTS))
    gains = np.stack([own.moved, own.moved_foretold], axis=1)
    found |= measured("moved", "width", mean(own.moved), "what a temperature of its own gains few members", "nat")
    found |= measured("share", "width", jackknife(gains, lambda m: m[1] / m[0]), "the gain foretold over that measured")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The envelope of the members' laws and what follows from it, and the exponent 1 of any of them."""
    envelope = simulation["envelope_foretold"].values
    found = predicted("calibrated", ("width", "members"), envelope, "NLL at the best temperature", "nat")
    found |= predicted("late", "width", simulation["late_foretold"].values, f"exponent of the last {TAIL} sizes")
    found |= predicted("fixed_exponent", (), 1.0, "exponent at a fixed temperature")
    return xr.Dataset(found | predicted("share", (), 1.0, "gain foretold over measured"))


CONTRASTS = (
    "a at the narrow width less a at interpolation",
    "a at the largest width less that",
    "a at a fixed temperature less that",
    "local exponent at large n less that at small, at interpolation",
    "residual of a line in 1/n there, over its range, less what is visible",
    "the same for a line in ln n",
    "tail of the envelope at the narrow width less at interpolation",
    "the same at the largest width",
)
"""What is claimed to be positive, in the order of `_contrasts`."""


def _contrasts(n: Any, mean_losses: Floats, three: Ends) -> Floats:
    """CONTRASTS from calibrated, fixed and foretold losses (3, width, size)."""
    calibrated, fixed, foretold = mean_losses[:, three]
    low, peak, wide = curves.exponents(n, calibrated)
    tail = curves.exponents(n[-TAIL:], foretold[:, -TAIL:])
    falls = -np.diff(calibrated[1][n != 3])
    local = np.log2(falls[:-1] / falls[1:])
    half, rivals = len(local) // 2, [curves.straight(x, calibrated[1]) for x in (1 / n, np.log(n))]
    return np.array([
        low - peak, wide - peak, curves.exponents(n, fixed[1]) - peak,
        local[half:].mean() - local[:half].mean(),
        *(rest - curves.VISIBLE for rest in rivals),
        tail[0] - tail[1], tail[2] - tail[1],
    ])  # fmt: skip


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The law at three widths and against others, the dip of its exponent, and checks of the explanation."""
    many, last = config.teachers, int(data["members"][-1])
    peak = curves.at(data).peak
    claims = [
        curves.follows(
            f"ensemble_size/law-{name}", f"At {text} the calibrated loss is c + b n^-a up to n = {last}", SOURCE, data,
            many, place,
        )
        for name, text, place in curves.named(data)
    ]  # fmt: skip
    far = [curves.far(data, "contrast", k) for k in range(len(CONTRASTS))]
    told = {
        "dip-narrow": (far[0], f"The exponent is smaller at the interpolation width than at {curves.NAMES['narrow']}."),
        "dip-wide": (far[1], f"It is smaller there than at {curves.NAMES['wide']}."),
        "moving-temperature": (far[2], "It is larger there if the temperature stays where it ends."),
        "no-pure-law": (far[3], "The exponent itself rises with n there: the law is effective, its a an average."),
        "no-other-law": (min(far[4], far[5]), "Neither c + b/n nor c - b ln n comes within "
                         f"{100 * curves.VISIBLE:g} % of its range there."),
        "envelope-dip": (min(far[6], far[7]), "Exponents of the envelope of the members' laws at fixed temperatures, "
                         f"from n = {int(data['members'][-TAIL])} on, have the dip, too."),
    }  # fmt: skip
    claims += [curves.there(f"ensemble_size/{name}", text, SOURCE, z, many) for name, (z, text) in told.items()]
    claims += [
        Claim.equals(
            "ensemble_size/fixed-exponent",
            "With the temperature where it ends the exponent at the interpolation width is that of 1/n, but for a "
            "tenth of how far the calibrated one is from it.", SOURCE,
            float(data.fixed_exponent[peak]), 1.0, float(data.fixed_exponent_se[peak]),
            bias=0.1 * abs(1 - float(data.exponent[peak])), samples=many,
        ),
    ]  # fmt: skip
    return claims + [
        Claim.equals(
            f"ensemble_size/envelope-{name}",
            f"At {text} the laws of other members foretell what {pool.sixteenth(config)} members gain by a temperature "
            f"of their own, but for {100 * BEYOND:g} % that their series leaves out.",
            SOURCE, float(data.share[place]), 1.0, float(data.share_se[place]), bias=BEYOND, resolution=1.0,
            samples=many,
        )
        for name, text, place in curves.named(data)
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Calibrated loss less c on logarithmic axes; exponents against width."""
    panel, widths = axes
    n = data["members"].values
    dense = np.geomspace(n[0], n[-1], 60)
    for k, place in enumerate(curves.at(data)):
        a, law = curves.fitted(n, data.above[k], dense)
        look.points(panel, n, data.above[k], data.above_se[k], f"{config.widths[place]} hidden units, a = {a:.2f}",
                    color=k)  # fmt: skip
        look.line(panel, dense, law, "_", color=k)
    panel.set(
        xscale="log", yscale="log", title="Calibrated: a power law", xlabel="members n", ylabel="calibrated NLL less c"
    )
    look.points(widths, data["width"], data.exponent, data.exponent_se, "calibrated", color=0)
    look.points(widths, data["width"], data.fixed_exponent, data.fixed_exponent_se, "temperature stays", color=1)
    look.points(widths, data["width"], data.late, data.late_se, f"calibrated, n ≥ {n[-TAIL]}", color=2)
    look.line(widths, data["width"], data.late_theory, "envelope of 1/n laws", color=2)
    look.line(widths, data["width"], 0 * data["width"] + data.fixed_exponent_theory, "theory at a fixed temperature")
    widths.axvline(config.widths[curves.at(data).peak], color="0.8", lw=0.9, zorder=0)
    widths.set(xscale="log", title="Its exponent dips where nets interpolate", xlabel="hidden units", ylabel="a")
    widths.set_ylim(0.4, 1.4)
