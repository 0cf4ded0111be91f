"""The bursts of scene 5: where they are in the norm, the intervals between them, and the curvature around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab.core.checks import Floats
from simlab.statistics import Estimate, jackknife, mean, ratio
from simlab.theory import scale_invariant as theory_of

RISE = 1.1
"""A burst is a rise of the norm by this factor at least."""
UNKNOWN = Estimate(np.array(np.nan), np.array(np.nan))
"""The estimate where no net has a burst; claims about it are undecided."""


class Bursts(NamedTuple):
    """The falls of one net's norm between bursts: steps of top and bottom, and the largest and least norm there.

    A burst starts at a bottom.
    """

    top: Floats
    bottom: Floats
    largest: Floats
    least: Floats

    @property
    def gaps(self) -> Floats:
        """Steps from the start of a burst to that of the next."""
        return np.diff(self.bottom)


def bursts(steps: Floats, norm: Floats) -> Bursts:
    """The bursts of one net: turning points of its norm, without rises and falls by less than a factor `RISE`."""
    log_norm = np.log(norm)
    turns, rising, extreme = [0], True, 0
    for i, value in enumerate(log_norm):
        beyond = value >= log_norm[extreme] if rising else value <= log_norm[extreme]
        if beyond:
            extreme = i
        elif abs(value - log_norm[extreme]) > np.log(RISE):
            turns.append(extreme)
            rising, extreme = not rising, i
    # turns: the start, a top, a bottom, a top ...; whole falls lie between a top and the bottom after it.
    tops, bottoms = (np.array(turns[i::2], int) for i in (1, 2))
    falls = len(bottoms)
    return Bursts(steps[tops[:falls]], steps[bottoms], np.exp(log_norm[tops[:falls]]), np.exp(log_norm[bottoms]))


def mean_gap(nets: list[Bursts], scale: float = 1.0) -> Estimate:
    """The mean interval, total length over number, from independent nets."""
    totals = np.array([b.gaps.sum() for b in nets]) * scale
    return _ratio(totals, np.array([len(b.gaps) for b in nets], float))


def irregularity(nets: list[Bursts]) -> Estimate:
    """The standard deviation of the intervals over their mean."""
    # Number, sum and sum of squares of the intervals of each net.
    return jackknife(np.array([[len(b.gaps), b.gaps.sum(), (b.gaps**2).sum()] for b in nets], float), _deviation)


def decay(nets: list[Bursts], lr: float, wd: float) -> Estimate:
    """Length of the falls of the norm over that of free decay, ln(largest norm^2/least norm^2)/(2 lr wd)."""
    taken = np.array([(b.bottom - b.top).sum() for b in nets])
    free = np.array([theory_of.period(lr, wd, b.largest, b.least).sum() for b in nets])
    return _ratio(taken, free)


def crossings(steps: Floats, norm: Floats, curvature: Floats) -> tuple[Floats, Floats]:
    """A curvature around each burst: the largest within two records of its start, and the smallest in the fall before.

    norm, curvature: (step, model).
    """
    crossed, calm = [], []
    for one_norm, one in zip(norm.T, curvature.T, strict=True):
        found = bursts(steps, one_norm)
        for top, bottom in zip(found.top, found.bottom, strict=True):
            a, b = np.searchsorted(steps, (top, bottom))
            crossed.append(one[max(a, b - 2) : b + 3].max())
            calm.append(one[a : b + 1].min())
    return np.array(crossed), np.array(calm)


def mean_over_bursts(values: Floats) -> Estimate:
    """The mean over bursts; unknown for fewer than two."""
    return mean(values) if len(values) > 1 else UNKNOWN


def _ratio(above: Floats, below: Floats) -> Estimate:
    """`ratio`; unknown where no net has a burst."""
    return ratio(above, below) if below.any() else UNKNOWN


def _deviation(sums: Floats) -> float:
    """The standard deviation over the mean, from number, sum and sum of squares."""
    number, total, squares = sums
    return float(np.sqrt(max(squares * number / total**2 - 1, 0.0))) if total > 0 else np.nan
