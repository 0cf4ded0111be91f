"""Part of scene 1: how the step size changes the stationary distribution, compared with what sympy derives.

A parabola in dt is fitted to <x^2>: its value at dt = 0 must be that of Gibbs' distribution, its slope that of the
modified equation. The truncation error of the parabola is known from the exact distributions of chains, at each dt and
at much smaller ones, and declared as the bias of the fit: neither Gibbs' distribution nor the modified equation enters
it. In the harmonic well the distribution is known in closed form at every stable dt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import sympy as sp

from simlab.core.checks import Floats
from simlab.lab.cost import WALKER_STEP
from simlab.lab.scene import Axes, Claim, Cost, Found, Lab, Panel, Theory, Values, axis, quantity
from simlab.sde import DT, langevin
from simlab.statistics import Estimate, extrapolate, fit, mean
from simlab.studies.langevin_drift import potential
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import T, X
from simlab.theory import fokker_planck

TIME_STEP = axis("time step dt")
SECOND_MOMENT = quantity("<x^2>", TIME_STEP, equation="fokker_planck#what-a-finite-step-samples")
MOMENT_AT_ZERO = quantity("<x^2> at dt = 0", equation="fokker_planck#gibbs-and-the-talks-form")
MOMENT_SLOPE = quantity("slope of <x^2> in dt at dt = 0", equation="fokker_planck#what-a-finite-step-samples")
HARMONIC_STEP = axis("k dt of the harmonic well")
HARMONIC_VARIANCE = quantity(
    "variance in the harmonic well", HARMONIC_STEP, equation="fokker_planck#what-a-finite-step-samples"
)

K = sp.Symbol("k", positive=True)
HARMONIC = langevin(K * X**2 / 2, X, T)
POWERS = (0.0, 1.0, 2.0)


class Schedule(NamedTuple):
    """Steps of burn-in, steps between frames, and number of frames."""

    burn_in: int
    every: int
    frames: int

    @property
    def steps(self) -> int:
        """Total number of steps."""
        return self.burn_in + self.frames * self.every


def cost(config: Config) -> list[Cost]:
    """A run for each dt, in both wells."""
    runs = [("walkers", "duration", "dts")] * len(config.dts) + [("walkers", "harmonic_dts")] * len(config.harmonic_dts)
    steps = [schedule(config, dt).steps for dt in config.dts] + [harmonic_steps(dt) for dt in config.harmonic_dts]
    n = config.walkers
    return [Cost(f, s, 64.0 * n, s * n * WALKER_STEP) for f, s in zip(runs, steps, strict=True)]


def simulate(config: Config, lab: Lab) -> Values:
    """An independent run for each dt, in the user's potential and in the harmonic well."""
    steps = [float(schedule(config, dt).steps) for dt in config.dts]
    moments = Estimate.stack(
        lab.cells(second_moment, config, range(len(config.dts)), "well: <x^2>", weights=steps)
    )  # fmt: skip
    parabola = fit(config.dts, *moments, POWERS)
    at_zero, slope, _ = map(Estimate, parabola.coefficients, parabola.se)
    if modified_slope(config) is None:
        lab.progress.note(
            "well: the slope of the potential jumps, so there is no modified equation and no claim about d<x^2>/d dt."
        )
    return {
        TIME_STEP: config.dts,
        SECOND_MOMENT: moments,
        MOMENT_AT_ZERO: at_zero,
        MOMENT_SLOPE: slope,
        HARMONIC_STEP: config.harmonic_dts,
        HARMONIC_VARIANCE: lab.cells(harmonic, config, range(len(config.harmonic_dts)), "well: harmonic"),
    }


def second_moment(config: Config, item: int, lab: Lab) -> Estimate:
    """<x^2> over walkers and frames a quarter of a relaxation time apart, at one dt."""
    dt = config.dts[item]
    plan = schedule(config, dt)
    walkers = lab.walkers(
        potential.model(config), config.walkers, "moments", item, dt=dt, x0=potential.start(config),
        parameters={T: config.temperature},
    )  # fmt: skip
    total = lab.device.xp.zeros(config.walkers)
    for frame in lab.frames(walkers, *plan, f"<x^2> at dt = {dt:g}"):
        total += frame.state[0] ** 2
    return mean(lab.device.to_host(total) / plan.frames)


def harmonic(config: Config, item: int, lab: Lab) -> Estimate:
    """Variance of the Euler chain in U = x^2/2 with s = 1, from independent walkers after |1 - dt|^steps < 1e-9."""
    dt = config.harmonic_dts[item]
    walkers = lab.walkers(HARMONIC, config.walkers, "harmonic", item, dt=dt, parameters={K: 1.0, T: 0.5})
    walkers.run(harmonic_steps(dt))
    return mean(walkers.positions()[:, 0] ** 2)


