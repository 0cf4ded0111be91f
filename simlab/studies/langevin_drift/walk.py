"""Scene 2, the talk's "stationary distribution of random walk with changing variance": dx = s(x) dW on a circle.

The sentence has two readings. Ito (Euler): p ~ 1/s^2. Stratonovich (Heun): p ~ 1/s. The exponent a of p ~ 1/s^a, fitted
to the positions of walkers, tells which reading an integrator samples.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import sympy as sp
from scipy.optimize import brentq

from simlab.lab.cost import ENTRY, WALKER_STEP
from simlab.lab.scene import Axes, Claim, Cost, Found, InputError, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import DT, EULER, HEUN, SDE, Scheme
from simlab.statistics import Estimate, Joint, edges_of, extrapolate, joint_mean, mean, occupation
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck, transfer
from simlab.theory.sde import Calculus

SOURCE = "talk, Experiment 2: stationary distribution of random walk with changing variance"
ANGLE = axis("angle x", "rad")
CALCULUS = axis("calculus in which dx = s(x) dW is read")
SHARE = quantity(
    "share of time in the bin", CALCULUS, ANGLE, equation="fokker_planck#a-random-walk-with-changing-variance"
)
EXPONENT = quantity("exponent a of p ~ 1/s^a", CALCULUS, equation="fokker_planck#a-random-walk-with-changing-variance")

X, A = sp.Symbol("x", real=True), sp.Symbol("a", positive=True)
NOISE = 1 + A * sp.sin(X)
noise = sp.lambdify((X, A), NOISE, "numpy")
BINS, FRAMES, BURN_IN = 32, 16, 60
"""Bins of the circle; frames that are recorded, and of burn-in, a quarter of a relaxation time apart."""
CENTRES = 2 * np.pi * (np.arange(BINS) + 0.5) / BINS


class Reading(NamedTuple):
    """A calculus, the scheme that converges to it, and the exponent of 1/s in its stationary density."""

    calculus: Calculus
    scheme: Scheme
    exponent: float

    @property
    def sde(self) -> SDE:
        """The walk on the circle."""
        return SDE(X, 0, NOISE, self.calculus, (0, 2 * sp.pi), "periodic")

    @property
    def density(self) -> str:
        """The stationary density up to a factor, as text."""
        return f"1/s^{self.exponent:.0f}".removesuffix("^1")


ITO, STRATONOVICH = READINGS = (Reading("ito", EULER, 2.0), Reading("stratonovich", HEUN, 1.0))


def check(config: Config) -> None:
    """Refuse a step at which the circle cannot be resolved."""
    try:
        _ = [chain(reading.calculus, config.modulation, config.walk_dt) for reading in READINGS]
    except ValueError as error:
        settings = f"walk_dt = {config.walk_dt:g} with modulation = {config.modulation:g}"
        raise InputError(f"{settings}: {error}") from error


def cost(config: Config) -> list[Cost]:
    """A run for each reading; Heun's method takes twice the work; all frames are in memory."""
    fields, n, steps = ("walkers", "walk_dt", "modulation"), config.walkers, (BURN_IN + FRAMES) * spacing(config)
    size = n * 8.0 * (6 * FRAMES + 4 * BINS)
    return [Cost(fields, steps, size, n * (steps * each * WALKER_STEP + 40 * FRAMES * ENTRY)) for each in (1, 2)]


def simulate(config: Config, lab: Lab) -> Values:
    """Occupation of the bins, and the exponent that fits it, for both readings."""
    share, exponent = zip(*lab.cells(walk, config, range(len(READINGS)), "walk: both readings"), strict=True)
    calculi = [reading.calculus for reading in READINGS]
    return {ANGLE: CENTRES, CALCULUS: calculi, SHARE: list(share), EXPONENT: list(exponent)}


def walk(config: Config, item: int, lab: Lab) -> tuple[Joint, Estimate]:
    """Occupation and exponent of one reading."""
    reading, every = READINGS[item], spacing(config)
    walkers = lab.walkers(
        reading.sde, config.walkers, "walk", reading.calculus, scheme=reading.scheme, dt=config.walk_dt,
        parameters={A: config.modulation},
    )  # fmt: skip
    frames = lab.frames(walkers, BURN_IN * every, every, FRAMES, reading.scheme.name)
    x = np.array([w.positions()[:, 0] for w in frames])
    share = joint_mean(occupation(np.mod(x, 2 * np.pi), edges_of(CENTRES)))
    return share, fit_exponent(config.modulation, mean(np.log(noise(x, config.modulation)).mean(axis=0)))


