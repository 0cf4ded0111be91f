"""Part of scene 1: the stationary distribution of walkers, and how fast they forget their positions.

The unbiased reference is the exact distribution of the chain at this dt, from its transfer operator. The operator's
second eigenfunction phi has the autocorrelation lambda_2^n exactly, at any lag n and any dt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simlab.lab.cost import ENTRY, WALKER_STEP
from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.statistics import Estimate, Joint, joint_mean, occupation, ratio
from simlab.studies.langevin_drift import potential
from simlab.studies.langevin_drift.config import Config
from simlab.theory.quadrature import Function
from simlab.theory.transfer import Transfer

POSITION = axis("position x")
WIDTH = quantity("width of the bin", POSITION)
OCCUPATION = quantity("share of time in the bin", POSITION, equation="fokker_planck#what-a-finite-step-samples")
GIBBS_OCCUPATION = quantity(
    "share of time in the bin by Gibbs' density (dt = 0)", POSITION, equation="fokker_planck#gibbs-and-the-talks-form"
)
LAG = axis("lag", "step")
CORRELATION = quantity("autocorrelation of the slowest mode", LAG, equation="fokker_planck#what-a-finite-step-samples")
RELAXATION = quantity("relaxation time of the slowest mode", equation="fokker_planck#what-a-finite-step-samples")

BINS, FRAMES = 40, 32
LAGS = np.arange(9)
"""Lags of the autocorrelation, in frames a quarter of a relaxation time apart."""
MEASURED_LAG = 4
"""The lag, about one relaxation time, at which -lag/ln C has the smallest error."""
HEAVIEST = 50.0
"""Largest <phi^4> at which walkers sample the slowest mode phi well; the double well has 1.3, a harmonic well 3."""


class Stationary(NamedTuple):
    """Occupation of the bins; autocorrelation and relaxation time of the slowest mode, None if badly sampled."""

    share: Joint
    correlation: Estimate | None
    relaxation: Estimate | None


def cost(config: Config) -> list[Cost]:
    """One run; the largest memory is that of the bins of every frame."""
    chain = potential.chain(config, config.dt)
    steps = potential.burn_in(chain) + FRAMES * potential.spacing(chain)
    size = config.walkers * 8.0 * (4 * FRAMES + 3 * BINS)
    fields = ("walkers", "dt", "temperature")
    return [Cost(fields, steps, size, config.walkers * (steps * WALKER_STEP + 40 * FRAMES * ENTRY))]


def simulate(config: Config, lab: Lab) -> Values:
    """One stationary run: occupation of bins, autocorrelation of the slowest mode."""
    ((share, correlation, relaxation),) = lab.cells(stationary, config, (config.dt,), "well: histogram")
    edges = bin_edges(config)
    values = {POSITION: (edges[1:] + edges[:-1]) / 2, WIDTH: np.diff(edges), OCCUPATION: share}
    if correlation is None:
        lab.progress.note("well: the slowest mode is in tails that walkers rarely visit, so no claim about it is made.")
        return values
    lags = LAGS * potential.spacing(potential.chain(config, config.dt))
    return {**values, LAG: lags, CORRELATION: correlation, RELAXATION: relaxation}


def stationary(config: Config, dt: float, lab: Lab) -> Stationary:
    """Walkers with this time step, recorded at frames a quarter of a relaxation time apart."""
    sde, chain = potential.model(config), potential.chain(config, dt)
    walkers = lab.walkers(
        sde, config.walkers, "histogram", dt=dt, x0=potential.start(config),
        parameters={potential.T: config.temperature},
    )  # fmt: skip
    every = potential.spacing(chain)
    frames = lab.frames(walkers, potential.burn_in(chain), every, FRAMES, "histogram")
    x = np.array([w.positions()[:, 0] for w in frames])
    share, mode = joint_mean(occupation(x, bin_edges(config))), slowest_mode(chain)
    return Stationary(share, None, None) if mode is None else Stationary(share, *decay(mode, x, every * dt))


def theory(config: Config, axes: Axes) -> Values:
    """The chain's exact distribution at this dt, Gibbs' distribution, and the second eigenvalue."""
    chain, edges = potential.chain(config, config.dt), bin_edges(config)
    values = {
        OCCUPATION: Theory(chain.bin_probabilities(edges)),
        GIBBS_OCCUPATION: np.diff(potential.gibbs(config).cdf(edges)),
    }
    if CORRELATION not in axes:
        return values
    time = chain.relaxation_steps * config.dt
    return {**values, CORRELATION: Theory(chain.second[0] ** axes[LAG]), RELAXATION: Theory(time)}


def compare(config: Config, found: Found) -> list[Claim]:
    """All bins at once; the relaxation time."""
    claims = [
        found[OCCUPATION].agrees(
            "histogram",
            f"Langevin walkers at dt = {config.dt:g} follow the exact stationary distribution of the Euler chain, bin "
            "by bin.",
        )
    ]
    if RELAXATION in found:
        time = found[RELAXATION]
        claims.append(time.equals(
            "relaxation", "The relaxation time of the slowest mode of Langevin walkers is that of the chain's second "
            "eigenvalue.", source="Risken 1989", resolution=float(time.reference) / 2,
        ))  # fmt: skip
    return claims


def draw_density(config: Config, found: Found, panel: Panel) -> None:
    """The histogram with both distributions; the two bins of the tails are left out."""
    width = found[WIDTH].value[1:-1]
    share, gibbs = found[OCCUPATION][1:-1] / width, found[GIBBS_OCCUPATION][1:-1] / width
    panel.bars(share, "walkers")
    panel.line(share, f"Euler chain, dt = {config.dt:g}")
    panel.curve(gibbs.coordinates[0], gibbs.value, "Gibbs: $e^{-U/T}$, dt = 0", color=1, style="--")
    panel.set(title="Langevin dynamics samples p(x)", ylabel="probability density")
    panel.note(f"{potential.described(config, config.temperature)}; {config.walkers:,} walkers")


def draw_correlation(config: Config, found: Found, panel: Panel) -> None:
    """The autocorrelation of the slowest mode."""
    title = "How fast walkers forget their positions"
    if CORRELATION not in found:
        panel.blank(title, "the slowest mode is concentrated in tails that walkers rarely visit")
        return
    time = found[LAG].value * config.dt
    panel.points(CORRELATION, "walkers", x=time)
    panel.line(CORRELATION, "second eigenvalue of the Euler chain", x=time)
    panel.set(title=title, xlabel="lag (time)", ylabel="autocorrelation", ylim=(0, None))
    panel.note(f"{potential.described(config, config.temperature)}; dt = {config.dt:g}")


def slowest_mode(chain: Transfer) -> Function | None:
    """The second eigenfunction of the chain, None where it is concentrated in tails that walkers rarely visit."""
    _, mode = chain.second
    return mode if chain.expect(lambda x: mode(x) ** 4) < HEAVIEST else None


def decay(mode: Function, frames: np.ndarray, every: float) -> tuple[Estimate, Estimate]:
    """Autocorrelation of the mode over walkers and frames, `every` apart in time, and its relaxation time."""
    phi = mode(frames.ravel()).reshape(frames.shape)
    square = (phi**2).mean(axis=0)
    products = [(phi[: len(phi) - lag] * phi[lag:]).mean(axis=0) for lag in LAGS]
    correlation = Estimate.stack([ratio(product, square) for product in products])
    value, se = (part[MEASURED_LAG] for part in correlation)
    time = MEASURED_LAG * every
    relaxation = -time / np.log(value)
    return correlation, Estimate(relaxation, relaxation**2 / time * se / value)


def bin_edges(config: Config) -> np.ndarray:
    """Bins of equal width with one wide bin for each tail, which holds about twenty walkers at any time."""
    chain, tail = potential.chain(config, config.dt), max(5e-4, 20 / config.walkers)
    low, high = np.interp([tail, 1 - tail], np.cumsum(chain.mass), chain.nodes)
    return np.concatenate([[chain.nodes[0]], np.linspace(low, high, BINS - 1), [chain.nodes[-1]]])
