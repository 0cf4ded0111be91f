"""Scene 1, the talk's Langevin dynamics: dx = -U'(x) dt + sqrt(2 T) dW in a well (Ito; the noise is additive).

The reference without any bias is the law of the chain itself at this dt, from its transfer operator; sympy's modified
equation explains how that law leaves the Gibbs density as dt grows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy as sp
import xarray as xr

from simlab import plot as look
from simlab.claims import Claim
from simlab.device import Device
from simlab.errors import InputError
from simlab.progress import Progress
from simlab.quantities import given, measured, measured_jointly, predicted
from simlab.sde import DT, EULER, SDE, Walkers, langevin, walk
from simlab.statistics import Estimate, chi_square, fit, joint_mean, mean, occupation, ratio
from simlab.studies.langevin_drift import escape
from simlab.studies.langevin_drift.config import Config
from simlab.theory import fokker_planck, transfer
from simlab.theory.expression import ExpressionError, parse

PANELS = 3
X, T, K = sp.Symbol("x", real=True), sp.Symbol("T", positive=True), sp.Symbol("k", positive=True)
HARMONIC = langevin(K * X**2 / 2, X, T)
BINS = 40
FRAMES = 32
LAGS = np.arange(9)
BURN_IN = 15.0
"""Relaxation times before anything counts: what is left of the start is e^-15 = 3e-7."""
POWERS = (0.0, 1.0, 2.0)
"""<x^2> is fitted by a parabola in dt; what the fit leaves out is known exactly and declared as its bias."""
LONGEST = 2_000_000


def model(config: Config) -> SDE:
    """The Langevin equation of the user's potential; InputError where the text or the potential will not do."""
    try:
        potential = parse(config.potential)
        sde = langevin(potential, X, T)
        fokker_planck.density(sde, {T: config.temperature})
    except (ExpressionError, fokker_planck.NotNormalisable) as error:
        raise InputError(f"potential: {error}") from error
    return sde


def check(config: Config) -> None:
    """Refuse a potential that does not confine, steps that are unstable and barriers that nobody crosses."""
    sde = model(config)
    for dt in (config.dt, *config.dts):
        _burn_in(law(sde, config.temperature, dt))
    escape.check(sde, config)


def simulate(config: Config, device: Device, progress: Progress) -> xr.Dataset:
    """One stationary run for histogram and autocorrelation, one for each dt, the harmonic well, the escape."""
    sde = model(config)
    chain = law(sde, config.temperature, config.dt)
    edges = _edges(chain)
    frames = _stationary(sde, chain, config, device, progress)
    found: dict[str, Any] = {
        **given("bin", "bin", (edges[1:] + edges[:-1]) / 2, "position x"),
        **given("bin_width", "bin", np.diff(edges), "width of the bin"),
        **measured_jointly("occupation", "bin", joint_mean(occupation(frames, edges)), "share of time in the bin"),
        **_autocorrelation(chain, frames, config.dt),
    }
    lost = int((~np.isfinite(frames[-1])).sum())
    for part in (_extrapolation, _harmonic):
        variables, diverged = part(sde, config, device, progress)
        found |= variables
        lost += diverged
    found |= given("diverged", (), lost, "walkers that left the numbers")
    return xr.Dataset(found).merge(escape.simulate(sde, config, device, progress))


def theory(config: Config, simulation: xr.Dataset) -> xr.Dataset:
    """The chain's exact laws at these dt, the Gibbs law, and the slope between them."""
    sde = model(config)
    temperature = {T: config.temperature}
    gibbs = fokker_planck.density(sde, temperature)
    chain = law(sde, config.temperature, config.dt)
    centre, width = simulation["bin"].values, simulation["bin_width"].values
    edges = np.append(centre - width / 2, centre[-1] + width[-1] / 2)
    decay, _ = chain.second
    dts = simulation["dt"].values
    second_moments = np.array([law(sde, config.temperature, dt).expect(_square) for dt in dts])
    exact_fit = fit(dts, second_moments, simulation["second_moment_se"].values, POWERS).coefficients
    gibbs_moment = gibbs.expect(_square)
    slope = fokker_planck.slope(sde, X**2, temperature)
    bias = np.abs(exact_fit[:2] - [gibbs_moment, slope])
    k_dt = simulation["harmonic_dt"].values
    variance = sp.lambdify(DT, fokker_planck.euler_harmonic_variance(sp.Integer(1), sp.Integer(1), DT))
    found = {
        **predicted("occupation", "bin", chain.bin_probabilities(edges), "share of time in the bin (law of the chain)"),
        **given("occupation_gibbs", "bin", np.diff(gibbs.cdf(edges)), "share of time in the bin (Gibbs, dt = 0)"),
        **predicted("correlation", "lag", decay ** simulation["lag_steps"].values, "autocorrelation of the slow mode"),
        **predicted("relaxation", (), chain.relaxation_steps * config.dt, "relaxation time"),
        **predicted("second_moment", "dt", second_moments, "<x^2>"),
        **predicted("moment_at_zero", (), gibbs_moment, "<x^2> at dt = 0"),
        **predicted("moment_slope", (), slope, "d<x^2>/d dt at dt = 0"),
        **given("fit_bias", "coefficient", bias, "what the parabola leaves out: intercept, slope"),
        **predicted("harmonic_variance", "harmonic_dt", variance(k_dt), "variance in the harmonic well"),
    }
    return xr.Dataset(found).merge(escape.theory(sde, config, simulation))


