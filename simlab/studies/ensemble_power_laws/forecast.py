"""Scene 5, the talk's "Optimal split prediction": laws of small ensembles foretell large ones and the best split.

A forecast sees ensembles of at most `cheap` members. Splits of budgets are foretold from those of the narrower half of
the widths, and judged by all networks at budgets that no such ensemble fills.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.ensembles import best_split, fit_power_law, predict_split
from simlab.errors import InputError
from simlab.progress import Progress
from simlab.quantities import given, measured, predicted
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import curves, memory_split, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.curves import Floats

PANELS = 1
WORTH = 0.5
"""The share of what splitting gains that a forecast may lose and still be of use."""
LEVEL, LOST = 0.95, 0.2
"""Of the intervals of forecasts, and what may be lost of it: they know of noise, and not that no law is pure."""
SOURCE = "talk, Optimal split prediction"


def check(config: Config) -> None:
    """Refuse members and budgets with nothing left to foretell."""
    memory_split.check(config)
    if config.cheap >= config.members:
        raise InputError(f"cheap = {config.cheap}: it must be less than members = {config.members}; take fewer.")
    if not len(_held_out(config)):
        raise InputError(
            f"budgets: the largest must be above {_cheap(config):g}, {config.cheap} networks of {_narrow(config)} "
            "hidden units, for a forecast to be judged at; add one, or lower cheap."
        )


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """The loss of the largest ensembles as small ones foretell it, and what trusting a foretold split costs."""
    own, n = pool.teachers(config, device, progress), pool.sizes(config)
    found: dict[str, Any] = curves.axes(config, own)
    last = own.calibrated[..., -1]
    found |= measured("last", "width", mean(last), "calibrated NLL of the largest ensembles", "nat")
    miss = jackknife(own.calibrated, lambda m: _miss(config, n, m))
    found |= measured("miss", "width", miss, "loss of the largest ensembles less the forecast, over what they gain")
    ahead = _forecast(config, n, own.calibrated.mean(axis=0))
    found |= given("foretold", "width", ahead, "forecast of the largest ensembles", "nat")
    whole = jackknife(own.calibrated, lambda m: _miss(config, n, m).mean())
    found |= measured("excess", (), whole, "the same, mean over widths")
    ahead_of = pool.sizes(config)[pool.sizes(config) > config.cheap]
    found |= given("ahead", "ahead", ahead_of, "members n of an ensemble that no law was fitted to")
    covered = _covered(config, n, own.calibrated)
    found |= measured("coverage", ("width", "ahead"), mean(covered), f"share of {LEVEL:g} intervals that cover")
    found |= measured("covered", (), mean(covered.mean(axis=(1, 2))), "the same, mean over widths and members")
    budgets = _held_out(config)
    found |= given("budget", "budget", budgets, "budgets beyond all that laws were fitted to")
    regret, gain = (np.array(part) for part in zip(*_judged(config, n, own.calibrated, budgets), strict=True))
    found |= measured(
        "regret", "budget", mean(regret), "loss at the foretold split less that at the measured one", "nat"
    )
    found |= measured(
        "gain", "budget", mean(gain), "loss of the widest networks less that at the foretold split", "nat"
    )
    found |= measured("regret_mean", (), mean(regret.mean(axis=1)), "regret, mean over budgets", "nat")
    found |= measured("gain_mean", (), mean(gain.mean(axis=1)), "gain, mean over budgets", "nat")
    return xr.Dataset(found)


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The forecast."""
    found = predicted("last", "width", simulation["foretold"].values, "calibrated NLL of the largest ensembles", "nat")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Where the forecast holds, where it does not, and that the split it picks is good."""
    many, wide = config.teachers, curves.places(data).wide
    last = int(data["members"][-1])
    return [
        Claim.equals(
            "forecast/wide",
            f"At {curves.NAMES['wide']} the law of up to {config.cheap} members foretells {last}, but for a tenth of "
            "what they gain.",
            SOURCE, float(data.miss[wide]), 0.0, float(data.miss_se[wide]), bias=0.1, resolution=0.5, samples=many,
        ),
        curves.there(
            "forecast/too-good", "On average over widths it promises too much, for the exponent itself rises with n.",
            SOURCE, curves.far(data, "excess"), many,
        ),
        Claim.equals(
            "forecast/coverage",
            f"Intervals of {100 * LEVEL:g} % from one teacher's laws cover that share of its larger ensembles, but for "
            f"{100 * LOST:g} % that an exponent which moves takes.",
            SOURCE, float(data.covered), LEVEL, float(data.covered_se), bias=LOST, resolution=LEVEL / 2, samples=many,
        ),
        Claim.equals(
            "forecast/regret",
            f"From networks of at most {_narrow(config)} hidden units it picks splits of larger budgets as good as the "
            "measured ones, but for half of what they gain over the widest networks.",
            SOURCE, float(data.regret_mean), 0.0, float(data.regret_mean_se), bias=WORTH * float(data.gain_mean),
            resolution=(1 + WORTH) * float(data.gain_mean), samples=many,
        ),
    ]  # fmt: skip


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The largest ensembles of every width, measured and foretold."""
    (panel,) = axes
    last = int(data["members"][-1])
    look.points(panel, data["width"], data["last"], data.last_se, f"{last} members, measured")
    look.line(panel, data["width"], data.last_theory, f"from up to {config.cheap} members", style="--")
    panel.axvline(config.widths[curves.places(data).peak], color="0.8", lw=0.9, zorder=0)
    panel.set(xscale="log", title="The forecast promises too much\nwhere networks interpolate", xlabel="hidden units",
              ylabel="calibrated NLL")  # fmt: skip


