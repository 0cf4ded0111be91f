"""Part of scene 1: how the step size bends the stationary law, and that it does so as sympy derives.

<x^2> at several dt is fitted by a parabola: its value at dt = 0 must be Gibbs', its slope that of the modified
equation. What the parabola leaves out is known from the chain's own law, exact at each dt and extrapolated from much
smaller ones, and declared as the bias of the fit: neither Gibbs nor sympy enters it. In the harmonic well the law is
known in closed form at every stable dt.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import sympy as sp
import xarray as xr

from simlab.core.device import Device
from simlab.core.progress import Progress
from simlab.lab import plot as look
from simlab.lab.claim import Claim
from simlab.lab.cost import WALKER_STEP, Cost
from simlab.lab.quantities import given, measured, predicted
from simlab.sde import DT, SDE, Options, Walkers, langevin, walk
from simlab.statistics import Estimate, chi_square, extrapolate, fit, mean
from simlab.studies.langevin_drift import potential, streams
from simlab.studies.langevin_drift.config import Config
from simlab.studies.langevin_drift.potential import T, X, burn_in, law, start
from simlab.theory import fokker_planck

K = sp.Symbol("k", positive=True)
HARMONIC = langevin(K * X**2 / 2, X, T)
POWERS = (0.0, 1.0, 2.0)


def cost(sde: SDE, config: Config) -> list[Cost]:
    """A run for each dt, in both wells."""
    runs = [("walkers", "duration", "dts")] * len(config.dts) + [("walkers", "harmonic_dts")] * len(config.harmonic_dts)
    steps = [_schedule(sde, config, dt).steps for dt in config.dts] + [_harmonic_steps(k) for k in config.harmonic_dts]
    n = config.walkers
    return [Cost(f, s, 64.0 * n, s * n * WALKER_STEP) for f, s in zip(runs, steps, strict=True)]


def simulate(sde: SDE, config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """An independent run for each dt, in the user's potential and in the harmonic well."""
    estimates, lost = [], 0
    for i, dt in enumerate(config.dts):
        estimate, diverged = _second_moment(sde, config, dt, streams.MOMENTS + i, device, progress)
        estimates.append(estimate)
        lost += diverged
    moments = Estimate.stack(estimates)
    parabola = fit(np.array(config.dts), *moments, POWERS)
    if _slope(sde, config) is None:
        progress.note("well: the slope of the potential jumps, there is no modified equation: no claim on d<x^2>/d dt.")
    found = {
        **given("dt", "dt", np.array(config.dts), "time step"),
        **measured("second_moment", "dt", moments, "<x^2>"),
        **measured("moment_at_zero", (), Estimate(parabola.coefficients[0], parabola.se[0]), "<x^2> at dt = 0"),
        **measured("moment_slope", (), Estimate(parabola.coefficients[1], parabola.se[1]), "d<x^2>/d dt at dt = 0"),
    }
    variances, diverged = _harmonic(config, device, progress)
    found |= given("harmonic_dt", "harmonic_dt", np.array(config.harmonic_dts), "k dt")
    found |= measured("harmonic_variance", "harmonic_dt", variances, "variance in the harmonic well")
    return xr.Dataset({**found, **given("diverged", (), lost + diverged, "walkers that left the numbers")})