def compare(config: Config, data: xr.Dataset) -> list[Claim]:
    """Claims of the well."""
    langevin_source = "talk, Langevin dynamics"
    histogram = chi_square((data.occupation - data.occupation_theory).values, data.occupation_covariance.values)
    moments = chi_square((data.second_moment - data.second_moment_theory).values, data.second_moment_se.values)
    harmonic = chi_square(
        (data.harmonic_variance - data.harmonic_variance_theory).values, data.harmonic_variance_se.values
    )
    bias = data.fit_bias.values
    claims = [
        Claim.chi_square(
            "well/histogram", f"The walkers' histogram is the law of the Euler chain at dt = {config.dt:g}, bin by bin.",
            langevin_source, *histogram,
        ),
        Claim.equals(
            "well/relaxation", "The slow mode decorrelates at the second eigenvalue of the chain's transfer operator.",
            "Risken 1989", float(data.relaxation), float(data.relaxation_theory), float(data.relaxation_se),
        ),
        Claim.chi_square(
            "well/moments", "At every dt, <x^2> is that of the chain's own stationary law.", langevin_source, *moments,
        ),
        Claim.equals(
            "well/gibbs", "Extrapolated to dt = 0, <x^2> is the Gibbs value: after warm-up a trajectory samples p(x).",
            langevin_source, float(data.moment_at_zero), float(data.moment_at_zero_theory),
            float(data.moment_at_zero_se), bias=float(bias[0]),
        ),
        Claim.equals(
            "well/slope", "The slope of <x^2> in dt is the one that the modified equation gives.",
            "Zygalakis 2011", float(data.moment_slope), float(data.moment_slope_theory),
            float(data.moment_slope_se), bias=float(bias[1]),
        ),
        Claim.chi_square(
            "well/harmonic", "In the harmonic well the variance is s^2/(k (2 - k dt)) at every stable dt.",
            "Mandt, Hoffman & Blei 2017, with the finite step", *harmonic,
        ),
    ]  # fmt: skip
    return claims + escape.compare(config, data)


def plot(config: Config, data: xr.Dataset, axes: list[Any]) -> None:
    """The histogram with both laws, <x^2> against dt, the escape time against dt."""
    density, moment, passage = axes
    width = data.bin_width
    look.bars(density, data.bin, data.occupation / width, data.occupation_se / width, width, "walkers")
    look.line(density, data.bin, data.occupation_theory / width, f"law of the chain, dt = {config.dt:g}")
    look.line(density, data.bin, data.occupation_gibbs / width, "Gibbs density, dt = 0", style="--")
    density.set(title="Langevin dynamics samples p(x)", xlabel="x", ylabel="density")
    reach = np.linspace(0, float(data.dt.max()))
    look.points(moment, data.dt, data.second_moment, data.second_moment_se, "walkers")
    look.line(moment, data.dt, data.second_moment_theory, "law of the chain")
    tangent = float(data.moment_at_zero_theory) + float(data.moment_slope_theory) * reach
    look.line(moment, reach, tangent, "Gibbs value and sympy's slope", style="--")
    moment.set(title="the step size bends the law", xlabel="dt", ylabel=r"$\langle x^2\rangle$")
    escape.plot(config, data, passage)


@cache
def law(sde: SDE, temperature: float, dt: float) -> transfer.Transfer:
    """The exact law of the Euler chain; InputError where a step is too long or relaxation out of reach."""
    try:
        chain = transfer.gaussian(EULER(sde), {T: temperature, DT: dt})
        _ = chain.mass, chain.second  # what cannot be solved is found here
        return chain
    except ValueError as error:
        raise InputError(f"dt = {dt:g} will not do for this potential: {error}") from error


def _stationary(sde: SDE, chain: transfer.Transfer, config: Config, device: Device, progress: Progress) -> np.ndarray:
    """Frames (frame, walker) of the stationary chain, a quarter of a relaxation time apart."""
    every = max(1, round(chain.relaxation_steps / 4))
    burn_in = _burn_in(chain)
    crowd = Walkers(
        sde, config.walkers, dt=config.dt, x0=_start(sde, config), seed=config.seed, stream=0, device=device,
        parameters={T: config.temperature},
    )  # fmt: skip
    frames = []
    with progress.task("well: histogram", total=burn_in + FRAMES * every) as task:
        crowd.run(burn_in, task.advance)
        for _ in range(FRAMES):
            crowd.run(every, task.advance)
            frames.append(crowd.positions()[:, 0])
    return np.array(frames)