def _forecast(config: Config, n: Any, losses: Floats) -> Floats:
    """The last point of each curve (..., size), from the law of its first ones."""
    known = n <= config.cheap
    law = curves.laws(n[known], losses[..., known])
    return law.c + law.b * float(n[-1]) ** -law.a


def _miss(config: Config, n: Any, losses: Floats) -> Floats:
    """The last point less its forecast, over what the whole curve falls (...)."""
    return (losses[..., -1] - _forecast(config, n, losses)) / (losses[..., 0] - losses[..., -1])


def _covered(config: Config, n: Any, losses: Floats) -> Floats:
    """Whether the interval of the law of a teacher's small ensembles holds its larger ones (teacher, width, ahead)."""
    known = n <= config.cheap
    found = np.zeros((*losses.shape[:2], (~known).sum()))
    for place in np.ndindex(*losses.shape[:2]):
        ahead = fit_power_law(n[known], losses[place][known], level=LEVEL).predict(n[~known])
        found[place] = (ahead.low <= losses[place][~known]) & (losses[place][~known] <= ahead.high)
    return found


def _narrow(config: Config) -> int:
    """The largest width that forecasts of splits see."""
    return config.widths[len(config.widths) // 2]


def _cheap(config: Config) -> float:
    """Trained numbers of the largest ensemble that forecasts of splits see."""
    return float(config.cheap * pool.parameters((_narrow(config),))[0])


def _held_out(config: Config) -> Floats:
    """Budgets that no cell a law is fitted to fills."""
    budgets = np.array(config.budgets)
    return budgets[budgets > _cheap(config)]


def _judged(config: Config, n: Any, losses: Floats, budgets: Floats) -> list[tuple[Floats, Floats]]:
    """Regret and gain (budget) of every teacher, of the split that the others' small ensembles foretell."""
    p, total, count = pool.parameters(config.widths), losses.sum(axis=0), len(losses)
    seen = (n <= config.cheap) & (np.array(config.widths) <= _narrow(config))[:, None]
    cheap = np.where(seen, 0.0, np.nan)
    rows = []
    for replicate in range(count):
        rest = (total - losses[replicate]) / (count - 1)
        own, least = best_split(p, n, losses[replicate], budgets).losses, best_split(p, n, rest, budgets).width
        measured_here = np.isfinite(own)
        guess = predict_split(p, n, rest + cheap, budgets, _cheap(config)).split.losses
        foretold = np.where(measured_here, guess, np.inf).argmin(axis=1)
        widest = measured_here.cumsum(axis=1).argmax(axis=1)
        at = np.arange(len(budgets))
        rows.append((own[at, foretold] - own[at, least], own[at, widest] - own[at, foretold]))
    return rows
