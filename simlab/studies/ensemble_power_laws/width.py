"""Scene 3, the talk's "Power law wrt width of DNN" and "calibration removes double descent behaviour"."""

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
from simlab.statistics import Estimate, jackknife, mean
from simlab.studies.ensemble_power_laws import curves, fixed_temperature, places, pool
from simlab.studies.ensemble_power_laws.config import Config

PANELS = 2
FITTED = (1, 2)
"""Members of the ensembles whose calibrated loss is said to follow a power law in width."""
SOURCE = "talk, Power law wrt width of DNN"
check, cost = fixed_temperature.check, fixed_temperature.cost


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Loss of one network before and after calibration at every width, where it peaks, and laws in width."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    widths = np.array(config.widths, float)
    found: dict[str, Any] = curves.axes(config, own)
    found |= measured("error", "width", mean(own.error), "share of training data misclassified")
    found |= measured("nll", "width", mean(own.nll[..., 0]), "negative log-likelihood of one network", "nat")
    found |= measured("calibrated", ("width", "members"), mean(own.calibrated), "NLL at the best temperature", "nat")
    low, peak, wide = curves.ends(config, own)
    one, best = own.nll[..., 0], own.calibrated[..., 0]
    peaks = one[:, peak, None] - one[:, [low, wide]]
    text = "loss at the interpolation width less that at the narrow and at the largest one"
    found |= measured("rise", "part", mean(peaks), text, "nat")
    found |= measured(
        "calibrated_fall", (), mean(best[:, low] - best[:, peak]), "fall of the calibrated loss meanwhile", "nat"
    )
    steps = best[:, :-1] - best[:, 1:]
    margin = mean(steps + steps.mean(axis=1, keepdims=True))
    k = int((margin.value / margin.se).argmin())
    text = "mean fall of a step in width plus that of the step where the sum is least certain"
    found |= measured("margin", (), Estimate(margin.value[k], margin.se[k]), text, "nat")
    apart = mean(np.array([_apart(widths, *pair) for pair in zip(one, own.error, strict=True)]))
    found |= measured("apart", (), apart, "log of the peak's width over that of vanishing training error")
    at = [int(np.flatnonzero(n == k)[0]) for k in FITTED]
    curve = np.moveaxis(own.calibrated[..., at], -1, 1)  # (teacher, fitted, width)
    a = jackknife(curve, lambda m: curves.exponents(widths, m))
    rest = jackknife(curve, lambda m: curves.residual(widths, m))
    found |= given("few", "few", np.array(FITTED), "members of ensembles with a law in width")
    found |= measured("exponent", "few", a, "exponent of the width")
    found |= measured("rest", "few", rest, "residual of the law in width over its range")
    turn = _turn(own.calibrated)
    found |= measured("turn", "members", mean(turn), "loss at the largest width less that at the best", "nat")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The peak is where the training error vanishes."""
    return xr.Dataset(predicted("apart", (), 0.0, "log of the peak's width over that of vanishing training error"))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The peak and its place, its absence after calibration, the law in width, and where the law ends."""
    many, (low, peak) = config.teachers, (config.widths[k] for k in curves.at(data)[:2])
    step = float(np.log(config.widths[curves.at(data).peak + 1] / config.widths[curves.at(data).peak - 1]) / 2)
    half = float(np.log(config.widths[-1] / config.widths[0]) / 2)
    claims = [
        curves.there(
            "width/double-descent",
            f"From {low} to {peak} units the loss of one network rises, and to {config.widths[-1]} it falls again.",
            SOURCE, min(curves.far(data, "rise", k) for k in (0, 1)), many,
        ),
        Claim.equals(
            "width/peak-place",
            f"It peaks where the training error falls below {100 * places.REACHED:g} %, but for a step in width.",
            SOURCE,
            float(data.apart), 0.0, float(data.apart_se), bias=step, resolution=half, samples=many,
        ),
        curves.there(
            "width/calibration-removes-it", f"From {low} to {peak} the calibrated loss falls.", SOURCE,
            curves.far(data, "calibrated_fall"), many,
        ),
        curves.there(
            "width/no-step-up",
            "No step in width raises the calibrated loss of one network by as much as a step lowers it on average.",
            SOURCE, curves.far(data, "margin"), many,
        ),
    ]  # fmt: skip
    claims += [
        curves.follows(
            f"width/law-{size}", f"With {size} member{'s'[: size - 1]} it is a power law in width", SOURCE, data,
            many, k,
        )
        for k, size in enumerate(FITTED)
    ]  # fmt: skip
    return [
        *claims,
        curves.there(
            "width/law-ends",
            f"From {_first(data)} members on it is none: the widest networks are worse than narrower ones.", SOURCE,
            curves.far(data, "turn", -1), many,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Before and after calibration; calibrated loss against width for several sizes of the ensemble."""
    descent, sizes = axes
    width = data["width"]
    descent.axvline(config.widths[curves.at(data).peak], color="0.8", lw=0.9, zorder=0)
    look.points(descent, width, data.nll, data.nll_se, "one network", color=1)
    look.points(descent, width, data.calibrated[:, 0], data.calibrated_se[:, 0], "calibrated", color=0)
    dense = np.geomspace(config.widths[0], config.widths[-1], 80)
    a, law = curves.fitted(width, data.calibrated[:, 0], dense)
    look.line(descent, dense, law, f"power law, a = {a:.2f}")
    error = descent.twinx()
    error.plot(width, data.error, "--", color="0.6", lw=1)
    error.set_ylim(0, 1.2)
    error.set_yticks([])
    error.annotate("training error", (0.36, 0.03), xycoords="axes fraction", color="0.5", fontsize=8)
    descent.set(xscale="log", title="Calibration removes the peak", xlabel="hidden units", ylabel="NLL")
    shown = [k for k, n in enumerate(data["members"].values) if n != 3]
    for color, k in enumerate([*shown[:: max(1, len(shown) // 4)][:4], shown[-1]]):
        n = int(data["members"][k])
        sizes.plot(
            width, data.calibrated[:, k], "o-", ms=3, lw=1, color=look.COLORS[color], label=f"{n} member{'s'[: n - 1]}"
        )
    sizes.set(xscale="log", title="Large ensembles have a best width", xlabel="hidden units", ylabel="calibrated NLL")


def _apart(widths: Floats, loss: Floats, error: Floats) -> Any:
    """The logarithm of the width at the top of the loss behind its first dip, over that of vanishing error."""
    logs = np.log(widths)
    start = int(loss[: int((error < places.REACHED).argmax()) + 1].argmin())
    k = int(np.clip(start + loss[start:].argmax(), 1, len(loss) - 2))
    # The parabola through the highest point and its neighbours, which are not evenly spaced.
    bend, slope, _ = np.polyfit(logs[k - 1 : k + 2] - logs[k], loss[k - 1 : k + 2], 2)
    top = logs[k] - slope / (2 * bend) if bend < 0 else logs[k]
    return np.clip(top, logs[k - 1], logs[k + 1]) - places.vanishing(widths, error)


def _turn(losses: Floats) -> Floats:
    """Loss of the widest networks less that at the width that all other teachers find best (teacher, size)."""
    best = curves.others(losses).argmin(axis=1)
    return losses[:, -1] - np.take_along_axis(losses, best[:, None], axis=1)[:, 0]


def _first(data: Any) -> int:
    """The least number of members from which on the widest networks are worse by four standard errors."""
    uncertain = [k for k in range(data.sizes["members"]) if curves.far(data, "turn", k) < 4]
    return int(data["members"][min(max(uncertain, default=-1) + 1, data.sizes["members"] - 1)])