def theory(config: Config, axes: Axes) -> Values:
    """The chain's own distribution at this dt, and the exponent for dt -> 0, with the bias of the chain at this dt."""
    dts = config.walk_dt / np.array([1, 2, 4])
    chains = [[chain(reading.calculus, config.modulation, dt) for dt in dts] for reading in READINGS]
    exponents = [[chain_exponent(config.modulation, one) for one in row] for row in chains]
    bias = [abs(row[0] - extrapolate(dts, row, (0, 1, 2))[0]) for row in exponents]
    share = [row[0].bin_probabilities(edges_of(CENTRES)) for row in chains]
    return {SHARE: Theory(share), EXPONENT: Theory([reading.exponent for reading in READINGS], bias)}


def compare(config: Config, found: Found) -> list[Claim]:
    """Each reading has its own distribution, and is not mistaken for the other."""
    claims = []
    for i, (reading, other) in enumerate(zip(READINGS, READINGS[::-1], strict=True)):
        share, exponent = found[SHARE][i], found[EXPONENT][i]
        name, scheme = reading.calculus.capitalize(), reading.scheme.name.capitalize()
        claims += [
            share.agrees(
                f"{reading.calculus}-distribution",
                f"Walkers of dx = s(x) dW with {scheme} steps follow the exact distribution of that chain, bin by bin.",
            ),
            exponent.equals(
                reading.calculus,
                f"{scheme} steps of dx = s(x) dW sample {name}'s reading, of stationary density p ~ {reading.density}.",
                resolution=0.5,
            ),
            exponent.differs(
                f"{reading.calculus}-distinguished",
                f"With {scheme} steps the exponent a of p ~ 1/s^a distinguishes {name}'s reading of dx = s(x) dW from "
                f"that of {other.calculus.capitalize()}.", other.exponent,
            ),
        ]  # fmt: skip
    return claims


def draw_density(config: Config, found: Found, panel: Panel) -> None:
    """Both histograms and the densities of both readings."""
    around, width = np.linspace(0, 2 * np.pi, 241), 2 * np.pi / BINS
    for i, reading in enumerate(READINGS):
        density = fokker_planck.density(reading.sde, {A: config.modulation})
        panel.points(found[SHARE][i] / width, f"{reading.scheme.name.capitalize()} walkers", color=i)
        panel.curve(around, density.pdf(around), f"{reading.calculus.capitalize()}: ${reading.density}$", color=i)
    panel.set(title="Two readings of dx = s(x) dW", ylabel="probability density (1/rad)")
    panel.note(f"s(x) = 1 + {config.modulation:g} sin x, dt = {config.walk_dt:g}, {config.walkers:,} walkers")


PANELS = (draw_density,)


@cache
def chain(calculus: Calculus, modulation: float, dt: float) -> transfer.Transfer:
    """The exact distribution of the chain; the operator is periodic by itself, so the equation has no boundary."""
    scheme = next(reading.scheme for reading in READINGS if reading.calculus == calculus)
    return transfer.koopman(scheme(SDE(X, 0, NOISE, calculus)), {A: modulation, DT: dt}, 0.0, 2 * np.pi)


def chain_exponent(modulation: float, exact: transfer.Transfer) -> float:
    """The exponent that fits the exact distribution of a chain."""
    mean_log = exact.expect(lambda x: np.log(noise(x, modulation)))
    return float(fit_exponent(modulation, Estimate(np.array(mean_log), np.array(0.0))).value)


def spacing(config: Config) -> int:
    """Steps between frames, a quarter of a relaxation time.

    In the coordinate int dx/s the walk is plain diffusion on a circle of length 2 pi/sqrt(1 - a^2), whose slowest wave
    decays in 2/(1 - a^2).
    """
    return max(1, round(2 / (1 - config.modulation**2) / 4 / config.walk_dt))


def fit_exponent(modulation: float, log_noise: Estimate) -> Estimate:
    """Maximum-likelihood a of p = s^-a/Z(a): E_p[ln s] equals the measured mean; dE_p[ln s]/da = -Var_p[ln s]."""
    logs = np.log(noise(np.linspace(0, 2 * np.pi, 1024, endpoint=False), modulation))

    def moments(a: float) -> tuple[float, float]:
        weight = np.exp(-a * logs)
        first = (weight * logs).sum() / weight.sum()
        return first, (weight * logs**2).sum() / weight.sum() - first**2

    a = brentq(lambda a: moments(a)[0] - float(log_noise.value), -20, 20)
    return Estimate(np.array(a), log_noise.se / moments(a)[1])
