"""What scenes ask of a pool: places along the widths, laws and what is left beside them, effects, splits."""

from __future__ import annotations

from typing import Any

import numpy as np

from simlab.core.checks import Floats
from simlab.ensembles import best_split
from simlab.lab.claim import Claim, quantity
from simlab.lab.quantities import Variables, given
from simlab.statistics import power_laws
from simlab.studies.ensemble_power_laws import places, pool
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.places import Ends

VISIBLE = 0.03
"""What counts as a deviation from a law, over the range of the curve: the size of a point on a figure of it."""

NAMES = {"narrow": "half the interpolation width", "peak": "the interpolation width", "wide": "the largest width"}
"""Three places along the widths, in words."""


def ends(config: Config, own: pool.Pool) -> Ends:
    """The three places, by the training error's mean over teachers."""
    return places.ends(config, own.error.mean(axis=0))


def axes(config: Config, own: pool.Pool) -> Variables:
    """The coordinates of all scenes: widths, sizes, and the three places among the widths."""
    found = given("width", "width", np.array(config.widths), "hidden units of a network")
    found |= given("members", "members", pool.sizes(config), "members n of an ensemble")
    return found | given("end", "end", np.array(ends(config, own)), f"places of widths: {', '.join(Ends._fields)}")


def at(data: Any) -> Ends:
    """The three places of a scene's dataset."""
    return Ends(*map(int, data["end"]))


def named(data: Any) -> list[tuple[str, str, int]]:
    """Their names, what they are in words, and the places."""
    return [(name, NAMES[name], place) for name, place in at(data)._asdict().items()]


def fitted(n: Any, losses: Any, dense: Any) -> tuple[float, Floats]:
    """The exponent of one curve (size) and its law at other places, for a figure."""
    a, b, c, _ = power_laws(n, np.asarray(losses, float))
    return float(a), c + b * np.asarray(dense, float) ** -a


def exponents(n: Any, losses: Floats) -> Floats:
    """The exponent a of c + b n^-a for each curve (..., size)."""
    return power_laws(n, losses).a


def residual(n: Any, losses: Floats) -> Floats:
    """Root mean square of what is left of each curve (..., size) beside its power law, over the curve's range."""
    return power_laws(n, losses).residual / np.ptp(losses, axis=-1)


def straight(x: Any, losses: Floats) -> Floats:
    """The same beside a straight line in x (size): 1/n for the law of a = 1, ln n for that of a -> 0."""
    x = np.asarray(x, float) - np.mean(x)
    y = losses - losses.mean(axis=-1, keepdims=True)
    rest = y - (y @ x / (x @ x))[..., None] * x
    return np.sqrt((rest**2).mean(axis=-1)) / np.ptp(losses, axis=-1)


def read(data: Any, name: str, place: int | None = None) -> tuple[float, float]:
    """A measured number, or the one at a place of several, and its standard error."""
    found = [data[q] if data[q].ndim == 0 else data[q][place] for q in (name, f"{name}_se")]
    return float(found[0]), float(found[1])


def far(data: Any, name: str, place: int | None = None) -> float:
    """A measured number in its standard errors; nothing is known from one that does not vary."""
    value, se = read(data, name, place)
    return value / se if se > 0 else 0.0


def follows(
    name: str, text: str, source: str, data: Any, samples: int, place: int | None = None, bias: float = VISIBLE
) -> Claim:
    """A curve follows its power law, by `exponent` and `rest` of the data, but for a share of its range."""
    rest, se = read(data, "rest", place)
    a = quantity(*read(data, "exponent", place))
    text = f"{text} with a = {a}, but for {100 * bias:g} % of its range."
    return Claim.equals(name, text, source, rest, 0.0, se, bias=bias, samples=samples)


def there(name: str, statement: str, source: str, far: float, samples: int) -> Claim:
    """An effect is at least 4 standard errors from nothing, of Student's law."""
    return Claim.exceeds(name, statement, source, far, sigmas=4, samples=samples)


def others(losses: Floats) -> Floats:
    """For each replicate (replicate, ...) the mean of all others: no choice by it sees its judge."""
    return (losses.sum(axis=0) - losses) / (len(losses) - 1)


def chosen(parameters: Any, n: Any, losses: Floats, budgets: Any) -> Floats:
    """Loss (replicate, budget) of the split that all other replicates find best; losses (replicate, width, size)."""
    own = best_split(parameters, n, losses, budgets).losses
    width = best_split(parameters, n, others(losses), budgets).width
    return np.take_along_axis(own, width[..., None], axis=-1)[..., 0]


def shift(parameters: Any, n: Any, losses: Floats, budgets: Any) -> Floats:
    """What many members cost at the smallest budget, and few at the largest (replicate, 2).

    Many: those of the narrowest networks, over the best split. Few: the fewest at the largest budget that are no less
    than these, over the best of those that are more. Where both cost something the best number of members grows with
    the budget, whatever the widths at hand.
    """
    few, costs = fewest(parameters, budgets), []
    for budget, place, last in ((budgets[0], 0, len(parameters)), (budgets[-1], few, few + 1)):
        part = parameters[:last], n, losses[:, :last], np.array([budget])
        costs.append(best_split(*part).losses[:, 0, place] - chosen(*part)[:, 0])
    return np.stack(costs, axis=1)


def fewest(parameters: Any, budgets: Any) -> int:
    """The widest networks of which the largest budget buys as many as the smallest buys of the narrowest."""
    return int(np.flatnonzero(budgets[-1] / parameters >= budgets[0] / parameters[0])[-1])


def more(name: str, data: Any, text: str, source: str, samples: int) -> Claim:
    """Larger budgets want more members, from `shift`."""
    p, budgets = data["parameters"].values, data["budget"].values
    many, few = budgets[0] / p[0], budgets[-1] / p[fewest(p, budgets)]
    least = min(far(data, "shift", k) for k in (0, 1))
    return there(
        name, f"{text} want more members: {many:.1f} are too many for {budgets[0]:g} parameters in all, and {few:.1f} "
        f"too few for {budgets[-1]:g}.", source, least, samples,
    )  # fmt: skip
