"""The user's potential: its Langevin equation, its wells, and the exact law of its Euler chain."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp
from scipy.optimize import brentq

from simlab.core.errors import InputError, within_reach
from simlab.sde import DT, EULER, SDE, kernel, langevin
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck, transfer
from simlab.theory.expression import ExpressionError, parse
from simlab.theory.quadrature import SCAN, kinks, numeric

X, T = sp.Symbol("x", real=True), sp.Symbol("T", positive=True)
BURN_IN = 15.0
"""Relaxation times before anything counts: what is left of the start is e^-15 = 3e-7."""


@cache
def model(config: Config) -> SDE:
    """The equation dx = -U'(x) dt + sqrt(2 T) dW; InputError where the text or the potential will not do."""
    try:
        formula = parse(config.potential)
        sde = langevin(formula, X, T)
    except ExpressionError as error:
        raise InputError(f"potential: {error}") from error
    name = f"potential = {config.potential!r}"
    if sde.drift[0].has(sp.DiracDelta, sp.Derivative, sp.Subs):
        raise InputError(f"{name}: it jumps and so has no slope; give a continuous function.")
    try:
        kernel(sde)
        low, high = gibbs(sde, config.temperature).support
        _refuse_jumps(formula, low, high)
    except ValueError as error:
        raise InputError(f"{name} at temperature = {config.temperature:g}: {error}") from error
    return sde


def _refuse_jumps(formula: sp.Expr, low: float, high: float) -> None:
    """ValueError where the potential jumps or is not a number, which its slope, all that walkers see, does not show."""
    value = numeric(X, formula, {})
    grid = np.linspace(low, high, SCAN)
    if len(bad := grid[~np.isfinite(value(grid))]):
        raise ValueError(f"it is not a finite real number near x = {bad[0]:.3g}; it must be one on the whole line.")
    where = np.array(kinks(X, formula, {}, low, high))
    step = 1e-6 * np.maximum(1e-3 * (high - low), np.abs(where))
    far, near = (value(where + k * step) - value(where - k * step) for k in (2, 1))
    # Over twice the distance a slope, however steep, changes twice as much, and a root half as much again.
    with np.errstate(all="ignore"):
        jumps = (far / near < 1.2) & (np.abs(near) > 1e-9 * np.abs(value(where + step)))
    if jumps.any():
        raise ValueError(f"it jumps near x = {where[jumps][0]:.3g} and so has no slope; give a continuous function.")


@cache
def gibbs(sde: SDE, temperature: float) -> fokker_planck.Density:
    """Gibbs' density; ValueError where there is none."""
    return fokker_planck.density(sde, {T: temperature})


@cache
def law(sde: SDE, temperature: float, dt: float) -> transfer.Transfer:
    """The exact law of the Euler chain; ValueError where a step is too long or too short for that."""
    return transfer.gaussian(EULER(sde), {T: temperature, DT: dt})


def check(sde: SDE, config: Config) -> None:
    """Refuse steps at which there is no law, and barriers that nobody crosses."""
    for field, dt in [("dt", config.dt), *(("dts", dt) for dt in config.dts)]:
        try:
            chain = law(sde, config.temperature, dt)
            _ = chain.mass, chain.second  # what cannot be solved is found here
        except ValueError as error:
            raise InputError(f"{field} = {dt:g} will not do for this potential: {error}") from error
        within_reach("temperature", config.temperature, BURN_IN * chain.relaxation_steps)
        within_reach("duration", config.duration, config.duration / dt)


def burn_in(chain: transfer.Transfer) -> int:
    """Steps before anything counts."""
    return max(1, int(np.ceil(BURN_IN * chain.relaxation_steps)))


def wells(sde: SDE, temperature: float) -> tuple[list[float], list[float]]:
    """Positions of the minima and of the maxima between them, where the Gibbs density is not negligible."""
    slope = sp.lambdify(X, sde.drift[0], ["scipy", "numpy"])
    low, high = gibbs(sde, temperature).support
    grid = np.linspace(low, high, 8001)
    side = np.sign(np.broadcast_to(slope(grid), grid.shape))
    # A drift that is exactly zero on the grid belongs to the interval on its left.
    turns = [i for i in range(len(grid) - 1) if side[i] != 0 and side[i + 1] != side[i]]

    def place(i: int) -> float:
        return float(grid[i + 1]) if side[i + 1] == 0 else float(brentq(slope, grid[i], grid[i + 1], xtol=1e-13))

    minima = [place(i) for i in turns if side[i] > 0 and side[min(i + 2, len(grid) - 1)] <= 0]
    maxima = [place(i) for i in turns if side[i] < 0 and side[min(i + 2, len(grid) - 1)] >= 0]
    return minima, [m for m in maxima if minima and minima[0] < m < minima[-1]]


def start(sde: SDE, temperature: float) -> float:
    """Everyone starts at the bottom of the leftmost well: that they spread over all wells is for them to show."""
    return wells(sde, temperature)[0][0]
