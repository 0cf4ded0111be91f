"""The bursts of scene 5: where the norm has them, the intervals between them, and the curvature around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from simlab.core.checks import Floats
from simlab.statistics import Estimate, jackknife, ratio
from simlab.theory import scale_invariant as theory_of

RISE = 1.1
"""A burst is a rise of the norm by this factor at least."""


class Bursts(NamedTuple):
    """The falls of one net's norm between bursts: steps of top and bottom, norms there. A burst starts at a bottom."""

    top: Floats
    bottom: Floats
    largest: Floats
    least: Floats


def bursts(record: xr.Dataset, model: int) -> Bursts:
    """The bursts of one net: turning points of its norm, rises and falls by less than `RISE` being passed over."""
    log_norm = np.log(record.weight_norm.values[:, model].astype(float))
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
    steps = record.step.values.astype(float)
    falls = len(bottoms)
    return Bursts(steps[tops[:falls]], steps[bottoms], np.exp(log_norm[tops[:falls]]), np.exp(log_norm[bottoms]))


def late(record: xr.Dataset, model: int) -> int:
    """Bursts in the second half of a run."""
    return int((bursts(record, model).bottom > record.step.values[-1] / 2).sum())


def mean_gap(gaps: list[Floats], scale: float = 1.0) -> Estimate:
    """Total interval over number of intervals, nets being independent."""
    totals = np.array([g.sum() for g in gaps]) * scale
    return _ratio(totals, np.array([len(g) for g in gaps], float))


def _ratio(above: Floats, below: Floats) -> Estimate:
    """`ratio`, or NaN where no net has a burst: then there is no verdict on it."""
    return ratio(above, below) if below.any() else Estimate(np.array(np.nan), np.array(np.nan))


def irregularity(gaps: list[Floats]) -> Estimate:
    """The standard deviation of the intervals over their mean."""
    # Number, sum and sum of squares of the intervals of each net.
    return jackknife(np.array([[len(g), g.sum(), (g**2).sum()] for g in gaps], float), _deviation)


def _deviation(sums: Floats) -> float:
    """The same from number, sum and sum of squares."""
    number, total, squares = sums
    return float(np.sqrt(max(squares * number / total**2 - 1, 0.0))) if total > 0 else np.nan


def decay(nets: list[Bursts], lr: float, wd: float) -> Estimate:
    """Steps from the top of the norm to the next burst over ln(norm^2 there/norm^2 here)/(2 lr wd)."""
    taken = np.array([(b.bottom - b.top).sum() for b in nets])
    free = np.array([theory_of.period(lr, wd, b.largest, b.least).sum() for b in nets])
    return _ratio(taken, free)


def crossings(record: xr.Dataset, curvature: Floats) -> tuple[Floats, Floats]:
    """A curvature (step, model) around each burst: the largest within two records of its start, the least before it."""
    crossed, calm = [], []
    for m in range(curvature.shape[1]):
        own, one = bursts(record, m), curvature[:, m]
        for top, bottom in zip(own.top, own.bottom, strict=True):
            a, b = np.searchsorted(record.step.values, (top, bottom))
            crossed.append(one[max(a, b - 2) : b + 3].max())
            calm.append(one[a : b + 1].min())
    return np.array(crossed), np.array(calm)
