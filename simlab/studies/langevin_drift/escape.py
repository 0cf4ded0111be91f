"""Part of scene 1: how long a walker needs to leave a well, seen only at the steps of the chain.

The exact reference is the chain's own first-passage time, from the transfer operator restricted to the well. It tends to
the integral of continuous time as dt -> 0, slowly: a boundary looked at only every dt acts as if it stood 0.5826 s sqrt(dt)
further out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
import xarray as xr
from scipy.optimize import minimize_scalar

from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.errors import InputError
from simlab.progress import Progress
from simlab.quantities import given, measured, predicted
from simlab.sde import DT, EULER, SDE, Walkers, stopped
from simlab.statistics import Estimate, chi_square, fit, mean
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck, transfer

T = sp.Symbol("T", positive=True)
TOP = sp.Symbol("top", real=True)
PATIENCE = 60.0
"""Mean escape times to wait; of an exponential law e^-60 is left then. Whoever still stays is counted as censored."""


def wells(sde: SDE, temperature: float) -> tuple[list[float], list[float]]:
    """Positions of the minima and of the maxima between them, where the Gibbs density is not negligible."""
    (x,) = sde.state
    slope = sp.lambdify(x, sde.drift[0], ["scipy", "numpy"])
    low, high = fokker_planck.density(sde, {T: temperature}).support
    grid = np.linspace(low, high, 8001)
    drift = np.broadcast_to(slope(grid), grid.shape)
    down, up = np.flatnonzero((drift[:-1] > 0) & (drift[1:] <= 0)), np.flatnonzero((drift[:-1] < 0) & (drift[1:] >= 0))

    def refine(i: int) -> float:
        return float(minimize_scalar(lambda z: float(slope(z)) ** 2, bounds=(grid[i], grid[i + 1]), method="bounded",
                                     options={"xatol": 1e-12}).x)  # fmt: skip

    minima = [refine(i) for i in down] or [float(grid[np.argmin(np.abs(drift))])]
    return minima, [refine(i) for i in up]


def barrier(sde: SDE, config: Config) -> tuple[float, float, float] | None:
    """(bottom, top, temperature at which the barrier is `config.barrier` T high), or None where there is one well only."""
    minima, maxima = wells(sde, config.temperature)
    if not maxima:
        return None
    bottom, top = minima[0], maxima[0]
    (x,) = sde.state
    height = -float(sp.Integral(sde.drift[0], (x, bottom, top)).evalf())
    return bottom, top, height / config.barrier


def check(sde: SDE, config: Config) -> None:
    """Refuse steps at which the escape has no law."""
    scale = barrier(sde, config)
    for dt in config.escape_dts if scale else ():
        try:
            _first_passage(sde, scale, dt)
        except ValueError as error:
            raise InputError(f"escape_dts = {dt:g} will not do for this potential: {error}") from error


def simulate(sde: SDE, config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """First passages over the top of the barrier at several dt: the chain stopped there, with its clock."""
    scale = barrier(sde, config)
    if scale is None:
        return xr.Dataset()
    bottom, top, temperature = scale
    (x,) = sde.state
    chain = stopped(EULER(sde), x < TOP)
    walkers, estimates, censored = max(1024, config.walkers // 4), [], 0
    for i, dt in enumerate(config.escape_dts):
        expected = _first_passage(sde, scale, dt)
        crowd = Walkers(
            chain, walkers, dt=dt, x0=[bottom, 0.0], seed=config.seed, stream=64 + i, device=device,
            parameters={T: temperature, TOP: top},
        )  # fmt: skip
        limit = int(PATIENCE * expected)
        with progress.task(f"well: escape at dt = {dt:g}", total=walkers) as task:
            staying = walkers
            while staying and crowd.step < limit:
                crowd.run(max(1, min(int(expected / 2), limit - crowd.step)))
                left, staying = staying, int((crowd.state[0] < top).sum())
                task.advance(left - staying)
        censored += staying
        estimates.append(mean(crowd.positions()[:, 1] * dt))
    values, errors = (np.array([getattr(e, f) for e in estimates]) for f in ("value", "se"))
    return xr.Dataset(
        {
            **given("escape_dt", "escape_dt", np.array(config.escape_dts), "time step"),
            **given("censored", (), censored, "walkers that had not escaped at the end"),
            **measured("escape_time", "escape_dt", Estimate(values, errors), "mean escape time"),
        }
    )


def theory(sde: SDE, config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The chain's own first-passage time, the exact integral, and the integral to the shifted boundary."""
    scale = barrier(sde, config)
    if scale is None:
        return xr.Dataset()
    bottom, top, temperature = scale
    dts = simulation["escape_dt"].values

    def integral(target: float) -> float:
        return fokker_planck.mean_first_passage(sde, {T: temperature}, bottom, target)

    shift = fokker_planck.DISCRETE_BOUNDARY_SHIFT * np.sqrt(2 * temperature * dts)
    found = {
        **predicted(
            "escape_time", "escape_dt", [_first_passage(sde, scale, dt) * dt for dt in dts], "mean escape time"
        ),
        **given("escape_shifted", "escape_dt", [integral(top + d) for d in shift], "integral to the shifted boundary"),
        **given("escape_integral", (), integral(top), "exact mean escape time in continuous time"),
    }
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """The escape at each dt, and its limit."""
    if "escape_time" not in data:
        return []
    dts, times, errors = data.escape_dt.values, data.escape_time.values, data.escape_time_se.values
    own = chi_square(times - data.escape_time_theory.values, errors)
    # What the shift leaves is of first order in dt: a line through the differences, whose own bias theory gives.
    powers = (0.0, 1.0)
    limit = fit(dts, times - data.escape_shifted.values, errors, powers)
    exact = data.escape_time_theory.values - data.escape_shifted.values
    integral = float(data.escape_integral)
    claims = [
        Claim.chi_square(
            "well/escape", "At every dt, the mean time to cross the barrier is the chain's own first-passage time.",
            "restricted transfer operator", *own,
        ),
        Claim.equals(
            "well/escape-limit",
            "As dt -> 0 it tends to the exact integral, once the boundary is moved out by 0.5826 s sqrt(dt).",
            "Siegmund 1985; Broadie, Glasserman & Kou 1997",
            integral + float(limit.coefficients[0]), integral, float(limit.se[0]), bias=abs(float((limit.hat @ exact)[0])),
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
    root = np.sqrt(data.escape_dt)
    look.points(axes, root, data.escape_time, data.escape_time_se, "walkers")
    look.line(axes, root, data.escape_time_theory, "first passage of the chain")
    look.line(axes, root, data.escape_shifted, r"integral, boundary moved by $0.58\,s\sqrt{dt}$", style="--")
    axes.axhline(float(data.escape_integral), color="0.5", lw=1, label="exact integral, dt = 0")
    axes.set(title="escape over the barrier", xlabel=r"$\sqrt{dt}$", ylabel="mean time", xlim=(0, None))


def _first_passage(sde: SDE, scale: tuple[float, float, float], dt: float) -> float:
    """Expected steps of the Euler chain from the bottom to beyond the top."""
    bottom, top, temperature = scale
    return transfer.gaussian(EULER(sde), {T: temperature, DT: dt}, high=top).first_passage(bottom)