def _autocorrelation(chain: transfer.Transfer, frames: np.ndarray, dt: float) -> dict[str, Any]:
    """Autocorrelation of the second eigenfunction: E phi(x_0) phi(x_n) = lambda_2^n E phi^2, exactly, at any lag."""
    _, mode = chain.second
    every = max(1, round(chain.relaxation_steps / 4))
    phi = mode(frames.ravel()).reshape(frames.shape)
    square = (phi**2).mean(axis=0)
    products = np.array([(phi[: len(phi) - lag] * phi[lag:]).mean(axis=0) for lag in LAGS])
    correlations = [ratio(p, square) for p in products]
    values, errors = (np.array([getattr(c, f) for c in correlations]) for f in ("value", "se"))
    lag = 4  # about one relaxation time, where -lag/ln C is measured best
    tau = -lag * every * dt / np.log(values[lag])
    tau_se = tau**2 / (lag * every * dt) * errors[lag] / values[lag]
    return {
        **given("lag_steps", "lag", LAGS * every, "lag", "step"),
        **measured("correlation", "lag", Estimate(values, errors), "autocorrelation of the slow mode"),
        **measured("relaxation", (), Estimate(tau, tau_se), "relaxation time"),
    }


def _extrapolation(sde: SDE, config: Config, device: Device, progress: Progress) -> tuple[dict[str, Any], int]:
    """<x^2> at several dt, each an independent run, and its parabola at dt = 0."""
    dts, estimates, lost = np.array(config.dts), [], 0
    for i, dt in enumerate(dts):
        chain = law(sde, config.temperature, dt)
        every, burn_in = max(1, round(chain.relaxation_steps / 8)), _burn_in(chain)
        frames = max(2, round(config.duration / (every * dt)))
        crowd = Walkers(
            sde, config.walkers, dt=dt, x0=_start(sde, config), seed=config.seed, stream=1 + i, device=device,
            parameters={T: config.temperature},
        )  # fmt: skip
        total = device.xp.zeros(config.walkers)
        with progress.task(f"well: <x^2> at dt = {dt:g}", total=burn_in + frames * every) as task:
            crowd.run(burn_in, task.advance)
            for _ in range(frames):
                crowd.run(every, task.advance)
                total += crowd.state[0] ** 2
        estimates.append(mean(device.to_host(total) / frames))
        lost += crowd.diverged()
    values, errors = (np.array([getattr(e, f) for e in estimates]) for f in ("value", "se"))
    parabola = fit(dts, values, errors, POWERS)
    found = {
        **given("dt", "dt", dts, "time step"),
        **measured("second_moment", "dt", Estimate(values, errors), "<x^2>"),
        **measured("moment_at_zero", (), Estimate(parabola.coefficients[0], parabola.se[0]), "<x^2> at dt = 0"),
        **measured("moment_slope", (), Estimate(parabola.coefficients[1], parabola.se[1]), "d<x^2>/d dt at dt = 0"),
    }
    return found, lost


def _harmonic(_: SDE, config: Config, device: Device, progress: Progress) -> tuple[dict[str, Any], int]:
    """Variance of the Euler chain in U = x^2/2 with s = 1, from independent walkers after |1 - dt|^steps < 1e-9."""
    dts, estimates, lost = np.array(config.harmonic_dts), [], 0
    with progress.task("well: harmonic", total=len(dts)) as task:
        for i, dt in enumerate(dts):
            steps = 2 + int(np.ceil(-21 / np.log(max(abs(1 - dt), 1e-9))))
            end = walk(
                HARMONIC, walkers=config.walkers, steps=steps, dt=dt, seed=config.seed, stream=32 + i, device=device,
                parameters={K: 1.0, T: 0.5},
            )  # fmt: skip
            estimates.append(mean(end.values[0] ** 2))
            lost += end.attrs["diverged"]
            task.advance(1)
    values, errors = (np.array([getattr(e, f) for e in estimates]) for f in ("value", "se"))
    variance = measured("harmonic_variance", "harmonic_dt", Estimate(values, errors), "variance in the harmonic well")
    return {**given("harmonic_dt", "harmonic_dt", dts, "k dt"), **variance}, lost


def _edges(chain: transfer.Transfer) -> np.ndarray:
    """Bins of equal width over all but 1e-3 of the mass, with one wide bin for each tail."""
    nodes, mass = chain.nodes, np.cumsum(chain.stationary * chain.weights)
    low, high = np.interp([5e-4, 1 - 5e-4], mass, nodes)
    inner = np.linspace(low, high, BINS - 1)
    return np.concatenate([[nodes[0]], inner, [nodes[-1]]])


def _burn_in(chain: transfer.Transfer) -> int:
    steps = int(np.ceil(BURN_IN * chain.relaxation_steps))
    if steps > LONGEST:
        raise InputError(
            f"temperature: walkers would need {chain.relaxation_steps:.1e} steps to cross the barriers of the potential; "
            "raise --temperature or lower the barriers."
        )
    return max(steps, 1)


def _start(sde: SDE, config: Config) -> float:
    """Everyone starts at the bottom of the leftmost well: that they spread over all wells is for them to show."""
    return escape.wells(sde, config.temperature)[0][0]


def _square(x: np.ndarray) -> np.ndarray:
    return x**2
