"""Three of the widths, chosen by where the training error vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simlab.core.checks import Floats
from simlab.core.errors import InputError
from simlab.lab.scene import Axes
from simlab.studies.ensemble_power_laws.config import Config
from simlab.studies.ensemble_power_laws.quantities import PLACE, WIDTH

REACHED = 0.05
"""Training error below which networks are said to interpolate: half-way down its last fall, at widths a factor 1.3 to
1.5 apart."""
WORDS = {"narrow": "half the interpolation width", "peak": "the interpolation width", "wide": "the largest width"}


class Places(NamedTuple):
    """Indices of three widths: half of the interpolation width or less, the interpolation width, the widest."""

    narrow: int
    peak: int
    wide: int


class Place(NamedTuple):
    """One of the three: its name in claims, its description, and its index among the widths."""

    name: str
    words: str
    at: int


def measured_at(axes: Axes) -> Places:
    """The three places of a scene's result."""
    return Places(*map(int, np.searchsorted(axes[WIDTH], axes[PLACE])))


def named(axes: Axes) -> list[Place]:
    """The same with their names."""
    return [Place(name, WORDS[name], at) for name, at in measured_at(axes)._asdict().items()]


def refuse_early(error: Sequence[float]) -> None:
    """Refuse widths that one teacher's training error (width) rules out: no other will be half or twice as large."""
    if error[0] < REACHED / 2 or error[-1] > 2 * REACHED:
        raise _refusal(f"falls from {100 * error[0]:.2g} to {100 * error[-1]:.2g} %")


def find(config: Config, error: Floats) -> Places:
    """The interpolation width is the one nearest to where the training error (teacher, width) falls below REACHED."""
    error = np.mean(error, axis=0)
    if not error[0] > REACHED > error[-1]:
        raise _refusal(f"falls from {100 * error[0]:.2g} to {100 * error[-1]:.2g} %")
    widths = np.array(config.widths)
    place = vanishing(widths, error)
    peak = int(abs(np.log(widths) - place).argmin())
    below = np.flatnonzero(2 * widths <= widths[peak])
    if not len(below) or 4 * widths[peak] > widths[-1]:
        raise _refusal(f"reaches {100 * REACHED:g} % near {np.exp(place):.0f} hidden units")
    return Places(int(below[-1]), peak, len(widths) - 1)


def vanishing(widths: NDArray[np.int64] | Floats, error: Floats) -> float:
    """The logarithm of the width at which the training error falls below REACHED, between widths by its logarithm."""
    j = max(1, int((error < REACHED).argmax()))
    before, after = np.log(np.maximum(error[j - 1 : j + 1], 1e-9))
    low, high = np.log(widths[j - 1 : j + 1])
    return float(low + (before - np.log(REACHED)) / (before - after) * (high - low))


def _refusal(course: str) -> InputError:
    return InputError(
        f"widths: the training error {course}, and this study needs the width where it reaches {100 * REACHED:g} %, "
        "one of half of that and one of four times as much; add widths, or change training or epochs."
    )
