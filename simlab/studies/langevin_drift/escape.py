"""Part of scene 1: how long a walker takes to leave a well, its position being checked only at the chain's steps.

The exact reference is the chain's own first-passage time, from the transfer operator restricted to the well. As
dt -> 0 it tends, slowly, to the first-passage integral of continuous time: a boundary that is checked only every dt
acts as if it were 0.5826 s sqrt(dt) further out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import sympy as sp

from simlab.core.errors import within_reach
from simlab.lab.cost import WALKER_STEP
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import DT, EULER, SDE, stopped
from simlab.statistics import Estimate, extrapolate, fit, mean
from simlab.studies.langevin_drift import potential
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import T, X
from simlab.theory import fokker_planck, transfer

ESCAPE_STEP = axis("time step dt of the escape")
ESCAPE_TIME = quantity(
    "mean escape time", ESCAPE_STEP, equation="fokker_planck#how-long-the-warm-up-can-take-escape-over-a-barrier"
)
SHIFTED_TIME = quantity(
    "mean escape time in continuous time, with the barrier 0.5826 s sqrt(dt) further out",
    ESCAPE_STEP,
    equation="fokker_planck#how-long-the-warm-up-can-take-escape-over-a-barrier",
)
ESCAPE_LIMIT = quantity(
    "mean escape time at dt = 0", equation="fokker_planck#how-long-the-warm-up-can-take-escape-over-a-barrier"
)
BOUNDARY_SHIFT = quantity(
    "apparent shift of the barrier, in units of s sqrt(dt)",
    equation="fokker_planck#how-long-the-warm-up-can-take-escape-over-a-barrier",
)
CENSORED = quantity("number of walkers that had not escaped at the end")

TOP = sp.Symbol("top", real=True)
HALVES = (0.0, 0.5, 1.0, 1.5)
"""Powers of dt in the expansion of a chain's first-passage time."""
PATIENCE = 60.0
"""Longest run, in mean escape times. Walkers not escaped by then (probability e^-60) are censored."""


class Barrier(NamedTuple):
    """An equation, the bottom of its leftmost well, the top of the barrier beside it, and a temperature."""

    sde: SDE
    bottom: float
    top: float
    temperature: float


def barrier(config: Config) -> Barrier | None:
    """The first barrier, at the temperature at which it is `config.barrier` T high; None if there is one well only."""
    sde, (minima, maxima) = potential.model(config), potential.wells(config)
    if not maxima:
        return None
    height = -float(sp.Integral(sde.drift[0], (X, minima[0], maxima[0])).evalf())
    return Barrier(sde, minima[0], maxima[0], height / config.barrier)


def check(config: Config) -> None:
    """Refuse time steps at which the exact escape time cannot be computed."""
    scale = barrier(config)
    if scale is None:
        return
    for dt in config.escape_dts:
        try:
            steps = passage_steps(scale, dt)
        except ValueError as error:
            raise InputError(f"escape_dts = {dt:g} cannot be used with this potential: {error}") from error
        within_reach("barrier", config.barrier, math.log(config.escape_walkers) * steps)  # for all to leave


def cost(config: Config) -> list[Cost]:
    """A run for each dt, until the last walker has left."""
    scale, n = barrier(config), config.escape_walkers
    if scale is None:
        return []
    steps = [math.log(n) * passage_steps(scale, dt) for dt in config.escape_dts]
    fields = ("escape_walkers", "barrier", "escape_dts")
    return [Cost(fields, s, 96.0 * n, s * n * WALKER_STEP) for s in steps]


def simulate(config: Config, lab: Lab) -> Values:
    """First passages over the top of the barrier at several dt."""
    scale, dts = barrier(config), config.escape_dts
    if scale is None:
        lab.progress.note("well: the potential has one well and no barrier, so no claim about the escape is made.")
        return {}
    weights = [passage_steps(scale, dt) for dt in dts]
    times, censored = zip(*lab.cells(escape, config, range(len(dts)), "well: escape", weights=weights), strict=True)
    limit, shift = limit_and_shift(scale, dts, Estimate.stack(times))
    return {
        ESCAPE_STEP: dts,
        ESCAPE_TIME: list(times),
        ESCAPE_LIMIT: limit,
        BOUNDARY_SHIFT: shift,
        CENSORED: sum(censored),
    }


def escape(config: Config, item: int, lab: Lab) -> tuple[Estimate, int]:
    """Mean escape time at one dt, and how many walkers are still inside; at the top a walker and its clock stop."""
    scale, dt, n = barrier(config), config.escape_dts[item], config.escape_walkers
    assert scale is not None
    expected = passage_steps(scale, dt)
    walkers = lab.walkers(
        stopped(EULER(scale.sde), X < TOP), n, "escape", item, dt=dt, x0=[scale.bottom, 0.0],
        parameters={T: scale.temperature, TOP: scale.top},
    )  # fmt: skip
    limit, staying = int(PATIENCE * expected), n
    with lab.task(f"escape at dt = {dt:g}", n) as task:
        while staying and walkers.step < limit:
            walkers.run(max(1, min(int(expected / 2), limit - walkers.step)))
            before, staying = staying, int((walkers.state[0] < scale.top).sum())
            task.advance(before - staying)
    return mean(walkers.positions()[:, 1] * dt), staying


