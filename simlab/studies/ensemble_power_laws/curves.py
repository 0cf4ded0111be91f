"""What scenes ask of a pool: places along the widths, exponents, differences in pairs, splits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.claims import Claim, quantity
from simlab.ensembles import best_split
from simlab.ensembles.power_law import RANGE
from simlab.errors import InputError
from simlab.quantities import Variables, given
from simlab.studies.ensemble_power_laws import pool
from simlab.studies.ensemble_power_laws.config import Config

Floats = NDArray[np.float64]
REACHED = 0.05
"""Training error below which it has reached 0: half-way down its last step, on widths a factor 1.3 to 1.5 apart."""
VISIBLE = 0.02
"""What counts as a deviation from a power law, over b: the width of a line on a figure of the law."""
PLACES, ZOOMS = 61, 6
"""Exponents of a grid, and grids: the last one is a factor 1 + 1e-8 apart."""

NAMES = {"narrow": "half the interpolation width", "peak": "the interpolation width", "wide": "the largest width"}
"""Three places along the widths, in words."""


class Ends(NamedTuple):
    """Places of three widths: half of the interpolation width or less, the interpolation width, the widest."""

    narrow: int
    peak: int
    wide: int


def ends(config: Config, own: pool.Pool) -> Ends:
    """The interpolation width is the one nearest to where the training error vanishes, on average over teachers."""
    widths, error = np.array(config.widths), own.error.mean(axis=0)
    told = f"falls from {100 * error[0]:.2g} to {100 * error[-1]:.2g} %"
    if error[0] > REACHED > error[-1]:
        place = vanishing(widths, error)
        peak = int(abs(np.log(widths) - place).argmin())
        below = np.flatnonzero(2 * widths <= widths[peak])
        if len(below) and 4 * widths[peak] <= widths[-1]:
            return Ends(int(below[-1]), peak, len(widths) - 1)
        told = f"reaches {100 * REACHED:g} % near {np.exp(place):.0f} hidden units"
    raise InputError(
        f"widths: the training error {told}, and this study needs the width where it reaches {100 * REACHED:g} %, one "
        "of half of that and one of four times as much; add widths, or change training or epochs."
    )


def vanishing(widths: Any, error: Floats) -> float:
    """The logarithm of the width at which the training error falls below REACHED, between widths by its logarithm."""
    j = int((error < REACHED).argmax())
    before, after = np.log(np.maximum(error[j - 1 : j + 1], 1e-9))
    low, high = np.log(widths[j - 1 : j + 1])
    return float(low + (before - np.log(REACHED)) / (before - after) * (high - low))


def axes(config: Config, own: pool.Pool) -> Variables:
    """The coordinates of all scenes: widths, sizes, and the three places among the widths."""
    found = given("width", "width", np.array(config.widths), "hidden units of a network")
    found |= given("members", "members", pool.sizes(config), "members n of an ensemble")
    return found | given("end", "end", np.array(ends(config, own)), f"places of widths: {', '.join(Ends._fields)}")


def places(data: Any) -> Ends:
    """The three places of a scene's dataset."""
    return Ends(*map(int, data["end"]))


def named(data: Any) -> list[tuple[str, str, int]]:
    """Their names, what they are in words, and the places."""
    return [(name, NAMES[name], place) for name, place in places(data)._asdict().items()]


class Laws(NamedTuple):
    """c + b n^-a of each curve, and the root mean square of what is left."""

    a: Floats
    b: Floats
    c: Floats
    residual: Floats


def laws(n: Any, losses: Floats) -> Laws:
    """Power laws of many curves (..., size) at once, as `fit_power_law` without errors and without intervals.

    The least sum of squares over a grid of ln a, then over ever finer ones around it: a jackknife asks for hundreds.
    """
    n, curves = np.asarray(n, float), np.reshape(losses, (-1, np.shape(losses)[-1]))
    low, high = np.log(RANGE)
    centre, reach = np.full(len(curves), (low + high) / 2), (high - low) / 2
    for _ in range(ZOOMS):
        a = np.exp(np.clip(centre[:, None] + reach * np.linspace(-1, 1, PLACES), low, high))
        x = n ** -a[..., None]  # (curve, place, size)
        x -= x.mean(axis=-1, keepdims=True)
        y = (curves - curves.mean(axis=-1, keepdims=True))[:, None]
        b = (x * y).sum(axis=-1) / (x * x).sum(axis=-1)
        squares = ((y - b[..., None] * x) ** 2).mean(axis=-1)
        best = squares.argmin(axis=-1)[:, None]
        a, b, least = (np.take_along_axis(part, best, axis=-1)[:, 0] for part in (a, b, squares))
        centre, reach = np.log(a), 2 * reach / PLACES
    c = curves.mean(axis=-1) - b * (n ** -a[:, None]).mean(axis=-1)
    return Laws(*(part.reshape(np.shape(losses)[:-1]) for part in (a, b, c, np.sqrt(least))))


def exponents(n: Any, losses: Floats) -> Floats:
    """The exponent a of c + b n^-a for each curve (..., size)."""
    return laws(n, losses).a


def residual(n: Any, losses: Floats) -> Floats:
    """Root mean square of what is left of each curve (..., size) beside its power law, over the law's b."""
    found = laws(n, losses)
    return found.residual / abs(found.b)


def far(data: Any, name: str, place: int | None = None) -> float:
    """A measured number, or one of several, in its standard errors; one that does not vary is as far as 1000."""
    value, se = (float(data[q] if place is None else data[q][place]) for q in (name, f"{name}_se"))
    return value / se if se > 0 else 1e3 * float(np.sign(value))


def exponent(data: Any, place: int | None = None) -> str:
    """The exponent of a law, or one of several, in words."""
    value, se = (float(data[q] if place is None else data[q][place]) for q in ("exponent", "exponent_se"))
    return f"a = {quantity(value, se)}"


def there(name: str, statement: str, source: str, far: float, samples: int) -> Claim:
    """An effect is at least 4 standard errors from nothing, of Student's law."""
    return Claim.exceeds(name, statement, source, far, sigmas=4, samples=samples)


def chosen(parameters: Any, n: Any, losses: Floats, budgets: Any) -> tuple[Floats, Floats]:
    """Members and loss (replicate, budget) of the split that all other replicates find best: no choice sees its judge.

    losses (replicate, width, size).
    """
    total, count = losses.sum(axis=0), len(losses)
    own = best_split(parameters, n, losses, budgets).losses
    members, found = [], []
    for replicate in range(count):
        rest = (total - losses[replicate]) / (count - 1)
        best = best_split(parameters, n, rest, budgets)
        members.append(best.members)
        found.append(np.take_along_axis(own[replicate], best.width[:, None], axis=-1)[:, 0])
    return np.array(members), np.array(found)


def growth(parameters: Any, n: Any, losses: Floats, budgets: Any) -> Floats:
    """The exponent of the budget in the best number of members, for each replicate by itself (replicate)."""
    best = best_split(parameters, n, losses, budgets)
    return np.polyfit(np.log(budgets), np.log(best.members).T, 1)[0]
