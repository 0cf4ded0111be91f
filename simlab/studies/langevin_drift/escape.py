"""Part of scene 1: how long a walker needs to leave a well, seen only at the steps of the chain.

The exact reference is the chain's own first-passage time, from the transfer operator restricted to the well. It tends
to the integral of continuous time as dt -> 0, slowly: a boundary looked at only every dt acts as if it stood
0.5826 s sqrt(dt) further out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import sympy as sp
import xarray as xr

from simlab.core.device import Device
from simlab.core.errors import InputError, within_reach
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import WALKER_STEP, Cost
from simlab.lab.quantities import given, measured, predicted
from simlab.sde import DT, EULER, SDE, Options, Walkers, stopped
from simlab.statistics import Estimate, chi_square, extrapolate, fit, mean
from simlab.studies.langevin_drift import streams
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import T, X, wells
from simlab.theory import fokker_planck, transfer

TOP = sp.Symbol("top", real=True)
HALVES = (0.0, 0.5, 1.0, 1.5)
"""Powers of dt in which first-passage times of a chain expand."""
PATIENCE = 60.0
"""Mean escape times to wait; of an exponential law e^-60 is left then. Whoever still stays is counted as censored."""


class Barrier(NamedTuple):
    """Bottom of the leftmost well, top of the barrier beside it, and the temperature of the escape."""

    bottom: float
    top: float
    temperature: float


def barrier(sde: SDE, config: Config) -> Barrier | None:
    """The first barrier, at the temperature at which it is `config.barrier` T high; None where there is one well."""
    minima, maxima = wells(sde, config.temperature)
    if not maxima:
        return None
    height = -float(sp.Integral(sde.drift[0], (X, minima[0], maxima[0])).evalf())
    return Barrier(minima[0], maxima[0], height / config.barrier)


def check(sde: SDE, config: Config) -> None:
    """Refuse steps at which the escape has no law."""
    scale = barrier(sde, config)
    if scale is None:
        return
    for dt in config.escape_dts:
        try:
            steps = _first_passage(sde, scale, dt)
        except ValueError as error:
            raise InputError(f"escape_dts = {dt:g} will not do for this potential: {error}") from error
        within_reach("barrier", config.barrier, math.log(config.escape_walkers) * steps)  # when the last one leaves


def cost(sde: SDE, config: Config) -> list[Cost]:
    """A run for each dt, until the last walker has left."""
    scale, n = barrier(sde, config), config.escape_walkers
    if scale is None:
        return []
    steps = [math.log(n) * _first_passage(sde, scale, dt) for dt in config.escape_dts]
    fields = ("escape_walkers", "barrier", "escape_dts")
    return [Cost(fields, s, 96.0 * n, s * n * WALKER_STEP) for s in steps]


def simulate(sde: SDE, config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """First passages over the top of the barrier at several dt: the chain stopped there, with its clock."""
    scale = barrier(sde, config)
    if scale is None:
        progress.note("well: one well, no barrier: no claim on the escape.")
        return xr.Dataset()
    chain = stopped(EULER(sde), X < TOP)
    estimates, censored, lost = [], 0, 0
    for i, dt in enumerate(config.escape_dts):
        expected = _first_passage(sde, scale, dt)
        crowd = Walkers(
            chain, config.escape_walkers, dt=dt, x0=[scale.bottom, 0.0], seed=config.seed,
            device=device, parameters={T: scale.temperature, TOP: scale.top},
            options=Options(stream=streams.ESCAPE + i),
        )  # fmt: skip
        limit = int(PATIENCE * expected)
        with progress.task(f"well: escape at dt = {dt:g}", total=config.escape_walkers) as task:
            staying = config.escape_walkers
            while staying and crowd.step < limit:
                crowd.run(max(1, min(int(expected / 2), limit - crowd.step)))
                left, staying = staying, int((crowd.state[0] < scale.top).sum())
                task.advance(left - staying)
        censored += staying
        lost += crowd.diverged()
        estimates.append(mean(crowd.positions()[:, 1] * dt))
    return xr.Dataset(
        {
            **given("escape_dt", "escape_dt", np.array(config.escape_dts), "time step"),
            **given("diverged", (), lost, "walkers that left the numbers"),
            **given("censored", (), censored, "walkers that had not escaped at the end"),
            **measured("escape_time", "escape_dt", Estimate.stack(estimates), "mean escape time"),
        }
    )


def theory(sde: SDE, config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The chain's own first-passage time, the exact integral, and the integral to the shifted boundary."""
    scale = barrier(sde, config)
    if scale is None:
        return xr.Dataset()
    dts = simulation["escape_dt"].values
    own = np.array([_first_passage(sde, scale, dt) * dt for dt in dts])
    exact, shifted = _integral(sde, scale, 0.0), np.array([_shifted(sde, scale, dt) for dt in dts])
    # What the fits of `compare` leave out, from the exact chains: at the steps of the simulation and far below them.
    fine = min(dts) / 2 * np.arange(1, 5) / 4
    chains: np.ndarray = np.array([_first_passage(sde, scale, dt) * dt for dt in fine])
    errors = simulation["escape_time_se"].values
    rest = extrapolate(fine, chains - [_shifted(sde, scale, dt) for dt in fine], HALVES[:4])[0]
    rest_found = fit(dts, own - shifted, errors, (0.0, 1.0)).coefficients[0]
    slope = _slope(sde, scale)
    shift = extrapolate(fine, (chains - exact) / slope / np.sqrt(fine), HALVES[:4])[0]
    shift_found = fit(dts, (own - exact) / slope / np.sqrt(dts), errors / np.sqrt(dts), HALVES[:2]).coefficients[0]
    found = {
        **predicted("escape_time", "escape_dt", own, "mean escape time"),
        **given("escape_shifted", "escape_dt", shifted, "integral to the shifted boundary"),
        **given("escape_integral", (), exact, "exact mean escape time in continuous time"),
        **given("escape_slope", (), slope, "growth of that time with the boundary, over the noise s"),
        **given("escape_limit_bias", (), abs(rest_found - rest), "what the fit leaves out of the limit"),
        **given("escape_shift_bias", (), abs(shift_found - shift), "what the fit leaves out of the shift"),
    }
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The escape at each dt, its limit, and the shift of the boundary."""
    if "escape_time" not in data:
        return []
    dts, times, errors = data.escape_dt.values, data.escape_time.values, data.escape_time_se.values
    integral, slope, root = float(data.escape_integral), float(data.escape_slope), np.sqrt(dts)
    own = chi_square(times - data.escape_time_theory.values, errors)
    limit = fit(dts, times - data.escape_shifted.values, errors, (0.0, 1.0))
    shift = fit(dts, (times - integral) / slope / root, errors / slope / root, HALVES[:2])
    claims = [
        Claim.chi_square(
            "well/escape", "At every dt, the mean time to cross the barrier is the chain's own first-passage time.",
            "restricted transfer operator", *own,
        ),
        Claim.equals(
            "well/escape-limit",
            "As dt -> 0 it tends to the exact integral, the boundary being moved out by 0.5826 s sqrt(dt).",
            "Siegmund 1985; Broadie, Glasserman & Kou 1997",
            integral + float(limit.coefficients[0]), integral, float(limit.se[0]), bias=float(data.escape_limit_bias),
            resolution=float(abs(data.escape_time_theory - integral).max()),
        ),
        Claim.equals(
            "well/escape-shift",
            "A boundary looked at every dt acts as if it stood so many s sqrt(dt) further out.",
            "Siegmund 1985", float(shift.coefficients[0]), fokker_planck.DISCRETE_BOUNDARY_SHIFT, float(shift.se[0]),
            bias=float(data.escape_shift_bias), resolution=fokker_planck.DISCRETE_BOUNDARY_SHIFT,
        ),
    ]  # fmt: skip
    censored = int(data.censored)
    return [c.undecided(f"{censored} walkers had not escaped at the end") for c in claims] if censored else claims


def plot(config: Config, data: xr.Dataset, axes: Any) -> None:
    """Escape time against sqrt(dt)."""
    if "escape_time" not in data:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "one well, no barrier", ha="center", va="center", transform=axes.transAxes)
        return
    root, limit = np.sqrt(data.escape_dt.values), float(data.escape_integral)
    look.points(axes, root, data.escape_time, data.escape_time_se, "walkers")
    look.line(axes, root, data.escape_time_theory, "first passage of the chain")
    shifted = np.append(limit, data.escape_shifted.values)
    label = r"integral, boundary $0.58\,s\sqrt{dt}$ further out"
    look.line(axes, np.append(0, root), shifted, label, style="--")
    axes.plot(0, limit, "k*", ms=9, clip_on=False, label="exact integral, dt = 0")
    axes.set(title="escape over the barrier", xlabel=r"$\sqrt{dt}$", ylabel="mean time", xlim=(0, None))


def _integral(sde: SDE, scale: Barrier, beyond: float) -> float:
    """The exact mean time, in continuous time, to a boundary so far beyond the top."""
    return fokker_planck.mean_first_passage(sde, {T: scale.temperature}, scale.bottom, scale.top + beyond)


def _shifted(sde: SDE, scale: Barrier, dt: float) -> float:
    """The same to the boundary as a chain sees it."""
    return _integral(sde, scale, fokker_planck.DISCRETE_BOUNDARY_SHIFT * float(np.sqrt(2 * scale.temperature * dt)))


def _slope(sde: SDE, scale: Barrier) -> float:
    """d(time)/d(boundary) at the top, times the noise s: the first order of time in sqrt(dt), for a shift of one."""
    noise = float(np.sqrt(2 * scale.temperature))
    small = 1e-3 * (scale.top - scale.bottom)
    return noise * (_integral(sde, scale, small) - _integral(sde, scale, -small)) / (2 * small)


def _first_passage(sde: SDE, scale: Barrier, dt: float) -> float:
    """Expected steps of the Euler chain from the bottom to beyond the top."""
    chain = transfer.gaussian(EULER(sde), {T: scale.temperature, DT: dt}, high=scale.top)
    return chain.first_passage(scale.bottom)
