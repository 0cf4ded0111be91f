"""The user's potential: its Langevin equation, its wells, and the exact distribution of its Euler chain.

The functions read `potential` and `temperature` of the config; slow results are cached for these values.
"""

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
"""Burn-in in relaxation times; the influence of the start is then e^-15 = 3e-7."""


def model(config: Config) -> SDE:
    """The equation dx = -U'(x) dt + sqrt(2 T) dW; InputError where the text or the potential cannot be used."""
    return _model(config.potential, config.temperature)


def gibbs(config: Config) -> fokker_planck.Density:
    """Gibbs' density."""
    return _gibbs(model(config), config.temperature)


def chain(config: Config, dt: float) -> transfer.Transfer:
    """The exact distribution of the Euler chain; ValueError where a step is too long or too short for that."""
    return _chain(model(config), config.temperature, dt)


def check(config: Config) -> None:
    """Refuse steps at which walkers have no stationary distribution, or take too long to reach it."""
    for field, dt in [("dt", config.dt), *(("dts", dt) for dt in config.dts)]:
        try:
            stationary = chain(config, dt)
            _ = stationary.mass, stationary.second  # raises where they cannot be computed
        except ValueError as error:
            raise InputError(f"{field} = {dt:g} cannot be used with this potential: {error}") from error
        within_reach("temperature", config.temperature, BURN_IN * stationary.relaxation_steps)
        within_reach("duration", config.duration, config.duration / dt)


def burn_in(stationary: transfer.Transfer) -> int:
    """Steps of burn-in."""
    return max(1, int(np.ceil(BURN_IN * stationary.relaxation_steps)))


def spacing(stationary: transfer.Transfer) -> int:
    """Steps between frames, a quarter of a relaxation time."""
    return max(1, round(stationary.relaxation_steps / 4))


def wells(config: Config) -> tuple[list[float], list[float]]:
    """Positions of the minima and of the maxima between them, where the Gibbs density is not negligible."""
    slope = sp.lambdify(X, model(config).drift[0], ["scipy", "numpy"])
    low, high = gibbs(config).support
    grid = np.linspace(low, high, 8001)
    side = np.sign(np.broadcast_to(slope(grid), grid.shape))
    # A drift that is exactly zero on the grid belongs to the interval on its left.
    turns = [i for i in range(len(grid) - 1) if side[i] != 0 and side[i + 1] != side[i]]

    def place(i: int) -> float:
        return float(grid[i + 1]) if side[i + 1] == 0 else float(brentq(slope, grid[i], grid[i + 1], xtol=1e-13))

    minima = [place(i) for i in turns if side[i] > 0 and side[min(i + 2, len(grid) - 1)] <= 0]
    maxima = [place(i) for i in turns if side[i] < 0 and side[min(i + 2, len(grid) - 1)] >= 0]
    return minima, [m for m in maxima if minima and minima[0] < m < minima[-1]]


def start(config: Config) -> float:
    """All walkers start in the leftmost well, so reaching the others is a result, not an assumption."""
    return wells(config)[0][0]


def described(config: Config, temperature: float) -> str:
    """The potential and the temperature, for a figure."""
    return f"U(x) = {config.potential.replace('**', '^').replace('*', ' ')}, T = {temperature:g}, dimensionless"


@cache
def _model(text: str, temperature: float) -> SDE:
    try:
        formula = parse(text)
        sde = langevin(formula, X, T)
    except ExpressionError as error:
        raise InputError(f"potential: {error}") from error
    name = f"potential = {text!r}"
    if sde.drift[0].has(sp.DiracDelta, sp.Derivative, sp.Subs):
        raise InputError(f"{name}: it jumps and so has no slope; give a continuous function.")
    try:
        kernel(sde)
        low, high = _gibbs(sde, temperature).support
        _refuse_jumps(formula, low, high)
    except ValueError as error:
        raise InputError(f"{name} at temperature = {temperature:g}: {error}") from error
    return sde


@cache
def _gibbs(sde: SDE, temperature: float) -> fokker_planck.Density:
    return fokker_planck.density(sde, {T: temperature})


@cache
def _chain(sde: SDE, temperature: float, dt: float) -> transfer.Transfer:
    return transfer.gaussian(EULER(sde), {T: temperature, DT: dt})


def _refuse_jumps(formula: sp.Expr, low: float, high: float) -> None:
    """ValueError where the potential jumps or is not a number; its slope, which is all that walkers see, hides this."""
    value = numeric(X, formula, {})
    grid = np.linspace(low, high, SCAN)
    if len(bad := grid[~np.isfinite(value(grid))]):
        raise ValueError(f"it is not a finite real number near x = {bad[0]:.3g}; it must be one on the whole line.")
    where = np.array(kinks(X, formula, {}, low, high))
    step = 1e-6 * np.maximum(1e-3 * (high - low), np.abs(where))
    far, near = (value(where + k * step) - value(where - k * step) for k in (2, 1))
    # Over twice the distance a smooth function changes twice as much, and a square root 1.4 times as much.
    with np.errstate(all="ignore"):
        jumps = (far / near < 1.2) & (np.abs(near) > 1e-9 * np.abs(value(where + step)))
    if jumps.any():
        raise ValueError(f"it jumps near x = {where[jumps][0]:.3g} and so has no slope; give a continuous function.")
