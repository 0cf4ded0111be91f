"""Scene 1: at a fixed temperature the loss is c + b/n, with b from the spread of the members and without a fit.

One half of the members predicts the ensembles that the other half makes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.lab.scene import Axes, Beside, Claim, Expected, Found, HeldOut, Lab, Panel, Values, axis, quantity
from simlab.statistics import jackknife, mean
from simlab.studies.ensemble_power_laws import needs, places, pool, quantities
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import MEMBERS, WIDTH

SOURCE = "talk, Increasing the width and ensemble size; Lobacheva et al. 2020"
PARTS = (quantities,)
COEFFICIENT = axis("coefficient of c + b/n + d/n²")
SERIES = quantity(
    "coefficient from one half of the members", WIDTH, COEFFICIENT, unit="nat", equation="ensembles#a-fixed-temperature"
)
ABOVE = quantity("NLL of the other half minus c", WIDTH, MEMBERS, unit="nat", equation="ensembles#a-fixed-temperature")
FALL = quantity(
    "fall of the loss at the last doubling, over the predicted one", WIDTH, equation="ensembles#a-fixed-temperature"
)
CUT = quantity("share of the term d/n² in the predicted fall", WIDTH, equation="ensembles#a-fixed-temperature")
check, cost = needs.check, needs.teachers


def simulate(config: Config, lab: Lab) -> Values:
    """Losses of ensembles of one half of the members compared with the series of the other half, and the last fall."""
    pools, n = pool.teachers(config, lab), pool.half_sizes(config)
    series = mean(pools.series)
    _, b, d = series.value.T[..., None]
    falls = np.stack([pools.half[..., -2] - pools.half[..., -1], *fall(pools.series, n)], axis=1)
    _, predicted, second = falls.mean(axis=0)
    return {
        **pool.coordinates(config, pools, n),
        COEFFICIENT: ["c", "b", "d"],
        SERIES: series,
        ABOVE: Beside(mean(pools.half - pools.series[..., :1]), HeldOut(b / n + d / n**2)),
        FALL: Beside(jackknife(falls, lambda m: m[0] / m[1]), Expected(1.0)),
        CUT: second / predicted,
    }


def theory(config: Config, axes: Axes) -> Values:
    """None: the references are predictions from other members."""
    return {}


def compare(config: Config, found: Found) -> list[Claim]:
    """The last fall at three widths; the first term left out is about the square of the last one kept."""
    last = pool.half_sizes(config)[-1]
    return [
        found[FALL][place.at].equals(
            place.name,
            f"At a fixed temperature and {place.words} the loss falls from {last // 2} to {last} networks as the "
            "spread of other networks predicts, up to the square of the last term of the series in 1/n.",
            bias=float(found[CUT][place.at]) ** 2, resolution=0.5, samples=config.teachers,
        )
        for place in places.named(found.axes)
    ]  # fmt: skip


def draw_loss(config: Config, found: Found, panel: Panel) -> None:
    """Loss minus its limit against the number of members, at three widths."""
    n = found[MEMBERS].value
    dense = np.geomspace(n[0], n[-1], 60)
    for color, place in enumerate(places.named(found.axes)):
        _, b, d = found[SERIES][place.at].value
        panel.points(found[ABOVE][place.at], f"{config.widths[place.at]} hidden units", color=color)
        panel.curve(dense, b / dense, "" if color else "b/n, no fit", color=color)
        panel.curve(dense, b / dense + d / dense**2, "" if color else "b/n + d/n²", color=color, style=":", width=1)
    panel.set(xscale="log", yscale="log", title="Fixed temperature: 1/n", ylabel="NLL of one half minus c (nat)")
    panel.note("temperature 1; b, c, d from the other half of the members; the series is for large n")


PANELS = (draw_loss,)


def fall(series: Floats, n: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The fall at the last doubling by coefficients (..., 3), and its part of second order."""
    first, second = 1 / n[-2] - 1 / n[-1], 1 / n[-2] ** 2 - 1 / n[-1] ** 2
    return series[..., 1] * first + series[..., 2] * second, series[..., 2] * second