def theory(config: Config, axes: Axes) -> Values:
    """The chain's own first-passage time, the exact integral, and the shift of the barrier.

    Their biases are the truncation errors of the fits, from exact chains at the steps of the simulation and at far
    smaller ones.
    """
    scale, dts = barrier(config), config.escape_dts
    if scale is None:
        return {}
    exact = Estimate(np.array([chain_time(scale, dt) for dt in dts]), axes.se(ESCAPE_TIME))
    fitted_limit, fitted_shift = limit_and_shift(scale, dts, exact)
    limit, shift = exact_limit_and_shift(scale, dts)
    return {
        ESCAPE_TIME: Theory(exact.value),
        SHIFTED_TIME: np.array([shifted_time(scale, dt) for dt in dts]),
        ESCAPE_LIMIT: Theory(continuous_time(scale), np.abs(fitted_limit.value - limit)),
        BOUNDARY_SHIFT: Theory(fokker_planck.DISCRETE_BOUNDARY_SHIFT, np.abs(fitted_shift.value - shift)),
    }


def compare(config: Config, found: Found) -> list[Claim]:
    """The escape at each dt, its limit, and the shift of the barrier."""
    if ESCAPE_TIME not in found:
        return []
    time, limit, shift = found[ESCAPE_TIME], found[ESCAPE_LIMIT], found[BOUNDARY_SHIFT]
    claims = [
        time.agrees(
            "escape", "At every time step dt, the mean time in which Langevin walkers cross the barrier is the exact "
            "first-passage time of the Euler chain.", source="restricted transfer operator",
        ),
        limit.equals(
            "escape-limit", "As dt -> 0 the mean escape time of Langevin walkers tends to the exact first-passage "
            "integral, once the barrier is moved out by 0.5826 s sqrt(dt), s = sqrt(2 T).",
            source="Siegmund 1985; Broadie, Glasserman & Kou 1997",
            resolution=float(np.abs(time.reference - limit.reference).max()),
        ),
        shift.equals(
            "escape-shift", "A barrier that Langevin walkers are checked against only every dt acts as if it were "
            "0.5826 s sqrt(dt) further out, s = sqrt(2 T).",
            source="Siegmund 1985", resolution=float(shift.reference),
        ),
    ]  # fmt: skip
    censored = int(found[CENSORED])
    return [c.undecided(f"{censored} walkers had not escaped at the end") for c in claims] if censored else claims


def draw_escape(config: Config, found: Found, panel: Panel) -> None:
    """Escape time against sqrt(dt)."""
    title, scale = "Escape over the barrier", barrier(config)
    if scale is None:
        panel.blank(title, "the potential has one well and no barrier")
        return
    root, limit = np.sqrt(found[ESCAPE_STEP].value), found[ESCAPE_LIMIT]
    panel.points(ESCAPE_TIME, "walkers", x=root)
    panel.line(ESCAPE_TIME, "first passage of the Euler chain", x=root)
    shifted = np.append(limit.reference, found[SHIFTED_TIME].value)
    label = "continuous time, barrier 0.58 s √dt further out"
    panel.curve(np.append(0, root), shifted, label, color=1, style="--")
    panel.points(limit, "extrapolated to dt = 0", x=0.0, color=2)
    panel.axes.plot(0, limit.reference, "k*", ms=8, label="continuous time")
    panel.set(title=title, xlabel="√dt")
    panel.note(potential.described(config, scale.temperature))
    panel.note(f"barrier {config.barrier:g} T high, from x = {scale.bottom:.2g} to {scale.top:.2g}; s = √(2T)")


def limit_and_shift(scale: Barrier, dts: Sequence[float], times: Estimate) -> tuple[Estimate, Estimate]:
    """The escape time at dt = 0 and the shift of the barrier, in units of s sqrt(dt), from times at several dt."""
    integral, slope, root = continuous_time(scale), boundary_slope(scale), np.sqrt(dts)
    limit = fit(dts, times.value - [shifted_time(scale, dt) for dt in dts], times.se, (0.0, 1.0))
    shift = fit(dts, (times.value - integral) / slope / root, times.se / slope / root, HALVES[:2])
    return Estimate(integral + limit.coefficients[0], limit.se[0]), Estimate(shift.coefficients[0], shift.se[0])


def exact_limit_and_shift(scale: Barrier, dts: Sequence[float]) -> tuple[float, float]:
    """The same for the exact chains, from far smaller steps."""
    fine = min(dts) / 2 * np.arange(1, 5) / 4
    times = np.array([chain_time(scale, dt) for dt in fine])
    integral, slope = continuous_time(scale), boundary_slope(scale)
    rest = extrapolate(fine, times - [shifted_time(scale, dt) for dt in fine], HALVES)
    shift = extrapolate(fine, (times - integral) / slope / np.sqrt(fine), HALVES)
    return integral + rest[0], shift[0]


@cache
def passage_steps(scale: Barrier, dt: float) -> float:
    """Expected steps of the Euler chain from the bottom to beyond the top."""
    chain = transfer.gaussian(EULER(scale.sde), {T: scale.temperature, DT: dt}, high=scale.top)
    return chain.first_passage(scale.bottom)


def chain_time(scale: Barrier, dt: float) -> float:
    """The same in units of time."""
    return passage_steps(scale, dt) * dt


def continuous_time(scale: Barrier, beyond: float = 0.0) -> float:
    """The exact mean first-passage time of continuous time to a boundary at the distance `beyond` past the top."""
    target = scale.top + beyond
    return fokker_planck.mean_first_passage(scale.sde, {T: scale.temperature}, scale.bottom, target)


def shifted_time(scale: Barrier, dt: float) -> float:
    """The same to the boundary shifted as it appears to a chain with this step."""
    return continuous_time(scale, fokker_planck.DISCRETE_BOUNDARY_SHIFT * math.sqrt(2 * scale.temperature * dt))


def boundary_slope(scale: Barrier) -> float:
    """d(time)/d(boundary) at the top, times the noise s: how the time grows with sqrt(dt) for a unit shift."""
    small = 1e-3 * (scale.top - scale.bottom)
    rise = continuous_time(scale, small) - continuous_time(scale, -small)
    return math.sqrt(2 * scale.temperature) * rise / (2 * small)