def theory(config: Config, axes: Axes) -> Values:
    """<x^2> of the chains and of Gibbs' distribution, and the slope at dt = 0; the harmonic variance."""
    exact = [exact_moment(config, dt) for dt in config.dts]
    parabola = fit(config.dts, exact, axes.se(SECOND_MOMENT), POWERS).coefficients
    at_zero_bias, slope_bias = np.abs(parabola[:2] - exact_limit(config))
    variance = sp.lambdify(DT, fokker_planck.euler_harmonic_variance(sp.Integer(1), sp.Integer(1), DT))
    values = {
        SECOND_MOMENT: Theory(exact),
        MOMENT_AT_ZERO: Theory(potential.gibbs(config).expect(np.square), at_zero_bias),
        HARMONIC_VARIANCE: Theory(variance(axes[HARMONIC_STEP])),
    }
    slope = modified_slope(config)
    return values if slope is None else {**values, MOMENT_SLOPE: Theory(slope, slope_bias)}


def compare(config: Config, found: Found) -> list[Claim]:
    """Each dt, the limit, the slope, the harmonic well."""
    moment, at_zero, slope = found[SECOND_MOMENT], found[MOMENT_AT_ZERO], found[MOMENT_SLOPE]
    claims = [
        moment.agrees(
            "moments", "At every time step dt, <x^2> of Langevin walkers is that of the exact stationary distribution "
            "of the Euler chain.",
        ),
        at_zero.equals(
            "gibbs", "<x^2> of Langevin walkers, extrapolated to dt = 0, is that of Gibbs' distribution "
            "p(x) ~ exp(-U(x)/T): after warm-up a trajectory samples p(x).",
            resolution=float(np.abs(moment.reference - at_zero.reference).max()),
        ),
    ]  # fmt: skip
    if slope.kind is not None:
        claims.append(slope.equals(
            "slope", "The slope of <x^2> of Langevin walkers in dt, at dt = 0, is that of the modified equation.",
            source="Zygalakis 2011", resolution=float(np.abs(slope.reference)),
        ))  # fmt: skip
    claims.append(found[HARMONIC_VARIANCE].agrees(
        "harmonic", "In the harmonic well U = k x^2/2 the variance of Langevin walkers with noise s is "
        "s^2/(k (2 - k dt)) at every stable dt.",
        source="Mandt, Hoffman & Blei 2017, with the step",
    ))  # fmt: skip
    return claims


def draw_moments(config: Config, found: Found, panel: Panel) -> None:
    """<x^2> against dt, with the distributions of the chains and the slope of the modified equation."""
    at_zero, slope = found[MOMENT_AT_ZERO], found[MOMENT_SLOPE]
    panel.points(SECOND_MOMENT, "walkers")
    panel.line(SECOND_MOMENT, "exact Euler chain")
    panel.points(at_zero, "extrapolated to dt = 0", x=0.0, color=2)
    panel.axes.plot(0, at_zero.reference, "k*", ms=8, label="Gibbs")
    if slope.kind is not None:
        reach = np.linspace(0, max(config.dts))
        tangent = at_zero.reference + slope.reference * reach
        panel.curve(reach, tangent, "slope of the modified equation", color=1, style="--")
    panel.set(title="A finite step changes the distribution", ylabel=r"$\langle x^2\rangle$")
    panel.note(potential.described(config, config.temperature))


def schedule(config: Config, dt: float) -> Schedule:
    """Frames a quarter of a relaxation time apart, over `duration`."""
    chain = potential.chain(config, dt)
    every = potential.spacing(chain)
    return Schedule(potential.burn_in(chain), every, max(2, round(config.duration / (every * dt))))


def harmonic_steps(dt: float) -> int:
    """Steps after which walkers in the harmonic well have forgotten their start."""
    return 2 + int(np.ceil(-21 / np.log(max(abs(1 - dt), 1e-9))))


def exact_moment(config: Config, dt: float) -> float:
    """<x^2> of the chain."""
    return potential.chain(config, dt).expect(np.square)


def exact_limit(config: Config) -> Floats:
    """Value and slope at dt = 0 of <x^2> of the exact chains, from steps far smaller than those of the simulation."""
    steps = min(config.dts) / 2 * np.arange(1, 5) / 4
    return extrapolate(steps, [exact_moment(config, dt) for dt in steps], (0, 1, 2, 3))[:2]


def modified_slope(config: Config) -> float | None:
    """The slope of <x^2> in dt by the modified equation; None where the drift jumps and there is none."""
    try:
        return fokker_planck.slope(potential.model(config), X**2, {T: config.temperature})
    except ValueError:
        return None
