"""Part of scene 1: where walkers are, and how fast they forget where they were.

The reference without any bias is the law of the chain itself at this dt, from its transfer operator. Its second
eigenfunction phi has the autocorrelation lambda_2^n exactly, at any lag and any dt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import ENTRY, WALKER_STEP, Cost
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.sde import SDE, Options, Walkers
from simlab.statistics import Estimate, chi_square, joint_mean, occupation, ratio
from simlab.studies.langevin_drift import potential, streams
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import T, burn_in, law, start
from simlab.theory import transfer

BINS, FRAMES = 40, 32
LAGS = np.arange(9)
"""Lags of the autocorrelation, in frames a quarter of a relaxation time apart."""
MEASURED_LAG = 4
"""About one relaxation time, where -lag/ln C is measured best."""
HEAVIEST = 50.0
"""Largest <phi^4> of a slow mode that walkers can be said to sample; the double well has 1.3, a harmonic well 3."""


def cost(sde: SDE, config: Config) -> list[Cost]:
    """One run; the largest memory is that of the bins of every frame."""
    chain = law(sde, config.temperature, config.dt)
    steps = burn_in(chain) + FRAMES * max(1, round(chain.relaxation_steps / 4))
    size = config.walkers * 8.0 * (4 * FRAMES + 3 * BINS)
    fields = ("walkers", "dt", "temperature")
    return [Cost(fields, steps, size, config.walkers * (steps * WALKER_STEP + 40 * FRAMES * ENTRY))]


def simulate(sde: SDE, config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """One stationary run: occupation of bins, autocorrelation of the slow mode."""
    chain = law(sde, config.temperature, config.dt)
    every = max(1, round(chain.relaxation_steps / 4))
    crowd = Walkers(
        sde, config.walkers, dt=config.dt, x0=start(sde, config.temperature), seed=config.seed,
        device=device, parameters={T: config.temperature}, options=Options(stream=streams.HISTOGRAM),
    )  # fmt: skip
    frames = np.empty((FRAMES, config.walkers))
    with progress.task("well: histogram", total=burn_in(chain) + FRAMES * every) as task:
        crowd.run(burn_in(chain), task.advance)
        for frame in frames:
            crowd.run(every, task.advance)
            frame[:] = crowd.positions()[:, 0]
    edges = _edges(chain, config.walkers)
    share = joint_mean(occupation(frames, edges))
    found: dict[str, Any] = {
        **given("bin", "bin", (edges[1:] + edges[:-1]) / 2, "position x"),
        **given("bin_width", "bin", np.diff(edges), "width of the bin"),
        **measured_jointly("occupation", "bin", share, "share of time in the bin"),
        **given("diverged", (), crowd.diverged(), "walkers that left the numbers"),
    }
    _, mode = chain.second
    weight = chain.expect(lambda x: mode(x) ** 4)
    if weight < HEAVIEST:
        found |= _autocorrelation(mode, frames, every, config.dt)
    else:
        progress.note(f"well: the slowest mode lives in tails hardly visited (<phi^4> = {weight:.0e}): no claim on it.")
    return xr.Dataset(found)


def theory(sde: SDE, config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The chain's exact law at this dt, the Gibbs law, and the second eigenvalue."""
    chain = law(sde, config.temperature, config.dt)
    gibbs = potential.gibbs(sde, config.temperature)
    centre, width = simulation["bin"].values, simulation["bin_width"].values
    edges = np.append(centre - width / 2, centre[-1] + width[-1] / 2)
    found = {
        **predicted("occupation", "bin", chain.bin_probabilities(edges), "share of time in the bin (law of the chain)"),
        **given("occupation_gibbs", "bin", np.diff(gibbs.cdf(edges)), "share of time in the bin (Gibbs, dt = 0)"),
    }
    if "correlation" in simulation:
        decay = chain.second[0] ** simulation["lag_steps"].values
        found |= predicted("correlation", "lag", decay, "autocorrelation of the slow mode")
        found |= predicted("relaxation", (), chain.relaxation_steps * config.dt, "relaxation time")
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """All bins at once; the relaxation time."""
    deviation = (data.occupation - data.occupation_theory).values
    claims = [
        Claim.chi_square(
            "well/histogram", f"Walkers are where the law of the Euler chain at dt = {config.dt:g} puts them.",
            "talk, Langevin dynamics", *chi_square(deviation, data.occupation_covariance.values, config.walkers),
        )
    ]  # fmt: skip
    if "relaxation" in data:
        claims.append(Claim.equals(
            "well/relaxation", "The slow mode decorrelates at the second eigenvalue of the chain's transfer operator.",
            "Risken 1989", float(data.relaxation), float(data.relaxation_theory), float(data.relaxation_se),
            resolution=float(data.relaxation_theory) / 2,
        ))  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: Any) -> None:
    """The histogram with both laws; the two bins of the tails are left out."""
    inner = data.isel(bin=slice(1, -1))
    width = inner.bin_width
    look.bars(axes, inner.bin, inner.occupation / width, inner.occupation_se / width, width, "walkers")
    look.line(axes, inner.bin, inner.occupation_theory / width, f"law of the chain, dt = {config.dt:g}")
    look.line(axes, inner.bin, inner.occupation_gibbs / width, r"Gibbs density $e^{-U/T}$, dt = 0", style="--")
    axes.set(title="Langevin dynamics samples p(x)", xlabel="x", ylabel="density")


def _autocorrelation(mode: Any, frames: np.ndarray, every: int, dt: float) -> dict[str, Any]:
    """Autocorrelation of the slow mode over walkers and frames, and the relaxation time that it gives."""
    phi = mode(frames.ravel()).reshape(frames.shape)
    square = (phi**2).mean(axis=0)
    products = [(phi[: len(phi) - lag] * phi[lag:]).mean(axis=0) for lag in LAGS]
    correlations = [ratio(p, square) for p in products]
    values, errors = (np.array([getattr(c, f) for c in correlations]) for f in ("value", "se"))
    time = MEASURED_LAG * every * dt
    tau = -time / np.log(values[MEASURED_LAG])
    tau_se = tau**2 / time * errors[MEASURED_LAG] / values[MEASURED_LAG]
    return {
        **given("lag_steps", "lag", LAGS * every, "lag", "step"),
        **measured("correlation", "lag", Estimate(values, errors), "autocorrelation of the slow mode"),
        **measured("relaxation", (), Estimate(tau, tau_se), "relaxation time"),
    }


def _edges(chain: transfer.Transfer, walkers: int) -> np.ndarray:
    """Bins of equal width with one wide bin for each tail, in which some twenty walkers are at any time."""
    tail = max(5e-4, 20 / walkers)
    low, high = np.interp([tail, 1 - tail], np.cumsum(chain.mass), chain.nodes)
    return np.concatenate([[chain.nodes[0]], np.linspace(low, high, BINS - 1), [chain.nodes[-1]]])