def theory(sde: SDE, config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """<x^2> of the chains, of Gibbs, and the slope between them; the harmonic variance."""
    exact = np.array([law(sde, config.temperature, dt).expect(np.square) for dt in config.dts])
    parabola = fit(np.array(config.dts), exact, simulation["second_moment_se"].values, POWERS).coefficients
    limit = _limit(sde, config)
    gibbs = potential.gibbs(sde, config.temperature).expect(np.square)
    variance = sp.lambdify(DT, fokker_planck.euler_harmonic_variance(sp.Integer(1), sp.Integer(1), DT))
    found = {
        **predicted("second_moment", "dt", exact, "<x^2>"),
        **predicted("moment_at_zero", (), gibbs, "<x^2> at dt = 0"),
        **given(
            "moment_at_zero_bias", (), abs(parabola[0] - limit[0]), "what the parabola leaves out of <x^2> at dt = 0"
        ),
        **predicted(
            "harmonic_variance", "harmonic_dt", variance(np.array(config.harmonic_dts)), "variance in the harmonic well"
        ),
    }
    slope = _slope(sde, config)
    if slope is not None:
        found |= predicted("moment_slope", (), slope, "d<x^2>/d dt at dt = 0")
        found |= given(
            "moment_slope_bias", (), abs(parabola[1] - limit[1]), "what the parabola leaves out of the slope"
        )
    return xr.Dataset(found)


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Each dt, the limit, the slope, the harmonic well."""
    talk = "talk, Langevin dynamics"
    moments = chi_square((data.second_moment - data.second_moment_theory).values, data.second_moment_se.values)
    gibbs = data.moment_at_zero_theory
    deviation = (data.harmonic_variance - data.harmonic_variance_theory).values
    claims = [
        Claim.chi_square("well/moments", "At every dt, <x^2> is that of the chain's stationary law.", talk, *moments),
        Claim.equals(
            "well/gibbs", "Extrapolated to dt = 0, <x^2> is the Gibbs value: after warm-up a trajectory samples p(x).",
            talk, float(data.moment_at_zero), float(data.moment_at_zero_theory), float(data.moment_at_zero_se),
            bias=float(data.moment_at_zero_bias), resolution=float(abs(data.second_moment_theory - gibbs).max()),
        ),
        Claim.chi_square(
            "well/harmonic", "In the harmonic well the variance is s^2/(k (2 - k dt)) at every stable dt.",
            "Mandt, Hoffman & Blei 2017, with the step", *chi_square(deviation, data.harmonic_variance_se.values),
        ),
    ]  # fmt: skip
    if "moment_slope_theory" in data:
        claims.insert(2, Claim.equals(
            "well/slope", "The slope of <x^2> in dt is the one that the modified equation gives.", "Zygalakis 2011",
            float(data.moment_slope), float(data.moment_slope_theory), float(data.moment_slope_se),
            bias=float(data.moment_slope_bias), resolution=abs(float(data.moment_slope_theory)),
        ))  # fmt: skip
    return claims


def plot(config: Config, data: xr.Dataset, axes: Any) -> None:
    """<x^2> against dt, with the laws of the chains and sympy's tangent."""
    look.points(axes, data.dt, data.second_moment, data.second_moment_se, "walkers")
    look.line(axes, data.dt, data.second_moment_theory, "law of the chain")
    if "moment_slope_theory" in data:
        reach = np.linspace(0, float(data.dt.max()))
        tangent = float(data.moment_at_zero_theory) + float(data.moment_slope_theory) * reach
        look.line(axes, reach, tangent, "Gibbs value and sympy's slope", style="--")
    axes.set(title="the step size bends the law", xlabel="dt", ylabel=r"$\langle x^2\rangle$", xlim=(0, None))


def _second_moment(
    sde: SDE, config: Config, dt: float, stream: int, device: Device, progress: Progress
) -> tuple[Estimate, int]:
    """<x^2> over walkers and frames a quarter of a relaxation time apart."""
    burn, every, frames = plan = _schedule(sde, config, dt)
    crowd = Walkers(
        sde, config.walkers, dt=dt, x0=start(sde, config.temperature), seed=config.seed,
        device=device, parameters={T: config.temperature}, options=Options(stream=stream),
    )  # fmt: skip
    total = device.xp.zeros(config.walkers)
    with progress.task(f"well: <x^2> at dt = {dt:g}", total=plan.steps) as task:
        crowd.run(burn, task.advance)
        for _ in range(frames):
            crowd.run(every, task.advance)
            total += crowd.state[0] ** 2
    return mean(device.to_host(total) / frames), crowd.diverged()


class _Schedule(NamedTuple):
    """Steps before anything counts, steps between frames, and frames."""

    burn: int
    every: int
    frames: int

    @property
    def steps(self) -> int:
        """All of them."""
        return self.burn + self.frames * self.every


def _schedule(sde: SDE, config: Config, dt: float) -> _Schedule:
    chain = law(sde, config.temperature, dt)
    every = max(1, round(chain.relaxation_steps / 4))
    return _Schedule(burn_in(chain), every, max(2, round(config.duration / (every * dt))))


def _harmonic_steps(dt: float) -> int:
    return 2 + int(np.ceil(-21 / np.log(max(abs(1 - dt), 1e-9))))


def _harmonic(config: Config, device: Device, progress: Progress) -> tuple[Estimate, int]:
    """Variance of the Euler chain in U = x^2/2 with s = 1, from independent walkers after |1 - dt|^steps < 1e-9."""
    estimates, lost = [], 0
    with progress.task("well: harmonic", total=len(config.harmonic_dts)) as task:
        for i, dt in enumerate(config.harmonic_dts):
            end = walk(
                HARMONIC, walkers=config.walkers, steps=_harmonic_steps(dt), dt=dt, seed=config.seed, device=device,
                parameters={K: 1.0, T: 0.5}, options=Options(stream=streams.HARMONIC + i),
            )  # fmt: skip
            estimates.append(mean(end.values[0] ** 2))
            lost += end.attrs["diverged"]
            task.advance(1)
    return Estimate.stack(estimates), lost


def _limit(sde: SDE, config: Config) -> np.ndarray:
    """Value and slope at dt = 0 of <x^2> of the exact chains, from steps far below those of the simulation."""
    steps = min(config.dts) / 2 * np.arange(1, 5) / 4
    return extrapolate(steps, [law(sde, config.temperature, dt).expect(np.square) for dt in steps], (0, 1, 2, 3))[:2]


def _slope(sde: SDE, config: Config) -> float | None:
    """The slope of <x^2> in dt by the modified equation; None where the drift jumps and there is none."""
    try:
        return fokker_planck.slope(sde, X**2, {T: config.temperature})
    except ValueError:
        return None
