"""Scene 2, the talk's "stationary distribution of random walk with changing variance": dx = s(x) dW on a circle.

The sentence has two readings. Ito (Euler): p ~ 1/s^2. Stratonovich (Heun): p ~ 1/s. The walker cannot know which one
the speaker meant; the exponent a of p ~ 1/s^a, fitted to where walkers are, says which one the integrator meant.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
import xarray as xr
from scipy.optimize import brentq

from simlab.core.device import Device
from simlab.core.errors import InputError
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import ENTRY, WALKER_STEP, Cost, affordable
from simlab.lab.quantities import given, measured, measured_jointly, predicted
from simlab.sde import DT, EULER, HEUN, SDE, Scheme, Walkers
from simlab.statistics import Estimate, chi_square, edges_of, extrapolate, joint_mean, mean, occupation
from simlab.studies.langevin_drift import streams
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck, transfer

PANELS = 1
X, A = sp.Symbol("x", real=True), sp.Symbol("a", positive=True)
NOISE = 1 + A * sp.sin(X)
CIRCLE = (0, 2 * sp.pi)
BINS, FRAMES, BURN_IN = 32, 16, 60
"""Bins of the circle; frames that are kept, and that go by before, a quarter of a relaxation time apart."""
READINGS: dict[str, tuple[Scheme, float]] = {"ito": (EULER, 2.0), "stratonovich": (HEUN, 1.0)}
"""calculus -> (scheme that means it, exponent of 1/s in the stationary density)."""


def model(calculus: Any) -> SDE:
    """The walk dx = (1 + a sin x) dW on the circle, in the named calculus."""
    return SDE(X, 0, NOISE, calculus, CIRCLE, "periodic")


def check(config: Config) -> None:
    """Refuse a step at which the circle cannot be resolved."""
    for calculus in READINGS:
        try:
            _chain(config.modulation, config.walk_dt, calculus)
        except ValueError as error:
            settings = f"walk_dt = {config.walk_dt:g} with modulation = {config.modulation:g}"
            raise InputError(f"{settings}: {error}") from error
    affordable(config, cost(config))


def cost(config: Config) -> list[Cost]:
    """A run for each reading; Heun's method takes twice the work; frames are kept for the bins and the noise."""
    fields, n, steps = ("walkers", "walk_dt", "modulation"), config.walkers, (BURN_IN + FRAMES) * _every(config)
    size = n * 8.0 * (6 * FRAMES + 4 * BINS)
    return [Cost(fields, steps, size, n * (steps * each * WALKER_STEP + 40 * FRAMES * ENTRY)) for each in (1, 2)]


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """Where walkers are, bin by bin, and the exponent of 1/s that fits it, for both readings."""
    edges = np.linspace(0, 2 * np.pi, BINS + 1)
    found: dict[str, Any] = given("angle", "angle", (edges[1:] + edges[:-1]) / 2, "angle x", "rad")
    lost, exponents = 0, []
    for i, (calculus, (scheme, _)) in enumerate(READINGS.items()):
        crowd = Walkers(
            model(calculus), config.walkers, dt=config.walk_dt, x0=0.0, seed=config.seed, scheme=scheme,
            stream=streams.WALK + i, device=device, parameters={A: config.modulation},
        )  # fmt: skip
        every = _every(config)
        frames = []
        with progress.task(f"walk: {scheme.name} ({calculus})", total=(BURN_IN + FRAMES) * every) as task:
            crowd.run(BURN_IN * every, task.advance)
            for _ in range(FRAMES):
                crowd.run(every, task.advance)
                frames.append(crowd.positions()[:, 0])
        positions = np.array(frames)
        lost += crowd.diverged()
        share = joint_mean(occupation(np.mod(positions, 2 * np.pi), edges))
        found |= measured_jointly(f"share_{calculus}", "angle", share, f"share of time in the bin, {calculus}")
        exponents.append(_exponent(config, mean(np.log(_noise(config, positions)).mean(axis=0))))
    values, errors = (np.array([getattr(e, f) for e in exponents]) for f in ("value", "se"))
    found |= given("calculus", "calculus", list(READINGS), "reading of dx = s(x) dW")
    found |= measured("exponent", "calculus", Estimate(values, errors), "exponent a of p ~ 1/s^a")
    return xr.Dataset({**found, **given("diverged", (), lost, "walkers that left the numbers")})


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """Both stationary laws, of the equation and of the chain at this dt."""
    angle = simulation["angle"].values
    edges = edges_of(angle)
    found: dict[str, Any] = {}
    bias = []
    for calculus in READINGS:
        chain = _chain(config.modulation, config.walk_dt, calculus)
        law = fokker_planck.density(model(calculus), {A: config.modulation})
        found |= predicted(
            f"share_{calculus}", "angle", chain.bin_probabilities(edges), f"share of time, chain, {calculus}"
        )
        found |= given(f"limit_{calculus}", "angle", np.diff(law.cdf(edges)), f"share of time, dt = 0, {calculus}")
        # What this dt adds, from the exact chains at it and at smaller ones: the exponent expected does not enter.
        steps = config.walk_dt / np.array([1, 2, 4])
        own = [_chain_exponent(config, calculus, dt) for dt in steps]
        bias.append(abs(own[0] - extrapolate(steps, own, (0, 1, 2))[0]))
    found |= predicted("exponent", "calculus", [e for _, e in READINGS.values()], "exponent a of p ~ 1/s^a")
    found |= given(
        "exponent_bias", "calculus", bias, "what the finite dt adds to the exponent, from the chain's own law"
    )
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Each reading has its law, and neither can be taken for the other."""
    source = "talk, Experiment 2: stationary distribution of random walk with changing variance"
    claims = []
    others = dict(zip(READINGS, reversed(READINGS), strict=True))
    for calculus, (scheme, exponent) in READINGS.items():
        one = data.sel(calculus=calculus)
        deviation = data[f"share_{calculus}"] - data[f"share_{calculus}_theory"]
        joint = chi_square(deviation.values, data[f"share_{calculus}_covariance"].values, config.walkers)
        apart = abs(float(one.exponent) - READINGS[others[calculus]][1]) / float(one.exponent_se)
        name = calculus.capitalize()
        claims += [
            Claim.chi_square(
                f"walk/{calculus}-law",
                f"{scheme.name.capitalize()} walkers follow the law of their own chain, bin by bin.", source, *joint,
            ),
            Claim.equals(
                f"walk/{calculus}", f"{name} ({scheme.name}): the density is p ~ 1/s^{exponent:.0f}.", source,
                float(one.exponent), exponent, float(one.exponent_se), bias=float(one.exponent_bias), resolution=0.5,
            ),
            Claim.exceeds(
                f"walk/{calculus}-told-apart",
                f"{name} is told apart from {others[calculus]} by many standard errors of the exponent.", source,
                apart,
            ),
        ]  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """Both histograms, both laws."""
    (panel,) = axes
    width = float(data.angle[1] - data.angle[0])
    labels = {"ito": "Ito", "stratonovich": "Stratonovich"}
    around = np.linspace(0, 2 * np.pi, 241)
    for i, (calculus, (scheme, exponent)) in enumerate(READINGS.items()):
        law = f"$1/s^{{{exponent:.0f}}}$" if exponent != 1 else "$1/s$"
        share, error = data[f"share_{calculus}"] / width, data[f"share_{calculus}_se"] / width
        look.points(panel, data.angle, share, error, f"{scheme.name.capitalize()} walkers", color=i)
        density = fokker_planck.density(model(calculus), {A: config.modulation})
        look.line(panel, around, density.pdf(around), f"{labels[calculus]}: {law}", color=i)
    panel.set(title=r"$dx = s(x)\,dW$: two readings, two laws", xlabel="angle x (rad)", ylabel="density")


@cache
def _chain(modulation: float, dt: float, calculus: Any) -> transfer.Transfer:
    """The exact law of the chain; wrapping is done by the operator, so the equation goes in without its boundary."""
    scheme, _ = READINGS[calculus]
    return transfer.koopman(scheme(SDE(X, 0, NOISE, calculus)), {A: modulation, DT: dt}, 0.0, 2 * np.pi)


def _chain_exponent(config: Config, calculus: Any, dt: float) -> float:
    """The exponent that fits the exact law of the chain."""
    mean_log = _chain(config.modulation, dt, calculus).expect(lambda x: np.log(_noise(config, x)))
    return float(_exponent(config, Estimate(np.array(mean_log), np.array(0.0))).value)


def _relaxation(config: Config) -> float:
    """Time in which the slowest wave on the circle decays: in the coordinate int dx/s the walk is plain diffusion."""
    length = 2 * np.pi / np.sqrt(1 - config.modulation**2)  # int_0^2pi dx/(1 + a sin x)
    return 2 * (length / (2 * np.pi)) ** 2


def _every(config: Config) -> int:
    """Steps between frames."""
    return max(1, round(_relaxation(config) / 4 / config.walk_dt))


def _noise(config: Config, x: np.ndarray) -> np.ndarray:
    return sp.lambdify((X, A), NOISE, "numpy")(x, config.modulation)


def _exponent(config: Config, log_noise: Estimate) -> Estimate:
    """Maximum likelihood of a in p = s^-a / Z(a): the mean of ln s under p equals the measured one."""
    x = np.linspace(0, 2 * np.pi, 1024, endpoint=False)
    logs = np.log(_noise(config, x))

    def moments(a: float) -> tuple[float, float]:
        weight = np.exp(-a * logs)
        first = (weight * logs).sum() / weight.sum()
        return first, (weight * logs**2).sum() / weight.sum() - first**2

    a = brentq(lambda a: moments(a)[0] - float(log_noise.value), -20, 20)
    return Estimate(np.array(a), log_noise.se / moments(a)[1])
